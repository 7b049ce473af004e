/* Hazard: buffers that the C library grows and the program frees: memory streams, getline, asprintf, setvbuf.
 */
#include "hazard.h"

#include <wchar.h>

int main(void) {
    char *text = NULL, *line = NULL, *one = NULL;
    size_t size = 0, room = 0, longest = 0, lines = 0;
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 400; i++)
        fprintf(memory, "%d%*s\n", i, i * 3, "");
    fclose(memory);
    say("stream %zu\n", size);
    FILE *file = fopen("lines", "w+");
    char *buffer = malloc(100 * KIB);
    setvbuf(file, buffer, _IOFBF, 100 * KIB);
    fwrite(text, 1, size, file);
    for (int i = 0; i < 50000; i++)
        fputc('x', file);
    rewind(file);
    for (ssize_t length; (length = getline(&line, &room, file)) > 0; lines++)
        longest = (size_t)length > longest ? (size_t)length : longest;
    say("lines %zu longest %zu\n", lines, longest);
    fclose(file);
    free(buffer);
    say("printed %d\n", asprintf(&one, "%70000d", 5));
    wchar_t *wide = NULL;
    FILE *wide_memory = open_wmemstream(&wide, &size);
    for (int i = 0; i < 5000; i++)
        fputws(L"wide ", wide_memory);
    fclose(wide_memory);
    say("wide %zu\n", wcslen(wide));
    free(wide);
    free(one);
    free(line);
    free(text);
    return 0;
}
