/* XDG directories and our own programs. */
#include "base/paths.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CLW_LIBEXEC_UP
#define CLW_LIBEXEC_UP "../libexec/clowder"
#endif
#ifndef CLW_BINDIR
#define CLW_BINDIR "/usr/bin"
#endif

static enum clw_err make_dirs(const char *path, struct clw_error *err)
{
    char *copy = mem_strdup(path);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0700) && errno != EEXIST) {
            enum clw_err code = clw_fail(err, CLW_IO, "make it writable, or set the XDG variable to another folder",
                "cannot make the folder %s: %s", copy, strerror(errno));
            free(copy);
            return code;
        }
        *p = end;
        if (!end)
            break;
    }
    free(copy);
    return CLW_OK;
}

void paths_close_to_others(int fd)
{
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) && st.st_uid == geteuid())
        fchmod(fd, 0600);
}

bool paths_is_our_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

bool paths_leads_to(const char *path, int fd)
{
    struct stat ours, found;
    return fstat(fd, &ours) == 0 && lstat(path, &found) == 0 && ours.st_dev == found.st_dev &&
           ours.st_ino == found.st_ino;
}

/* Nobody but us and root can put something else in the place of dir: its parent is ours or root's, and where others may
 * write there, they may not touch what is not theirs. others: the bits of those that count. */
static bool is_safe_parent(const char *dir, mode_t others)
{
    struct stat st;
    const char *slash = strrchr(dir, '/');
    char *parent = mem_printf("%.*s", slash && slash > dir ? (int)(slash - dir) : 1, dir);
    bool safe = stat(parent, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0) &&
                (!(st.st_mode & others) || (st.st_mode & S_ISVTX));
    free(parent);
    return safe;
}

/* By its name, and where that leads. */
static bool is_safe_place(const char *dir)
{
    char *real = realpath(dir, NULL);
    bool safe = real && is_safe_parent(dir, S_IWOTH) && is_safe_parent(real, S_IWOTH);
    free(real);
    return safe;
}

/* What is kept here is believed, and run: the folder must be ours, and closed. A link to it is fine when we or root
 * made it. Above it a group may write, as in homes of systems where every user has a group of their own: what others
 * put in its place is not ours. What is no folder is told when a file in it is opened. */
static enum clw_err check_kept(const char *dir, const char *variable, struct clw_error *err)
{
    struct stat st, link;
    char hint[80];
    snprintf(hint, sizeof hint, "set %s to a folder of your own", variable);
    if (lstat(dir, &link) || stat(dir, &st))
        return clw_fail(err, CLW_IO, hint, "cannot check %s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return CLW_OK;
    if (st.st_uid != geteuid() || (link.st_uid != geteuid() && link.st_uid != 0))
        return clw_fail(err, CLW_REFUSED, hint, "%s is not a folder that belongs to you", dir);
    if (!is_safe_place(dir))
        return clw_fail(err, CLW_REFUSED, hint,
            "other users could replace %s: its parent folder belongs to another user, or everyone may write to it",
            dir);
    if ((st.st_mode & 077) && chmod(dir, 0700) == 0 && stat(dir, &st))
        return clw_fail(err, CLW_IO, hint, "cannot check %s: %s", dir, strerror(errno));
    if (st.st_mode & 022)
        return clw_fail(
            err, CLW_REFUSED, hint, "other users may write to %s, and its permissions cannot be changed", dir);
    return CLW_OK;
}

/* variable: of a folder that is to be ours alone, which it names; else NULL. */
static enum clw_err under(char *dir, const char *variable, const char *name, char **path, struct clw_error *err)
{
    enum clw_err code = make_dirs(dir, err);
    if (!code && variable)
        code = check_kept(dir, variable, err);
    *path = NULL;
    if (!code && name) {
        *path = mem_printf("%s/%s", dir, name);
        free(dir);
    } else if (!code) {
        *path = dir;
    } else {
        free(dir);
    }
    return code;
}

static enum clw_err xdg(
    const char *variable, const char *fallback, bool is_private, const char *name, char **path, struct clw_error *err)
{
    const char *value = getenv(variable), *home = getenv("HOME");
    char *dir = value && *value == '/' ? mem_printf("%s/clowder", value)
                : home && *home == '/' ? mem_printf("%s/%s/clowder", home, fallback)
                                       : NULL;
    if (dir)
        return under(dir, is_private ? variable : NULL, name, path, err);
    *path = NULL;
    return clw_fail(err, CLW_USAGE, "set HOME", "neither %s nor HOME is set to a folder", variable);
}

enum clw_err paths_data(const char *name, char **path, struct clw_error *err)
{
    const char *given = getenv("CLOWDER_DATA"), *other = getenv("XDG_DATA_HOME");
    if (given && *given == '/' && !(other && *other == '/'))
        return under(mem_strdup(given), "XDG_DATA_HOME", name, path, err);
    return xdg("XDG_DATA_HOME", ".local/share", true, name, path, err);
}

enum clw_err paths_state(const char *name, char **path, struct clw_error *err)
{
    return xdg("XDG_STATE_HOME", ".local/state", true, name, path, err);
}

enum clw_err paths_cache(const char *name, char **path, struct clw_error *err)
{
    return xdg("XDG_CACHE_HOME", ".cache", false, name, path, err);
}

enum clw_err paths_config(const char *name, char **path, struct clw_error *err)
{
    return xdg("XDG_CONFIG_HOME", ".config", false, name, path, err);
}

/* Sockets live here, so the folder must be ours alone: in /tmp somebody else may have made it first. */
static enum clw_err check_private(const char *dir, struct clw_error *err)
{
    struct stat st;
    if (lstat(dir, &st))
        return clw_fail(err, CLW_IO, NULL, "cannot check %s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return clw_fail(err, CLW_REFUSED, "remove it, or set XDG_RUNTIME_DIR to a folder of your own",
            "%s is not a folder that belongs to you", dir);
    if (!is_safe_parent(dir, S_IWGRP | S_IWOTH))
        return clw_fail(err, CLW_REFUSED, "set XDG_RUNTIME_DIR to a folder of your own",
            "other users could replace %s: its parent folder belongs to another user, or everyone may write to it",
            dir);
    if ((st.st_mode & 077) && chmod(dir, 0700))
        return clw_fail(err, CLW_REFUSED, NULL, "other users may read %s, and its permissions cannot be changed: %s",
            dir, strerror(errno));
    return CLW_OK;
}

static enum clw_err use_runtime(char *dir, char **folder, struct clw_error *err)
{
    enum clw_err code = make_dirs(dir, err);
    if (!code)
        code = check_private(dir, err);
    if (code)
        free(dir);
    else
        *folder = dir;
    return code;
}

/* As after `su`: root could make something in that folder, and would be in its user's way. */
static bool is_left_by_su(const char *dir)
{
    struct stat st;
    return geteuid() == 0 && stat(dir, &st) == 0 && st.st_uid != 0;
}

static bool is_own_folder(const char *dir)
{
    struct stat st;
    return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && access(dir, W_OK) == 0;
}

enum clw_err paths_runtime(unsigned nth, char **folder, struct clw_error *err)
{
    const char *value = getenv("XDG_RUNTIME_DIR");
    unsigned uid = (unsigned)geteuid();
    char session[40], number[16] = "";
    if (nth)
        snprintf(number, sizeof number, "-%u", nth);
    snprintf(session, sizeof session, "/run/user/%u", uid);
    enum clw_err code = CLW_IO;
    *folder = NULL;
    if (value && *value == '/' && !is_left_by_su(value))
        code = use_runtime(mem_printf("%s/clowder%s", value, number), folder, err);
    if (code == CLW_IO && is_own_folder(session))
        code = use_runtime(mem_printf("%s/clowder%s", session, number), folder, err);
    return code == CLW_IO ? use_runtime(mem_printf("/tmp/clowder-%u%s", uid, number), folder, err) : code;
}

static char *if_runs(char *path)
{
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *on_path(const char *name)
{
    const char *list = getenv("PATH");
    while (list && *list) {
        size_t len = strcspn(list, ":");
        if (len) {
            char *found = if_runs(mem_printf("%.*s/%s", (int)len, list, name));
            if (found)
                return found;
        }
        list += len + (list[len] == ':');
    }
    return NULL;
}

char *paths_program(const char *name)
{
    char self[PATH_MAX], *found = NULL;
    const char *dir = getenv("CLOWDER_LIBEXEC");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (dir && *dir)
        found = if_runs(mem_printf("%s/%s", dir, name));
    if (!found && n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        found = if_runs(mem_printf("%.*s/%s", (int)(slash - self), self, name));
        if (!found)
            found = if_runs(mem_printf("%.*s/%s/%s", (int)(slash - self), self, CLW_LIBEXEC_UP, name));
    }
    if (!found)
        found = if_runs(mem_printf("%s/%s", CLW_BINDIR, name));
    return found ? found : on_path(name);
}

bool paths_make_above(char *file, size_t from, mode_t mode)
{
    bool made = true;
    for (char *slash = file + from; made && (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        made = mkdir(file, mode) == 0 || errno == EEXIST;
    }
    return made;
}
