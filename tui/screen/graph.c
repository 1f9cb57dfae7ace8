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

static size_t put_braille(char *at, int left, int right)
{
    /* dots from the bottom: 7 3 2 1 at the left, 8 6 5 4 at the right */
    static const unsigned char left_dots[] = {0, 0x40, 0x44, 0x46, 0x47};
    static const unsigned char right_dots[] = {0, 0x80, 0xa0, 0xb0, 0xb8};
    unsigned bits = left_dots[left] | (unsigned)right_dots[right];
    if (!bits) {
        *at = ' ';
        return 1;
    }
    at[0] = (char)0xe2;
    at[1] = (char)(0xa0 | bits >> 6);
    at[2] = (char)(0x80 | (bits & 0x3f));
    return 3;
}

static size_t put_cell(enum graph_style style, char *at, int level)
{
    static const char *const ascii[] = {" ", ".", ":"};
    if (style == GRAPH_ASCII || !level) {
        *at = level ? *ascii[level] : ' ';
        return 1;
    }
    at[0] = (char)0xe2; /* U+2581 to U+2588 */
    at[1] = (char)0x96;
    at[2] = (char)(0x80 + level);
    return 3;
}

/* How much of one row (the row-th from the bottom, of steps steps) a value that fills so many steps covers. */
static int in_row(int filled, int row, int steps)
{
    int n = filled - row * steps;
    return n < 0 ? 0 : n > steps ? steps : n;
}

double graph_area(enum graph_style style, const double *values, size_t count, double max, int width, int height,
    char (*rows)[GRAPH_ROW_SIZE])
{
    int per = graph_values_per_column(style), steps = style == GRAPH_BRAILLE ? 4 : style == GRAPH_BLOCKS ? 8 : 2;
    if (width > GRAPH_COLS_MAX)
        width = GRAPH_COLS_MAX;
    size_t want = (size_t)(width * per), skip = count > want ? count - want : 0, shown = count - skip;
    if (max <= 0)
        for (size_t i = skip; i < count; i++)
            max = !isnan(values[i]) && values[i] > max ? values[i] : max;
    for (int row = 0; row < height; row++) {
        size_t w = 0;
        for (int col = 0; col < width; col++) {
            int level[2] = {0, 0};
            for (int k = 0; k < per; k++) {
                size_t slot = (size_t)(col * per + k);
                if (slot + shown < want)
                    continue;
                int filled = fill(values[skip + slot + shown - want], max, height * steps);
                level[k] = in_row(filled, height - 1 - row, steps);
            }
            w += style == GRAPH_BRAILLE ? put_braille(rows[row] + w, level[0], level[1])
                                        : put_cell(style, rows[row] + w, level[0]);
        }
        rows[row][w] = '\0';
    }
    return max;
}

double graph_spark(enum graph_style style, const double *values, size_t count, int width, char *row)
{
    char rows[1][GRAPH_ROW_SIZE];
    double max = graph_area(style, values, count, 0, width, 1, rows);
    strcpy(row, rows[0]);
    return max;
}

void graph_squeeze(const double *values, size_t count, double *out, size_t buckets)
{
    for (size_t b = 0; b < buckets; b++) {
        size_t from = b * count / buckets, to = (b + 1) * count / buckets, known = 0;
        double sum = 0;
        if (to == from)
            to = from + 1;
        for (size_t i = from; i < to && i < count; i++) {
            if (!isnan(values[i])) {
                sum += values[i];
                known++;
            }
        }
        out[b] = known ? sum / (double)known : NAN;
    }
}
