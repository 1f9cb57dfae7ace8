/* Random bytes from the kernel: for secrets, numbers that nobody can guess, and jitter. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Fills out. Ends the program when the kernel has none to give: it does not come to that. */
void random_fill(void *out, size_t size);

#endif
