/* For tests of the store: a folder for each, with the name of a database in it. */
#ifndef TESTS_STORE_FILE_H
#define TESTS_STORE_FILE_H

#include "base/err.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64], file[96];
static struct clw_error error;

static int unlink_cb(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/clowder-store-XXXXXX");
    clw_error_clear(&error);
    if (!mkdtemp(dir))
        return -1;
    snprintf(file, sizeof file, "%s/clowder.db", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, unlink_cb, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
