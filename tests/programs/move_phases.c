/* Hazard: an object whose site is moved by the plan, at the third allocation of another site or at a time.
 * Goes on until standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 9 << 20, TRIGGERS = 5 };

__attribute__((noinline)) static char *make_object(void) {
    char *object = malloc(BYTES);
    return memset(object, 7, BYTES);
}

__attribute__((noinline)) static char *make_trigger(void) {
    char *object = malloc(5000);
    return memset(object, 8, 5000);
}

static void wait_for_end(void) {
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
}

int main(void) {
    char *made[TRIGGERS + 2];
    for (volatile int i = 0; i < TRIGGERS + 2; i++) { /* one call path for both objects */
        char *(*make)(void) = i == 0 || i > TRIGGERS ? make_object : make_trigger;
        if (i > TRIGGERS) wait_for_end();
        made[i] = make();
    }
    int good = made[0][BYTES - 1] == 7 && made[TRIGGERS + 1][BYTES - 1] == 7 && made[TRIGGERS][4999] == 8;
    puts(good ? "good" : "bad");
    return 0;
}
