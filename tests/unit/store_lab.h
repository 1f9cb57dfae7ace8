/* For tests of the store: a folder for each, with the name of a database in it; stores, hosts and profiles to begin
 * with. */
#ifndef TESTS_STORE_LAB_H
#define TESTS_STORE_LAB_H

#include "store/host.h"
#include "store/profile.h"
#include "store/store_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SET(array, text) snprintf(array, sizeof(array), "%s", text)

extern char dir[64], file[96];
extern struct clw_error error; /* of the call before */

int set_up(void **state);
int tear_down(void **state);

#define ok(call) assert_ok((call), #call, __LINE__)
/* The call fails with that code, and the message and the hint are there. */
#define fails(want, call) assert_fails((want), (call), #call, __LINE__)
void assert_ok(enum clw_err code, const char *what, int line);
void assert_fails(enum clw_err want, enum clw_err code, const char *what, int line);
struct store *open_store(void);
struct store *open_memory(void);
void refused(enum clw_err want);
/* Makes or changes a file with SQLite itself. */
void raw(const char *sql);
char *slurp(const char *path, size_t *len);
void spill(const char *path, const void *data, size_t len);
struct store_host make_host(const char *name);
void add_host(struct store *s, const char *name);
void add_profile(struct store *s, const char *name);
int64_t count(struct store *s, const char *sql);
/* Runs work in n processes at once, started by closing a pipe; each must end well. */
void in_processes(int n, void (*work)(int));
void must(enum clw_err code);
void fill_host(struct store_host *h, const char *name);
void fill_profile(struct store_profile *p, const char *name);

#endif
