/* Writes a function into memory, calls it, writes another over it, calls that: what it returns must be the
 * last one's. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { CALLS = 1000 };

int main(void) {
    unsigned char code[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov $n, %eax; ret */
    unsigned char *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int (*function)(void);
    long sum = 0;
    if (at == MAP_FAILED) return 1;
    memcpy(&function, &at, sizeof function);
    for (uint32_t i = 0; i < CALLS; i++) {
        memcpy(code + 1, &i, sizeof i);
        memcpy(at, code, sizeof code);
        sum += function();
    }
    printf("%ld\n", sum);
    return 0;
}
