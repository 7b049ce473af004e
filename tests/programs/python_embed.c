/* Loads an interpreter at run time, runs a program in it, ends it and unloads it; then all of it again. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int run(const char *library) {
    void *python = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    if (python == NULL) return 2;
    void (*initialize)(int);
    int (*execute)(const char *, void *), (*finalize)(void);
    *(void **)&initialize = dlsym(python, "Py_InitializeEx");
    *(void **)&execute = dlsym(python, "PyRun_SimpleStringFlags");
    *(void **)&finalize = dlsym(python, "Py_FinalizeEx");
    initialize(0);
    int status = execute("def inside():\n    return bytearray(1234567)\nkept = inside()\n", NULL);
    if (finalize() != 0) status = 3;
    dlclose(python);
    void *volatile after = malloc(7654321); /* by a program that has no interpreter any more */
    free(after);
    return status;
}

int main(int argc, char **argv) {
    int status = run(argv[1]);
    if (argc > 2 && status == 0) status = run(argv[1]);
    printf("%d\n", status);
    return status;
}
