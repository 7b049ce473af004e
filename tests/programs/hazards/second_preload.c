/* Hazard: another preloaded library wraps malloc, too, once in front of whoever else does and once behind.
 * Needs: plugin
 * Status: 3
 * Sanitized: no, the sanitizers wrap malloc, too
 */
#include "hazard.h"

#ifdef PLUGIN
#include <dlfcn.h>

extern unsigned long wrapped_calls(void);
static unsigned long calls;
unsigned long wrapped_calls(void) {
    return calls;
}
void *malloc(size_t size) {
    static void *(*next)(size_t);
    if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return next(size);
}
void free(void *memory) {
    static void (*next)(void *);
    if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, "free");
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    next(memory);
}
#else
static int again(char **argv, int in_front) {
    const char *others = getenv("LD_PRELOAD");
    char preload[8192];
    if (others == NULL) others = "";
    snprintf(preload, sizeof preload, in_front ? "%s.so %s" : "%2$s %1$s.so", argv[0], others);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", preload, 1);
        execl(argv[0], argv[0], "again", NULL);
        _exit(9);
    }
    return ending(pid);
}

int main(int argc, char **argv) {
    unsigned char *memory = take(200 * KIB, 1), *small = take(100, 2);
    memory = realloc(memory, 5 * MIB);
    size_t good = intact(memory, 200 * KIB, 1) + intact(small, 100, 2);
    free(memory);
    free(small);
    if (argc == 1) say("in front %d behind %d\n", again(argv, 1), again(argv, 0));
    return good == 200 * KIB + 100 ? 3 : 4;
}
#endif
