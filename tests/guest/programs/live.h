/* live.h - a program that does what it hears on its standard input, one word a line, while it is looked at
 * and its objects are moved. Nobody waits for it forever.
 */
#ifndef LIVE_H
#define LIVE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIVE_S = 300 };

static inline void say_ready(void) {
    alarm(LIVE_S);
    puts("ready");
    fflush(stdout);
}

/* The next word; false when there will be no more. Not by a stream: its buffer would be one more object. */
static inline int hear(char *word, size_t size) {
    size_t length = 0;
    while (length + 1 < size) {
        if (read(STDIN_FILENO, word + length, 1) != 1)
            return 0; /* a signal of others must not end the wait */
        if (word[length] == '\n') break;
        length++;
    }
    word[length] = '\0';
    return 1;
}

#endif
