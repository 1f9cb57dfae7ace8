/* The step upload: the static program is on the host, whole and of this version, at a path made of its hash.
 * The pure parts are here for the tests; link__upload() is in link_private.h. */
#ifndef HOSTS_UPLOAD_H
#define HOSTS_UPLOAD_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UPLOAD_MAX = 256 << 20 };

/* The SHA-256 of data as 64 hex digits. */
void upload_sha256(const void *data, size_t len, char hex[65]);
/* What the program at path, and those beside it for other machines, are called on hosts: "MACHINE:NAME " for each name
 * that `uname -m` has for a machine. NAME is "clowder-daemon-<first 16 digits of its SHA-256>". Owned; "" when path
 * cannot be read. */
char *upload_names(const char *path);
/* What machine a program is for, as `uname -m` names it ("x86_64", "aarch64", …); NULL: not a Linux program. */
const char *upload_machine(const uint8_t *data, size_t len);
/* Does a machine that calls itself arch run programs for machine? */
bool upload_runs_on(const char *machine, const char *arch);
/* The program for arch: path itself, or PATH-ARCH beside it; read whole into *out, its path into *used
 * (owned). CLW_NOT_FOUND: there is none for that machine. */
enum clw_err upload_pick(const char *path, const char *arch, struct buf *out, char **used, struct clw_error *err);
/* Says that others could replace what is in the folder cache of a host, for the folder `open` is open to them. */
enum clw_err upload_is_open(const char *cache, const char *open, struct clw_error *err);
/* text in single quotes for any shell, owned. */
char *upload_quote(const char *text);

#endif
