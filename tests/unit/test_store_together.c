/* Several processes at one store, transactions, and disks that are full or not to be written to. The last tests need
 * root for a small file system of their own and are skipped without it. */
#include "store_lab.h"

#include "store/event.h"
#include "store/sample.h"
#include "store/setting.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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
    assert_non_null(strstr(error.hint, "free some space"));
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
        T(test_first_open_at_once),
        T(test_writers_at_once),
        T(test_busy),
        T(test_transactions),
        T(test_statements),
        T(test_disk_full),
        T(test_read_only),
        T(test_read_only_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
