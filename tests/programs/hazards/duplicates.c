/* Hazard: what the C library allocates for the program: strdup and its family, getcwd, realpath, scandir,
 * glob, regcomp, qsort and tsearch. */
#include "hazard.h"

#include <dirent.h>
#include <glob.h>
#include <regex.h>
#include <search.h>
#include <wchar.h>

static int compare(const void *one, const void *other) {
    return (*(const int *)one > *(const int *)other) - (*(const int *)one < *(const int *)other);
}

int main(void) {
    size_t length = 100 * KIB;
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    text[length] = 0;
    char *one = strdup(text), *other = strndup(text, 5000), *folder = getcwd(NULL, 0),
         *path = realpath(".", NULL);
    wchar_t *wide = calloc(30000, sizeof *wide);
    wmemset(wide, L'w', 29999);
    wchar_t *copy = wcsdup(wide);
    say("%zu %zu %zu %d\n", strlen(one), strlen(other), wcslen(copy), strcmp(folder, path));
    struct dirent **entries;
    int n_entries = scandir("/proc/self/ns", &entries, NULL, alphasort);
    say("scanned %d\n", n_entries > 2);
    while (n_entries > 0)
        free(entries[--n_entries]);
    free(entries);
    glob_t found;
    say("glob %d\n", glob("/proc/[s]elf", 0, NULL, &found));
    globfree(&found);
    regex_t pattern;
    say("regcomp %d", regcomp(&pattern, "^(a*b|a{3,200})*$", REG_EXTENDED));
    text[150] = 0;
    say(" match %d\n", regexec(&pattern, text, 0, NULL, 0));
    regfree(&pattern);
    int *numbers = malloc(60000 * sizeof *numbers), ordered = 1;
    void *tree = NULL;
    for (int i = 0; i < 60000; i++)
        numbers[i] = (int)((unsigned)i * 2654435761u >> 4);
    qsort(numbers, 60000, sizeof *numbers, compare);
    for (int i = 1; i < 60000; i++)
        ordered &= numbers[i - 1] <= numbers[i];
    for (int i = 0; i < 3000; i++)
        tsearch(&numbers[i], &tree, compare);
    say("ordered %d found %d\n", ordered, tfind(&numbers[2000], &tree, compare) != NULL);
    void *blocks[] = {text, one, other, folder, path, wide, copy, numbers};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
    return 0;
}
