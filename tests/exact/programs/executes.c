/* Becomes /bin/echo after failing to become things that are not there, not executable, and no program. */
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    char *words[] = {"echo", "became", NULL};
    execv("/nowhere/echo", words);
    execv("/etc/passwd", words);
    execv("/etc", words);
    if (count > 1) execv(arguments[1], words); /* executable, but no program */
    execv("/bin/echo", words);
    return 1;
}
