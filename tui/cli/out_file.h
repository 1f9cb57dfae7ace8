/* Files that commands write, by one rule: a file that is there is refused, unless --force says that it may be replaced.
 * Devices and pipes lose nothing by it: they are written to as they are. */
#ifndef TUI_CLI_OUT_FILE_H
#define TUI_CLI_OUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A file that is written whole. One that is there stays as it is until the new one is complete. */
struct out_file {
    const char *command; /* for messages */
    FILE *f;
    char *path; /* owned; NULL: stdout */
    char *part; /* owned; what takes its place, or NULL */
    bool is_new;
};

/* path NULL or "-": stdout. 0, or told. */
int out_open(struct out_file *o, const char *command, const char *path, bool force);
/* status: how the writing went; 0 keeps the file. Returns it, or another one, told. */
int out_close(struct out_file *o, int status);

/* For results that are printed as they come: would the file be refused? 0, or told. Opens nothing. */
int out_check(const char *command, const char *path, bool force);
/* The same for one that is added to, and has so many bytes as far as is known. */
int out_check_append(const char *command, const char *path, uint64_t known);
/* From here on stdout is that file: emptied, or (append) added to. 0, or told. */
int out_stdout(const char *command, const char *path, bool force, bool append);

#endif
