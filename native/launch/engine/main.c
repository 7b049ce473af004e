/* tierprof-engine - what the exact engine takes for valgrind's launcher: starts it on a program, and on what
 * that executes.
 *
 * valgrind's own launcher is a shell script and a dynamic program in most distributions. Both would load the
 * shim and leave a trace of themselves, and the script changes the program's environment. This one is static,
 * has no libc beneath it, and adds one variable that the engine takes away again.
 *
 *     VALGRIND_LIB=FOLDER tierprof-engine [OPTIONS OF THE ENGINE] PROGRAM ARGUMENTS
 *
 * Where the engine cannot go the program runs without it: a 32-bit program, or when the folder is gone
 * because the run is over and this is a daemon's child.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define TPI_ENGINE "/tierprof-amd64-linux"
#define TPI_FOLDER "VALGRIND_LIB="
#define TPI_LAUNCHER "VALGRIND_LAUNCHER="
#define TPI_PATH_BYTES 4096
#define TPI_AT_FDCWD (-100)
#define TPI_ELF_CLASS 4 /* the byte of an ELF file that says 32 or 64 bit */
#define TPI_ELF_32 1
#define TPI_STATUS_NOT_FOUND 127

static long tpi_call(long number, long a, long b, long c, long d) {
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static size_t tpi_length(const char *text) {
    size_t n = 0;
    while (text[n] != '\0')
        n++;
    return n;
}

static bool tpi_begins(const char *text, const char *with) {
    for (; *with != '\0'; text++, with++)
        if (*text != *with) return false;
    return true;
}

/* Writes both parts into `path`; false if they do not fit. */
static bool tpi_join(char *path, const char *first, const char *second) {
    size_t a = tpi_length(first), b = tpi_length(second);
    if (a + b >= TPI_PATH_BYTES) return false;
    for (size_t i = 0; i < a; i++)
        path[i] = first[i];
    for (size_t i = 0; i <= b; i++)
        path[a + i] = second[i];
    return true;
}

static bool tpi_is_32_bit(const char *program) {
    char head[TPI_ELF_CLASS + 1] = {0};
    long file = tpi_call(SYS_openat, TPI_AT_FDCWD, (long)program, 0, 0);
    if (file < 0) return false;
    tpi_call(SYS_read, file, (long)head, sizeof head, 0);
    tpi_call(SYS_close, file, 0, 0, 0);
    return tpi_begins(head, "\177ELF") && head[TPI_ELF_CLASS] == TPI_ELF_32;
}

/* `VALGRIND_LAUNCHER=` and the path of this program; false if that cannot be told. */
static bool tpi_name_self(char *variable) {
    char self[TPI_PATH_BYTES];
    long length = tpi_call(SYS_readlinkat, TPI_AT_FDCWD, (long)"/proc/self/exe", (long)self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = '\0';
    return tpi_join(variable, TPI_LAUNCHER, self);
}

/* Returns only if it cannot. `variables`: how many the environment has. */
static void tpi_run_in_engine(char **arguments, char **environment, size_t variables) {
    const char *folder = NULL;
    char path[TPI_PATH_BYTES], launcher[TPI_PATH_BYTES];
    char *extended[variables + 2];
    size_t n = 0;
    for (size_t i = 0; i < variables; i++) {
        if (tpi_begins(environment[i], TPI_FOLDER)) folder = environment[i] + sizeof TPI_FOLDER - 1;
        if (!tpi_begins(environment[i], TPI_LAUNCHER)) extended[n++] = environment[i];
    }
    if (folder == NULL || !tpi_join(path, folder, TPI_ENGINE) || !tpi_name_self(launcher)) return;
    extended[n++] = launcher;
    extended[n] = NULL;
    tpi_call(SYS_execve, (long)path, (long)arguments, (long)extended, 0);
}

/* `stack`: as the kernel leaves it, the number of arguments, then they, then the environment. */
__attribute__((noreturn, used)) void tpi_main(long *stack);

void tpi_main(long *stack) {
    char **arguments = (char **)(stack + 1), **environment = arguments + stack[0] + 1;
    char **program = arguments + (stack[0] > 0);
    while (*program != NULL && **program == '-')
        program++;
    size_t variables = 0;
    while (environment[variables] != NULL)
        variables++;
    if (*program != NULL && !tpi_is_32_bit(*program)) tpi_run_in_engine(arguments, environment, variables);
    if (*program != NULL) tpi_call(SYS_execve, (long)*program, (long)program, (long)environment, 0);
    for (;;)
        tpi_call(SYS_exit_group, TPI_STATUS_NOT_FOUND, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall tpi_main\n");
