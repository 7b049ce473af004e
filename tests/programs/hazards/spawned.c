/* Hazard: posix_spawn, system and popen, with environments of all kinds: what is started runs as always. */
#include "hazard.h"

#include <spawn.h>

static void spawn(const char *what, char **environment) {
    char *arguments[] = {"sh", "-c", "echo spawned $A; exit 6", NULL};
    pid_t pid;
    say("%s: ", what);
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environment) == 0)
        say("status %d\n", ending(pid));
}

int main(void) {
    unsigned char *memory = take(300 * KIB, 1);
    char line[100] = "", *one[] = {"A=1", NULL}, *none[] = {NULL};
    spawn("our environment", environ);
    spawn("one variable", one);
    spawn("none", none);
    say("system %d\n", WEXITSTATUS(system("exit 5")));
    FILE *pipe = popen("echo from a pipe; exit 4", "r");
    if (fgets(line, sizeof line, pipe) != NULL) say("%s", line);
    say("closed %d\n", WEXITSTATUS(pclose(pipe)));
    clearenv();
    memory = realloc(memory, 3 * MIB);
    say("system %d intact %zu\n", WEXITSTATUS(system("exit 3")), intact(memory, 300 * KIB, 1));
    free(memory);
    return 0;
}
