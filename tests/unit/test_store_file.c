/* The file of the store: new, old, of others, damaged, and of another version. */
#include "store_lab.h"

#include "store/job.h"
#include "store/setting.h"
#include "store/transfer.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Formats from before the first one that counts. */
static void test_old_format(void **state)
{
    (void)state;
    struct store *s = open_store();
    store_close(s);
    raw("PRAGMA user_version = 3");
    refused(CLW_REFUSED);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
