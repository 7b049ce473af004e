/* Whether libmemkind finds its DAX_KMEM kind, and on which node that gives memory. */
#include "pages.h"

#include <dlfcn.h>

int main(void) {
    enum { BYTES = 8 << 20 };
    void *library = dlopen("libmemkind.so.0", RTLD_NOW);
    if (library == NULL) return 2;
    void **kind = NULL;
    int (*check)(void *) = NULL;
    void *(*allocate)(void *, size_t) = NULL;
    *(void **)&kind = dlsym(library, "MEMKIND_DAX_KMEM");
    *(void **)&check = dlsym(library, "memkind_check_available");
    *(void **)&allocate = dlsym(library, "memkind_malloc");
    if (kind == NULL || check == NULL || allocate == NULL) return 3;
    int status = check(*kind);
    printf("kmem status %d\n", status);
    if (status != 0) return 1;
    unsigned char *object = allocate(*kind, BYTES);
    if (object == NULL) return 4;
    memset(object, 8, BYTES);
    print_pages("kmem", object, BYTES);
    return say_content(holds(object, BYTES, 8));
}
