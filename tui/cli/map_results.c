/* --results DIR: for each task a folder, with what it printed, how it ended, and (the engine puts that there) what it
 * made. */
#include "tui/cli/map.h"

#include "base/paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool write_file(const char *folder, const char *name, const char *data, size_t len)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    bool good = f && fwrite(data, 1, len, f) == len;
    if (f && fclose(f))
        good = false;
    free(path);
    return good;
}

static bool write_status(const struct map *m, const char *folder, const struct clowder_result *r)
{
    char *path = mem_printf("%s/status.json", folder);
    FILE *f = fopen(path, "we");
    if (f)
        map_write_json(m, f, r, false);
    bool good = f && !ferror(f);
    if (f && fclose(f))
        good = false;
    free(path);
    return good;
}

/* And those above it. */
static bool make_folders(char *folder)
{
    return paths_make_above(folder, 1, 0777) && (mkdir(folder, 0777) == 0 || errno == EEXIST);
}

int map_check_results(const char *command, const char *folder)
{
    DIR *dir = opendir(folder);
    bool is_empty = true;
    for (const struct dirent *e; dir && is_empty && (e = readdir(dir));)
        is_empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (dir)
        closedir(dir);
    if (!dir && errno != ENOENT)
        return say(2, "%s: --results %s: %s", command, folder, strerror(errno));
    return is_empty
               ? 0
               : say(2, "%s: --results %s has something in it; remove it, or name another folder", command, folder);
}

bool map_save_result(struct map *m, const struct clowder_result *r)
{
    char *folder = mem_printf("%s/%llu", m->results, (unsigned long long)r->index + 1);
    if (r->outcome == CLOWDER_TASK_CANCELLED || m->results_failed) {
        free(folder);
        return !m->results_failed;
    }
    bool good = make_folders(folder) && write_file(folder, "stdout", r->out, r->out_len) &&
                write_file(folder, "stderr", r->err, r->err_len) && write_status(m, folder, r);
    if (!good)
        say(1, "cannot write to %s: %s", folder, strerror(errno));
    m->results_failed = !good;
    free(folder);
    return good;
}
