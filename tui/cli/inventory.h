/* What the commands of hosts, profiles and jobs share: the store with its failures told, things found by name with a
 * suggestion when the name is a near miss, and questions to the user. Each int is an exit status, told when not 0. */
#ifndef TUI_CLI_INVENTORY_H
#define TUI_CLI_INVENTORY_H

#include "engine/client/clowder.h"
#include "store/host.h"
#include "store/profile.h"
#include "tui/cli/opt.h"

#include <jansson.h>

/* One line about err; returns its exit status. */
int say_failure(const struct clw_error *err);
/* *s is owned: store_close(). */
int inventory_open(struct store **s);
/* *h (*p) is owned: store_host_fini(). 4 when there is none, with the name that was perhaps meant. */
int inventory_host(struct store *s, const char *name, struct store_host *h);
int inventory_profile(struct store *s, const char *name, struct store_profile *p);
/* From the store, and from an engine that knows it. CLW_REFUSED: it is up, or has jobs. */
enum clw_err inventory_profile_remove(struct store *s, const char *name, struct clw_error *err);
/* May the host have another name? CLW_REFUSED while a running engine has it in use, which knows it by this one. */
enum clw_err inventory_host_may_rename(const char *name, struct clw_error *err);
/* Opens the store only to see that there is such a host. */
int inventory_check_host(const char *name);
/* The hosts that the words name, each once: names, and tag:T for all that have the tag; or with all every host that is
 * reached by SSH. *names is owned (inventory_names_fini). 2 when none is named, 4 when one is not there, or nobody has
 * the tag. */
struct inventory_names {
    char **items;
    size_t count;
};
int inventory_names(const struct opts *o, bool all, struct inventory_names *names);
void inventory_names_fini(struct inventory_names *names);
/* The first word, when there is exactly one; what says what it is: "host". */
int inventory_word(const struct opts *o, const char *what, const char **word);

bool inventory_engine_runs(void);
/* The links as the engine has them, without starting one: {"hosts": [...]}, owned; NULL when none runs. */
json_t *inventory_links(const char *host);

/* "HOST:N" of --on, or "tag:T:N" for N on each that has the tag, in every place that it is given: *places is owned, its
 * texts too (inventory_places_fini). N may be left out with per_gpu. "local" is taken out and put into *local (else
 * left alone). */
struct inventory_places {
    struct clowder_place *items;
    size_t count;
    bool has_local;
    unsigned local;
};
int inventory_places(const struct opts *o, bool per_gpu, struct inventory_places *places);
void inventory_places_fini(struct inventory_places *places);

/* 0 after a yes (or with --yes); 5 without one, or when there is nobody to ask. */
int ask_yes(bool yes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line without echo (but for echo) from the terminal, or from stdin when it is no terminal. 0, or told. */
int ask_secret(const char *prompt, bool echo, char *out, size_t size);

#endif
