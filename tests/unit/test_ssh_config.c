/* The reader of ssh configurations, patterns, targets, and known_hosts files. */
#include "base/mem.h"
#include "hosts/ssh/known_hosts.h"
#include "hosts/ssh/pattern.h"
#include "hosts/ssh/ssh_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct clw_error error;

static void put(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/clw-ssh-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("HOME", dir, 1);
    unsetenv("CLOWDER_SSH_CONFIG");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char *command = mem_printf("rm -rf '%s'", dir);
    int status = system(command);
    free(command);
    return status;
}

static struct ssh_host look(const char *text, const char *alias)
{
    struct ssh_config *config;
    struct ssh_host host;
    assert_int_equal(ssh_config_parse(text, strlen(text), dir, &config, &error), CLW_OK);
    assert_int_equal(ssh_config_lookup(config, alias, "", 0, &host, &error), CLW_OK);
    ssh_config_free(config);
    return host;
}

static void patterns(void **state)
{
    (void)state;
    assert_true(pattern_match("gpu1.lab", "gpu*.lab"));
    assert_true(pattern_match("GPU1", "gpu?"));
    assert_false(pattern_match("gpu12", "gpu?"));
    assert_true(pattern_match("", "*"));
    assert_true(pattern_match("aXbXc", "a*b*c"));
    assert_false(pattern_match("aXbX", "a*b*c"));
    assert_true(pattern_match_list("a.x", "*.x,!b.x"));
    assert_false(pattern_match_list("b.x", "*.x,!b.x"));
    assert_false(pattern_match_list("c", "!b"));
    assert_true(pattern_is_plain("gpu1"));
    assert_false(pattern_is_plain("!gpu1"));
    assert_false(pattern_is_plain("gpu*"));
}

static void first_value_wins(void **state)
{
    (void)state;
    struct ssh_host h = look("Port 2201\n"
                             "Host gpu1\n  HostName 10.0.0.7\n  User=ada\n  Port 2202\n  IdentityFile \"~/my key\"\n"
                             "  IdentityFile ~/second\n  IdentitiesOnly yes\n"
                             "Host gpu*  !gpu9\n  User bob\n  ConnectTimeout 7\n  ServerAliveInterval 5\n"
                             "Host *\n  ProxyJump jump.example\n  HashKnownHosts yes # a remark\n",
        "gpu1");
    char *key = mem_printf("%s/my key", dir);
    assert_string_equal(h.hostname, "10.0.0.7");
    assert_string_equal(h.user, "ada");
    assert_int_equal(h.port, 2201);
    assert_int_equal(h.identity.count, 2);
    assert_string_equal(h.identity.items[0], key);
    assert_true(h.identities_only && h.has_identity && h.hash_known_hosts);
    assert_int_equal(h.connect_timeout_s, 7);
    assert_int_equal(h.alive_interval_s, 5);
    assert_string_equal(h.proxy_jump, "jump.example");
    assert_string_equal(h.notes, "");
    ssh_host_fini(&h);
    free(key);
}

static void defaults(void **state)
{
    (void)state;
    struct ssh_host h = look("Host other\n  User x\n", "plain.example");
    assert_string_equal(h.hostname, "plain.example");
    assert_int_equal(h.port, 22);
    assert_false(h.has_user || h.has_port || h.has_identity || h.identities_only || h.batch_mode);
    assert_true(h.pubkey_auth && h.password_auth && h.kbdint_auth);
    assert_true(h.identity.count >= 4);
    assert_int_equal(h.user_known_hosts.count, 2);
    assert_int_equal(h.global_known_hosts.count, 2);
    ssh_host_fini(&h);
}

static void stated_goes_first(void **state)
{
    (void)state;
    static const char text[] = "Host *\n User ada\n Port 99\n";
    struct ssh_config *config;
    struct ssh_host h;
    assert_int_equal(ssh_config_parse(text, sizeof text - 1, NULL, &config, &error), CLW_OK);
    assert_int_equal(ssh_config_lookup(config, "h", "eve", 23, &h, &error), CLW_OK);
    assert_string_equal(h.user, "eve");
    assert_int_equal(h.port, 23);
    ssh_host_fini(&h);
    static const char *const bad[] = {"", "-oProxyCommand=x", "a b", "x;y", "$(id)", "a`b`"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ssh_config_lookup(config, bad[i], "", 0, &h, &error), CLW_USAGE);
    assert_int_equal(ssh_config_lookup(config, "h", "a;b", 0, &h, &error), CLW_USAGE);
    ssh_config_free(config);
}

static void proxies(void **state)
{
    (void)state;
    struct ssh_host h = look("Host a\n ProxyCommand nc -X \"5\" %h %p as %r\n ProxyJump late\n", "a");
    assert_non_null(strstr(h.proxy_command, "nc -X \"5\" a 22 as "));
    assert_string_equal(h.proxy_jump, "");
    ssh_host_fini(&h);
    h = look("ProxyJump first\nProxyCommand late\n", "a");
    assert_string_equal(h.proxy_jump, "first");
    assert_string_equal(h.proxy_command, "");
    ssh_host_fini(&h);
    h = look("Host a\n ProxyJump none\nHost *\n ProxyJump j\n", "a");
    assert_string_equal(h.proxy_jump, "");
    ssh_host_fini(&h);
}

static void matches(void **state)
{
    (void)state;
    struct ssh_host h = look("Host a\n HostName real.example\n"
                             "Match host real.example user *,!nobody\n User matched\n"
                             "Match originalhost b\n Port 1\nMatch all\n Port 2\n"
                             "Match exec \"touch /tmp/never\"\n Compression yes\n",
        "a");
    assert_string_equal(h.user, "matched");
    assert_int_equal(h.port, 2);
    assert_false(h.compression);
    assert_non_null(strstr(h.notes, "line 9: match unsupported criterion"));
    assert_int_not_equal(access("/tmp/never", F_OK), 0);
    ssh_host_fini(&h);
    h = look("HostName %h.lab.example\nPort x\nAddressFamily inet6\nIdentitiesOnly maybe\n", "n");
    assert_string_equal(h.hostname, "n.lab.example");
    assert_int_equal(h.address_family, AF_INET6);
    assert_non_null(strstr(h.notes, "line 2: port has a value"));
    assert_non_null(strstr(h.notes, "line 4: identitiesonly has a value"));
    ssh_host_fini(&h);
}

static void includes(void **state)
{
    (void)state;
    put("one.conf", "User from-one\nHost inner\n Port 7\nHost *\n Compression yes\n");
    put("two.conf", "Host *\n Port 8\n");
    struct ssh_host h = look("Host a\n Include one.conf\n Port 5\nInclude t*.conf\n", "a");
    assert_string_equal(h.user, "from-one");
    assert_int_equal(h.port, 5);
    assert_true(h.compression);
    ssh_host_fini(&h);
    /* What is included under a Host line says nothing about others. */
    h = look("Host a\n Include one.conf\nHost *\n Include two.conf\n", "inner");
    assert_string_not_equal(h.user, "from-one");
    assert_int_equal(h.port, 8);
    assert_false(h.compression);
    ssh_host_fini(&h);
    put("self.conf", "Include self.conf\n");
    struct ssh_config *config;
    static const char text[] = "Include self.conf\n";
    assert_int_equal(ssh_config_parse(text, sizeof text - 1, dir, &config, &error), CLW_TOO_LARGE);
    assert_null(config);
}

static void files(void **state)
{
    (void)state;
    struct ssh_config *config;
    struct ssh_host h;
    struct ssh_words names;
    char *path = mem_printf("%s/own", dir), *folder = mem_printf("%s/.ssh", dir);
    assert_int_equal(ssh_config_load(path, &config, &error), CLW_NOT_FOUND);
    put("own", "Host alpha beta *.lab !gamma\n User a\nHost beta delta?\nHost gamma\n");
    assert_int_equal(ssh_config_load(path, &config, &error), CLW_OK);
    ssh_config_names(config, &names);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "alpha");
    assert_string_equal(names.items[1], "beta");
    assert_string_equal(names.items[2], "gamma");
    ssh_words_fini(&names);
    ssh_config_free(config);
    setenv("CLOWDER_SSH_CONFIG", path, 1);
    assert_int_equal(ssh_config_load(NULL, &config, &error), CLW_OK);
    ssh_config_free(config);
    unsetenv("CLOWDER_SSH_CONFIG");
    /* No file of the user's own: an empty configuration. */
    assert_int_equal(ssh_config_load("", &config, &error), CLW_OK);
    ssh_config_names(config, &names);
    assert_int_equal(names.count, 0);
    ssh_config_free(config);
    mkdir(folder, 0700);
    put(".ssh/config", "Host home\n HostName h.example\n");
    assert_int_equal(ssh_config_load("", &config, &error), CLW_OK);
    assert_int_equal(ssh_config_lookup(config, "home", "", 0, &h, &error), CLW_OK);
    assert_string_equal(h.hostname, "h.example");
    ssh_host_fini(&h);
    ssh_config_free(config);
    free(path);
    free(folder);
}

static void broken(void **state)
{
    (void)state;
    struct ssh_config *config;
    static const char *const bad[] = {"Host\n", "Port\n", "User \"open\n", "Host a\nIdentityFile   \n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ssh_config_parse(bad[i], strlen(bad[i]), NULL, &config, &error), CLW_DAMAGED);
        assert_non_null(strstr(error.message, "line "));
    }
    assert_int_equal(ssh_config_parse("User a\0b\n", 9, NULL, &config, &error), CLW_DAMAGED);
}

static void targets(void **state)
{
    (void)state;
    char *user, *host;
    unsigned port;
    static const struct {
        const char *text, *user, *host;
        unsigned port;
    } good[] = {{"h", "", "h", 0}, {"u@h", "u", "h", 0}, {"u@h:22", "u", "h", 22}, {"[::1]:2222", "", "::1", 2222},
        {"::1", "", "::1", 0}, {"fe80::1%eth0", "", "fe80::1%eth0", 0}, {"ssh://a@b:1", "a", "b", 1},
        {"me@corp@host", "me@corp", "host", 0}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ssh_target_parse(good[i].text, &user, &host, &port, &error), CLW_OK);
        assert_string_equal(user, good[i].user);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
        free(user);
        free(host);
    }
    static const char *const bad[] = {
        "", "@h", "u@", "h:", "h:0", "h:65536", "h:x", "-h", "u u@h", "a,b", "h/", "[::1]x:2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ssh_target_parse(bad[i], &user, &host, &port, &error), CLW_USAGE);
}

/* The second key is of the form that ssh-keygen -H makes: salt "saltsaltsaltsaltsalt", name "h1.example". */
static void known(void **state)
{
    (void)state;
    char *path = mem_printf("%s/kh", dir);
    struct ssh_words mine = {&path, 1}, none = {0}, types;
    struct known_place place;
    put("kh", "# comment\n"
              "h1.example,10.0.0.1 ssh-ed25519 AAAAone comment\n"
              "[h2.example]:2222 ssh-ed25519 AAAAtwo\n"
              "*.lab,!bad.lab ssh-rsa AAAArsa\n"
              "@revoked h3 ssh-ed25519 AAAAstolen\n"
              "@cert-authority * ssh-ed25519 AAAAca\n"
              "broken line\n");
    assert_int_equal(known_hosts_check(&mine, &none, "h1.example", "ssh-ed25519", "AAAAone", &place), KNOWN_OK);
    assert_int_equal(place.line, 2);
    assert_int_equal(known_hosts_check(&mine, &none, "h1.example", "ssh-ed25519", "AAAAother", &place), KNOWN_CHANGED);
    assert_int_equal(place.line, 2);
    assert_int_equal(known_hosts_check(&mine, &none, "h1.example", "ssh-rsa", "AAAAx", &place), KNOWN_OTHER_TYPE);
    assert_int_equal(known_hosts_check(&mine, &none, "h2.example", "ssh-ed25519", "AAAAtwo", &place), KNOWN_UNKNOWN);
    assert_int_equal(known_hosts_check(&mine, &none, "[h2.example]:2222", "ssh-ed25519", "AAAAtwo", &place), KNOWN_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "a.lab", "ssh-rsa", "AAAArsa", &place), KNOWN_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "bad.lab", "ssh-rsa", "AAAArsa", &place), KNOWN_UNKNOWN);
    assert_int_equal(known_hosts_check(&mine, &none, "h3", "ssh-ed25519", "AAAAstolen", &place), KNOWN_REVOKED);
    assert_int_equal(known_hosts_check(&mine, &none, "h3", "ssh-ed25519", "AAAAnew", &place), KNOWN_UNKNOWN);
    known_hosts_types(&mine, &none, "a.lab", &types);
    assert_int_equal(types.count, 1);
    assert_string_equal(types.items[0], "ssh-rsa");
    ssh_words_fini(&types);
    free(path);
}

static void known_added(void **state)
{
    (void)state;
    char *path = mem_printf("%s/new/kh", dir), *name = known_hosts_name("H1.Example", 2222);
    struct ssh_words mine = {&path, 1}, none = {0};
    struct stat st;
    assert_string_equal(name, "[h1.example]:2222");
    assert_int_equal(known_hosts_add(path, name, "ssh-ed25519", "AAAAone", false, &error), CLW_OK);
    assert_int_equal(known_hosts_add(path, "plain", "ssh-ed25519", "AAAAtwo", true, &error), CLW_OK);
    assert_int_equal(known_hosts_check(&mine, &none, name, "ssh-ed25519", "AAAAone", NULL), KNOWN_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "plain", "ssh-ed25519", "AAAAtwo", NULL), KNOWN_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "plain2", "ssh-ed25519", "AAAAtwo", NULL), KNOWN_UNKNOWN);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* A file whose last line has no end. */
    put("new/kh", "x ssh-ed25519 AAAA");
    assert_int_equal(known_hosts_add(path, "y", "ssh-ed25519", "AAAAy", false, &error), CLW_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "x", "ssh-ed25519", "AAAA", NULL), KNOWN_OK);
    assert_int_equal(known_hosts_check(&mine, &none, "y", "ssh-ed25519", "AAAAy", NULL), KNOWN_OK);
    assert_int_equal(known_hosts_add("/proc/nowhere/kh", "y", "t", "k", false, &error), CLW_IO);
    free(path);
    free(name);
}

/* Written by `ssh-keygen -H` for host "gpu.example". */
static void known_hashed(void **state)
{
    (void)state;
    char *path = mem_printf("%s/kh", dir), *command;
    put("kh", "gpu.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJgR7jDvGc1Nq7xHLb1kNLcN4uw9sDaj9J5mfGT5TQwO\n");
    command = mem_printf("ssh-keygen -H -f %s >/dev/null 2>&1", path);
    if (system(command) == 0) {
        struct ssh_words mine = {&path, 1}, none = {0};
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fgetc(f), '|');
        fclose(f);
        assert_int_equal(known_hosts_check(&mine, &none, "gpu.example", "ssh-ed25519",
                             "AAAAC3NzaC1lZDI1NTE5AAAAIJgR7jDvGc1Nq7xHLb1kNLcN4uw9sDaj9J5mfGT5TQwO", NULL),
            KNOWN_OK);
    }
    free(command);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test_setup_teardown(first_value_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test(stated_goes_first),
        cmocka_unit_test_setup_teardown(proxies, setup, teardown),
        cmocka_unit_test_setup_teardown(matches, setup, teardown),
        cmocka_unit_test_setup_teardown(includes, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test(broken),
        cmocka_unit_test(targets),
        cmocka_unit_test_setup_teardown(known, setup, teardown),
        cmocka_unit_test_setup_teardown(known_added, setup, teardown),
        cmocka_unit_test_setup_teardown(known_hashed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
