/* Where Clowder keeps things: the XDG directories, made and checked on the way. */
#ifndef BASE_PATHS_H
#define BASE_PATHS_H

#include "base/err.h"

#include <sys/types.h>

/* A regular file of ours that was there, open to others: not any more. */
void paths_close_to_others(int fd);
/* A regular file that belongs to this user. */
bool paths_is_our_file(int fd);
/* Is what fd is of still what others find by that name? */
bool paths_leads_to(const char *path, int fd);

/* The folder for sockets, made (0700): a real directory of this user, closed to others, at a place where nobody else
 * can put another there. nth: 0, or another number when those before are in use. In $XDG_RUNTIME_DIR; where that is not
 * or cannot be used (left behind by su, removed at a logout), in /run/user/UID, and else in /tmp. REFUSED: somebody
 * else's is there. */
enum clw_err paths_runtime(unsigned nth, char **folder, struct clw_error *err);

/* Each gives the owned path of a file or folder of ours below the XDG directory and makes the folders above it (0700).
 * name may be NULL for the folder itself. Those for data and state must be this user's, where nobody else can replace
 * them, and are closed to others; REFUSED else.
 * CLOWDER_DATA, which tasks on this machine are given, names the folder for data itself, where XDG_DATA_HOME does not.
 */
enum clw_err paths_data(const char *name, char **path, struct clw_error *err);
enum clw_err paths_state(const char *name, char **path, struct clw_error *err);
enum clw_err paths_cache(const char *name, char **path, struct clw_error *err);
enum clw_err paths_config(const char *name, char **path, struct clw_error *err);

/* The owned path of a program of ours: in $CLOWDER_LIBEXEC, beside the running one or in its libexec folder, in the
 * installed place, or on PATH; NULL when there is none. */
char *paths_program(const char *name);

/* Makes the folders above file that are not there, from that place in its text on (which is changed for a moment).
 * False: errno. */
bool paths_make_above(char *file, size_t from, mode_t mode);

#endif
