/* Hazard: dlmopen loads a second C library with a malloc of its own, in a name space where nothing is
 * preloaded. Needs: plugin
 * Sanitized: no, a second C library loads a second runtime of the sanitizers
 */
#include "hazard.h"

#include <dlfcn.h>

#ifdef PLUGIN
extern size_t plugin_work(unsigned seed);
size_t plugin_work(unsigned seed) {
    unsigned char *memory = take(300 * KIB, seed);
    memory = realloc(memory, 3 * MIB);
    size_t good = intact(memory, 300 * KIB, seed);
    free(memory);
    return good;
}
#else
int main(int argc, char **argv) {
    char path[4096];
    unsigned char *memory = take(300 * KIB, 1);
    snprintf(path, sizeof path, "%s.so", argv[0]);
    void *plugin = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    if (plugin == NULL) skip("no second name space is to be had");
    size_t (*work)(unsigned);
    *(void **)&work = dlsym(plugin, "plugin_work");
    for (unsigned i = 0; i < 5; i++)
        say("%zu\n", work(i));
    say("closed %d intact %zu\n", dlclose(plugin), intact(memory, 300 * KIB, 1));
    free(memory);
    return 0;
}
#endif
