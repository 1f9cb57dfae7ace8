/* Drawing. Text from hosts and tasks may hold anything; one function makes it fit, all others use it. */
#include "tui/screen/draw.h"

#include "base/text.h"
#include "tui/screen/term.h"

#include <curses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

enum { LINE_SIZE = 4096 };

static unsigned decode(const char *data, size_t take)
{
    const unsigned char *s = (const unsigned char *)data;
    if (take == 2)
        return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    if (take == 3)
        return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    return (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
}

/* The next piece of data as it is to be shown; returns the bytes taken. *cols is -1 when it is to be left out. */
static size_t piece_of(const char *data, size_t len, bool utf8, char piece[8], int *cols)
{
    unsigned char c = (unsigned char)data[0];
    size_t take = text_utf8_len(data, len);
    if (take == 1 && c >= 0x20 && c != 0x7f) {
        piece[0] = data[0];
        piece[1] = '\0';
        *cols = 1;
        return 1;
    }
    if (take == 1 && c == '\t') {
        strcpy(piece, " ");
        *cols = 1;
        return 1;
    }
    if (take <= 1 || (take == 2 && c == 0xc2 && (unsigned char)data[1] < 0xa0)) {
        *cols = snprintf(piece, 8, "\\x%02x", take == 2 ? (unsigned char)data[1] : c);
        return take ? take : 1;
    }
    unsigned code = decode(data, take);
    int width = utf8 ? wcwidth((wchar_t)code) : 1;
    bool accent = code >= 0x300 && code <= 0x36f;
    if (utf8 && (width > 0 || accent)) {
        memcpy(piece, data, take);
        piece[take] = '\0';
        *cols = width;
    } else if (utf8 && width == 0) {
        *cols = -1; /* direction marks, joiners: they would move what stands beside them */
    } else {
        strcpy(piece, "?");
        *cols = 1;
    }
    return take;
}

int draw_fit(char *out, size_t size, const char *data, size_t len, int cols, bool utf8, bool mark)
{
    const char *sign = utf8 ? "…" : "~";
    size_t w = 0, mark_at = 0; /* where the mark would go, one column before the end */
    int used = 0, mark_used = 0;
    bool cut = false;
    for (size_t i = 0; i < len;) {
        char piece[8];
        int width;
        size_t take = piece_of(data + i, len - i, utf8, piece, &width);
        size_t bytes = width < 0 ? 0 : strlen(piece);
        if (width > 0 && used + width <= cols - 1) {
            mark_at = w + bytes;
            mark_used = used + width;
        }
        if (width > 0 && (used + width > cols || w + bytes + 4 >= size)) {
            cut = true;
            break;
        }
        if (width >= 0 && w + bytes + 4 < size) {
            memcpy(out + w, piece, bytes);
            w += bytes;
            used += width;
        }
        i += take;
    }
    if (cut && mark && cols > 0) {
        memcpy(out + mark_at, sign, strlen(sign));
        w = mark_at + strlen(sign);
        used = mark_used + 1;
    }
    out[w] = '\0';
    return used;
}

int draw_width(const char *text)
{
    char out[LINE_SIZE];
    return draw_fit(out, sizeof out, text, strlen(text), 10000, term_caps()->utf8, false);
}

/* Where text that starts at x may go. */
static int clip(int y, int x, int cols)
{
    if (y < 0 || y >= LINES || x < 0 || x >= COLS || cols <= 0)
        return 0;
    return cols < COLS - x ? cols : COLS - x;
}

static int put(int y, int x, int cols, enum role role, const char *text)
{
    char out[LINE_SIZE];
    cols = clip(y, x, cols);
    if (!cols)
        return 0;
    int used = draw_fit(out, sizeof out, text, strlen(text), cols, term_caps()->utf8, true);
    attrset((int)theme_attr(role));
    mvaddstr(y, x, out);
    return used;
}

static void blanks(int y, int x, int cols, enum role role)
{
    cols = clip(y, x, cols);
    attrset((int)theme_attr(role));
    if (cols)
        mvhline(y, x, ' ' | theme_attr(role), cols);
}

void draw_text(int y, int x, int cols, enum role role, const char *text)
{
    int used = put(y, x, cols, role, text);
    blanks(y, x + used, cols - used, role);
}

void draw_right(int y, int x, int cols, enum role role, const char *text)
{
    int width = draw_width(text);
    int pad = width < cols ? cols - width : 0;
    blanks(y, x, pad, role);
    put(y, x + pad, cols - pad, role, text);
}

int draw_printf(int y, int x, int cols, enum role role, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return put(y, x, cols, role, text);
}

void draw_clear(const struct rect *r, enum role role)
{
    for (int y = 0; y < r->rows; y++)
        blanks(r->y + y, r->x, r->cols, role);
}

const char *draw_sign(const char *utf8, const char *ascii)
{
    return term_caps()->utf8 ? utf8 : ascii;
}

void draw_rule(int y, int x, int cols, const char *title)
{
    const char *line = draw_sign("─", "-");
    for (int i = 0; i < cols; i++)
        put(y, x + i, 1, ROLE_HEADER, line);
    if (title && *title) {
        char text[400];
        snprintf(text, sizeof text, " %s ", title);
        put(y, x + 2, cols - 4, ROLE_HEADER, text);
    }
}

void draw_box(const struct rect *r, const char *title)
{
    int bottom = r->y + r->rows - 1, right = r->x + r->cols - 1;
    draw_clear(r, ROLE_NORMAL);
    draw_rule(r->y, r->x, r->cols, title);
    draw_rule(bottom, r->x, r->cols, NULL);
    for (int y = r->y + 1; y < bottom; y++) {
        put(y, r->x, 1, ROLE_HEADER, draw_sign("│", "|"));
        put(y, right, 1, ROLE_HEADER, draw_sign("│", "|"));
    }
    put(r->y, r->x, 1, ROLE_HEADER, draw_sign("┌", "+"));
    put(r->y, right, 1, ROLE_HEADER, draw_sign("┐", "+"));
    put(bottom, r->x, 1, ROLE_HEADER, draw_sign("└", "+"));
    put(bottom, right, 1, ROLE_HEADER, draw_sign("┘", "+"));
}

void draw_bar(int y, int x, int cols, enum role role, double part)
{
    int full = (int)(part * cols + 0.5);
    full = full < 0 ? 0 : full > cols ? cols : part > 0 && !full ? 1 : full;
    for (int i = 0; i < cols; i++)
        put(y, x + i, 1, i < full ? role : ROLE_DIM, i < full ? draw_sign("█", "#") : draw_sign("░", "."));
}
