/* syscalls.h - what the engine must know of system calls before they are made: how memory is asked for, and
 * that the process becomes another program, which ends this engine without a word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SYSCALLS_H
#define TP_SYSCALLS_H

void tp_syscalls_track(void);

#endif
