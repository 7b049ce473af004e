/* keep.h - keeps a perf event alive without a descriptor, so that a program which counts or closes its
 * descriptors meets none of ours, and does not end the event. */
#ifndef TP_KEEP_H
#define TP_KEEP_H

#include <stdint.h>
#include <sys/un.h>

struct tpi_kept_event {
    uint64_t context;           /* of asynchronous I/O; 0: a descriptor is kept instead */
    struct sockaddr_un address; /* of the socket whose queue the event is in */
    uint32_t address_bytes;
    int fd;      /* -1: none */
    uint64_t id; /* tells the event from what else may have got its descriptor's number */
};

/* Keeps the event until this process ends, execs or drops it, and closes `fd`. Where the kernel does not lend
 * itself to that, the event stays open at a high descriptor. */
void tpi_event_keep(struct tpi_kept_event *kept, int fd);

/* Lets go of it: once this returns, it strikes no more. */
void tpi_event_drop(struct tpi_kept_event *kept);

/* In a forked child, which has at most a copy of the descriptor. */
void tpi_event_drop_parents(struct tpi_kept_event *kept);

#endif
