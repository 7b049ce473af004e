/* threads.h - do other threads of this process stand on a range of memory that is to be replaced? */
#ifndef TP_THREADS_H
#define TP_THREADS_H

#include <stdint.h>

#include "../common/control.h"

/* TP_STAY_STACK: a thread's own stack is in there, or what a waiting thread runs on. When such a thread ends,
 * the kernel writes to it, and would not wait for a frozen page; and where mprotect freezes, a stack must
 * take the signal. TP_STAY_WAITED: a thread waits in there for a futex that other processes may share: the
 * kernel knows that by the page, and the wait would not end. What a running thread has for a stack besides
 * its own (coroutines, sigaltstack) is told nowhere. Uses static memory: one mover at a time. */
enum tp_stay tpi_threads_stand_on(uintptr_t start, uintptr_t end);

#endif
