/* Threads that leave signals to the main one. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts run(arg) in a thread in which all signals are blocked; false: there is none to be had. */
bool thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
