/* A new file: built under another name and moved into place complete, so that nobody ever sees half a
 * database, and an empty or vanished one is known for what it is. The file is never opened here under its
 * real name: closing a plain descriptor of it would drop the locks that other handles of this process hold.
 */
#include "store/store_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

/* What somebody else put there is not read: what a store says is run. A link is fine when we made it. */
static enum clw_err check_ours(const char *path, struct clw_error *err)
{
    struct stat st, link;
    enum clw_err code = CLW_OK;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !code; i++) {
        char *name = mem_printf("%s%s", path, suffixes[i]);
        bool is_theirs =
            !lstat(name, &link) && (link.st_uid != geteuid() || (!stat(name, &st) && st.st_uid != geteuid()));
        if (is_theirs)
            code = clw_fail(err, CLW_REFUSED, "remove it, or set XDG_DATA_HOME to a folder of your own",
                "%s is not a file that belongs to you", name);
        free(name);
    }
    return code;
}

static enum clw_err look(const char *path, const struct stat *st, struct clw_error *err)
{
    if (!S_ISREG(st->st_mode))
        return clw_fail(
            err, CLW_IO, "move it away, or set XDG_DATA_HOME to another folder", "%s is not a regular file", path);
    if (!st->st_size)
        return clw_fail(err, CLW_DAMAGED,
            "restore the file from a backup; or remove it, then run 'clowder import FILE' with an earlier export",
            "the database %s is damaged: the file is empty", path);
    if (!(st->st_mode & 077) || !chmod(path, 0600))
        return CLW_OK;
    if (st->st_mode & 022)
        return clw_fail(err, CLW_REFUSED, "move it to a folder of your own, and set XDG_DATA_HOME to that folder",
            "other users may write to the database %s, and its permissions cannot be changed: %s", path,
            strerror(errno));
    log_warn("store", "open to others path=%s error=%s", path, strerror(errno));
    return CLW_OK;
}

/* A journal without its database: making a new database beside it would lose what it holds. */
static enum clw_err check_orphan(const char *path, struct clw_error *err)
{
    struct stat st;
    char *wal = mem_printf("%s-wal", path);
    enum clw_err code = CLW_OK;
    if (!stat(wal, &st) && st.st_size && stat(path, &st))
        code = clw_fail(err, CLW_DAMAGED,
            "restore the database from a backup; or move the journal away to start with an empty one",
            "the database %s is gone, and its journal %s-wal is still there", path, path);
    free(wal);
    return code;
}

/* Moves without replacing: 0, or -1 with errno. */
static int move_new(const char *from, const char *to)
{
    if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to); /* file systems without the flag */
}

static enum clw_err build(const char *temporary, struct clw_error *err)
{
    struct store s = {.path = mem_strdup(temporary)};
    enum clw_err code = store__connect(&s, true, err);
    store__disconnect(&s);
    free(s.path);
    return code;
}

static void remove_all(const char *path)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *name = mem_printf("%s%s", path, suffixes[i]);
        unlink(name);
        free(name);
    }
}

enum clw_err store__create(const char *path, struct clw_error *err)
{
    struct stat st;
    enum clw_err code = check_ours(path, err);
    if (code)
        return code;
    if (!stat(path, &st))
        return look(path, &st, err);
    code = check_orphan(path, err);
    if (code)
        return code;
    char *temporary = mem_printf("%s.new-XXXXXX", path);
    int fd = mkstemp(temporary); /* 0600 */
    if (fd < 0) {
        code = clw_fail(err, CLW_IO, "make the folder writable for you, or set XDG_DATA_HOME to another folder",
            "cannot make the database %s: %s", path, strerror(errno));
        goto out;
    }
    close(fd);
    code = build(temporary, err);
    if (!code && move_new(temporary, path) && errno != EEXIST) /* EEXIST: another process was faster */
        code = clw_fail(err, CLW_IO, NULL, "cannot make the database %s: %s", path, strerror(errno));
    remove_all(temporary);
out:
    free(temporary);
    return code;
}
