/* Inputs of several columns: from several lists (::: A B ::: 1 2), or from lines that are taken apart (--colsep,
 * --csv). A task gets them with a NUL after each but the last. */
#ifndef TUI_CLI_COLUMNS_H
#define TUI_CLI_COLUMNS_H

#include "base/mem.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct columns_list {
    bool is_linked; /* to the list before: the first goes with the first, and so on */
    char **items;   /* owned, ends with NULL */
    size_t count;
};

struct columns {
    struct columns_list *lists; /* NULL: the inputs come from stdin or a file */
    size_t list_count;
    bool has_header; /* the first of each list, or the first line, is names */
    bool is_csv;     /* lines are as RFC 4180 has them */
    char separator;  /* of those */
    bool is_split;   /* by the expression: */
    regex_t expression;
    char **names; /* owned, ends with NULL; or NULL */
};

/* The words from the first separator (:::, :::+, ::::, ::::+) on, which may be none. 0, or told. */
int columns_read(struct columns *c, const char *command, char *const *words, size_t count);
bool columns_is_separator(const char *word);
/* --colsep, --csv, --header, as they were given. 0, or told. */
int columns_options(struct columns *c, const char *command, const char *colsep, bool csv, bool header);
/* The inputs are more than one text each. */
bool columns_are_used(const struct columns *c);
/* The first line of a stream, which has the names: read to its end and no further. 0, or told. */
int columns_read_header(struct columns *c, const char *command, int fd, char end);
/* How long the first record is that begins at data, without its end (end, but not within quotes); -1: it is not all
 * there. */
ptrdiff_t columns_record(const struct columns *c, const char *data, size_t len, char end);
/* The columns of a record, as a task gets them. NULL, or what is wrong with it. */
const char *columns_split(const struct columns *c, const char *data, size_t len, struct buf *out);
/* All inputs that the lists make, in their order: the last list changes first. put says whether more are taken. */
void columns_feed(const struct columns *c, bool (*put)(void *arg, const char *input, size_t len), void *arg);
/* A placeholder of the command takes one of several texts: {1}. */
bool columns_are_named(char *const *argv);
/* One that cannot mean anything is refused. 0, or told. */
int columns_check(const struct columns *c, const char *command, char *const *argv);
void columns_fini(struct columns *c);

#endif
