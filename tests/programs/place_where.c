/* Prints what lies under one object of N bytes: its lines of /proc/self/smaps, and its NUMA policy. */
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static __attribute__((noinline)) char *make(size_t size) {
    return memset(malloc(size), 1, size);
}

static void print_smaps(uintptr_t address) {
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    int inside = 0;
    while (smaps != NULL && fgets(line, sizeof line, smaps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = address >= start && address < end;
        if (inside) fputs(line, stdout);
    }
    if (smaps != NULL) fclose(smaps);
}

int main(int argc, char **argv) {
    char *object = make(strtoull(argv[1], NULL, 10));
    int mode = -1;
    unsigned long nodes[16] = {0};
    syscall(SYS_get_mempolicy, &mode, nodes, 1024ul, object, (unsigned long)MPOL_F_ADDR);
    printf("policy %d nodes %lx\n", mode, nodes[0]);
    print_smaps((uintptr_t)object);
    return argc != 2;
}
