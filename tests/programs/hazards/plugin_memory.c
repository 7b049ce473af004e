/* Hazard: memory that a plugin made lives on after the plugin is unloaded, and is resized and freed by
 * others. Needs: plugin
 */
#include "hazard.h"

#include <dlfcn.h>

#ifdef PLUGIN
extern unsigned char *plugin_make(size_t size, unsigned seed);
unsigned char *plugin_make(size_t size, unsigned seed) {
    return take(size, seed);
}
#else
int main(int argc, char **argv) {
    enum { LOADS = 10 };
    unsigned char *made[LOADS];
    char path[4096];
    snprintf(path, sizeof path, "%s.so", argv[0]);
    for (unsigned i = 0; i < LOADS; i++) {
        void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) return 1;
        unsigned char *(*make)(size_t, unsigned);
        *(void **)&make = dlsym(plugin, "plugin_make");
        made[i] = make((i + 1) * 50 * KIB, i);
        if (dlclose(plugin) != 0) return 2;
    }
    say("still loaded %d\n", dlopen(path, RTLD_NOW | RTLD_NOLOAD) != NULL);
    for (unsigned i = 0; i < LOADS; i++) {
        made[i] = realloc(made[i], (i + 1) * 100 * KIB);
        say("%u: %zu\n", i, intact(made[i], (i + 1) * 50 * KIB, i));
        free(made[i]);
    }
    return 0;
}
#endif
