/* Profiles: named sets of daemons with their settings, the hosts they use, and whether they are wanted up.
 * Saving settings and stating what is wanted are separate calls, so that an edit never undoes an `up` of
 * another process that came in between. */
#ifndef STORE_PROFILE_H
#define STORE_PROFILE_H

#include "store/profile_setting.h"
#include "store/store.h"
#include "store/strlist.h"
#include "store/valid.h"

#include <stdbool.h>
#include <stddef.h>

#define STORE_DAEMONS_MAX 10000 /* on one host */
#define STORE_ENV_MAX 256       /* variables of a profile */
#define STORE_SETUP_MAX 64      /* set-up commands of a profile */
#define STORE_ARGV_MAX 1024     /* words of a command */
#define STORE_TEXT_MAX 32768    /* bytes of a word or of a variable */

/* X(NAME, word) */
#define STORE_RUNTIME_TABLE(X)                                                                                         \
    X(CLOWDER, "clowder")                                                                                              \
    X(MIRAI, "mirai")                                                                                                  \
    X(DASK, "dask")                                                                                                    \
    X(COMMAND, "command")

enum store_runtime {
#define X(name, word) STORE_RUNTIME_##name,
    STORE_RUNTIME_TABLE(X)
#undef X
        STORE_RUNTIME_COUNT
};

struct store_profile_host {
    char host[STORE_NAME_SIZE];
    unsigned daemons; /* 1 to STORE_DAEMONS_MAX; with per_gpu, 0 means one for each GPU */
};

/* A profile. In what the store gives, no string is NULL; in what it is given, NULL counts as "". All that is
 * behind pointers is owned by the struct: store_profile_fini(). */
struct store_profile {
    /* settings: written by store_profile_set */
    char name[STORE_NAME_SIZE];
    enum store_runtime runtime;
    char *base_url;               /* "": the engine makes one; else scheme://..., of a foreign runtime */
    struct store_strings command; /* argv of a foreign daemon, with {url}; empty: the runtime's own */
    struct store_strings options; /* of a foreign daemon, "K=V", each K once: what its runtime makes of them */
    struct store_strings env;     /* "K=V", each K once, in the user's order */
    struct store_strings *setup;  /* commands, each an argv, in order */
    size_t setup_count;
    struct store_settings set; /* the others */
    /* what is wanted: written by store_profile_want and store_profile_host(s)_set */
    int64_t id;
    unsigned local_daemons;           /* on this machine */
    bool wanted;                      /* true: "up" is the desired state */
    struct store_profile_host *hosts; /* by host name */
    size_t host_count;
};

struct store_profile_list {
    struct store_profile *items; /* by name */
    size_t count;
};

const char *store_runtime_text(enum store_runtime runtime);
/* CLW_USAGE with the word that was perhaps meant. */
enum clw_err store_runtime_parse(const char *text, enum store_runtime *out, struct clw_error *err);

/* An empty profile with the defaults: runtime clowder. */
void store_profile_init(struct store_profile *p);
void store_profile_fini(struct store_profile *p);
/* Appends a copy of argv (argc words) to the set-up commands. */
void store_profile_setup_add(struct store_profile *p, const char *const *argv, size_t argc);
/* "K=V" with a sane K: CLW_USAGE with message and hint. */
/* An option of a foreign daemon: "K=V". */
enum clw_err store_check_option(const char *entry, struct clw_error *err);
enum clw_err store_check_env(const char *entry, struct clw_error *err);
/* The validation of all that p holds, for forms. */
enum clw_err store_profile_check(const struct store_profile *p, struct clw_error *err);

/* Inserts the profile, down and without hosts, or replaces the settings of the one with that name; what is
 * wanted stays as it is. Borrows p. CLW_USAGE. */
enum clw_err store_profile_set(struct store *s, const struct store_profile *p, struct clw_error *err);
/* Fills *out, which the caller finishes; on failure (CLW_NOT_FOUND) it is all zero. */
enum clw_err store_profile_get(struct store *s, const char *name, struct store_profile *out, struct clw_error *err);
/* All profiles. On failure *out is empty. */
enum clw_err store_profile_list(struct store *s, struct store_profile_list *out, struct clw_error *err);
void store_profile_list_fini(struct store_profile_list *list);
/* Its throughput history goes too; the ledger and the log keep its name. CLW_NOT_FOUND. */
enum clw_err store_profile_remove(struct store *s, const char *name, struct clw_error *err);

/* States the desired state. CLW_NOT_FOUND, CLW_USAGE. */
enum clw_err store_profile_want(
    struct store *s, const char *name, unsigned local_daemons, bool wanted, struct clw_error *err);
/* Replaces the hosts of a profile. CLW_NOT_FOUND (profile or host), CLW_EXISTS (a host twice), CLW_USAGE. */
enum clw_err store_profile_hosts_set(
    struct store *s, const char *name, const struct store_profile_host *hosts, size_t count, struct clw_error *err);
/* Adds one host, or changes its number of daemons, and leaves the others alone. Same failures. */
enum clw_err store_profile_host_set(
    struct store *s, const char *name, const struct store_profile_host *host, struct clw_error *err);
/* Takes one host out of a profile. CLW_NOT_FOUND when it is not in it. */
enum clw_err store_profile_host_remove(struct store *s, const char *name, const char *host, struct clw_error *err);

#endif
