/* Graphs as text: braille, blocks or ASCII, by what the terminal can do. Pure: rows of text out of numbers. A value
 * that is not known (NAN) is a blank, never a zero. */
#ifndef TUI_SCREEN_GRAPH_H
#define TUI_SCREEN_GRAPH_H

#include <stddef.h>

enum graph_style { GRAPH_BRAILLE, GRAPH_BLOCKS, GRAPH_ASCII };

enum { GRAPH_COLS_MAX = 512, GRAPH_ROW_SIZE = GRAPH_COLS_MAX * 3 + 1 };

/* How many values one column shows: 2 in braille, else 1. */
int graph_values_per_column(enum graph_style style);
/* Makes rows[0] (the top) to rows[height - 1], each of GRAPH_ROW_SIZE bytes, of the last width columns' worth of
 * values; fewer values stand at the right. peaks (NULL: none): as many values, each a dot above its column. max is the
 * top of the scale; 0: the largest value. Returns the scale. */
double graph_area(enum graph_style style, const double *values, const double *peaks, size_t count, double max,
    int width, int height, char (*rows)[GRAPH_ROW_SIZE]);
/* One row. */
double graph_spark(enum graph_style style, const double *values, size_t count, int width, char *row);
/* Puts count values into buckets, the newest at the end, to show a long time in few columns: the mean of each and its
 * largest (NULL: not wanted); NAN where nothing is known. */
void graph_squeeze(const double *values, size_t count, double *means, double *peaks, size_t buckets);

#endif
