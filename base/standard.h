/* Descriptors 0, 1 and 2 are what they are taken for, whoever started us. */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

/* First of all in a program. Those that are closed are opened, so that nothing else gets their number, and so that
 * reading from 0 and writing to 1 or 2 fails with EBADF, as it would have. */
void standard_open(void);

#endif
