/* Loads and unloads the libraries that its arguments name, in turn; the linker puts one where another was. */
#include <dlfcn.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int round = 0; round < 5; round++) {
        for (int i = 1; i < argc; i++) {
            void *library = dlopen(argv[i], RTLD_NOW);
            if (library == NULL) return 1;
            void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "plugin_allocate");
            free(allocate(100000 * (size_t)i));
            dlclose(library);
        }
    }
    return 0;
}
