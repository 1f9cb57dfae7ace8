/* The probe: its script in the shells that are here, and the reader with good, odd and broken output;
 * uploads' choice of a program; secrets; agent lists; wake packets. */
#include "base/mem.h"
#include "hosts/ssh/agent.h"
#include "hosts/probe.h"
#include "hosts/ssh/secrets.h"
#include "hosts/upload.h"
#include "hosts/wake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct host_facts facts;
static struct clw_error error;

static struct probe feed(const char *text)
{
    struct probe p;
    probe_init(&p, "TOK", &facts);
    /* Byte by byte: pieces must not matter. */
    for (const char *c = text; *c; c++)
        probe_feed(&p, c, 1);
    return p;
}

static void good(void **state)
{
    (void)state;
    struct probe p =
        feed("Welcome!\nTOK begin=1\nTOK pong=1\nTOK pong=2\nTOK clock=1700000000.250000000\n"
             "TOK system=Linux\nTOK kernel=6.1.0-18-amd64\nTOK arch=x86_64\nTOK bits=64\nTOK user=ada\n"
             "TOK shell=/bin/bash\nTOK home=/home/ada\nTOK os=Debian GNU/Linux 12 (bookworm)\nTOK cores=16\n"
             "TOK mem_total=16310408 kB\nTOK mem_available=12000000 kB\nTOK load=0.42\nTOK uptime=86400\n"
             "TOK mac=52:54:00:12:34:56\n"
             "TOK cache_dir=/home/ada/.cache/clowder\nTOK cache=ok\nTOK disk_free_kb=1024\n"
             "TOK r=4.2.2 1.3.0\nTOK nanonext=1.5.0\nTOK python=3.11.2 -\nTOK sshd=4321 99887766\nnoise in "
             "between\nTOK end=1\n");
    assert_true(p.began && p.ended && p.clock_answered);
    assert_int_equal(p.pongs, 2);
    assert_true(p.clock_us == 1700000000250000);
    assert_string_equal(facts.os, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(facts.arch, "x86_64");
    assert_int_equal(facts.cores, 16);
    assert_true(facts.mem_total_bytes == 16310408ull * 1024);
    assert_true(facts.load1 > 0.41 && facts.load1 < 0.43);
    assert_true(facts.disk_free_bytes == 1024 * 1024);
    assert_true(facts.cache_writable);
    assert_string_equal(facts.r_version, "4.2.2");
    assert_string_equal(facts.mirai_version, "1.3.0");
    assert_string_equal(facts.python_version, "3.11.2");
    assert_string_equal(facts.dask_version, "");
    assert_int_equal(facts.sshd_pid, 4321);
    assert_string_equal(facts.unparsed, "");
    assert_non_null(strstr(buf_text(&p.noise), "Welcome!"));
    char *json = host_facts_json(&facts);
    assert_non_null(strstr(json, "\"cores\":16"));
    assert_null(strstr(json, "unparsed"));
    free(json);
    assert_string_equal(facts.mac, "52:54:00:12:34:56");
    probe_fini(&p);
}

/* Values that do not fit are told, and nothing is made of them. */
static void odd(void **state)
{
    (void)state;
    static const char *const lines[] = {"cores=four", "cores=-1", "cores=99999999", "cores=", "mem_total=12",
        "mem_total=1 MB", "load=nan", "load=1e9", "load=-1", "uptime=1.5", "mac=52:54:00", "mac=52:54:00:12:34:5g",
        "cache_dir=relative/path", "cache=maybe", "disk_free_kb=1K", "r=Error in library", "python=Python 3",
        "sshd=12 x", "arch=x86 64", "home=", "nvidia=NVIDIA-SMI has failed", "nvidia=0, A, 1", "pci=10de 20b0",
        "rocm=not json", "rocm={\"card0\":1}", "clock=now", "clock=1700000000", "something=else", "no equals sign",
        "program=abc"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[200];
        snprintf(text, sizeof text, "TOK %s\n", lines[i]);
        struct probe p = feed(text);
        if (!strstr(facts.unparsed, lines[i]))
            fail_msg("%s was taken", lines[i]);
        memset(facts.unparsed, 0, sizeof facts.unparsed);
        assert_int_equal(facts.cores, 0);
        assert_int_equal(facts.gpu_count, 0);
        assert_true(facts.mem_total_bytes == 0 && facts.load1 < 0 && facts.disk_free_bytes < 0 && facts.uptime_s < 0);
        assert_true(p.clock_us < 0 && !facts.cache_writable && !*facts.home && !*facts.arch && !*facts.r_version);
        probe_fini(&p);
    }
}

static void hostile(void **state)
{
    (void)state;
    struct probe p =
        feed("TOK os=evil\033[31m\nTOK user=a\x01\nTOK kernel=x\xc2\x85\nTOKK cores=3\nTOK\nTOK \nXTOK cores=3\ntok "
             "cores=3\nTOK cores=2\r\n");
    assert_string_equal(facts.os, "");
    assert_null(strchr(facts.unparsed, '\033'));
    assert_non_null(strstr(facts.unparsed, "os=evil\\x1b[31m"));
    assert_string_equal(facts.kernel, "");
    assert_non_null(strstr(facts.unparsed, "kernel=x\\xc2\\x85"));
    assert_int_equal(facts.cores, 2);
    probe_fini(&p);
    /* A line without end, and very many lines. */
    probe_init(&p, "TOK", &facts);
    char block[1000];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1000; i++)
        probe_feed(&p, block, sizeof block);
    assert_true(p.line.len <= PROBE_LINE_MAX);
    for (int i = 0; i < 1000; i++)
        probe_feed(&p, "\nTOK what=ever\n", 15);
    assert_true(strlen(facts.unparsed) < sizeof facts.unparsed);
    assert_true(p.noise.len < PROBE_NOISE_MAX);
    probe_fini(&p);
}

static void gpus(void **state)
{
    (void)state;
    struct probe p = feed(
        "TOK nvidia=0, NVIDIA A100-SXM4-40GB, 40960, 525.85.12, 87, 30211, 61, 250.36, GPU-a1\nTOK nvidia=1, NVIDIA "
        "GB10, [N/A], "
        "580.1, [N/A], [N/A]\n"
        "TOK gpu_process=GPU-a1 4242 30001 alice\nTOK gpu_process=GPU-a1 4243 [N/A] -\nTOK gpu_process=GPU-zz 1 2 bob\n"
        "TOK rocm={\"card0\": {\"Card series\": \"Instinct MI250\", \"VRAM Total Memory (B)\": "
        "\"68702699520\", \"VRAM Total Used Memory (B)\": \"10960896\", \"GPU use (%)\": \"12\", \"Temperature "
        "(Sensor edge) (C)\": \"39.0\", \"Average Graphics Package Power (W)\": \"88.5\"}, "
        "\"system\": {\"Driver version\": \"5.16\"}}\n"
        "TOK pci=0x10de 0x20b0 0000:01:00.0\nTOK pci=0x8086 0x56c0 0000:02:00.0\nTOK pci=0x1a03 0x2000 "
        "0000:03:00.0\n");
    assert_int_equal(facts.gpu_count, 4);
    assert_string_equal(facts.gpus[0].name, "NVIDIA A100-SXM4-40GB");
    assert_true(facts.gpus[0].mem_bytes == 40960ull << 20);
    assert_string_equal(facts.gpus[0].driver, "525.85.12");
    assert_int_equal(facts.gpus[0].busy, 87);
    assert_true(facts.gpus[0].mem_used_bytes == 30211ull << 20);
    assert_int_equal(facts.gpus[0].temp_c, 61);
    assert_int_equal(facts.gpus[0].power_w, 250);
    assert_int_equal(facts.gpu_process_count, 2);
    assert_int_equal(facts.gpu_processes[0].gpu, 0);
    assert_int_equal(facts.gpu_processes[0].pid, 4242);
    assert_true(facts.gpu_processes[0].mem_bytes == 30001ull << 20);
    assert_string_equal(facts.gpu_processes[0].user, "alice");
    assert_true(facts.gpu_processes[1].mem_bytes == 0);
    assert_string_equal(facts.gpu_processes[1].user, "");
    assert_int_equal(facts.gpus[2].temp_c, 39);
    assert_int_equal(facts.gpus[2].power_w, 88);
    assert_int_equal(facts.gpus[3].temp_c, -1);
    assert_true(facts.gpus[1].mem_bytes == 0);
    assert_int_equal(facts.gpus[1].busy, -1);
    assert_int_equal(facts.gpus[2].busy, 12);
    assert_true(facts.gpus[2].mem_used_bytes == 10960896);
    assert_int_equal(facts.gpus[3].busy, -1);
    assert_string_equal(facts.gpus[2].vendor, "amd");
    assert_true(facts.gpus[2].mem_bytes == 68702699520ull);
    assert_string_equal(facts.gpus[2].driver, "5.16");
    assert_string_equal(facts.gpus[3].source, "pci");
    assert_string_equal(facts.gpus[3].vendor, "intel");
    assert_string_equal(facts.unparsed, "");
    probe_fini(&p);
    p = feed("TOK pci=0x10de 0x20b0 0000:01:00.0\nTOK pci=0x10de 0x20b0 0000:02:00.0\n");
    assert_int_equal(facts.gpu_count, 2);
    assert_int_equal(facts.gpus[1].index, 1);
    probe_fini(&p);
}

/* The script itself, in a shell of this machine. */
static void run_in(const char *shell, const char *which)
{
    char token[PROBE_TOKEN_SIZE], home[] = "/tmp/clw-probe-XXXXXX", *script, *path, *command;
    if (system(which))
        return;
    assert_non_null(mkdtemp(home));
    probe_token(token);
    script = probe_script(token, "", "", PROBE_CLEAN_NOTHING, 0, "");
    path = mem_printf("%s/script", home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n\n\n", script);
    fclose(f);
    command = mem_printf("HOME=%s %s -s < %s", home, shell, path);
    struct probe p;
    probe_init(&p, token, &facts);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    char block[777];
    for (size_t n; (n = fread(block, 1, sizeof block, out)) > 0;)
        probe_feed(&p, block, n);
    pclose(out);
    assert_true(p.began && p.ended);
    assert_int_equal(p.pongs, 2);
    assert_string_equal(facts.unparsed, "");
    assert_string_equal(facts.home, home);
    assert_true(facts.cores > 0 && facts.mem_total_bytes > 0 && facts.cache_writable && facts.disk_free_bytes >= 0);
    probe_fini(&p);
    char *clean = mem_printf("rm -rf %s", home);
    assert_int_equal(system(clean), 0);
    free(clean);
    free(command);
    free(path);
    free(script);
}

static void shells(void **state)
{
    (void)state;
    run_in("sh", "command -v sh >/dev/null");
    run_in("bash", "command -v bash >/dev/null");
    run_in("bash --posix", "command -v bash >/dev/null");
    run_in("busybox sh", "command -v busybox >/dev/null");
    run_in("mksh", "command -v mksh >/dev/null");
    run_in("ksh", "command -v ksh >/dev/null");
}

static void script_is_safe(void **state)
{
    (void)state;
    char *script = probe_script("abc", "x'; rm -rf /", "~/a'; touch x; '", PROBE_CLEAN_ALL, 7, "12; id");
    assert_null(strstr(script, "rm -rf"));
    assert_null(strstr(script, "; id"));
    assert_non_null(strstr(script, "T=abc; N=''; S=7; K=; C=\"$HOME\"/'a'\\''; touch x; '\\'''; X=2\n"));
    free(script);
}

static void machines(void **state)
{
    (void)state;
    uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    struct buf out = {0};
    char *used, hex[65], *quoted;
    elf[18] = 62;
    assert_string_equal(upload_machine(elf, sizeof elf), "x86_64");
    elf[18] = 183;
    assert_string_equal(upload_machine(elf, sizeof elf), "aarch64");
    assert_null(upload_machine(elf, 10));
    assert_null(upload_machine((const uint8_t *)"#!/bin/sh\n echo hello", 21));
    assert_true(
        upload_runs_on("x86_64", "amd64") && upload_runs_on("aarch64", "arm64") && upload_runs_on("i686", "x86_64"));
    assert_true(upload_runs_on("i686", "i586") && upload_runs_on("armv7l", "armv7l"));
    assert_false(
        upload_runs_on("x86_64", "aarch64") || upload_runs_on("x86_64", "i686") || upload_runs_on("armv7l", "armv6l"));
    assert_int_equal(upload_pick("/nowhere/daemon", "x86_64", &out, &used, &error), CLW_NOT_FOUND);
    assert_int_equal(upload_pick("/proc/self/exe", "sparc64", &out, &used, &error), CLW_REFUSED);
    assert_non_null(strstr(error.message, "type sparc64"));
    buf_fini(&out);
    upload_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    quoted = upload_quote("it's $HOME");
    assert_string_equal(quoted, "'it'\\''s $HOME'");
    free(quoted);
}

/* A file in the folder that has a program's head for a machine. */
static void write_program(const char *folder, const char *name, uint8_t machine)
{
    uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    elf[18] = machine;
    assert_int_equal(fwrite(elf, sizeof elf, 1, f), 1);
    fclose(f);
    free(path);
}

static void programs_have_names(void **state)
{
    (void)state;
    char folder[] = "/tmp/clw-programs-XXXXXX", *names, *path;
    assert_non_null(mkdtemp(folder));
    path = mem_printf("%s/d", folder);
    names = upload_names(path);
    assert_string_equal(names, "");
    free(names);
    write_program(folder, "d", 62);
    write_program(folder, "d-aarch64", 183);
    write_program(folder, "d-riscv64", 183); /* is not what its name says */
    names = upload_names(path);
    assert_string_equal(names, "x86_64:clowder-daemon-caa6f4f58ad3ed35 amd64:clowder-daemon-caa6f4f58ad3ed35 "
                               "aarch64:clowder-daemon-3d36d1a967b1ee7c arm64:clowder-daemon-3d36d1a967b1ee7c ");
    char *script = probe_script("T", names, "", PROBE_CLEAN_NOTHING, 0, "");
    assert_non_null(strstr(script, names));
    char *clean = mem_printf("rm -rf %s", folder);
    assert_int_equal(system(clean), 0);
    free(clean);
    free(script);
    free(names);
    free(path);
}

static void secrets(void **state)
{
    (void)state;
    struct secrets *s = secrets_new();
    char out[SECRET_SIZE];
    assert_non_null(s);
    struct secret_key a = secret_key("passphrase", "", "/home/u/.ssh/id");
    assert_false(secrets_get(s, &a, out));
    secrets_put(s, &a, "one");
    assert_true(secrets_get(s, &a, out));
    assert_string_equal(out, "one");
    /* Another kind, somebody else who asks, another question, and the same letters elsewhere. */
    static const char *const others[][3] = {{"interactive", "", "/home/u/.ssh/id"}, {"password", "", "/home/u/.ssh/id"},
        {"passphrase", "u@h:22", "/home/u/.ssh/id"}, {"passphrase", "", "/home/u/.ssh/id2"}, {"passphrase", "", ""},
        {"passphrase", "/home/u/.ssh/id", ""}, {"", "passphrase", "/home/u/.ssh/id"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct secret_key other = secret_key(others[i][0], others[i][1], others[i][2]);
        assert_false(secrets_get(s, &other, out));
    }
    secrets_drop(s, &a);
    assert_false(secrets_get(s, &a, out));
    for (int i = 0; i < 100; i++) {
        char name[20];
        snprintf(name, sizeof name, "p%d", i);
        struct secret_key key = secret_key("password", "u@h:22", name);
        secrets_put(s, &key, name);
    }
    struct secret_key last = secret_key("password", "u@h:22", "p99"), first = secret_key("password", "u@h:22", "p0");
    assert_true(secrets_get(s, &last, out));
    assert_string_equal(out, "p99");
    assert_false(secrets_get(s, &first, out));
    secrets_drop_all(s);
    assert_false(secrets_get(s, &last, out));
    secrets_free(s);
}

static void put_string(struct buf *b, const void *data, size_t len)
{
    uint8_t head[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};
    buf_add(b, head, 4);
    buf_add(b, data, len);
}

static void put_key(struct buf *b, const char *type, const char *body)
{
    struct buf blob = {0};
    put_string(&blob, type, strlen(type));
    put_string(&blob, body, strlen(body));
    put_string(b, blob.data, blob.len);
    put_string(b, "comment", 7);
    buf_fini(&blob);
}

static void agent_lists(void **state)
{
    (void)state;
    struct buf answer = {0}, shown = {0}, blob = {0};
    struct agent_keys wanted = {0}, none = {0}, offered = {0};
    struct agent_offer offer = {.wanted = &wanted, .certificates = &none};
    buf_add(&answer, "\x0c\0\0\0\4", 5);
    put_key(&answer, "ssh-unreadable", "one");
    put_key(&answer, "ssh-ed25519", "two");
    put_key(&answer, "ssh-ed25519", "three");
    put_key(&answer, "ssh-rsa", "four");
    put_string(&blob, "ssh-ed25519", 11);
    put_string(&blob, "three", 5);
    agent_keys_add(&wanted, blob.data, blob.len);
    /* The wanted one first, those that cannot be read not at all. */
    assert_true(agent_filter(answer.data, answer.len, &offer, &shown, &offered));
    assert_int_equal(offered.count, 3);
    assert_memory_equal(offered.blobs[0].data, blob.data, blob.len);
    assert_int_equal(shown.data[4], 3);
    agent_keys_fini(&offered);
    buf_clear(&shown);
    offer.only = true;
    assert_true(agent_filter(answer.data, answer.len, &offer, &shown, &offered));
    assert_int_equal(offered.count, 1);
    agent_keys_fini(&offered);
    for (size_t cut = 0; cut < answer.len; cut++) {
        buf_clear(&shown);
        assert_false(agent_filter(answer.data, cut, &offer, &shown, &offered));
        agent_keys_fini(&offered);
    }
    agent_keys_fini(&wanted);
    buf_fini(&answer);
    buf_fini(&shown);
    buf_fini(&blob);
}

static void wakes(void **state)
{
    (void)state;
    uint8_t mac[6], packet[WAKE_PACKET];
    static const char *const well[] = {"00:1a:2B:3c:4D:5e", "00-1a-2b-3c-4d-5e", "001a2b3c4d5e"};
    static const char *const bad[] = {
        "", "00:1a:2b:3c:4d", "00:1a:2b:3c:4d:5e:6f", "00:1a-2b:3c:4d:5e", "zz:1a:2b:3c:4d:5e", "001a2b3c4d5"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wake_parse(well[i], mac, &error), CLW_OK);
        assert_int_equal(mac[2], 0x2b);
        assert_int_equal(mac[5], 0x5e);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(wake_parse(bad[i], mac, &error), CLW_USAGE);
    assert_int_equal(wake_parse(well[0], mac, &error), CLW_OK);
    wake_packet(mac, packet);
    assert_int_equal(packet[5], 0xff);
    assert_memory_equal(packet + 6, mac, 6);
    assert_memory_equal(packet + 96, mac, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(odd),
        cmocka_unit_test(hostile),
        cmocka_unit_test(gpus),
        cmocka_unit_test(shells),
        cmocka_unit_test(script_is_safe),
        cmocka_unit_test(machines),
        cmocka_unit_test(programs_have_names),
        cmocka_unit_test(secrets),
        cmocka_unit_test(agent_lists),
        cmocka_unit_test(wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
