/* Naming a process so that the name never means another: the machine's boot, the PID namespace, the number and when it
 * started. A number alone is used again. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

#define PROCESS_NAME_SIZE 96

/* "BOOT:NAMESPACE:PID:START" of the calling process. What the kernel does not say is left empty: so it is to be asked
 * early, while there are descriptors. */
void process_name_self(char name[PROCESS_NAME_SIZE]);

enum process_life {
    PROCESS_LIVES,
    PROCESS_GONE,
    PROCESS_ELSEWHERE_HERE, /* in another PID namespace of this machine: whether it lives cannot be seen */
    PROCESS_ELSEWHERE       /* of another boot: of another machine, or of this one before it was started again */
};

/* What has become of the process of that name; anything that is no such name is GONE. Where we lack the means to look,
 * it LIVES. */
enum process_life process_look(const char *name);
/* Its number, or 0. It means something in the namespace of the name alone. */
pid_t process_number(const char *name);

#endif
