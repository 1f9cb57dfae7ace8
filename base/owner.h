/* One engine a store: who runs it is told by a file beside the store, which the engine keeps locked for as long as it
 * lives. The file says which process that is and where its sockets are, so whoever has the store finds its engine: from
 * cron, from another login, from inside a task. The lock is the kernel's (an open file description's), so that it ends
 * with the process however that ends, and holds over NFS and between containers; to look takes no lock. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include "base/err.h"
#include "base/process.h"

#include <stdbool.h>
#include <stdint.h>
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

/* Deaths within OWNER_DEATHS_S seconds after which the next engine had better start nothing: in a row, of engines that
 * had done nothing; and of any. */
enum { OWNER_DEATHS = 3, OWNER_DEATHS_ANY = 10, OWNER_DEATHS_S = 60 };

struct owner_death {
    int64_t at_s; /* of the wall clock */
    bool worked;
};

/* Of the engine itself. */
struct owner_lock {
    int fd;
    char name[PROCESS_NAME_SIZE]; /* ours: told again and again, also when we could not ask for it any more */
    unsigned deaths;              /* engines before this one that died in that time; one that ended well begins anew */
    struct owner_death died[OWNER_DEATHS_ANY];
    bool worked;
};

/* Makes the calling process the engine of the store, until owner_leave(). BUSY: there is one on this machine; REFUSED:
 * there is one elsewhere, which err names, or the folder of the store is another user's; IO: there can be no lock. */
enum clw_err owner_take(struct owner_lock *lock, struct clw_error *err);
/* Says where the sockets are; NULL: nowhere yet. */
enum clw_err owner_tell(struct owner_lock *lock, const char *folder, struct clw_error *err);
/* It has done something: when it dies now, it is not for something that it was given. */
void owner_worked(struct owner_lock *lock, const char *folder);
/* How many deaths there were, when they are too many; else 0. */
unsigned owner_is_hurt(const struct owner_lock *lock);
/* Is the file that is locked still the one that others find? */
bool owner_is_found(const struct owner_lock *lock);
/* The sockets are gone, and another may be the engine. */
void owner_leave(struct owner_lock *lock);

/* REFUSED: the file is another user's, or no file. */
enum clw_err owner_look(struct owner *out, struct clw_error *err);
/* OK unless the store is used elsewhere (REFUSED, with the owner's name). */
enum clw_err owner_check_here(struct clw_error *err);

#endif
