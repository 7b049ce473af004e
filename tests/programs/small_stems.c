/* One site of small objects that are kept, KEPT of them; and the like from elsewhere that are freed at once,
 * on DEPTHS other call paths each: by another caller of malloc, by the same one that is called from
 * elsewhere, and on paths that only part five calls further out.
 */
#include <stdio.h>
#include <stdlib.h>

enum { KEPT = 50000, DEPTHS = 400, BYTES = 64 };

#define OUTER __attribute__((noinline, noclone))

static void *blocks[KEPT];

static OUTER void *take(void) {
    void *volatile block = malloc(BYTES);
    return block;
}

#define THROUGH(name, next)                                                                                  \
    static OUTER void *name(void) {                                                                          \
        void *volatile block = next();                                                                       \
        return block;                                                                                        \
    }

THROUGH(first, take)
THROUGH(second, first)
THROUGH(third, second)
THROUGH(fourth, third)

static OUTER void keep(void) {
    for (int i = 0; i < KEPT; i++)
        blocks[i] = fourth();
}

static OUTER void drop_far(void) {
    free(fourth());
}

static OUTER void drop_near(void) {
    free(take());
}

static OUTER void drop_own(void) {
    void *volatile block = malloc(BYTES);
    free(block);
}

static OUTER int descend(int depth, void (*drop)(void)) {
    int reached = 0;
    if (depth > 0)
        reached = descend(depth - 1, drop) + 1;
    else
        drop();
    __asm__ volatile(""); /* no loop */
    return reached;
}

int main(int argc, char **argv) {
    int sum = descend(DEPTHS, keep); /* at a height of the stack that no other has */
    for (int depth = 0; depth < DEPTHS; depth++)
        sum += descend(depth, drop_own) + descend(depth, drop_near);
    for (int depth = 0; argc > 1 && depth < DEPTHS; depth++)
        sum += descend(depth, drop_far);
    for (int i = 0; i < KEPT; i++)
        free(blocks[i]);
    printf("%d\n", sum);
    return 0;
}
