/* Checks at the edge: what a name, an address, a user or a hardware address may be. What passes here is safe
 * to show, to store and to give to ssh as one argument. All return CLW_OK or CLW_USAGE with a message and a
 * hint. */
#ifndef STORE_VALID_H
#define STORE_VALID_H

#include "base/err.h"

#include <stdint.h>

#define STORE_NAME_SIZE 64 /* bytes, the NUL included, as all sizes here */
#define STORE_ADDRESS_SIZE 256
#define STORE_USER_SIZE 65
#define STORE_MAC_SIZE 18
#define STORE_TARGET_SIZE (STORE_USER_SIZE + STORE_ADDRESS_SIZE + 10)

/* Where to log in. user "" and port 0: not stated. An IPv6 address has no brackets here. */
struct store_target {
    char user[STORE_USER_SIZE];
    char address[STORE_ADDRESS_SIZE];
    uint16_t port;
};

/* what says of which thing it is the name, in messages: "host", "profile", "tag". */
enum clw_err store_check_name(const char *what, const char *name, struct clw_error *err);
/* A host name, an IPv4 address, or an IPv6 address (without brackets; %zone allowed). */
enum clw_err store_check_address(const char *address, struct clw_error *err);
enum clw_err store_check_user(const char *user, struct clw_error *err);
/* 1 to 65535, as text. */
enum clw_err store_parse_port(const char *text, uint16_t *port, struct clw_error *err);
/* Six pairs of hexadecimal digits joined by ':' or '-'; out gets them in lower case, joined by ':'. */
enum clw_err store_parse_mac(const char *text, char out[STORE_MAC_SIZE], struct clw_error *err);
/* "[user@]address[:port]"; an IPv6 address stands in brackets. */
enum clw_err store_parse_target(const char *text, struct store_target *out, struct clw_error *err);
/* The text that store_parse_target() reads back as the same. out holds STORE_TARGET_SIZE bytes. Returns out.
 */
char *store_target_text(const struct store_target *target, char *out);
/* One to eight targets or host names, joined by ','. */
enum clw_err store_check_jump(const char *jump, struct clw_error *err);

#endif
