/* The inventory: hosts, their tags, what was measured on them, and how it went last. */
#ifndef STORE_HOST_H
#define STORE_HOST_H

#include "store/profile_setting.h"
#include "store/store.h"
#include "store/strlist.h"
#include "store/valid.h"

#include <stdbool.h>
#include <stddef.h>

#define STORE_STATE_SIZE 32
#define STORE_TAGS_MAX 64
#define STORE_GPUS_MAX 256
#define STORE_FACTS_MAX 262144 /* bytes */
#define STORE_CONNECT_MAX_S 3600

/* X(NAME, word) */
#define STORE_LAUNCHER_TABLE(X)                                                                                        \
    X(SSH, "ssh")                                                                                                      \
    X(LOCAL, "local")                                                                                                  \
    X(SLURM, "slurm")                                                                                                  \
    X(PBS, "pbs")                                                                                                      \
    X(SGE, "sge")                                                                                                      \
    X(LSF, "lsf")                                                                                                      \
    X(COMMAND, "command")                                                                                              \
    X(MANUAL, "manual")

enum store_launcher {
#define X(name, word) STORE_LAUNCHER_##name,
    STORE_LAUNCHER_TABLE(X)
#undef X
        STORE_LAUNCHER_COUNT
};

struct store_gpu {
    unsigned index;
    char name[128];
    uint64_t mem_bytes;
    char driver[64];
};

/* A host. In what the store gives, no pointer is NULL but facts, and gpus and tags where there are none; in
 * what it is given, NULL counts as "". The strings and arrays behind pointers are owned by the struct:
 * store_host_fini(). */
struct store_host {
    /* settings: written by add and set */
    char name[STORE_NAME_SIZE];
    char address[STORE_ADDRESS_SIZE]; /* "": the name is the address, or the alias in ~/.ssh/config */
    uint16_t port;                    /* 0: not stated */
    char user[STORE_USER_SIZE];       /* "": not stated */
    enum store_launcher launcher;
    char *jump;       /* targets or host names joined by ',' */
    char *identity;   /* path of a key file; the path, never the key */
    char *note;       /* free text, several lines allowed */
    char *directives; /* what the launcher is told: lines for the scheduler; COMMAND: the command line */
    char mac[STORE_MAC_SIZE];
    bool direct;
    bool enabled;
    unsigned connect_timeout_s;    /* 0: as ssh's configuration says, or ours */
    char *cache;                   /* where the folder for our programs is made: /PATH or ~/PATH; "": ~/.cache */
    struct store_settings manners; /* what its owner asks of all profiles; only rows with STORE_HOST */
    struct store_strings tags;     /* sorted, each once */
    /* measured: written by facts_set and state_set only */
    int64_t id;
    char *facts; /* a JSON object, or NULL before the first probe */
    uint64_t probed_at_us;
    struct store_gpu *gpus; /* by index */
    size_t gpu_count;
    char state[STORE_STATE_SIZE]; /* one word; "": unknown */
    char *reason;
};

struct store_host_list {
    struct store_host *items; /* by name */
    size_t count;
};

const char *store_launcher_text(enum store_launcher launcher);
/* CLW_USAGE with the word that was perhaps meant. */
enum clw_err store_launcher_parse(const char *text, enum store_launcher *out, struct clw_error *err);
bool store_launcher_is_scheduler(enum store_launcher launcher);
/* Is it reached by SSH? Not a scheduler's without an address, or with "local": that is this machine's scheduler. */
bool store_host_has_ssh(const struct store_host *h);

/* An empty host with the defaults: ssh, enabled. */
void store_host_init(struct store_host *h);
void store_host_fini(struct store_host *h);
/* The validation that add and set do, for forms: CLW_USAGE with message and hint. */
enum clw_err store_host_check(const struct store_host *h, struct clw_error *err);

/* Borrows h. An address in brackets and a MAC with '-' are stored in their plain form, tags sorted and each
 * once. CLW_EXISTS, CLW_USAGE. */
enum clw_err store_host_add(struct store *s, const struct store_host *h, struct clw_error *err);
/* Replaces the settings of the host called name by those of h (another h->name renames it; profiles follow).
 * CLW_NOT_FOUND, CLW_EXISTS, CLW_USAGE. */
enum clw_err store_host_set(struct store *s, const char *name, const struct store_host *h, struct clw_error *err);
/* Fills *out, which the caller finishes; on failure (CLW_NOT_FOUND) it is all zero. */
enum clw_err store_host_get(struct store *s, const char *name, struct store_host *out, struct clw_error *err);
/* The failure of a name that no host has: CLW_NOT_FOUND, with message and hint. */
enum clw_err store_host_missing(const char *name, struct clw_error *err);
/* Takes it out of every profile too; history keeps its name. CLW_NOT_FOUND. */
enum clw_err store_host_remove(struct store *s, const char *name, struct clw_error *err);
/* All hosts. On failure *out is empty. */
enum clw_err store_host_list(struct store *s, struct store_host_list *out, struct clw_error *err);
void store_host_list_fini(struct store_host_list *list);

/* What a probe measured: facts is a JSON object; the GPUs replace those known before. CLW_NOT_FOUND,
 * CLW_USAGE. */
enum clw_err store_host_facts_set(struct store *s, const char *name, const char *facts, uint64_t probed_at_us,
    const struct store_gpu *gpus, size_t gpu_count, struct clw_error *err);
/* state: one word; reason: any text (control bytes and what is not UTF-8 are escaped, the rest cut at 1000 bytes).
 * CLW_NOT_FOUND. */
enum clw_err store_host_state_set(
    struct store *s, const char *name, const char *state, const char *reason, struct clw_error *err);

#endif
