/* Machines that could become hosts, from what other programs tell of them. */
#include "hosts/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scan scan;

static const struct scan_machine *named(const char *name)
{
    for (size_t i = 0; i < scan.count; i++)
        if (strcmp(scan.items[i].name, name) == 0)
            return &scan.items[i];
    fail_msg("there is no '%s'", name);
    return NULL;
}

static void sources_tell_of_the_same_machine(void **state)
{
    (void)state;
    scan_announced(&scan, "+;eth0;IPv4;nas;_ssh._tcp;local\n"
                          "=;eth0;IPv6;nas;_ssh._tcp;local;nas.local;fe80::1;22;\n"
                          "=;eth0;IPv4;nas;_ssh._tcp;local;nas.local;192.168.1.5;22;\"a=b\"\n"
                          "=;eth0;IPv4;odd;_ssh._tcp;local;odd.local;192.168.1.6;2222;\n");
    scan_known(&scan, "# a comment\nnas ssh-ed25519 AAAA\nnas ssh-rsa BBBB\nbuild7.lan,192.168.1.7 ssh-ed25519 AAAA\n"
                      "[odd.local]:2222 ssh-ed25519 AAAA\n|1|abc|def ssh-ed25519 AAAA\n*.lan ssh-ed25519 AAAA\n"
                      "@cert-authority ca ssh-ed25519 AAAA\n[fe80::7]:22 ssh-ed25519 AAAA\n");
    scan_neighbours(&scan,
        "IP address HW type Flags HW address Mask Device\n"
        "192.168.1.5  0x1 0x2 52:54:00:00:00:05 * eth0\n192.168.1.7  0x1 0x2 52:54:00:00:00:07 * eth0\n"
        "192.168.1.8  0x1 0x0 00:00:00:00:00:00 * eth0\n192.168.1.9  0x1 0x2 52:54:00:00:00:09 * eth0\n");
    scan_sort(&scan);
    assert_int_equal(scan.count, 5);
    assert_int_equal(scan.hashed, 1);
    const struct scan_machine *m = named("nas");
    assert_true(m == &scan.items[0]);
    assert_string_equal(m->hostname, "nas.local");
    assert_string_equal(m->address, "192.168.1.5");
    assert_string_equal(m->mac, "52:54:00:00:00:05");
    assert_true(m->is_announced && m->is_known && m->is_near);
    assert_int_equal(named("odd")->port, 2222);
    assert_true(named("odd")->is_known);
    assert_string_equal(named("build7.lan")->address, "192.168.1.7");
    assert_string_equal(named("build7.lan")->mac, "52:54:00:00:00:07");
    assert_false(named("build7.lan")->is_announced);
    assert_true(named("192.168.1.9")->is_near);
    assert_string_equal(named("fe80--7")->address, "fe80::7");
    scan_fini(&scan);
}

static void strangers_cannot_say_what_they_like(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    scan_announced(&scan,
        "=;e;IPv4;x;_ssh._tcp;local;-oProxyCommand=x;10.0.0.1;22;\n=;e;IPv4;x;_ssh._tcp;local;a b;10.0.0.1;22;\n"
        "=;e;IPv4;x;_ssh._tcp;local;a\033[2J;10.0.0.1;22;\n=;e;IPv4;x;_ssh._tcp;local;a;10.0.0.1 -x;22;\n"
        "=;e;IPv4;x;_ssh._tcp;local;a;10.0.0.1;0;\n=;e;IPv4;x;_ssh._tcp;local;a;10.0.0.1;70000;\n=;;;;;;;;\n=\n;;;\n");
    scan_known(&scan, "-x ssh-rsa A\n[a ssh-rsa A\n[a]:0 ssh-rsa A\n[a]:99999 ssh-rsa A\n, ssh-rsa A\n@\n");
    scan_neighbours(&scan, "10.0.0.1 0x1 0x2 zz:zz:zz:zz:zz:zz * e\nx 0x1 0x2 52:54:00:00:00:05 * e\n10.0.0.1\n");
    for (size_t i = 0; i < scan.count; i++)
        assert_string_equal(scan.items[i].name, "");
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < SCAN_MAX + 100; i++)
        fprintf(f, "h%d ssh-rsa A\n", i);
    fclose(f);
    scan_known(&scan, text);
    assert_int_equal(scan.count, SCAN_MAX);
    free(text);
    scan_fini(&scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_tell_of_the_same_machine),
        cmocka_unit_test(strangers_cannot_say_what_they_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
