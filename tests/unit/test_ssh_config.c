/* What ssh says of its configuration and what is made of that, patterns, targets, and known_hosts files. */
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

static char dir[64], config[80], *old_path;
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
    snprintf(config, sizeof config, "%s/config", dir);
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

static struct ssh_query of(const char *alias)
{
    return (struct ssh_query){.config = config, .alias = alias};
}

/* What a real ssh says of a configuration. */
static struct ssh_host look(const char *text, const char *alias)
{
    struct ssh_host host;
    struct ssh_query query = of(alias);
    put("config", text);
    if (ssh_config_lookup(&query, -1, &host, &error))
        fail_msg("%s", error.message);
    return host;
}

static enum clw_err refuse(const char *text)
{
    struct ssh_host host;
    struct ssh_query query = of("h");
    put("config", text);
    return ssh_config_lookup(&query, -1, &host, &error);
}

/* What is made of an answer that ssh could give. */
static struct ssh_host answer(const char *text)
{
    struct ssh_host host;
    struct ssh_query query = of("h");
    char *all = mem_printf("hostname h\nuser u\nport 22\n%s", text);
    assert_int_equal(ssh_config_read(&query, all, &host, &error), CLW_OK);
    free(all);
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

static void settings(void **state)
{
    (void)state;
    struct ssh_host h =
        look("Port 2201\n"
             "Host gpu1\n  HostName 10.0.0.7\n  User=ada\n  Port 2202\n  IdentityFile \"/keys/my key\"\n"
             "  IdentityFile /keys/second\n  IdentitiesOnly yes\n"
             "Host gpu*  !gpu9\n  User bob\n  ConnectTimeout 7\n  ServerAliveInterval 5\n"
             "Host *\n  ProxyJump jump.example\n  HashKnownHosts yes # a remark\n",
            "gpu1");
    assert_string_equal(h.hostname, "10.0.0.7");
    assert_string_equal(h.user, "ada");
    assert_int_equal(h.port, 2201);
    assert_int_equal(h.identity.count, 2);
    assert_string_equal(h.identity.items[0], "/keys/my key");
    assert_true(h.identities_only && h.has_identity && h.hash_known_hosts && h.has_user && h.has_port);
    assert_int_equal(h.connect_timeout_s, 7);
    assert_int_equal(h.alive_interval_s, 5);
    assert_int_equal(h.alive_count, 3);
    assert_string_equal(h.proxy_jump, "jump.example");
    ssh_host_fini(&h);
}

static void defaults(void **state)
{
    (void)state;
    struct ssh_host h = look("Host other\n  User x\n", "plain.example");
    assert_string_equal(h.hostname, "plain.example");
    assert_int_equal(h.port, 22);
    assert_false(h.has_user || h.has_port || h.has_identity || h.identities_only || h.batch_mode || h.compression);
    assert_true(h.pubkey_auth && h.password_auth && h.kbdint_auth);
    assert_true(h.identity.count >= 4);
    assert_int_equal(h.identity.items[0][0], '/');
    assert_int_equal(h.user_known_hosts.count, 2);
    assert_int_equal(h.global_known_hosts.count, 2);
    assert_int_equal(h.strict, SSH_STRICT_ASK);
    assert_int_equal(h.alive_interval_s + h.alive_count + h.connect_timeout_s, 0);
    ssh_host_fini(&h);
}

static void typed_goes_first(void **state)
{
    (void)state;
    struct ssh_query query = of("h");
    struct ssh_host h;
    put("config", "Host *\n User ada\n Port 99\n IdentityFile /keys/late\n ProxyJump late\n");
    query.user = "eve";
    query.port = 23;
    query.identity = "/keys/a \"b\\ c";
    query.jump = "early";
    assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_OK);
    assert_string_equal(h.user, "eve");
    assert_int_equal(h.port, 23);
    assert_string_equal(h.identity.items[0], query.identity);
    assert_string_equal(h.identity.items[1], "/keys/late");
    assert_string_equal(h.proxy_jump, "early");
    ssh_host_fini(&h);
    query.jump = "none";
    assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_OK);
    assert_string_equal(h.proxy_jump, "");
    ssh_host_fini(&h);
}

/* No word becomes an option, or a line of its own. */
static void harm(void **state)
{
    (void)state;
    struct ssh_host h;
    struct ssh_query query;
    put("config", "");
    static const char *const hosts[] = {
        "", "-oProxyCommand=x", "a b", "x;y", "$(id)", "a`b`", "a\nUser b", "u@h", "ssh://h"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        query = of(hosts[i]);
        assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_USAGE);
    }
    static const char *const users[] = {"-l", "a;b", "a\nb", "$(id)"};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        query = of("h");
        query.user = users[i];
        assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_USAGE);
    }
    static const char *const jumps[] = {"-oProxyCommand=x", "a,-b", "a\nProxyCommand x", "a b", "$(id)"};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        query = of("h");
        query.jump = jumps[i];
        assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_USAGE);
    }
    query = of("h");
    query.identity = "/a\nProxyCommand touch x";
    assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_USAGE);
    /* Nor does what ssh says of a host. */
    query = of("h");
    assert_int_equal(ssh_config_read(&query, "hostname -oProxyCommand=x\nuser u\nport 22\n", &h, &error), CLW_USAGE);
    assert_int_equal(ssh_config_read(&query, "hostname h\nuser -l\nport 22\n", &h, &error), CLW_USAGE);
    assert_int_equal(ssh_config_read(&query, "hostname h\nuser u\n", &h, &error), CLW_REFUSED);
}

static void proxies(void **state)
{
    (void)state;
    struct ssh_host h =
        look("Host a\n ProxyCommand nc -X \"5\" %h %p as %r, %n 100%% ${X} ~\n ProxyJump late\n User u\n", "a");
    assert_string_equal(h.proxy_command, "nc -X \"5\" a 22 as u, a 100% ${X} ~");
    assert_string_equal(h.proxy_jump, "");
    ssh_host_fini(&h);
    h = look("ProxyJump me@%h.gate:2022\nProxyCommand late\n", "a");
    assert_string_equal(h.proxy_jump, "me@a.gate:2022");
    assert_string_equal(h.proxy_command, "");
    ssh_host_fini(&h);
    h = look("Host a\n ProxyCommand none\nHost *\n ProxyCommand x\n", "a");
    assert_string_equal(h.proxy_command, "");
    ssh_host_fini(&h);
}

static void tokens(void **state)
{
    (void)state;
    setenv("CLW_TEST_KEY", "mine", 1);
    struct ssh_host h =
        look("Host a\n HostName %h.example\n User u\n Port 7\n HostKeyAlias alias\n"
             " IdentityFile /k/%n-%h-%p-%r-%k-%%\n IdentityFile ~/k\n IdentityFile ~root/${CLW_TEST_KEY}\n"
             " IdentityFile none\n CertificateFile /c/%r\n IdentityAgent $CLW_TEST_KEY\n",
            "a");
    assert_int_equal(h.identity.count, 3);
    assert_string_equal(h.identity.items[0], "/k/a-a.example-7-u-alias-%");
    assert_null(strchr(h.identity.items[1], '~'));
    assert_string_equal(h.identity.items[2], "/root/mine");
    assert_string_equal(h.certificate.items[0], "/c/u");
    assert_string_equal(h.identity_agent, "mine");
    ssh_host_fini(&h);
    unsetenv("CLW_TEST_KEY");
    assert_int_equal(refuse("IdentityFile /k/${CLW_TEST_KEY}\n"), CLW_REFUSED);
    assert_non_null(strstr(error.message, "CLW_TEST_KEY"));
    assert_int_equal(refuse("IdentityFile /k/%z\n"), CLW_REFUSED);
    assert_non_null(strstr(error.message, "%z"));
    assert_int_equal(refuse("IdentityFile ~nobody-of-that-name/k\n"), CLW_REFUSED);
    assert_int_equal(refuse("ProxyCommand nc %d\n"), CLW_REFUSED);
}

static void conditions(void **state)
{
    (void)state;
    struct ssh_host h = look("Host a\n HostName real.example\n"
                             "Match host real.example user *,!nobody\n User matched\n"
                             "Match originalhost b\n Port 1\nMatch exec \"test %n = a\"\n Port 2\n"
                             "Match final host *.example\n Compression yes\n",
        "a");
    assert_string_equal(h.user, "matched");
    assert_int_equal(h.port, 2);
    assert_true(h.compression);
    ssh_host_fini(&h);
}

static void record_files(void **state)
{
    (void)state;
    struct ssh_host h = answer("userknownhostsfile /home/a b/known hosts /two\nglobalknownhostsfile none\n");
    assert_int_equal(h.user_known_hosts.count, 2);
    assert_string_equal(h.user_known_hosts.items[0], "/home/a b/known hosts");
    assert_string_equal(h.user_known_hosts.items[1], "/two");
    assert_int_equal(h.global_known_hosts.count, 0);
    ssh_host_fini(&h);
    h = answer("userknownhostsfile one two\n");
    assert_int_equal(h.user_known_hosts.count, 2);
    ssh_host_fini(&h);
}

static void strictness(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum ssh_strict strict;
    } all[] = {{"ask", SSH_STRICT_ASK}, {"yes", SSH_STRICT_YES}, {"true", SSH_STRICT_YES}, {"no", SSH_STRICT_OFF},
        {"off", SSH_STRICT_OFF}, {"false", SSH_STRICT_OFF}, {"accept-new", SSH_STRICT_ACCEPT_NEW},
        {"a word of the future", SSH_STRICT_ASK}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *line = mem_printf("stricthostkeychecking %s\n", all[i].word);
        struct ssh_host h = answer(line);
        assert_int_equal(h.strict, all[i].strict);
        ssh_host_fini(&h);
        free(line);
    }
}

static void methods(void **state)
{
    (void)state;
    struct ssh_host h = answer("preferredauthentications publickey,gssapi-with-mic\npubkeyauthentication true\n");
    assert_true(h.pubkey_auth && !h.password_auth && !h.kbdint_auth);
    ssh_host_fini(&h);
    h = answer("pubkeyauthentication false\npasswordauthentication no\nkbdinteractiveauthentication yes\n");
    assert_true(!h.pubkey_auth && !h.password_auth && h.kbdint_auth);
    ssh_host_fini(&h);
}

/* What ssh says no to, and what we do. */
static void refusals(void **state)
{
    (void)state;
    assert_int_equal(refuse("Host a\nNoSuchKeyword yes\n"), CLW_REFUSED);
    assert_non_null(strstr(error.message, "line 2"));
    assert_non_null(strcasestr(error.message, "NoSuchKeyword"));
    static const char *const ours[] = {
        "RevokedHostKeys /r", "KnownHostsCommand /k", "ProxyUseFdpass yes", "BindInterface lo"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_int_equal(refuse(ours[i]), CLW_REFUSED);
        char *keyword = mem_strndup(ours[i], strcspn(ours[i], " "));
        assert_non_null(strstr(error.message, keyword));
        free(keyword);
    }
}

static void cancelled(void **state)
{
    (void)state;
    struct ssh_host h;
    struct ssh_query query = of("h");
    int ends[2];
    put("config", "Match exec \"sleep 100\"\n Port 1\n");
    assert_int_equal(pipe(ends), 0);
    close(ends[1]); /* readable: its end */
    assert_int_equal(ssh_config_lookup(&query, ends[0], &h, &error), CLW_CANCELLED);
    close(ends[0]);
}

/* ---- asked again, or not ---- */

static unsigned asked(void)
{
    char *path = mem_printf("%s/asked", dir);
    struct stat st;
    unsigned n = stat(path, &st) ? 0 : (unsigned)st.st_size;
    free(path);
    return n;
}

static void ask(void)
{
    struct ssh_host h;
    struct ssh_query query = of("h");
    assert_int_equal(ssh_config_lookup(&query, -1, &h, &error), CLW_OK);
    ssh_host_fini(&h);
}

/* An ssh that counts how often it is run. */
static int setup_counted(void **state)
{
    setup(state);
    old_path = mem_strdup(getenv("PATH"));
    char *script = mem_printf("#!/bin/sh\nprintf x >>%s/asked\nPATH='%s'\nexec ssh \"$@\"\n", dir, old_path);
    char *tool = mem_printf("%s/ssh", dir), *path = mem_printf("%s:%s", dir, old_path);
    put("ssh", script);
    chmod(tool, 0755);
    setenv("PATH", path, 1);
    free(script);
    free(tool);
    free(path);
    return 0;
}

static int teardown_counted(void **state)
{
    setenv("PATH", old_path, 1);
    free(old_path);
    return teardown(state);
}

static void known_answers(void **state)
{
    (void)state;
    char *text = mem_printf("Include \"%s/more of *\"\nHost h\n Port 5\n", dir);
    put("config", text);
    put("more of it", "User one\n");
    ask();
    ask();
    assert_int_equal(asked(), 1);
    put("more of it", "User two\n"); /* of the same size, and perhaps within the same tick of the clock */
    ask();
    assert_int_equal(asked(), 2);
    put("more of another", "Compression yes\n");
    ask();
    assert_int_equal(asked(), 3);
    ask();
    assert_int_equal(asked(), 3);
    free(text);
}

static void answers_of_the_moment(void **state)
{
    (void)state;
    static const char *const texts[] = {"Match exec true\n Port 5\n", "Match final !exec false\n Port 5\n",
        "CanonicalizeHostname no\n", "Match host h exec \"true\"\n Port 7\n"};
    unsigned before = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("config", texts[i]);
        ask();
        unsigned once = asked() - before;
        ask();
        assert_int_equal(asked() - before, 2 * once);
        before = asked();
    }
}

static void no_ssh(void **state)
{
    (void)state;
    put("config", "");
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(refuse("Port 1\n"), CLW_REFUSED);
    assert_non_null(strstr(error.message, "cannot be run"));
    assert_non_null(strstr(error.hint, "openssh-client"));
}

/* ---- names ---- */

static void names(void **state)
{
    (void)state;
    struct ssh_words found;
    char *path = mem_printf("%s/own", dir);
    assert_int_equal(ssh_config_names(path, &found, &error), CLW_NOT_FOUND);
    put("own", "Host alpha \"beta\" *.lab !gamma # gone\n User a\nhost=beta delta?\nHost gamma\nInclude \"");
    put("a b", "Host inner 'alpha'\n");
    FILE *f = fopen(path, "a");
    fprintf(f, "%s/a b\" %s/nothing\nHost last\n", dir, dir);
    fclose(f);
    assert_int_equal(ssh_config_names(path, &found, &error), CLW_OK);
    static const char *const wanted[] = {"alpha", "beta", "gamma", "inner", "last"};
    assert_int_equal(found.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(found.items[i], wanted[i]);
    ssh_words_fini(&found);
    f = fopen(path, "w");
    fprintf(f, "Include %s\n", path);
    fclose(f);
    assert_int_equal(ssh_config_names(path, &found, &error), CLW_TOO_LARGE);
    free(path);
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
        cmocka_unit_test_setup_teardown(settings, setup, teardown),
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(typed_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(harm, setup, teardown),
        cmocka_unit_test_setup_teardown(proxies, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(record_files, setup, teardown),
        cmocka_unit_test_setup_teardown(strictness, setup, teardown),
        cmocka_unit_test_setup_teardown(methods, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(known_answers, setup_counted, teardown_counted),
        cmocka_unit_test_setup_teardown(answers_of_the_moment, setup_counted, teardown_counted),
        cmocka_unit_test_setup_teardown(no_ssh, setup_counted, teardown_counted),
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test(targets),
        cmocka_unit_test_setup_teardown(known, setup, teardown),
        cmocka_unit_test_setup_teardown(known_added, setup, teardown),
        cmocka_unit_test_setup_teardown(known_hashed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
