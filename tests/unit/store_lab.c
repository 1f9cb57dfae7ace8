#include "store_lab.h"

#include "base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char dir[64], file[96];
struct clw_error error;

static int unlink_cb(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/clowder-store-XXXXXX");
    clw_error_clear(&error);
    if (!mkdtemp(dir))
        return -1;
    snprintf(file, sizeof file, "%s/clowder.db", dir);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    return nftw(dir, unlink_cb, 8, FTW_DEPTH | FTW_PHYS);
}

void assert_ok(enum clw_err code, const char *what, int line)
{
    if (code)
        fail_msg("line %d: %s: %s: %s", line, what, clw_err_text(code), error.message);
}

void assert_fails(enum clw_err want, enum clw_err code, const char *what, int line)
{
    if (code != want || !*error.message)
        fail_msg("line %d: %s: %s, not %s: %s", line, what, clw_err_text(code), clw_err_text(want), error.message);
    clw_error_clear(&error);
}

struct store *open_store(void)
{
    struct store *s;
    ok(store_open(file, &s, &error));
    return s;
}

struct store *open_memory(void)
{
    struct store *s;
    ok(store_open(":memory:", &s, &error));
    return s;
}

void refused(enum clw_err want)
{
    struct store *s = (struct store *)&error;
    fails(want, store_open(file, &s, &error));
    assert_null(s);
}

void raw(const char *sql)
{
    sqlite3 *db;
    char *text = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    sqlite3_close(db);
}

char *slurp(const char *path, size_t *len)
{
    struct buf b = {0};
    FILE *f = fopen(path, "rb");
    size_t n;
    assert_non_null(f);
    while ((n = fread(buf_reserve(&b, 4096), 1, 4096, f)) > 0)
        b.len += n;
    fclose(f);
    *len = b.len;
    return buf_steal(&b);
}

void spill(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

struct store_host make_host(const char *name)
{
    struct store_host h;
    store_host_init(&h);
    snprintf(h.name, sizeof h.name, "%s", name);
    return h;
}

void add_host(struct store *s, const char *name)
{
    struct store_host h = make_host(name);
    ok(store_host_add(s, &h, &error));
}

void add_profile(struct store *s, const char *name)
{
    struct store_profile p;
    store_profile_init(&p);
    snprintf(p.name, sizeof p.name, "%s", name);
    ok(store_profile_set(s, &p, &error));
}

int64_t count(struct store *s, const char *sql)
{
    int64_t n = -1;
    ok(store__number(s, sql, NULL, &n, &error));
    return n;
}

void in_processes(int n, void (*work)(int))
{
    int gate[2], status;
    char byte;
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            close(gate[1]);
            if (read(gate[0], &byte, 1) == 0)
                work(i);
            _exit(0);
        }
    }
    close(gate[0]);
    close(gate[1]);
    while (wait(&status) > 0)
        assert_int_equal(status, 0);
}

void must(enum clw_err code)
{
    if (code) {
        fprintf(stderr, "%s: %s\n", clw_err_text(code), error.message);
        _exit(1);
    }
}

void fill_host(struct store_host *h, const char *name)
{
    *h = make_host(name);
    SET(h->address, "[fd00::7]");
    h->port = 2222;
    SET(h->user, "anna");
    SET(h->mac, "52-54-00-AB-CD-EF");
    h->launcher = STORE_LAUNCHER_SLURM;
    h->jump = mem_strdup("bastion,root@gw:22");
    h->identity = mem_strdup("/home/anna/.ssh/id_ed25519");
    h->note = mem_strdup("under the \"desk\"\n\xc3\xbc");
    h->directives = mem_strdup("#SBATCH -p gpu\n");
    h->direct = true;
    h->enabled = false;
    store_strings_add(&h->tags, "rack2");
    store_strings_add(&h->tags, "gpu");
    store_strings_add(&h->tags, "rack2");
}

void fill_profile(struct store_profile *p, const char *name)
{
    static const char *const one[] = {"mkdir", "-p", "/tmp/x y"}, *const two[] = {"sh", "-c", "echo \"hi\"\n"};
    store_profile_init(p);
    SET(p->name, name);
    p->runtime = STORE_RUNTIME_COMMAND;
    p->base_url = mem_strdup("tcp://127.0.0.1:5555");
    store_strings_add(&p->command, "worker");
    store_strings_add(&p->command, "--url={url}");
    p->set.per_gpu = true;
    store_strings_add(&p->env, "Z=1");
    store_strings_add(&p->env, "A=with = and \xc3\xbc");
    p->set.idletime_ms = 60000;
    p->set.walltime_ms = STORE_SPAN_MAX_MS;
    p->set.maxtasks = 9;
    p->set.memory_bytes = 1ull << 40;
    p->set.nice = 19;
    p->set.cpus_permille = 500;
    p->set.mem_bytes = 1 << 28;
    p->set.pause_load_permille = 4500;
    p->set.pause_user_ms = 900000;
    p->set.no_new_privs = p->set.pause_now = 1;
    SET(p->set.hours, "22:00-06:00");
    store_profile_setup_add(p, one, 3);
    store_profile_setup_add(p, two, 3);
    p->set.seed = INT64_MAX;
    p->set.respawn = false;
}
