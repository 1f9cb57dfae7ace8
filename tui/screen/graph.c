/* Graphs. Braille has two by four dots in a cell, blocks eight steps, ASCII two. */
#include "tui/screen/graph.h"

#include <math.h>
#include <string.h>

int graph_values_per_column(enum graph_style style)
{
    return style == GRAPH_BRAILLE ? 2 : 1;
}

/* How many of levels the value fills; what is above zero shows at least one. */
static int fill(double value, double max, int levels)
{
    if (isnan(value) || value <= 0 || max <= 0)
        return 0;
    int n = (int)(value / max * levels + 0.5);
    return n < 1 ? 1 : n > levels ? levels : n;
}

/* One column of a cell: how many of its steps are filled, and the step (from 1) that a peak is at; 0: none. */
struct column {
    int filled, peak;
};

static size_t put_braille(char *at, const struct column *c)
{
    /* dots from the bottom: 7 3 2 1 at the left, 8 6 5 4 at the right */
    static const unsigned char dots[2][5] = {{0, 0x40, 0x04, 0x02, 0x01}, {0, 0x80, 0x20, 0x10, 0x08}};
    unsigned bits = 0;
    for (int side = 0; side < 2; side++) {
        for (int i = 1; i <= c[side].filled; i++)
            bits |= dots[side][i];
        bits |= dots[side][c[side].peak];
    }
    if (!bits) {
        *at = ' ';
        return 1;
    }
    at[0] = (char)0xe2;
    at[1] = (char)(0xa0 | bits >> 6);
    at[2] = (char)(0x80 | (bits & 0x3f));
    return 3;
}

static size_t put_cell(enum graph_style style, char *at, const struct column *c)
{
    static const char *const ascii[] = {" ", ".", ":"};
    if (style == GRAPH_ASCII || !c->filled) {
        *at = c->filled ? *ascii[c->filled] : c->peak ? '\'' : ' ';
        return 1;
    }
    at[0] = (char)0xe2; /* U+2581 to U+2588 */
    at[1] = (char)0x96;
    at[2] = (char)(0x80 + c->filled);
    return 3;
}

/* How much of one row (the row-th from the bottom, of steps steps) a value that fills so many steps covers. */
static int in_row(int filled, int row, int steps)
{
    int n = filled - row * steps;
    return n < 0 ? 0 : n > steps ? steps : n;
}

/* The largest of what is shown. */
static double top(const double *values, size_t from, size_t count)
{
    double max = 0;
    for (size_t i = from; values && i < count; i++)
        max = !isnan(values[i]) && values[i] > max ? values[i] : max;
    return max;
}

double graph_area(enum graph_style style, const double *values, const double *peaks, size_t count, double max,
    int width, int height, char (*rows)[GRAPH_ROW_SIZE])
{
    int per = graph_values_per_column(style), steps = style == GRAPH_BRAILLE ? 4 : style == GRAPH_BLOCKS ? 8 : 2;
    if (width > GRAPH_COLS_MAX)
        width = GRAPH_COLS_MAX;
    size_t want = (size_t)(width * per), skip = count > want ? count - want : 0, shown = count - skip;
    if (max <= 0)
        max = fmax(top(values, skip, count), top(peaks, skip, count));
    for (int row = 0; row < height; row++) {
        size_t w = 0;
        int below = (height - 1 - row) * steps;
        for (int col = 0; col < width; col++) {
            struct column c[2] = {{0, 0}, {0, 0}};
            for (int k = 0; k < per; k++) {
                size_t slot = (size_t)(col * per + k);
                if (slot + shown < want)
                    continue;
                size_t i = skip + slot + shown - want;
                int peak = peaks ? fill(peaks[i], max, height * steps) - below : 0;
                c[k].filled = in_row(fill(values[i], max, height * steps), height - 1 - row, steps);
                c[k].peak = peak > 0 && peak <= steps ? peak : 0;
            }
            w += style == GRAPH_BRAILLE ? put_braille(rows[row] + w, c) : put_cell(style, rows[row] + w, c);
        }
        rows[row][w] = '\0';
    }
    return max;
}

double graph_spark(enum graph_style style, const double *values, size_t count, int width, char *row)
{
    char rows[1][GRAPH_ROW_SIZE];
    double max = graph_area(style, values, NULL, count, 0, width, 1, rows);
    strcpy(row, rows[0]);
    return max;
}

void graph_squeeze(const double *values, size_t count, double *means, double *peaks, size_t buckets)
{
    for (size_t b = 0; b < buckets; b++) {
        size_t from = b * count / buckets, to = (b + 1) * count / buckets, known = 0;
        double sum = 0, max = NAN;
        if (to == from)
            to = from + 1;
        for (size_t i = from; i < to && i < count; i++) {
            if (!isnan(values[i])) {
                sum += values[i];
                max = fmax(max, values[i]); /* of a number and NAN it gives the number */
                known++;
            }
        }
        means[b] = known ? sum / (double)known : NAN;
        if (peaks)
            peaks[b] = max;
    }
}
