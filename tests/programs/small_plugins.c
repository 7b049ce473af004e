/* Loads and unloads the libraries that its arguments name, in turn, where the linker puts one in the place of
 * another; each hands out small blocks.
 */
#include <dlfcn.h>
#include <stdlib.h>

enum { ROUNDS = 5, BLOCKS = 20, BYTES = 64 };

int main(int argc, char **argv) {
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 1; i < argc; i++) {
            void *blocks[BLOCKS];
            void *library = dlopen(argv[i], RTLD_NOW);
            if (library == NULL) return 1;
            void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "plugin_allocate");
            for (int j = 0; j < BLOCKS; j++)
                blocks[j] = allocate(BYTES);
            for (int j = 0; j < BLOCKS; j++)
                free(blocks[j]);
            dlclose(library);
        }
    }
    return 0;
}
