/* One engine a store: who runs it is told by a file beside the store, which the engine keeps locked for as long as it
 * lives. The file says which process that is and where its sockets are, so whoever has the store finds its engine: from
 * cron, from another login, from inside a task. The lock is the kernel's (an open file description's), so that it ends
 * with the process however that ends, and holds over NFS and between containers; to look takes no lock. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

enum owner_state {
    OWNER_NOBODY,
    OWNER_HERE,
    OWNER_ELSEWHERE /* on another machine that has the same store, or in another PID namespace of this one */
};

struct owner {
    enum owner_state state;
    pid_t pid;                                              /* HERE; 0 for the moment in which it has not said so yet */
    char where[160];                                        /* ELSEWHERE: "process 12 on the machine NAME", in words */
    char folder[sizeof((struct sockaddr_un *)0)->sun_path]; /* of its sockets; "": it does not listen yet */
};

/* Makes the calling process the engine of the store. *fd is to be kept open until the sockets are gone, and by nobody
 * else. BUSY: there is one on this machine; REFUSED: there is one elsewhere, which err names, or the folder of the
 * store is another user's; IO: there can be no lock. */
enum clw_err owner_take(int *fd, struct clw_error *err);
/* Says where the sockets are; NULL: nowhere any more. */
enum clw_err owner_tell(int fd, const char *folder, struct clw_error *err);
/* Is the file that is locked still the one that others find? */
bool owner_is_found(int fd);

/* REFUSED: the file is another user's, or no file. */
enum clw_err owner_look(struct owner *out, struct clw_error *err);
/* OK unless the store is used elsewhere (REFUSED, with the owner's name). */
enum clw_err owner_check_here(struct clw_error *err);

#endif
