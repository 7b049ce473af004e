/* signal_execs.c - a program that ignores a claimed signal hands that on to what it execs and spawns: the
 * kernel must think so at that moment. */
#include <alloca.h>
#include <spawn.h>
#include <stdarg.h>
#include <unistd.h>

#include "signal_next.h"
#include "signal_wants.h"

#define TPI_NAMES(X)                                                                                         \
    X(execve) X(execv) X(execvp) X(execvpe) X(fexecve) X(execveat) X(posix_spawn) X(posix_spawnp)
TPI_NEXT_TABLE(TPI_NAMES)

/* Calls among these go by the inner names: the program may have functions of its own by the outer ones. */
#define TPI_AROUND(name, parameters, arguments)                                                              \
    static int tpi_around_##name parameters {                                                                \
        tpi_claims_before_exec();                                                                            \
        int result = TPI_NEXT(name) arguments;                                                               \
        tpi_claims_after_exec();                                                                             \
        return result;                                                                                       \
    }                                                                                                        \
    TPI_EXPORT int name parameters {                                                                         \
        return tpi_around_##name arguments;                                                                  \
    }

TPI_AROUND(execve, (const char *path, char *const words[], char *const environment[]),
           (path, words, environment))
TPI_AROUND(execv, (const char *path, char *const words[]), (path, words))
TPI_AROUND(execvp, (const char *file, char *const words[]), (file, words))
TPI_AROUND(execvpe, (const char *file, char *const words[], char *const environment[]),
           (file, words, environment))
TPI_AROUND(fexecve, (int fd, char *const words[], char *const environment[]), (fd, words, environment))
TPI_AROUND(execveat,
           (int folder, const char *path, char *const words[], char *const environment[], int flags),
           (folder, path, words, environment, flags))
TPI_AROUND(posix_spawn,
           (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *restrict files,
            const posix_spawnattr_t *restrict attributes, char *const words[restrict],
            char *const environment[restrict]),
           (pid, path, files, attributes, words, environment))
TPI_AROUND(posix_spawnp,
           (pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *restrict files,
            const posix_spawnattr_t *restrict attributes, char *const words[restrict],
            char *const environment[restrict]),
           (pid, file, files, attributes, words, environment))

/* execl and its kin: the words are gathered on the stack, as glibc does, because exec must be safe in
 * handlers and after vfork. */
static size_t tpi_count_words(const char *volatile first, va_list words) {
    size_t n = 1;
    if (first == NULL) return 0; /* the C library allows it, whatever its header says */
    while (va_arg(words, char *) != NULL)
        n++;
    return n;
}

#define TPI_GATHER(all, first)                                                                               \
    va_list rest, counted;                                                                                   \
    va_start(rest, first);                                                                                   \
    va_copy(counted, rest);                                                                                  \
    size_t n_words = tpi_count_words(first, counted);                                                        \
    va_end(counted);                                                                                         \
    char **all = alloca((n_words + 1) * sizeof *all);                                                        \
    all[0] = (char *)(uintptr_t)first;                                                                       \
    for (size_t i = 1; i <= n_words; i++)                                                                    \
        all[i] = va_arg(rest, char *);

TPI_EXPORT int execl(const char *path, const char *word, ...) {
    TPI_GATHER(words, word)
    va_end(rest);
    return tpi_around_execv(path, words);
}

TPI_EXPORT int execlp(const char *file, const char *word, ...) {
    TPI_GATHER(words, word)
    va_end(rest);
    return tpi_around_execvp(file, words);
}

TPI_EXPORT int execle(const char *path, const char *word, ...) {
    TPI_GATHER(words, word)
    char **environment = va_arg(rest, char **);
    va_end(rest);
    return tpi_around_execve(path, words, environment);
}
