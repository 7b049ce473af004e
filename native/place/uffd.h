/* uffd.h - userfaultfd, as far as write protection goes: the only code that knows its system calls. */
#ifndef TP_UFFD_H
#define TP_UFFD_H

#include <stdbool.h>
#include <stddef.h>

struct tpi_uffd {
    int fd;           /* -1: there is none here */
    bool user_only;   /* system calls that write into a protected page fail instead of waiting */
    bool unpopulated; /* pages that are not there yet are protected, too (Linux 6.4) */
};

struct tpi_uffd tpi_uffd_open(void);
void tpi_uffd_close(struct tpi_uffd *uffd);

/* 0, or why not: EBUSY if another userfaultfd watches the range, otherwise it is not for this kind of memory.
 * Nothing has changed then. */
int tpi_uffd_protect(const struct tpi_uffd *uffd, void *start, size_t size);

/* Is the range protected yet? Not if the descriptor was closed meanwhile. */
bool tpi_uffd_holds(const struct tpi_uffd *uffd, void *start, size_t size);

/* Takes the protection away again; or, if other pages are there by now, only wakes who waits. */
void tpi_uffd_unprotect(const struct tpi_uffd *uffd, void *start, size_t size);
void tpi_uffd_wake(const struct tpi_uffd *uffd, void *start, size_t size);

#endif
