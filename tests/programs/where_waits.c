/* where_waits.c SIZE - touches every other page of an array, tells its process number, and waits for a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    volatile char *array = malloc(size);
    if (array == NULL) return 1;
    for (size_t at = 0; at < size; at += 2 * 4096)
        array[at] = 1;
    printf("%d\n", (int)getpid());
    fflush(stdout);
    getchar();
    return array[0] != 1;
}
