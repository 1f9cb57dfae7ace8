/* The probe: one shell script, and the strict reader of what it prints. Pure but for link__probe()
 * (link_private.h), so that both can be tested and fuzzed without a host.
 *
 * Every line that counts is "TOKEN key=value" with a random token, so that whatever login files print is
 * passed over. After "begin" the script waits for three newlines and answers each at once (round trips, then
 * the clock). */
#ifndef HOSTS_PROBE_H
#define HOSTS_PROBE_H

#include "base/mem.h"
#include "hosts/facts.h"

enum { PROBE_TOKEN_SIZE = 33, PROBE_LINE_MAX = 16384, PROBE_NOISE_MAX = 1000 };

struct probe {
    char token[PROBE_TOKEN_SIZE];
    struct host_facts *facts; /* borrowed */
    struct buf line;          /* not yet ended */
    bool line_too_long;
    struct buf noise; /* the first of what was not ours */
    bool began, ended;
    unsigned pongs; /* answers so far */
    bool clock_answered;
    int64_t clock_us; /* what the host's clock said, us since 1970; -1: not in a form we know */
    bool old_session_ended;
};

/* facts is emptied. token: as the script got it. */
void probe_init(struct probe *p, const char *token, struct host_facts *facts);
void probe_fini(struct probe *p);
/* Reads a piece of output. */
void probe_feed(struct probe *p, const void *data, size_t len);
/* A random token. */
void probe_token(char token[PROBE_TOKEN_SIZE]);
/* The script as owned text. programs: which file in the cache folder to look for, by machine (upload_names(); "":
 * none). old_pid and old_start: our sshd process of before, which is ended when it still holds our port (0 and "":
 * none). */
char *probe_script(const char *token, const char *programs, const char *cache, enum probe_clean clean, int64_t old_pid,
    const char *old_start);

#endif
