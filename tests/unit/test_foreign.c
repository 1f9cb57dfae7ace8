/* Bases, and the scripts that start daemons of other engines: what a shell makes of them is what was meant. */
#include "engine/profiles/foreign_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct clw_error error;

static void bases(void **state)
{
    (void)state;
    struct foreign_base b;
    static const char *const bad[] = {"", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536", "tcp://127.0.0.1:5x", "127.0.0.1:5555", "tcp://somebody-elses.example:5555",
        "tcp://127.0.0.1:5555x", "tcp://127.0.0.1:5555?x", "see tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555/$(id)",
        "tcp://127.0.0.1:5555/'`id`'", "tcp://127.0.0.1:5555/a b", "tcp://127.0.0.1:5555/a\nb", "tcp://$(id):5555",
        "ipc://", "ipc://relative", "ipc:///a b", "ipc:///$(id)", "see ipc:///tmp/x",
        "ipc:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
        NULL};
    static const struct {
        const char *url, *target, *rest;
    } good[] = {{"tcp://127.0.0.1:5555", "tcp:127.0.0.1:5555", ""},
        {"tls+tcp://localhost:5555", "tcp:127.0.0.1:5555", ""}, {"tcp://0.0.0.0:1", "tcp:127.0.0.1:1", ""},
        {"tcp://*:65535", "tcp:127.0.0.1:65535", ""}, {"ws://10.0.0.7:80/a/b?c", "tcp:10.0.0.7:80", "/a/b?c"},
        {"tcp://[::1]:99", "tcp:[::1]:99", ""}, {"ipc:///run/user/7/x.sock", "unix:/run/user/7/x.sock", ""}};
    for (const char *const *url = bad; *url; url++)
        assert_int_equal(foreign_base_parse(*url, &b, &error), CLW_USAGE);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(foreign_base_parse(good[i].url, &b, &error), CLW_OK);
        assert_string_equal(b.target, good[i].target);
        assert_string_equal(b.rest, good[i].rest);
    }
}

static void kinds(void **state)
{
    (void)state;
    struct foreign_base b;
    foreign_base_parse("tcp://127.0.0.1:5555", &b, &error);
    assert_int_equal(foreign_meter_kind(&b, STORE_RUNTIME_MIRAI), METER_MIRAI);
    assert_int_equal(foreign_meter_kind(&b, STORE_RUNTIME_DASK), METER_DASK);
    assert_int_equal(foreign_meter_kind(&b, STORE_RUNTIME_COMMAND), METER_SP);
    foreign_base_parse("tls+tcp://127.0.0.1:5555", &b, &error);
    assert_int_equal(foreign_meter_kind(&b, STORE_RUNTIME_MIRAI), METER_BYTES);
}

static void finding(void **state)
{
    (void)state;
    struct foreign_base b;
    assert_true(foreign_base_find("Rscript -e 'mirai::daemon(\"tcp://127.0.0.1:5555\",dispatcher=TRUE)'", &b));
    assert_string_equal(b.target, "tcp:127.0.0.1:5555");
    assert_true(foreign_base_find("x --at http://example.org:80/ --home ws://localhost:81/x", &b));
    assert_string_equal(b.target, "tcp:127.0.0.1:81");
    assert_true(foreign_base_find("R -e 'mirai::daemon(\"ipc:///tmp/x.ipc\")'", &b));
    assert_string_equal(b.target, "unix:/tmp/x.ipc");
    assert_false(foreign_base_find("x tcp://10.0.0.1:5555 tcp://127.0.0.1 :// ://127.0.0.1:1", &b));
}

/* Runs a script with programs of ours in the way, and gives what they printed. */
static char *run(const struct buf *script)
{
    static char out[65536];
    char file[] = "/tmp/clowder-script.XXXXXX", command[100];
    int fd = mkstemp(file);
    assert_true(fd >= 0 && write(fd, script->data, script->len) == (ssize_t)script->len);
    close(fd);
    snprintf(command, sizeof command, "sh -s <%s", file);
    FILE *f = popen(command, "r");
    size_t n = fread(out, 1, sizeof out - 1, f);
    out[n] = '\0';
    pclose(f);
    unlink(file);
    return out;
}

static struct foreign_launch launch(enum store_runtime runtime, struct foreign_base *b)
{
    foreign_base_parse("tcp://localhost:5555", b, &error);
    return (struct foreign_launch){
        .runtime = runtime, .base = b, .mark = "m4rk", .name = "r-7", .host = "gpu1", .number = 3, .gpu = -1};
}

static void a_command(void **state)
{
    (void)state;
    struct foreign_base b;
    struct foreign_launch l = launch(STORE_RUNTIME_COMMAND, &b);
    struct buf script = {0};
    const char *const command[] = {"printf", "%s\\n", "{url}", "a 'b' \"c\" $HOME `id` {}", "{host}-{n}-{gpu}",
        "{nobody}", "", "@m5rkPORT@", NULL};
    const char *const env[] = {"MODEL=big 'one'", "E=", NULL};
    l.command = command;
    l.env = env;
    l.gpu = 1;
    foreign_script(&l, &script);
    assert_string_equal(
        run(&script), "tcp://localhost:@m4rkPORT@\na 'b' \"c\" $HOME `id` {}\ngpu1-3-1\n{nobody}\n\n@m5rkPORT@\n");
    buf_clear(&script);
    const char *const show[] = {
        "sh", "-c", "echo \"$MODEL|$E|$CUDA_VISIBLE_DEVICES|$ROCR_VISIBLE_DEVICES|$CLOWDER_DAEMON\"; cat", NULL};
    l.command = show;
    foreign_script(&l, &script);
    assert_string_equal(run(&script), "big 'one'||1|1|r-7\n");
    buf_fini(&script);
}

/* The words that the program gets. */
static const char stand_in[] = "Rscript() { for w; do printf '<%s>' \"$w\"; done; }\n"
                               "dask() { Rscript dask \"$@\"; }\n";

static char *words(const struct foreign_launch *l)
{
    struct buf script = {0}, all = {0};
    foreign_script(l, &script);
    buf_add(&script, "", 1);
    /* exec knows no functions: without it the function is called. */
    char *text = (char *)script.data, *at = strstr(text, "exec ");
    buf_add_text(&all, stand_in);
    buf_add(&all, text, (size_t)(at - text));
    buf_add_text(&all, at + 5);
    char *out = run(&all);
    buf_fini(&script);
    buf_fini(&all);
    return out;
}

static void mirai(void **state)
{
    (void)state;
    struct foreign_base b;
    struct foreign_launch l = launch(STORE_RUNTIME_MIRAI, &b);
    assert_string_equal(words(&l),
        "<-e><q(status = 10L + mirai::daemon(\"tcp://localhost:@m4rkPORT@\", dispatcher = TRUE, "
        "output = TRUE))>");
    const char *const options[] = {
        "dispatcher=FALSE", "autoexit=NULL", "tlscert=-----BEGIN \"X\"-----\nMII\\'z\n", "x=1e-3", NULL};
    l.options = options;
    l.idletime_ms = 1500;
    l.walltime_ms = 60000;
    l.maxtasks = 12;
    assert_string_equal(words(&l), "<-e><q(status = 10L + mirai::daemon(\"tcp://localhost:@m4rkPORT@\", output = TRUE, "
                                   "idletime = 1500, walltime = "
                                   "60000, maxtasks = 12, dispatcher = FALSE, autoexit = NULL, tlscert = \"-----BEGIN "
                                   "\\\"X\\\"-----\\nMII\\\\'z\\n\", x "
                                   "= 1e-3))>");
}

static void dask(void **state)
{
    (void)state;
    struct foreign_base b;
    struct foreign_launch l = launch(STORE_RUNTIME_DASK, &b);
    const char *const tags[] = {"gpu", "rack2", NULL}, *const options[] = {"nthreads=4", "local-directory=/tmp/a b",
                                                           "no-nanny-x=", NULL};
    assert_string_equal(words(&l),
        "<dask><worker><tcp://localhost:@m4rkPORT@><--name><r-7><--nthreads><1><--no-dashboard>"
        "<--no-nanny>");
    l.tags = tags;
    l.options = options;
    l.contact_port = 4242;
    l.is_reached = true;
    assert_string_equal(words(&l),
        "<dask><worker><tcp://localhost:@m4rkPORT@><--name><r-7><--no-dashboard><--no-nanny>"
        "<--listen-address><tcp://127.0.0.1:@m4rkLISTEN@><--contact-address><tcp://127.0.0.1:4242>"
        "<--resources><gpu=1,rack2=1><--nthreads><4><--local-directory></tmp/a b><--no-nanny-x>");
}

static void given(void **state)
{
    (void)state;
    struct foreign_base b;
    struct foreign_launch l = launch(STORE_RUNTIME_COMMAND, &b);
    struct buf script = {0};
    const char *command = "printf '%s\\n' \"tcp://127.0.0.1:5555\" 'tcp://127.0.0.1:5555 @m4PORT@\n -- ' # end";
    assert_true(foreign_base_find(command, &b));
    foreign_script_given(command, &b, &l, &script);
    assert_string_equal(run(&script), "tcp://127.0.0.1:@m4rkPORT@\ntcp://127.0.0.1:5555 @m4PORT@\n -- \n");
    buf_clear(&script);
    foreign_script_given("read line || echo nothing to read; exit 7", NULL, &l, &script);
    assert_string_equal(run(&script), "nothing to read\n");
    buf_fini(&script);
}

static void exits(void **state)
{
    (void)state;
    bool by_itself;
    assert_string_equal(foreign_exit_text(STORE_RUNTIME_MIRAI, 10, &by_itself), "its base closed the connection");
    assert_false(by_itself);
    assert_string_equal(foreign_exit_text(STORE_RUNTIME_MIRAI, 13, &by_itself), "maxtasks");
    assert_true(by_itself);
    assert_null(foreign_exit_text(STORE_RUNTIME_MIRAI, 14, &by_itself));
    assert_null(foreign_exit_text(STORE_RUNTIME_COMMAND, 10, &by_itself));
    assert_false(by_itself);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases),
        cmocka_unit_test(kinds),
        cmocka_unit_test(finding),
        cmocka_unit_test(a_command),
        cmocka_unit_test(mirai),
        cmocka_unit_test(dask),
        cmocka_unit_test(given),
        cmocka_unit_test(exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
