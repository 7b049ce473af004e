/* hazard.h - what the hazard programs share: memory with known content, sums of it, and the account they
 * print.
 *
 * An account is the same in every run: counts, sums and names of errors, no address, no time. It is written
 * at once, so that forks, exits and kills neither lose nor double a line.
 */
#ifndef HAZARD_H
#define HAZARD_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)

enum { SKIPPED = 77 }; /* the exit status of a program that this machine cannot run; it says why */

#define say(...) dprintf(1, __VA_ARGS__)

__attribute__((unused)) static void skip(const char *why) {
    say("%s\n", why);
    _exit(SKIPPED);
}

/* Bytes that differ from seed to seed and from place to place. */
__attribute__((unused)) static unsigned char *fill(void *memory, size_t size, unsigned seed) {
    unsigned char *bytes = (unsigned char *)memory;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(seed + i * 7u + (i >> 12));
    return bytes;
}

/* How many of the bytes are what fill() wrote. */
__attribute__((unused)) static size_t intact(const void *memory, size_t size, unsigned seed) {
    const unsigned char *bytes = (const unsigned char *)memory;
    size_t good = 0;
    for (size_t i = 0; i < size; i++)
        good += bytes[i] == (unsigned char)(seed + i * 7u + (i >> 12));
    return good;
}

__attribute__((unused)) static size_t zeroes(const void *memory, size_t size) {
    const unsigned char *bytes = (const unsigned char *)memory;
    size_t good = 0;
    for (size_t i = 0; i < size; i++)
        good += bytes[i] == 0;
    return good;
}

/* malloc and fill; a program that has no memory at all has no account to give. */
__attribute__((unused)) static unsigned char *take(size_t size, unsigned seed) {
    void *memory = malloc(size);
    if (memory == NULL) {
        say("malloc of %zu: %s\n", size, strerrorname_np(errno));
        _exit(98);
    }
    return fill(memory, size, seed);
}

/* How a child ended: its exit status, or 1000 and its signal. */
__attribute__((unused)) static int ending(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#endif
