/* Hazard: an object whose site is moved by the plan, at the third allocation of another site or at a time.
 * Goes on until standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 1 << 20, TRIGGERS = 5 };

__attribute__((noinline)) static char *make_object(void) {
    char *object = malloc(BYTES);
    return memset(object, 7, BYTES);
}

__attribute__((noinline)) static char *make_trigger(void) {
    char *object = malloc(5000);
    return memset(object, 8, 5000);
}

int main(void) {
    char byte, *first = make_object(), *triggers[TRIGGERS];
    for (int i = 0; i < TRIGGERS; i++)
        triggers[i] = make_trigger();
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    char *second = make_object();
    puts(first[BYTES - 1] == 7 && second[BYTES - 1] == 7 && triggers[4][4999] == 8 ? "good" : "bad");
    return 0;
}
