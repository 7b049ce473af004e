/* Hazard: fork. Parent and child write to the same objects; each must keep its own data, and both say where
 * their pages are then. */
#include "pages.h"

#include <sys/wait.h>

enum { OBJECTS = 3 };
static const size_t sizes[OBJECTS] = {64 << 10, 1 << 20, 5 << 20};
static unsigned char *objects[OBJECTS];

static int all_hold(unsigned char value) {
    int good = 1;
    for (int i = 0; i < OBJECTS; i++)
        good &= holds(objects[i], sizes[i], value);
    return good;
}

static void fill(unsigned char value) {
    for (int i = 0; i < OBJECTS; i++)
        memset(objects[i], value, sizes[i]);
}

static void print_all(const char *name) {
    struct census census = {0};
    for (int i = 0; i < OBJECTS; i++)
        count_pages(objects[i], sizes[i], &census);
    print_census(name, &census);
}

static void live_as_child(int parent_is_done) {
    char token;
    if (read(parent_is_done, &token, 1) != 1) _exit(9);
    int good = all_hold(1); /* the parent has written over its own by now */
    fill(3);
    print_all("child");
    _exit(good && all_hold(3) ? 0 : 1);
}

int main(void) {
    int parent_is_done[2], status = -1;
    alarm(300);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = malloc(sizes[i]);
    fill(1);
    if (pipe(parent_is_done) != 0) return 2;
    pid_t child = fork();
    if (child == 0) live_as_child(parent_is_done[0]);
    fill(2);
    if (write(parent_is_done[1], "x", 1) != 1) return 2;
    waitpid(child, &status, 0);
    print_all("parent");
    return say_content(all_hold(2) && status == 0);
}
