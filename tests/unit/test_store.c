/* The store on real files: its life, its refusals, several processes at once, every table, export and import.
 * The last tests need root for a small file system of their own and are skipped without it. */
#include "store/batch.h"
#include "store/event.h"
#include "store/host.h"
#include "store/kept.h"
#include "store/launch.h"
#include "store/load.h"
#include "store/profile.h"
#include "store/sample.h"
#include "store/setting.h"
#include "store/store_internal.h"
#include "store/transfer.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_file.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SET(array, text) snprintf(array, sizeof(array), "%s", text)

#define ok(call) assert_ok((call), #call, __LINE__)
static void assert_ok(enum clw_err code, const char *what, int line)
{
    if (code)
        fail_msg("line %d: %s: %s: %s", line, what, clw_err_text(code), error.message);
}

/* The call fails with that code, and the message and the hint are there. */
#define fails(want, call) assert_fails((want), (call), #call, __LINE__)
static void assert_fails(enum clw_err want, enum clw_err code, const char *what, int line)
{
    if (code != want || !*error.message)
        fail_msg("line %d: %s: %s, not %s: %s", line, what, clw_err_text(code), clw_err_text(want), error.message);
    clw_error_clear(&error);
}

static struct store *open_store(void)
{
    struct store *s;
    ok(store_open(file, &s, &error));
    return s;
}

static struct store *open_memory(void)
{
    struct store *s;
    ok(store_open(":memory:", &s, &error));
    return s;
}

static void refused(enum clw_err want)
{
    struct store *s = (struct store *)&error;
    fails(want, store_open(file, &s, &error));
    assert_null(s);
}

/* Makes or changes a file with SQLite itself. */
static void raw(const char *sql)
{
    sqlite3 *db;
    char *text = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    sqlite3_close(db);
}

static char *slurp(const char *path, size_t *len)
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

static void spill(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static struct store_host make_host(const char *name)
{
    struct store_host h;
    store_host_init(&h);
    snprintf(h.name, sizeof h.name, "%s", name);
    return h;
}

static void add_host(struct store *s, const char *name)
{
    struct store_host h = make_host(name);
    ok(store_host_add(s, &h, &error));
}

static void add_profile(struct store *s, const char *name)
{
    struct store_profile p;
    store_profile_init(&p);
    snprintf(p.name, sizeof p.name, "%s", name);
    ok(store_profile_set(s, &p, &error));
}

static int64_t count(struct store *s, const char *sql)
{
    int64_t n = -1;
    ok(store__number(s, sql, NULL, &n, &error));
    return n;
}

/* ---- the file ---- */

static void test_new_file(void **state)
{
    (void)state;
    struct stat st;
    struct store *s;
    mode_t old = umask(0);
    s = open_store();
    umask(old);
    assert_string_equal(store_path(s), file);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count(s, "PRAGMA user_version"), STORE_VERSION);
    assert_int_equal(count(s, "PRAGMA foreign_keys"), 1);
    assert_int_equal(count(s, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_int_equal(count(s, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND NOT strict"
                              " AND name NOT LIKE 'sqlite%'"),
        0);
    add_host(s, "a");
    ok(store_check(s, &error));
    store_close(s);
    chmod(file, 0644);
    s = open_store(); /* and closed to others again */
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count(s, "SELECT count(*) FROM host"), 1);
    store_close(s);
    store_close(NULL);
    assert_int_equal(remove(file), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else was left behind */
    assert_int_equal(mkdir(dir, 0700), 0);
}

/* What somebody else put there is refused: the folder, and each file of the store. */
static void test_others(void **state)
{
    (void)state;
    static const char *const names[] = {"clowder.db", "clowder.db-wal", "clowder.db-shm", "clowder.db-journal"};
    struct store *s;
    struct stat st;
    char folder[128], path[160];
    if (geteuid() != 0)
        skip();
    setenv("XDG_DATA_HOME", dir, 1);
    snprintf(folder, sizeof folder, "%s/clowder", dir);
    for (size_t i = 0; i < 4; i++) {
        ok(store_open(NULL, &s, &error));
        store_close(s);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0666);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(chown(path, 65534, 65534), 0);
        fails(CLW_REFUSED, store_open(NULL, &s, &error));
        assert_int_equal(chown(path, 0, 0), 0);
        if (i)
            assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(chown(folder, 65534, 65534), 0);
    fails(CLW_REFUSED, store_open(NULL, &s, &error));
    assert_int_equal(chown(folder, 0, 0), 0);
    /* The folder above: another user's, or one where all may replace what is in it; not so where a group may. */
    static const struct {
        uid_t uid;
        mode_t mode;
        bool good;
    } above[] = {
        {65534, 0755, false}, {0, 0777, false}, {0, 01777, true}, {0, 0775, true}, {0, 0755, true}, {0, 0700, true}};
    for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
        assert_int_equal(chown(dir, above[i].uid, 0), 0);
        assert_int_equal(chmod(dir, above[i].mode), 0);
        assert_int_equal(chmod(folder, 0777), 0);
        enum clw_err code = store_open(NULL, &s, &error);
        assert_int_equal(code, above[i].good ? CLW_OK : CLW_REFUSED);
        store_close(s);
        assert_int_equal(stat(folder, &st), 0);
        assert_int_equal(st.st_mode & 0777, above[i].good ? 0700 : 0777);
    }
    unsetenv("XDG_DATA_HOME");
}

static void test_default_path(void **state)
{
    (void)state;
    struct store *s;
    char want[128];
    setenv("XDG_DATA_HOME", dir, 1);
    ok(store_open(NULL, &s, &error));
    snprintf(want, sizeof want, "%s/clowder/clowder.db", dir);
    assert_string_equal(store_path(s), want);
    store_close(s);
    unsetenv("XDG_DATA_HOME");
    char *home = mem_strdup(getenv("HOME") ? getenv("HOME") : "");
    unsetenv("HOME");
    fails(CLW_USAGE, store_open(NULL, &s, &error));
    setenv("HOME", home, 1);
    free(home);
    fails(CLW_USAGE, store_open("", &s, &error));
}

static void test_newer_is_untouched(void **state)
{
    (void)state;
    size_t before_len, after_len;
    store_close(open_store());
    raw("PRAGMA user_version = 99; CREATE TABLE future(x)");
    char *before = slurp(file, &before_len);
    struct store *s;
    assert_int_equal(store_open(file, &s, &error), CLW_NEWER);
    assert_non_null(strstr(error.message, "newer version"));
    assert_true(*error.hint);
    refused(CLW_NEWER);
    char *after = slurp(file, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
}

/* The newer program died: what it wrote last is only in the journal. Neither file may change. */
static void test_newer_journal_is_untouched(void **state)
{
    (void)state;
    char wal[128];
    size_t len[4];
    sqlite3 *db;
    snprintf(wal, sizeof wal, "%s-wal", file);
    store_close(open_store());
    pid_t pid = fork();
    if (!pid) {
        _exit(sqlite3_open(file, &db) != SQLITE_OK ||
              sqlite3_exec(db, "PRAGMA user_version = 99; CREATE TABLE future(x)", NULL, NULL, NULL) != SQLITE_OK);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    char *file_before = slurp(file, &len[0]), *wal_before = slurp(wal, &len[1]);
    assert_true(len[1] > 0);
    refused(CLW_NEWER);
    char *file_after = slurp(file, &len[2]), *wal_after = slurp(wal, &len[3]);
    assert_int_equal(len[0], len[2]);
    assert_int_equal(len[1], len[3]);
    assert_memory_equal(file_before, file_after, len[0]);
    assert_memory_equal(wal_before, wal_after, len[1]);
    free(file_before);
    free(file_after);
    free(wal_before);
    free(wal_after);
}

static void test_not_ours(void **state)
{
    (void)state;
    raw("CREATE TABLE other(x); PRAGMA user_version = 1");
    refused(CLW_REFUSED);
    remove(file);
    spill(file,
        "This is a letter, and it is long enough to be taken for a header of a database, or is it? "
        "One hundred bytes at least.",
        110);
    refused(CLW_DAMAGED);
    size_t len;
    char *text = slurp(file, &len);
    assert_int_equal(len, 110);
    assert_memory_equal(text, "This is", 7);
    free(text);
    spill(file, "", 0);
    refused(CLW_DAMAGED);
    remove(file);
    assert_int_equal(mkdir(file, 0700), 0);
    refused(CLW_IO);
    rmdir(file);
    assert_int_equal(symlink("/nonexistent/x", file), 0);
    refused(CLW_IO);
    remove(file);
    char wal[128];
    snprintf(wal, sizeof wal, "%s-wal", file);
    spill(wal, "x", 1);
    refused(CLW_DAMAGED);
    assert_int_equal(access(file, F_OK), -1);
    struct store *s;
    fails(CLW_IO, store_open("/nonexistent/folder/clowder.db", &s, &error));
}

static void test_damaged(void **state)
{
    (void)state;
    struct store *s = open_store();
    size_t len, after;
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "host%d", i);
        add_host(s, name);
    }
    store_close(s);
    char *data = slurp(file, &len);
    memset(data + 4096 + 20, 0xa5, len - 4096 - 20);
    spill(file, data, len);
    assert_int_equal(store_open(file, &s, &error), CLW_DAMAGED);
    assert_non_null(strstr(error.hint, "clowder import"));
    refused(CLW_DAMAGED);
    char *again = slurp(file, &after);
    assert_int_equal(len, after);
    assert_memory_equal(data, again, len);
    free(again);
    data[len / 2] = 0;
    spill(file, data, len / 2); /* cut short */
    refused(CLW_DAMAGED);
    free(data);
}

/* Words and lists that no program of ours wrote are reported, not guessed at. */
static void test_damaged_values(void **state)
{
    (void)state;
    struct store_host h;
    struct store_profile p;
    struct store_job j = {.profile = "p"};
    struct store_host_list hosts;
    struct store_profile_list profiles;
    struct store_job_list jobs;
    char *json;
    size_t len;
    struct store *s = open_store();
    add_host(s, "a");
    add_profile(s, "p");
    ok(store_job_add(s, &j, &error));
    ok(store__script(s, "UPDATE host SET launcher = 'pigeon'; UPDATE job SET state = 'odd'", &error));
    fails(CLW_DAMAGED, store_host_get(s, "a", &h, &error));
    fails(CLW_DAMAGED, store_host_list(s, &hosts, &error));
    fails(CLW_DAMAGED, store_job_get(s, j.id, &j, &error));
    fails(CLW_DAMAGED, store_job_list(s, NULL, 10, &jobs, &error));
    ok(store__script(s, "UPDATE host SET launcher = 'ssh', note = CAST(x'ff' AS TEXT)", &error));
    fails(CLW_DAMAGED, store_export(s, &json, &len, &error));
    static const char *const spoil[] = {"runtime = 'x'", "env = '{'", "env = '{}'", "env = '[1]'", "setup = '5'",
        "setup = '[5]'", "setup = '['", "command = 'x'"};
    for (size_t i = 0; i < COUNT(spoil); i++) {
        char sql[128];
        ok(store_profile_remove(s, "p", &error));
        add_profile(s, "p");
        snprintf(sql, sizeof sql, "UPDATE profile SET %s", spoil[i]);
        ok(store__script(s, sql, &error));
        fails(CLW_DAMAGED, store_profile_get(s, "p", &p, &error));
        fails(CLW_DAMAGED, store_profile_list(s, &profiles, &error));
        fails(CLW_DAMAGED, store_export(s, &json, &len, &error));
    }
    ok(store__script(s, "PRAGMA foreign_keys = OFF; INSERT INTO host_tag VALUES(99, 'x')", &error));
    fails(CLW_DAMAGED, store_check(s, &error));
    ok(store__script(s, "DROP TABLE host; DROP TABLE setting; DROP TABLE job; DROP TABLE sample", &error));
    fails(CLW_IO, store_host_list(s, &hosts, &error));
    fails(CLW_IO, store_export(s, &json, &len, &error));
    fails(CLW_IO, store_setting_set(s, "a", "b", &error));
    fails(CLW_IO, store_job_add(s, &j, &error));
    fails(CLW_IO, store_profile_remove(s, "p", &error));
    store_close(s);
}

/* A file that somebody else has been at: refused when it is opened, whatever would come of reading it. */
static void test_other_schema(void **state)
{
    (void)state;
    static const char endless[] = "ALTER TABLE host RENAME TO host2; CREATE VIEW host AS WITH RECURSIVE r(id) "
                                  "AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT id, 'x' AS name FROM r";
    static const char *const changes[] = {endless,
        "CREATE TRIGGER t AFTER INSERT ON host BEGIN DELETE FROM profile; END", "CREATE VIEW v AS SELECT 1",
        "DROP INDEX profile_host_host", "ALTER TABLE host ADD COLUMN more TEXT", "CREATE TABLE more(a)",
        "ALTER TABLE host DROP COLUMN note", "CREATE UNIQUE INDEX one ON host(port)"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct store *s = open_store();
        store_close(s);
        raw(changes[i]);
        s = NULL;
        assert_int_equal(store_open(file, &s, &error), CLW_DAMAGED);
        assert_non_null(strstr(error.message, i == 3 ? "is missing" : "is not as Clowder makes it"));
        assert_int_equal(unlink(file), 0);
    }
}

/* Values that no check of ours lets pass. */
static void test_bent_values(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "name = '-l'", "address = '-oProxyCommand=x'", "user = 'a b'", "note = char(27)", "jump = 'a,-b'"};
    static const char *const profiles[] = {"base_url = 'tcp://127.0.0.1:1/$(id)'", "base_url = char(27)",
        "local_daemons = 10001", "options = '[\"x\"]'", "env = '[\"=\"]'", "idletime_ms = 9223372036854775807",
        "nice = 77", "hours = 'x'", "name = '../x'"};
    struct store_host_list hlist;
    struct store_profile_list plist;
    struct store *s = open_memory();
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "DELETE FROM host; INSERT INTO host(name) VALUES('h'); UPDATE host SET %s", hosts[i]);
        ok(store__script(s, sql, &error));
        fails(CLW_DAMAGED, store_host_list(s, &hlist, &error));
    }
    ok(store__script(s, "DELETE FROM host", &error));
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "DELETE FROM profile; INSERT INTO profile(name) VALUES('p'); UPDATE profile SET %s",
            profiles[i]);
        ok(store__script(s, sql, &error));
        fails(CLW_DAMAGED, store_profile_list(s, &plist, &error));
    }
    store_close(s);
}

/* What was measured is dropped where no check of ours lets it pass; the host, which is its owner's, stays. */
static void test_bent_measures(void **state)
{
    (void)state;
    static const char *const bent[] = {"facts = '{\"os\":\"\\u001b[2J\"}'",
        "facts = '{\"os\":\"x' || char(133) || '\"}'", "facts = '{\"\\u0085\":1}'",
        "facts = '{\"gpus\":[{\"name\":\"\\u009b\"}]}'", "facts = '[1]'", "facts = 'x'",
        "facts = '{\"a\":\"' || printf('%.*c', 262144, 'a') || '\"}'", "reason = char(27) || '[2J'",
        "reason = printf('%.*c', 1001, 'a')", "state = char(27)", "state = 'two words'"};
    struct store *s = open_memory();
    struct store_host h;
    for (size_t i = 0; i < COUNT(bent); i++) {
        char sql[400];
        snprintf(sql, sizeof sql,
            "DELETE FROM host; INSERT INTO host(name, note, probed_at_us) VALUES('h', 'mine', 9); UPDATE host SET %s;"
            "INSERT INTO gpu SELECT id, 0, char(155), 1, '' FROM host;"
            "INSERT INTO gpu SELECT id, 1, 'x', 1, char(27) FROM host;"
            "INSERT INTO gpu SELECT id, 2, 'RTX', 1, '' FROM host;",
            bent[i]);
        ok(store__script(s, sql, &error));
        ok(store_host_get(s, "h", &h, &error));
        assert_null(h.facts);
        assert_string_equal(h.reason, "");
        assert_string_equal(h.state, "");
        assert_string_equal(h.note, "mine");
        assert_int_equal(h.probed_at_us, strncmp(bent[i], "facts", 5) == 0 ? 0 : 9);
        assert_int_equal(h.gpu_count, 1);
        assert_string_equal(h.gpus[0].name, "RTX");
        store_host_fini(&h);
    }
    store_close(s);
}

/* ---- formats ---- */

/* Formats from before the first one that counts. */
static void test_old_format(void **state)
{
    (void)state;
    struct store *s = open_store();
    store_close(s);
    raw("PRAGMA user_version = 3");
    refused(CLW_REFUSED);
}

/* What is needed to run failed tasks again: the function, and inputs of any bytes. */
static void test_ledger_inputs(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_job got, j = {.profile = "p", .function = (char *)"{\"argv\":[\"wc\"]}"};
    struct store_failure_list failures;
    char *big = mem_zalloc(STORE_INPUT_MAX + 1);
    struct store_failure f[] = {{.task = 0, .input = (char *)"a\0\xff", .input_len = 3},
        {.task = 1, .input = (char *)"", .input_len = 0}, {.task = 2},
        {.task = 3, .input = big, .input_len = STORE_INPUT_MAX},
        {.task = 4, .input = big, .input_len = STORE_INPUT_MAX + 1}};
    ok(store_job_add(s, &j, &error));
    ok(store_job_get(s, j.id, &got, &error));
    assert_string_equal(got.function, "{\"argv\":[\"wc\"]}");
    store_job_fini(&got);
    ok(store_job_failures_add(s, j.id, f, 5, &error));
    ok(store_job_failures(s, j.id, 0, 9, &failures, &error));
    assert_int_equal(failures.items[0].input_len, 3);
    assert_memory_equal(failures.items[0].input, "a\0\xff", 4);
    assert_true(failures.items[1].input != NULL && failures.items[1].input_len == 0);
    assert_true(failures.items[2].input == NULL);
    assert_true(failures.items[3].input_len == STORE_INPUT_MAX && !failures.items[3].input_cut);
    assert_true(failures.items[4].input_len == STORE_INPUT_MAX && failures.items[4].input_cut);
    store_failure_list_fini(&failures);
    for (const char *const *bad = (const char *const[]){"[]", "{", "{\"a\":\"\xff\"}", NULL}; *bad; bad++) {
        j.function = (char *)(uintptr_t)*bad;
        j.id = 0;
        ok(store_job_add(s, &j, &error));
        ok(store_job_get(s, j.id, &got, &error));
        assert_string_equal(got.function, "");
        store_job_fini(&got);
    }
    free(big);
    store_close(s);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of a failing map of 100,000 tasks the last failures are noted at the cost of the first. */
static void test_ledger_many(void **state)
{
    (void)state;
    enum { MANY = 100000, TENTH = MANY / 10 };
    double at[11];
    struct store *s = open_store();
    struct store_job j = {.profile = "p"};
    struct store_failure *f = mem_zalloc(MANY * sizeof *f);
    struct store_failure_list failures;
    for (unsigned i = 0; i < MANY; i++)
        f[i] = (struct store_failure){.task = i,
            .status = (char *)"exit 1",
            .stderr_tail = (char *)"no such file",
            .input = (char *)"/data/some/file.wav",
            .input_len = 19};
    ok(store_job_add(s, &j, &error));
    for (unsigned i = 0; i < MANY; i += 1000) {
        if (i % TENTH == 0)
            at[i / TENTH] = cpu_s();
        ok(store_job_failures_add(s, j.id, f + i, 1000, &error));
    }
    at[10] = cpu_s();
    ok(store_job_failures(s, j.id, 99000, 2000, &failures, &error));
    assert_int_equal(failures.count, 1000);
    assert_true(at[10] - at[9] < 20 * (at[1] - at[0]));
    store_failure_list_fini(&failures);
    free(f);
    store_close(s);
}

/* A step that fails leaves the file as it was. */
static void test_step_fails(void **state)
{
    (void)state;
    raw("PRAGMA application_id = 1131179895; CREATE TABLE event(in_the_way)");
    struct store *s = (struct store *)&error;
    assert_int_not_equal(store_open(file, &s, &error), CLW_OK);
    raw("SELECT 1 / (user_version = 0) FROM pragma_user_version; DROP TABLE event; SELECT 1 / (count(*) = 0) FROM "
        "sqlite_master");
}

/* Runs work in n processes at once, started by closing a pipe; each must end well. */
static void in_processes(int n, void (*work)(int))
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

static void must(enum clw_err code)
{
    if (code) {
        fprintf(stderr, "%s: %s\n", clw_err_text(code), error.message);
        _exit(1);
    }
}

static void open_only(int i)
{
    (void)i;
    struct store *s;
    must(store_open(file, &s, &error));
    must(store_event_add(s, &(struct store_event){.host = "h"}, &error));
    must(store_check(s, &error));
    store_close(s);
}

static void test_first_open_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        in_processes(6, open_only);
        struct store *s = open_store();
        assert_int_equal(count(s, "SELECT count(*) FROM event"), 6);
        store_close(s);
        remove(file);
    }
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

enum { WRITERS = 5, ROUNDS = 60 };

static void write_much(int writer)
{
    struct store *s;
    struct store_host_list hosts;
    must(store_open(file, &s, &error));
    for (int i = 0; i < ROUNDS; i++) {
        struct store_host h = make_host("");
        snprintf(h.name, sizeof h.name, "h%d-%d", writer, i);
        must(store_host_add(s, &h, &error));
        must(store_event_add(s, &(struct store_event){.text = (char *)"hello"}, &error));
        must(store_sample_add(s, &(struct store_sample){.profile = "p", .at_s = 1000, .tasks = 1}, 1, &error));
        must(store_host_list(s, &hosts, &error));
        store_host_list_fini(&hosts);
    }
    store_close(s);
}

static void test_writers_at_once(void **state)
{
    (void)state;
    int64_t v1, v2;
    struct store *s = open_store();
    ok(store_data_version(s, &v1, &error));
    store_close(s);
    in_processes(WRITERS, write_much);
    s = open_store();
    struct store *other = open_store();
    assert_int_equal(count(s, "SELECT count(*) FROM host"), WRITERS * ROUNDS);
    assert_int_equal(count(s, "SELECT count(*) FROM event"), WRITERS * ROUNDS);
    assert_int_equal(count(s, "SELECT tasks FROM sample"), WRITERS * ROUNDS);
    ok(store_check(s, &error));
    ok(store_data_version(s, &v1, &error));
    add_host(s, "mine");
    ok(store_data_version(s, &v2, &error));
    assert_int_equal(v1, v2);
    add_host(other, "theirs");
    ok(store_data_version(s, &v2, &error));
    assert_int_not_equal(v1, v2);
    store_close(other);
    store_close(s);
}

static void test_busy(void **state)
{
    (void)state;
    struct store *a = open_store(), *b = open_store();
    sqlite3_busy_timeout(b->db, 30);
    ok(store_begin(a, &error));
    fails(CLW_BUSY, store_setting_set(b, "k", "v", &error));
    fails(CLW_BUSY, store_begin(b, &error));
    store_rollback(a);
    ok(store_setting_set(b, "k", "v", &error));
    store_close(a);
    store_close(b);
}

/* ---- transactions ---- */

static void test_transactions(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_host h = make_host("a");
    ok(store_begin(s, &error));
    ok(store_host_add(s, &h, &error));
    fails(CLW_EXISTS, store_host_add(s, &h, &error)); /* undoes only itself */
    add_host(s, "b");
    ok(store_begin(s, &error));
    add_host(s, "c");
    store_rollback(s);
    ok(store_commit(s, &error));
    assert_int_equal(count(s, "SELECT group_concat(name) = 'a,b' FROM host"), 1);
    ok(store_begin(s, &error));
    ok(store_host_remove(s, "a", &error));
    store_rollback(s);
    assert_int_equal(count(s, "SELECT count(*) FROM host"), 2);
    /* SQLite may give up the whole by itself: then nothing more is done in it. */
    ok(store_begin(s, &error));
    ok(store_begin(s, &error));
    add_host(s, "d");
    ok(store__script(s, "ROLLBACK", &error));
    store_rollback(s);
    fails(CLW_IO, store_host_add(s, &h, &error));
    fails(CLW_IO, store_begin(s, &error));
    fails(CLW_IO, store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM host"), 2);
    add_host(s, "e");
    ok(store_begin(s, &error));
    add_host(s, "gone");
    store_close(s); /* unfinished: undone */
    s = open_store();
    assert_int_equal(count(s, "SELECT count(*) FROM host"), 3);
    store_close(s);
}

static void test_statements(void **state)
{
    (void)state;
    struct store *s = open_memory();
    sqlite3_stmt *a, *b;
    static char literals[STORE__STATEMENTS + 4][16];
    int64_t n;
    ok(store__prepare(s, "SELECT 1", NULL, &a, &error));
    for (size_t i = 0; i < COUNT(literals); i++) { /* more than the cache holds */
        snprintf(literals[i], sizeof literals[i], "SELECT %zu", i);
        ok(store__prepare(s, literals[i], NULL, &b, &error));
        store__release(s, b);
    }
    store__release(s, a);
    fails(CLW_IO, store__prepare(s, "SELECT * FROM nothing", NULL, &a, &error));
    assert_null(a);
    fails(CLW_IO, store__prepare(s, "SELECT 1", ARGS(INT(5)), &a, &error)); /* one value too many */
    assert_int_equal(store__number(s, "SELECT 1 WHERE 0", NULL, &n, &error), CLW_NOT_FOUND);
    fails(CLW_USAGE, store__exec(s, "INSERT INTO host(name, port) VALUES('x', 70000)", NULL, NULL, &error));
    fails(CLW_TOO_LARGE, store__exec(s, "SELECT zeroblob(2000000000)", NULL, NULL, &error));
    assert_int_equal(store__sql_fail(s, SQLITE_NOMEM, &error), CLW_NO_MEMORY);
    assert_int_equal(store__sql_fail(s, SQLITE_IOERR_FSYNC, NULL), CLW_IO);
    store_close(s);
}

/* ---- what may be stored ---- */

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"gpu1", "gpu-1.lab.example.org", "under_score", "10.0.0.1", "::1", "fd00::7",
        "fe80::1%eth0", "a.b.c.", "1and1.de", "::ffff:10.0.0.1"};
    static const char *const bad[] = {"", "-oProxyCommand=x", "a b", "a\nb", "a..b", ".a", "a-", "-", "a;b", "$(x)",
        "10.0.0", "10.0.0.256", "1.2.3.4.5", ":::", "fe80::1%", "fe80::1%et h", "fe80::1%0123456789abcdef", "a/b",
        "user@x", "\xc3\xbc" /* u umlaut */, "\x1b[31m", "x.-y.z", "12345:12345",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
    char longest[300];
    for (size_t i = 0; i < COUNT(good); i++)
        ok(store_check_address(good[i], &error));
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(store_check_address(bad[i], &error), CLW_USAGE);
        for (const char *c = error.message; *c; c++)
            assert_true((unsigned char)*c >= 0x20); /* safe to show */
        assert_true(*error.hint);
        fails(CLW_USAGE, store_check_address(bad[i], &error));
    }
    memset(longest, 'a', sizeof longest);
    for (size_t i = 50; i < sizeof longest; i += 50)
        longest[i] = '.';
    longest[253] = '\0';
    ok(store_check_address(longest, &error));
    longest[253] = 'a';
    longest[254] = '\0';
    fails(CLW_USAGE, store_check_address(longest, &error));
}

static void test_users_macs_ports(void **state)
{
    (void)state;
    static const char *const users[] = {"root", "a.b-c_d", "DOM\\anna", "j\xc3\xb6rg", "svc$"};
    static const char *const bad_users[] = {"", "-l", "a b", "a@b", "a:b", "a\tb", "a;b", "`x`", "a\\", "\xff", "$(x)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const bad_macs[] = {"", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54-00:12:34:56",
        "525400123456", "52:54:00:12:34:56:", "52 54 00 12 34 56"};
    static const char *const bad_ports[] = {"", "0", "65536", "-1", "+22", " 22", "22x", "99999999999999999999"};
    char mac[STORE_MAC_SIZE];
    uint16_t port;
    for (size_t i = 0; i < COUNT(users); i++)
        ok(store_check_user(users[i], &error));
    for (size_t i = 0; i < COUNT(bad_users); i++)
        fails(CLW_USAGE, store_check_user(bad_users[i], &error));
    for (size_t i = 0; i < COUNT(bad_macs); i++)
        fails(CLW_USAGE, store_parse_mac(bad_macs[i], mac, &error));
    ok(store_parse_mac("52-54-00-AB-cd-EF", mac, &error));
    assert_string_equal(mac, "52:54:00:ab:cd:ef");
    for (size_t i = 0; i < COUNT(bad_ports); i++)
        fails(CLW_USAGE, store_parse_port(bad_ports[i], &port, &error));
    ok(store_parse_port("65535", &port, &error));
    assert_int_equal(port, 65535);
    ok(store_check_name("host", "a.b-c_D9", &error));
    fails(CLW_USAGE, store_check_name("host", "-a", &error));
    fails(CLW_USAGE, store_check_name("host",
                         "a very long name that is cut in the message, because it would fill "
                         "the line with what nobody wants to read again and again",
                         &error));
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *address;
        unsigned port;
    } good[] = {
        {"gpu1", "", "gpu1", 0},
        {"anna@gpu1:2222", "anna", "gpu1", 2222},
        {"root@[fd00::7]:22", "root", "fd00::7", 22},
        {"[::1]", "", "::1", 0},
        {"10.0.0.1:1", "", "10.0.0.1", 1},
        {"[fe80::1%eth0]:65535", "", "fe80::1%eth0", 65535},
    };
    static const char *const bad[] = {"", "@", "a@", "@b", "a@b@c", "a:b", "a:", "a:0", "a:65536", "fd00::7", "[::1",
        "[::1]x", "[::1]:", "[a]", "[10.0.0.1]", "-a", "u@-a", "a b", "-u@a", "a:1:2", "[]"};
    char text[STORE_TARGET_SIZE], longest[700];
    struct store_target t;
    for (size_t i = 0; i < COUNT(good); i++) {
        ok(store_parse_target(good[i].text, &t, &error));
        assert_string_equal(t.user, good[i].user);
        assert_string_equal(t.address, good[i].address);
        assert_int_equal(t.port, good[i].port);
        assert_string_equal(store_target_text(&t, text), good[i].text);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        fails(CLW_USAGE, store_parse_target(bad[i], &t, &error));
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    fails(CLW_USAGE, store_parse_target(longest, &t, &error));
    longest[600] = '@';
    fails(CLW_USAGE, store_parse_target(longest, &t, &error));
    ok(store_check_jump("bastion", &error));
    ok(store_check_jump("a@b:22,[::1]:5,c", &error));
    fails(CLW_USAGE, store_check_jump("a,,b", &error));
    fails(CLW_USAGE, store_check_jump("a,-b", &error));
    fails(CLW_USAGE, store_check_jump("a,b,c,d,e,f,g,h,i", &error));
}

static void test_host_checks(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char big[20000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
#define BAD(...)                                                                                                       \
    do {                                                                                                               \
        struct store_host h = make_host("ok");                                                                         \
        __VA_ARGS__;                                                                                                   \
        fails(CLW_USAGE, store_host_add(s, &h, &error));                                                               \
        store_strings_fini(&h.tags);                                                                                   \
    } while (0)
    BAD(SET(h.name, ""));
    BAD(SET(h.name, ".hidden"));
    BAD(SET(h.address, "a b"));
    BAD(SET(h.address, "[gpu1]"));
    BAD(SET(h.user, "-x"));
    BAD(SET(h.mac, "xx"));
    BAD(h.launcher = STORE_LAUNCHER_COUNT);
    BAD(h.jump = (char *)"a b");
    BAD(h.jump = (char *)"ok");
    BAD(h.identity = (char *)"/x\ny");
    BAD(h.note = (char *)"bell \a");
    BAD(h.note = (char *)"c1 \xc2\x9b");
    BAD(h.note = (char *)"\xff");
    BAD(h.note = big);
    BAD(h.directives = big);
    BAD(store_strings_add(&h.tags, "a b"));
    BAD(for (int i = 0; i < STORE_TAGS_MAX + 1; i++) store_strings_add(&h.tags, "t"));
    struct store_host good = make_host("ok");
    good.note = (char *)"two\nlines\tand a tab";
    ok(store_host_add(s, &good, &error));
    BAD((void)h; store_strings_add(&h.tags, "-"));
    enum store_launcher launcher;
    ok(store_launcher_parse("slurm", &launcher, &error));
    assert_int_equal(launcher, STORE_LAUNCHER_SLURM);
    assert_int_equal(store_launcher_parse("slurn", &launcher, &error), CLW_USAGE);
    assert_non_null(strstr(error.message, "did you mean slurm?"));
    fails(CLW_USAGE, store_launcher_parse("carrier pigeon", &launcher, &error));
    assert_string_equal(store_launcher_text(STORE_LAUNCHER_COUNT), "?");
    store_close(s);
}

/* ---- hosts ---- */

static void fill_host(struct store_host *h, const char *name)
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

static void test_hosts(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_host h, got;
    struct store_host_list list;
    fill_host(&h, "gpu1");
    ok(store_host_add(s, &h, &error));
    fails(CLW_EXISTS, store_host_add(s, &h, &error));
    ok(store_host_get(s, "gpu1", &got, &error));
    assert_string_equal(got.address, "fd00::7");
    assert_string_equal(got.mac, "52:54:00:ab:cd:ef");
    assert_int_equal(got.port, 2222);
    assert_string_equal(got.user, "anna");
    assert_int_equal(got.launcher, STORE_LAUNCHER_SLURM);
    assert_string_equal(got.jump, h.jump);
    assert_string_equal(got.identity, h.identity);
    assert_string_equal(got.note, h.note);
    assert_string_equal(got.directives, h.directives);
    assert_true(got.direct && !got.enabled);
    assert_int_equal(got.tags.count, 2);
    assert_string_equal(got.tags.items[0], "gpu");
    assert_null(got.facts);
    /* edit and rename */
    struct store_strings copy = {0};
    store_strings_copy(&copy, &got.tags);
    assert_int_equal(copy.count, 2);
    store_strings_fini(&copy);
    SET(got.name, "renamed");
    got.port = 0;
    store_strings_fini(&got.tags);
    ok(store_host_set(s, "gpu1", &got, &error));
    store_host_fini(&got);
    fails(CLW_NOT_FOUND, store_host_get(s, "gpu1", &got, &error));
    add_host(s, "other");
    h.name[0] = '\0';
    SET(h.name, "other");
    fails(CLW_EXISTS, store_host_set(s, "renamed", &h, &error));
    fails(CLW_NOT_FOUND, store_host_set(s, "nobody", &h, &error));
    SET(h.name, "-bad");
    fails(CLW_USAGE, store_host_set(s, "renamed", &h, &error));
    store_host_fini(&h);
    add_host(s, "B");
    ok(store_host_list(s, &list, &error));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].name, "B");
    assert_string_equal(list.items[2].name, "renamed");
    assert_int_equal(list.items[2].tags.count, 0);
    store_host_list_fini(&list);
    ok(store_host_remove(s, "B", &error));
    fails(CLW_NOT_FOUND, store_host_remove(s, "B", &error));
    fails(CLW_NOT_FOUND, store_host_remove(s, "x\x1b[0m", &error));
    store_close(s);
}

static void test_facts(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_host h;
    static const struct store_gpu gpus[] = {{1, "RTX 4090", 24ull << 30, "550.1"}, {0, "bad \xff name", 5, ""}};
    static struct store_gpu many[STORE_GPUS_MAX + 1];
    add_host(s, "a");
    ok(store_host_facts_set(s, "a", "{\"cores\": 8}", 77, gpus, 2, &error));
    ok(store_host_state_set(s, "a", "down", "refused \xff\xc3\xbc\n", &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_string_equal(h.facts, "{\"cores\": 8}");
    assert_int_equal(h.probed_at_us, 77);
    assert_int_equal(h.gpu_count, 2);
    assert_int_equal(h.gpus[1].index, 1);
    assert_int_equal(h.gpus[1].mem_bytes, 24ull << 30);
    assert_string_equal(h.gpus[0].name, "bad \\xff name");
    assert_string_equal(h.gpus[1].driver, "550.1");
    assert_string_equal(h.state, "down");
    assert_string_equal(h.reason, "refused \\xff\xc3\xbc\n");
    ok(store_host_set(s, "a", &h, &error)); /* settings do not touch what was measured */
    store_host_fini(&h);
    ok(store_host_facts_set(s, "a", "{}", 78, NULL, 0, &error));
    ok(store_host_state_set(s, "a", "", NULL, &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_int_equal(h.gpu_count, 0);
    assert_string_equal(h.state, "");
    store_host_fini(&h);
    fails(CLW_USAGE, store_host_facts_set(s, "a", "{", 1, NULL, 0, &error));
    fails(CLW_USAGE, store_host_facts_set(s, "a", "[1]", 1, NULL, 0, &error));
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", "{}", 1, many, COUNT(many), &error));
    fails(CLW_NOT_FOUND, store_host_facts_set(s, "b", "{}", 1, NULL, 0, &error));
    fails(CLW_NOT_FOUND, store_host_state_set(s, "b", "up", "", &error));
    assert_int_equal(store_host_state_set(s, "a", "two words", "", &error), CLW_USAGE);
    assert_int_equal(store_host_state_set(s, "a", "a.word.that.is.longer.than.it.may.be", "", &error), CLW_USAGE);
    char *big = mem_alloc(STORE_FACTS_MAX + 2);
    memset(big, ' ', STORE_FACTS_MAX + 1);
    big[STORE_FACTS_MAX + 1] = '\0';
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", big, 1, NULL, 0, &error));
    free(big);
    store_close(s);
}

/* Whatever a host says of itself: what is written can be read. */
static void test_hostile_facts(void **state)
{
    (void)state;
    static const char *const said[] = {"{\"os\":\"x\xc2\x85\"}", "{\"os\":\"\\u001b[2J\"}", "{\"os\":\"\\\\u0011\"}",
        "{\"a\\u009b\":[\"\\u007f\",{\"b\":\"\\r\\n\"},1.5,null,true]}"};
    static const char *const kept[] = {"{\"os\":\"x\\\\xc2\\\\x85\"}", "{\"os\":\"\\\\x1b[2J\"}",
        "{\"os\":\"\\\\u0011\"}", "{\"a\\\\xc2\\\\x9b\":[\"\\\\x7f\",{\"b\":\"\\\\x0d\\n\"},1.5,null,true]}"};
    static const struct store_gpu gpu = {.name = "a\x1b[2J", .driver = "\xc2\x9b"};
    struct store *s = open_memory();
    struct store_host h;
    add_host(s, "a");
    ok(store_host_state_set(s, "a", "down", "\x1b[2J \xc2\x85", &error));
    for (size_t i = 0; i < COUNT(said); i++) {
        ok(store_host_facts_set(s, "a", said[i], 5, &gpu, 1, &error));
        ok(store_host_get(s, "a", &h, &error));
        assert_string_equal(h.facts, kept[i]);
        assert_string_equal(h.reason, "\\x1b[2J \\xc2\\x85");
        assert_int_equal(h.gpu_count, 1);
        assert_string_equal(h.gpus[0].name, "a\\x1b[2J");
        assert_string_equal(h.gpus[0].driver, "\\xc2\\x9b");
        store_host_fini(&h);
    }
    /* As much as may be written, and what is too much only when it is cleaned. */
    char *big = mem_alloc(STORE_FACTS_MAX + 1);
    memset(big, 'a', STORE_FACTS_MAX);
    memcpy(big, "{\"a\":\"", 6);
    memcpy(big + STORE_FACTS_MAX - 2, "\"}", 3);
    ok(store_host_facts_set(s, "a", big, 5, NULL, 0, &error));
    ok(store_host_get(s, "a", &h, &error));
    assert_string_equal(h.facts, big);
    store_host_fini(&h);
    memset(big + 6, 0x7f, STORE_FACTS_MAX - 8);
    fails(CLW_TOO_LARGE, store_host_facts_set(s, "a", big, 5, NULL, 0, &error));
    free(big);
    store_close(s);
}

/* ---- profiles ---- */

static void fill_profile(struct store_profile *p, const char *name)
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

static void test_profiles(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_profile p, got;
    struct store_profile_list list;
    static const struct store_profile_host hosts[] = {{"b", 4}, {"a", 2}}, twice[] = {{"a", 1}, {"a", 2}},
                                           missing[] = {{"a", 1}, {"x", 2}}, many[] = {{"a", STORE_DAEMONS_MAX + 1}};
    add_host(s, "a");
    add_host(s, "b");
    fill_profile(&p, "gpu");
    ok(store_profile_set(s, &p, &error));
    ok(store_profile_want(s, "gpu", 3, true, &error));
    ok(store_profile_hosts_set(s, "gpu", hosts, 2, &error));
    p.set.maxtasks = 10;
    ok(store_profile_set(s, &p, &error)); /* what is wanted stays */
    ok(store_profile_get(s, "gpu", &got, &error));
    assert_int_equal(got.runtime, STORE_RUNTIME_COMMAND);
    assert_string_equal(got.base_url, p.base_url);
    assert_string_equal(got.command.items[1], "--url={url}");
    assert_true(got.set.per_gpu && !got.set.respawn && got.wanted);
    assert_string_equal(got.env.items[0], "Z=1");
    assert_int_equal(got.set.idletime_ms, 60000);
    assert_int_equal(got.set.walltime_ms, STORE_SPAN_MAX_MS);
    assert_int_equal(got.set.maxtasks, 10);
    assert_int_equal(got.set.memory_bytes, 1ull << 40);
    assert_memory_equal(&p.set, &got.set, sizeof p.set);
    assert_int_equal(got.setup_count, 2);
    assert_string_equal(got.setup[1].items[2], "echo \"hi\"\n");
    assert_int_equal(got.set.seed, INT64_MAX);
    assert_int_equal(got.local_daemons, 3);
    assert_int_equal(got.host_count, 2);
    assert_string_equal(got.hosts[0].host, "a");
    assert_int_equal(got.hosts[1].daemons, 4);
    store_profile_fini(&got);
    fails(CLW_EXISTS, store_profile_hosts_set(s, "gpu", twice, 2, &error));
    fails(CLW_NOT_FOUND, store_profile_hosts_set(s, "gpu", missing, 2, &error));
    fails(CLW_USAGE, store_profile_hosts_set(s, "gpu", many, 1, &error));
    fails(CLW_NOT_FOUND, store_profile_hosts_set(s, "none", hosts, 2, &error));
    assert_int_equal(count(s, "SELECT sum(daemons) FROM profile_host"), 6);
    ok(store_profile_host_set(s, "gpu", &(struct store_profile_host){"a", 7}, &error));
    assert_int_equal(count(s, "SELECT sum(daemons) FROM profile_host"), 11);
    ok(store_profile_host_remove(s, "gpu", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "gpu", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "gpu", "x", &error));
    fails(CLW_NOT_FOUND, store_profile_host_remove(s, "x", "a", &error));
    fails(CLW_NOT_FOUND, store_profile_host_set(s, "x", hosts, &error));
    ok(store_profile_host_set(s, "gpu", &(struct store_profile_host){"a", 7}, &error));
    add_profile(s, "default");
    ok(store_profile_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "default");
    assert_true(list.items[0].set.seed == STORE_SEED_NONE);
    assert_string_equal(list.items[0].base_url, "");
    assert_int_equal(list.items[1].host_count, 2);
    store_profile_list_fini(&list);
    fails(CLW_NOT_FOUND, store_profile_want(s, "none", 1, true, &error));
    fails(CLW_USAGE, store_profile_want(s, "gpu", STORE_DAEMONS_MAX + 1, true, &error));
    fails(CLW_NOT_FOUND, store_profile_get(s, "none", &got, &error));
    /* a host that goes leaves its profiles; a profile that goes takes its rows along */
    ok(store_host_remove(s, "a", &error));
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 1);
    ok(store_sample_add(s, &(struct store_sample){.profile = "gpu", .at_s = 5, .tasks = 1}, 1, &error));
    ok(store_profile_remove(s, "gpu", &error));
    fails(CLW_NOT_FOUND, store_profile_remove(s, "gpu", &error));
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 0);
    assert_int_equal(count(s, "SELECT count(*) FROM sample"), 0);
    store_profile_fini(&p);
    store_close(s);
}

static void test_profile_checks(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char big[STORE_TEXT_MAX + 10];
    memset(big, 'x', sizeof big - 1);
    big[1] = '=';
    big[sizeof big - 1] = '\0';
#define BAD_PROFILE(...)                                                                                               \
    do {                                                                                                               \
        struct store_profile p;                                                                                        \
        store_profile_init(&p);                                                                                        \
        SET(p.name, "ok");                                                                                             \
        __VA_ARGS__;                                                                                                   \
        fails(CLW_USAGE, store_profile_set(s, &p, &error));                                                            \
        store_profile_fini(&p);                                                                                        \
    } while (0)
    BAD_PROFILE(SET(p.name, "a b"));
    BAD_PROFILE(p.runtime = STORE_RUNTIME_COUNT);
    BAD_PROFILE(p.base_url = mem_strdup("localhost:80"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://a b"));
    BAD_PROFILE(p.base_url = mem_strdup("tcp://a\nb"));
    BAD_PROFILE(store_strings_add(&p.command, ""));
    BAD_PROFILE(store_strings_add(&p.command, "\xff"));
    BAD_PROFILE(store_strings_add(&p.command, big));
    BAD_PROFILE(for (int i = 0; i <= STORE_ARGV_MAX; i++) store_strings_add(&p.command, "a"));
    BAD_PROFILE(store_strings_add(&p.env, "NOVALUE"));
    BAD_PROFILE(store_strings_add(&p.env, "=x"));
    BAD_PROFILE(store_strings_add(&p.env, "1A=x"));
    BAD_PROFILE(store_strings_add(&p.env, "A-B=x"));
    BAD_PROFILE(store_strings_add(&p.env, "A=\xff"));
    BAD_PROFILE(store_strings_add(&p.env, big));
    BAD_PROFILE(store_strings_add(&p.env, "A=1"), store_strings_add(&p.env, "A=2"));
    BAD_PROFILE(for (int i = 0; i <= STORE_ENV_MAX; i++) store_strings_add(&p.env, "A=1"));
    BAD_PROFILE(p.set.idletime_ms = STORE_SPAN_MAX_MS + 1);
    BAD_PROFILE(p.set.walltime_ms = UINT64_MAX);
    BAD_PROFILE(p.set.maxtasks = UINT64_MAX);
    BAD_PROFILE(p.set.memory_bytes = UINT64_MAX);
    BAD_PROFILE(p.set.nice = 20);
    BAD_PROFILE(p.set.mem_bytes = 4096);
    BAD_PROFILE(strcpy(p.set.hours, "25:00-26:00"));
    BAD_PROFILE(p.set.seed = (uint64_t)-2);
    BAD_PROFILE(p.local_daemons = STORE_DAEMONS_MAX + 1);
    BAD_PROFILE(store_profile_setup_add(&p, NULL, 0));
    BAD_PROFILE(const char *word = "\xff"; store_profile_setup_add(&p, &word, 1));
    BAD_PROFILE(for (int i = 0; i <= STORE_SETUP_MAX; i++) store_profile_setup_add(&p, NULL, 0));
    struct store_profile good;
    store_profile_init(&good);
    SET(good.name, "ok");
    store_strings_add(&good.env, "A=1");
    store_strings_add(&good.env, "AB=1");
    ok(store_profile_set(s, &good, &error));
    store_profile_fini(&good);
    enum store_runtime runtime;
    ok(store_runtime_parse("dask", &runtime, &error));
    assert_int_equal(runtime, STORE_RUNTIME_DASK);
    fails(CLW_USAGE, store_runtime_parse("mirrai", &runtime, &error));
    fails(CLW_USAGE, store_runtime_parse("something else", &runtime, &error));
    assert_string_equal(store_runtime_text(STORE_RUNTIME_COUNT), "?");
    store_close(s);
}

/* ---- ledger and history ---- */

static void test_jobs(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_job j = {
        .name = "sum", .profile = "default", .command = (char *)"bc -l", .submitted_us = 5, .total = 9};
    struct store_job got;
    struct store_job_list list;
    struct store_failure_list failures;
    size_t lost = 0;
    ok(store_job_add(s, &j, &error));
    assert_true(j.id > 0);
    j.state = STORE_JOB_DONE;
    j.started_us = 6;
    j.finished_us = 7;
    j.done = 6;
    j.failed = 2;
    j.cancelled = 1;
    ok(store_job_update(s, &j, &error));
    ok(store_job_get(s, j.id, &got, &error));
    assert_string_equal(got.name, "sum");
    assert_string_equal(got.command, "bc -l");
    assert_int_equal(got.state, STORE_JOB_DONE);
    assert_int_equal(got.finished_us, 7);
    assert_int_equal(got.done + got.failed * 10 + got.cancelled * 100, 126);
    store_job_fini(&got);
    /* failures */
    char *noise = mem_alloc(STORE_STDERR_MAX + 50);
    memset(noise, 'n', STORE_STDERR_MAX + 49);
    noise[49] = (char)0xff;
    memcpy(noise + STORE_STDERR_MAX + 45, "end", 4);
    struct store_failure f[] = {
        {.task = 3, .host = "gpu1", .attempts = 2, .status = (char *)"exit 1", .stderr_tail = noise},
        {.task = 1, .attempts = 1, .status = (char *)"timed out"}};
    ok(store_job_failures_add(s, j.id, f, 2, &error));
    f[1].status = (char *)"signal 9 \xff";
    ok(store_job_failures_add(s, j.id, f + 1, 1, &error));
    ok(store_job_failures(s, j.id, 0, 100, &failures, &error));
    assert_int_equal(failures.count, 2);
    assert_int_equal(failures.items[0].task, 1);
    assert_string_equal(failures.items[0].status, "signal 9 \\xff");
    assert_string_equal(failures.items[0].stderr_tail, "");
    assert_string_equal(failures.items[1].host, "gpu1");
    assert_int_equal(failures.items[1].attempts, 2);
    assert_true(strlen(failures.items[1].stderr_tail) <= STORE_STDERR_MAX);
    store_failure_list_fini(&failures);
    ok(store_job_failures(s, j.id, 2, 100, &failures, &error));
    assert_int_equal(failures.count, 1);
    store_failure_list_fini(&failures);
    free(noise);
    fails(CLW_NOT_FOUND, store_job_failures_add(s, 999, f + 1, 1, &error));
    /* lists, lost, prune, remove */
    for (int i = 0; i < 5; i++) {
        struct store_job next = {.profile = "p", .state = i == 4 ? STORE_JOB_RUNNING : STORE_JOB_FAILED};
        snprintf(next.name, sizeof next.name, "job%d", i);
        ok(store_job_add(s, &next, &error));
    }
    ok(store_job_list(s, "p", 3, &list, &error));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].name, "job4");
    store_job_list_fini(&list);
    ok(store_job_prune(s, 2, &error));
    ok(store_job_list(s, NULL, SIZE_MAX, &list, &error));
    assert_int_equal(list.count, 3); /* two finished, one running */
    store_job_list_fini(&list);
    assert_int_equal(count(s, "SELECT count(*) FROM job_failure"), 0);
    ok(store_job_mark_lost(s, 50, &lost, &error));
    assert_int_equal(lost, 1);
    ok(store_job_mark_lost(s, 50, NULL, &error));
    ok(store_job_list(s, NULL, 1, &list, &error));
    assert_int_equal(list.items[0].state, STORE_JOB_LOST);
    assert_int_equal(list.items[0].finished_us, 50);
    ok(store_job_remove(s, list.items[0].id, &error));
    fails(CLW_NOT_FOUND, store_job_remove(s, list.items[0].id, &error));
    fails(CLW_NOT_FOUND, store_job_update(s, &list.items[0], &error));
    fails(CLW_NOT_FOUND, store_job_get(s, list.items[0].id, &got, &error));
    store_job_list_fini(&list);
    assert_string_equal(store_job_state_text(STORE_JOB_STATE_COUNT), "?");
    store_close(s);
}

static void test_launches(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_launch_list list;
    struct store_launch first = {.profile = "p", .host = "a", .started_us = 5, .step = "connect"};
    ok(store_launch_add(s, &first, &error));
    first.message = mem_strdup("Permission denied\n");
    SET(first.step, "authenticate");
    SET(first.outcome, "failed");
    ok(store_launch_update(s, &first, &error));
    ok(store_launch_list(s, "p", "a", 10, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].step, "authenticate");
    assert_string_equal(list.items[0].outcome, "failed");
    assert_string_equal(list.items[0].message, "Permission denied\n");
    assert_int_equal(list.items[0].started_us, 5);
    store_launch_list_fini(&list);
    ok(store_begin(s, &error));
    for (int i = 0; i < STORE_LAUNCH_ROWS; i++) {
        struct store_launch l = {.profile = "q", .host = "b", .step = "up"};
        ok(store_launch_add(s, &l, &error));
    }
    ok(store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM launch"), STORE_LAUNCH_ROWS);
    fails(CLW_NOT_FOUND, store_launch_update(s, &first, &error)); /* pushed out */
    ok(store_launch_list(s, NULL, "a", 10, &list, &error));
    assert_int_equal(list.count, 0);
    ok(store_launch_list(s, "q", NULL, 10, &list, &error));
    assert_int_equal(list.count, 10);
    assert_true(list.items[0].id > list.items[9].id);
    store_launch_list_fini(&list);
    store_launch_fini(&first);
    store_close(s);
}

static void test_batches(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_batch_list list;
    struct store_batch array = {"login", "cpu", "17", "launch-17", 40}, other = {"login", "gpu", "18", "launch-18", 2};
    ok(store_batch_add(s, &array, &error));
    ok(store_batch_add(s, &other, &error));
    array.count = 20; /* the same job again: what is known of it now */
    ok(store_batch_add(s, &array, &error));
    ok(store_batch_remove(s, "elsewhere", "18", &error));
    store_close(s);
    s = open_store();
    ok(store_batch_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct store_batch *b = strcmp(list.items[i].job, "17") == 0 ? &array : &other;
        assert_string_equal(list.items[i].host, b->host);
        assert_string_equal(list.items[i].profile, b->profile);
        assert_string_equal(list.items[i].folder, b->folder);
        assert_int_equal(list.items[i].count, b->count);
    }
    store_batch_list_fini(&list);
    ok(store_batch_remove(s, "login", "17", &error));
    ok(store_batch_remove(s, "login", "17", &error));
    ok(store_batch_list(s, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].job, "18");
    store_batch_list_fini(&list);
    store_close(s);
}

static void test_events(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_event_list list;
    char text[40];
    ok(store_begin(s, &error));
    for (int i = 0; i < STORE_EVENT_ROWS + 50; i++) {
        snprintf(text, sizeof text, "event %d", i);
        struct store_event e = {.at_us = 100, .level = (enum log_level)(i % 4), .text = text};
        SET(e.host, i % 2 ? "a" : "b");
        SET(e.profile, i % 3 ? "p" : "");
        ok(store_event_add(s, &e, &error));
    }
    ok(store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM event"), STORE_EVENT_ROWS);
    ok(store_event_list(s, NULL, 5, &list, &error));
    assert_int_equal(list.count, 5);
    assert_true(list.items[0].id < list.items[4].id);
    assert_string_equal(list.items[4].text, "event 10049");
    int64_t last = list.items[4].id;
    store_event_list_fini(&list);
    ok(store_event_list(s, &(struct store_event_filter){.after_id = last - 2}, 100, &list, &error));
    assert_int_equal(list.count, 2);
    store_event_list_fini(&list);
    ok(store_event_list(
        s, &(struct store_event_filter){.level = LOG_ERROR, .host = "a", .profile = "p"}, 100, &list, &error));
    assert_int_equal(list.count, 100);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].level, LOG_ERROR);
        assert_string_equal(list.items[i].host, "a");
        assert_string_equal(list.items[i].profile, "p");
    }
    store_event_list_fini(&list);
    store_close(s);
}

static int64_t total(struct store *s, const char *profile, int64_t from_s, int64_t to_s)
{
    struct store_sample_list list;
    int64_t sum = 0;
    ok(store_sample_list(s, profile, from_s, to_s, &list, &error));
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].at_s % list.items[i].span_s, 0);
        assert_true(!i || list.items[i].at_s >= list.items[i - 1].at_s);
        sum += (int64_t)list.items[i].tasks;
    }
    store_sample_list_fini(&list);
    return sum;
}

static void test_samples(void **state)
{
    (void)state;
    enum { SECONDS = 3 * 3600 };
    struct store *s = open_memory();
    int64_t start = 1800000011, now = start + SECONDS;
    struct store_sample *all = mem_zalloc(SECONDS * sizeof *all);
    for (int i = 0; i < SECONDS; i++) {
        SET(all[i].profile, i % 2 ? "a" : "b");
        all[i].at_s = start + i;
        all[i].tasks = (uint64_t)i % 7 + 1;
    }
    ok(store_sample_add(s, all, SECONDS, &error));
    int64_t sum = total(s, NULL, 0, INT64_MAX), sum_a = total(s, "a", 0, INT64_MAX);
    assert_int_equal(sum, sum_a + total(s, "b", 0, INT64_MAX));
    ok(store_sample_downsample(s, now, &error));
    ok(store_sample_downsample(s, now, &error)); /* again changes nothing */
    assert_int_equal(total(s, NULL, 0, INT64_MAX), sum);
    assert_int_equal(total(s, "a", 0, INT64_MAX), sum_a);
    int64_t seconds = count(s, "SELECT count(*) FROM sample WHERE span_s = 1");
    assert_in_range(seconds, 3600, 3660);
    assert_in_range(count(s, "SELECT count(*) FROM sample WHERE span_s = 60"), 2 * 119, 2 * 121);
    /* a second that comes late joins its minute */
    ok(store_sample_add(s, all, 1, &error));
    ok(store_sample_downsample(s, now + 90000, &error));
    assert_int_equal(total(s, NULL, 0, INT64_MAX), sum + 1);
    assert_int_equal(count(s, "SELECT count(*) FROM sample WHERE span_s = 1"), 0);
    assert_true(count(s, "SELECT count(*) FROM sample WHERE span_s = 3600") >= 6);
    /* a span that only overlaps counts; one outside does not */
    assert_int_equal(total(s, NULL, 0, start - 3600), 0);
    assert_true(total(s, "b", start, start + 1) > 0);
    ok(store_sample_downsample(s, now + INT64_C(40) * 86400, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM sample"), 0);
    free(all);
    store_close(s);
}

static void test_load(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_load_list list;
    const struct store_load early = {1800000000, 0.256, 5}, late = {1800000030, 12, 0}, again = {1800000030, 3, 0};
    ok(store_load_add(s, "birch", &late, &error));
    ok(store_load_add(s, "birch", &early, &error));
    ok(store_load_add(s, "birch", &again, &error)); /* the same second */
    ok(store_load_add(s, "local", &late, &error));
    ok(store_load_list(s, "birch", 0, &list, &error));
    assert_int_equal(list.count, 2);
    assert_true(list.items[0].at_s == early.at_s && list.items[0].load == 0.26 && list.items[0].mem_used_bytes == 5);
    assert_true(list.items[1].at_s == late.at_s && list.items[1].load == 12);
    store_load_list_fini(&list);
    ok(store_load_list(s, "birch", late.at_s, &list, &error));
    assert_int_equal(list.count, 1);
    store_load_list_fini(&list);
    ok(store_load_tidy(s, early.at_s + STORE_LOAD_KEPT_S + 1, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM host_load"), 2);
    ok(store_load_list(s, "nobody", 0, &list, &error));
    assert_int_equal(list.count, 0);
    store_close(s);
}

static void test_settings(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_setting_list list;
    char *value, *big = mem_alloc(STORE_VALUE_MAX + 2);
    fails(CLW_NOT_FOUND, store_setting_get(s, "theme", &value, &error));
    assert_null(value);
    ok(store_setting_set(s, "theme", "dark", &error));
    ok(store_setting_set(s, "theme", "light", &error));
    ok(store_setting_get(s, "theme", &value, &error));
    assert_string_equal(value, "light");
    free(value);
    ok(store_setting_set(s, "a", "", &error));
    ok(store_setting_list(s, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].key, "a");
    store_setting_list_fini(&list);
    ok(store_setting_remove(s, "a", &error));
    fails(CLW_NOT_FOUND, store_setting_remove(s, "a", &error));
    fails(CLW_USAGE, store_setting_set(s, "a b", "x", &error));
    fails(CLW_USAGE, store_setting_set(s, "a", "\xff", &error));
    memset(big, 'v', STORE_VALUE_MAX + 1);
    big[STORE_VALUE_MAX + 1] = '\0';
    fails(CLW_USAGE, store_setting_set(s, "a", big, &error));
    free(big);
    store_close(s);
}

/* ---- export and import ---- */

static void fill_store(struct store *s)
{
    struct store_host h;
    struct store_profile p;
    static const struct store_profile_host hosts[] = {{"z9", 4}, {"gpu1", 2}};
    fill_host(&h, "z9");
    ok(store_host_add(s, &h, &error));
    SET(h.name, "gpu1");
    ok(store_host_add(s, &h, &error));
    store_host_fini(&h);
    add_host(s, "plain");
    fill_profile(&p, "gpu");
    ok(store_profile_set(s, &p, &error));
    store_profile_fini(&p);
    ok(store_profile_want(s, "gpu", 3, true, &error));
    ok(store_profile_hosts_set(s, "gpu", hosts, 2, &error));
    add_profile(s, "default");
    ok(store_setting_set(s, "theme", "dark\n\xe2\x82\xac", &error));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct store *a = open_store(), *b = open_memory();
    struct store_import_counts counts;
    char *first, *second;
    size_t first_len, second_len;
    ok(store_export(a, &first, &first_len, &error)); /* empty */
    ok(store_import(b, first, first_len, STORE_IMPORT_NEW, &counts, &error));
    assert_int_equal(counts.hosts, 0);
    free(first);
    fill_store(a);
    ok(store_export(a, &first, &first_len, &error));
    assert_int_equal(strlen(first), first_len);
    ok(store_import(b, first, first_len, STORE_IMPORT_NEW, &counts, &error));
    assert_int_equal(counts.hosts, 3);
    assert_int_equal(counts.profiles, 2);
    assert_int_equal(counts.settings, 1);
    assert_int_equal(counts.replaced, 0);
    ok(store_export(b, &second, &second_len, &error));
    assert_int_equal(first_len, second_len);
    assert_string_equal(first, second);
    free(second);
    /* a second time: refused, or merged into the same */
    fails(CLW_EXISTS, store_import(b, first, first_len, STORE_IMPORT_NEW, NULL, &error));
    ok(store_host_remove(b, "z9", &error));
    ok(store_import(b, first, first_len, STORE_IMPORT_MERGE, &counts, &error));
    assert_int_equal(counts.replaced, 5);
    ok(store_export(b, &second, &second_len, &error));
    assert_string_equal(first, second);
    free(first);
    free(second);
    store_close(a);
    store_close(b);
}

static enum clw_err import_text(struct store *s, const char *json, enum store_import_mode mode)
{
    return store_import(s, json, strlen(json), mode, NULL, &error);
}

static void test_merge(void **state)
{
    (void)state;
    struct store *s = open_memory();
    struct store_host h;
    fill_store(s);
    ok(store_host_facts_set(s, "gpu1", "{}", 5, NULL, 0, &error));
    /* any of the three kinds may be in the way, and then nothing at all is changed */
    fails(CLW_EXISTS, import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{},\"plain\":{}}}", STORE_IMPORT_NEW));
    fails(CLW_EXISTS,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"profiles\":{\"gpu\":{}}}", STORE_IMPORT_NEW));
    fails(CLW_EXISTS,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"settings\":{\"theme\":\"\"}}", STORE_IMPORT_NEW));
    fails(CLW_NOT_FOUND,
        import_text(s, "{\"clowder\":1,\"hosts\":{\"new\":{}},\"profiles\":{\"p\":{\"hosts\":{\"x\":1}}}}",
            STORE_IMPORT_MERGE));
    fails(CLW_NOT_FOUND, store_host_get(s, "new", &h, &error));
    ok(import_text(s,
        "{\"clowder\":1,\"hosts\":{\"gpu1\":{\"address\":\"10.0.0.9\",\"tags\":[\"t\"]}},"
        "\"profiles\":{\"p\":{\"hosts\":{\"plain\":1}}}}",
        STORE_IMPORT_MERGE));
    ok(store_host_get(s, "gpu1", &h, &error));
    assert_string_equal(h.address, "10.0.0.9");
    assert_string_equal(h.user, "");
    assert_int_equal(h.tags.count, 1);
    assert_string_equal(h.facts, "{}"); /* measured, so not of the document */
    store_host_fini(&h);
    assert_int_equal(count(s, "SELECT count(*) FROM profile_host"), 3); /* membership in gpu stays */
    store_close(s);
}

static void test_hostile(void **state)
{
    (void)state;
    struct store *s = open_memory();
    char *before, *after;
    size_t len;
    static const char *const bad[] = {"", "{", "[]", "null", "{}", "{\"clowder\":\"1\"}", "{\"clowder\":1.0}",
        "{\"clowder\":1}x", "{\"clowder\":1,\"clowder\":1}", "{\"clowder\":1,\"extra\":{}}",
        "{\"clowder\":1,\"hosts\":[]}", "{\"clowder\":1,\"hosts\":{\"a\":[]}}",
        "{\"clowder\":1,\"hosts\":{\"a b\":{}}}", "{\"clowder\":1,\"hosts\":{\"a\":{},\"a\":{}}}",
        "{\"clowder\":1,\"hosts\":{\"\":{}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"password\":\"x\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":0.5}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":65536}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":-1}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"port\":99999999999999999999}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"address\":5}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"address\":\"-x\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"user\":\"a\\u0000b\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"note\":\"\\u001b\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"note\":\"\xff\"}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"direct\":1}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"tags\":\"t\"}}}", "{\"clowder\":1,\"hosts\":{\"a\":{\"tags\":[1]}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"launcher\":\"bird\"}}}",
        "{\"clowder\":1,\"hosts\":{\"a\":{\"launcher\":\"a launcher that is longer than all\"}}}",
        "{\"clowder\":1,\"profiles\":[]}", "{\"clowder\":1,\"profiles\":{\"p\":5}}",
        "{\"clowder\":1,\"profiles\":{\"-\":{}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":[]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a\":10001}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a b\":1,\"c\":1}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"hosts\":{\"a\":\"1\"}}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"runtime\":\"x\"}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":{}}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":[5]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"setup\":[[]]}}}", "{\"clowder\":1,\"profiles\":{\"p\":{\"seed\":-1}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"seed\":\"x\"}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"env\":[\"A\"]}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"wanted\":null}}}",
        "{\"clowder\":1,\"profiles\":{\"p\":{\"maxtasks\":-5}}}", "{\"clowder\":1,\"settings\":[]}",
        "{\"clowder\":1,\"settings\":{\"a\":1}}", "{\"clowder\":1,\"settings\":{\"a b\":\"\"}}"};
    fill_store(s);
    ok(store_export(s, &before, &len, &error));
    for (size_t i = 0; i < COUNT(bad); i++)
        for (int mode = STORE_IMPORT_NEW; mode <= STORE_IMPORT_MERGE; mode++) {
            enum clw_err code = import_text(s, bad[i], (enum store_import_mode)mode);
            if (code != CLW_USAGE)
                fail_msg("%s: %s: %s", bad[i], clw_err_text(code), error.message);
        }
    assert_int_equal(
        import_text(s, "{\"clowder\":1,\"hosts\":{\"h1\":{\"address\":\"a b\"}}}", STORE_IMPORT_NEW), CLW_USAGE);
    assert_non_null(strstr(error.message, "hosts 'h1': 'a b' is not an address"));
    assert_int_equal(
        store_import(s, "{\"clowder\":1,\"hosts\":{\"h1\":{\"address\":\"a b\"}}}", 46, STORE_IMPORT_NEW, NULL, NULL),
        CLW_USAGE);
    fails(CLW_NEWER, import_text(s, "{\"clowder\":2,\"planets\":{}}", STORE_IMPORT_NEW));
    char *deep = mem_alloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    fails(CLW_USAGE, import_text(s, deep, STORE_IMPORT_NEW));
    free(deep);
    fails(CLW_USAGE,
        import_text(s, "{\"clowder\":1,\"settings\":{\"a\":\"[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"b\":[]}}",
            STORE_IMPORT_NEW)); /* brackets in a text are no depth: it is the list that is wrong */
    deep = mem_zalloc((size_t)STORE_IMPORT_BYTES + 1);
    fails(CLW_TOO_LARGE, store_import(s, deep, STORE_IMPORT_BYTES + 1, STORE_IMPORT_NEW, NULL, &error));
    free(deep);
    struct buf many = {0};
    buf_add_text(&many, "{\"clowder\":1,\"settings\":{");
    for (int i = 0; i <= STORE_IMPORT_SETTINGS; i++)
        buf_printf(&many, "%s\"k%d\":\"\"", i ? "," : "", i);
    buf_add_text(&many, "}}");
    fails(CLW_USAGE, import_text(s, buf_text(&many), STORE_IMPORT_NEW));
    buf_fini(&many);
    ok(store_export(s, &after, &len, &error));
    assert_string_equal(before, after);
    free(before);
    free(after);
    store_close(s);
}

/* ---- a file system of our own ---- */

static bool mount_small(const char *options)
{
    return !geteuid() && !mount("none", dir, "tmpfs", 0, options);
}

static void test_disk_full(void **state)
{
    (void)state;
    if (!mount_small("size=512k"))
        skip();
    struct store *s = open_store();
    char *text = mem_alloc(60001), name[16], path[96];
    enum clw_err code = CLW_OK;
    memset(text, 'x', 60000);
    text[60000] = '\0';
    ok(store_setting_set(s, "before", "kept", &error));
    for (int i = 0; !code && i < 100; i++) {
        snprintf(name, sizeof name, "k%d", i);
        code = store_setting_set(s, name, text, &error);
    }
    assert_int_equal(code, CLW_NO_ROOM);
    assert_non_null(strstr(error.message, "no room on the disk"));
    assert_non_null(strstr(error.hint, "make room"));
    char *value;
    ok(store_setting_get(s, "before", &value, &error));
    free(value);
    ok(store_check(s, &error));
    /* in a transaction: whatever the caller does after the failure, nothing of it stays, and the handle goes
     * on */
    code = CLW_OK;
    ok(store__script(s, "PRAGMA cache_size = 5", &error)); /* so that pages are written before the commit */
    ok(store_begin(s, &error));
    for (int i = 0; !code && i < 100; i++) {
        snprintf(name, sizeof name, "m%d", i);
        code = store_setting_set(s, name, text, &error);
    }
    assert_int_equal(code, CLW_NO_ROOM);
    bool undone = sqlite3_get_autocommit(s->db);
    if (undone)
        fails(CLW_IO, store_setting_set(s, "m-late", "x", &error));
    else
        store_rollback(s);
    if (undone)
        fails(CLW_IO, store_commit(s, &error));
    assert_int_equal(count(s, "SELECT count(*) FROM setting WHERE key LIKE 'm%'"), 0);
    store_close(s);
    /* no room even for a new file */
    snprintf(path, sizeof path, "%s/filler", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    while (write(fd, text, 4096) > 0) {
    }
    close(fd);
    snprintf(path, sizeof path, "%s/second.db", dir);
    fails(CLW_NO_ROOM, store_open(path, &s, &error));
    assert_int_equal(access(path, F_OK), -1);
    free(text);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void test_read_only(void **state)
{
    (void)state;
    if (!mount_small("size=4m"))
        skip();
    struct store *s = open_store();
    add_host(s, "a");
    store_close(s);
    char path[96];
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
    fails(CLW_IO, store_open(file, &s, &error));
    snprintf(path, sizeof path, "%s/second.db", dir);
    fails(CLW_IO, store_open(path, &s, &error));
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

/* The same by permissions, as an ordinary user sees it. */
static void open_as_nobody(int i)
{
    struct store *s;
    (void)i;
    if (!geteuid() && (setgid(65534) || setuid(65534)))
        _exit(2);
    enum clw_err code = store_open(file, &s, &error);
    _exit(code == CLW_IO && *error.hint ? 0 : 1);
}

static void test_read_only_permissions(void **state)
{
    (void)state;
    store_close(open_store());
    if (!geteuid()) /* what is another user's is refused */
        assert_int_equal(chown(file, 65534, 65534), 0);
    chmod(file, 0444);
    chmod(dir, 0555);
    in_processes(1, open_as_nobody);
    chmod(dir, 0700);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_new_file),
        T(test_default_path),
        T(test_others),
        T(test_newer_is_untouched),
        T(test_newer_journal_is_untouched),
        T(test_not_ours),
        T(test_damaged),
        T(test_damaged_values),
        T(test_other_schema),
        T(test_bent_values),
        T(test_bent_measures),
        T(test_old_format),
        T(test_step_fails),
        T(test_ledger_inputs),
        T(test_ledger_many),
        T(test_first_open_at_once),
        T(test_writers_at_once),
        T(test_busy),
        T(test_transactions),
        T(test_statements),
        T(test_addresses),
        T(test_users_macs_ports),
        T(test_targets),
        T(test_host_checks),
        T(test_hosts),
        T(test_facts),
        T(test_hostile_facts),
        T(test_profiles),
        T(test_profile_checks),
        T(test_jobs),
        T(test_launches),
        T(test_batches),
        T(test_events),
        T(test_samples),
        T(test_load),
        T(test_settings),
        T(test_round_trip),
        T(test_merge),
        T(test_hostile),
        T(test_disk_full),
        T(test_read_only),
        T(test_read_only_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
