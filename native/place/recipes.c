/* recipes.c - reads the recipes file, and searches it. */
#include "recipes.h"

#include <string.h>

#include "mapfile.h"

_Static_assert(sizeof(struct tp_recipes_header) == 32, "the layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_recipe_module) == 64, "the layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_recipe) == 24, "the layout is shared with placer/binary.py");

/* Registers are perf's numbers; those of segments have no value in a signal's context. */
static bool tpi_register_known(int8_t number) {
    return number == TP_REG_NONE || number == TP_REG_MODULE || (number >= 0 && number <= 8) ||
           (number >= 16 && number <= 23);
}

static const char *tpi_check_module(const struct tpi_recipes *recipes,
                                    const struct tp_recipe_module *module) {
    if (module->build_id_bytes > sizeof module->build_id) return "a build-id is too long";
    if (module->first_recipe > recipes->header->n_recipes ||
        module->n_recipes > recipes->header->n_recipes - module->first_recipe)
        return "a module's recipes lie outside the file";
    const struct tp_recipe *recipe = recipes->recipes + module->first_recipe;
    for (uint32_t i = 0; i < module->n_recipes; i++) {
        if (i > 0 && recipe[i - 1].offset >= recipe[i].offset) return "the recipes are not sorted";
        if (!tpi_register_known(recipe[i].base) || !tpi_register_known(recipe[i].index) ||
            recipe[i].shift > 63)
            return "a recipe names an unknown register";
    }
    return NULL;
}

const char *tpi_recipes_open(struct tpi_recipes *recipes, const char *path) {
    size_t size = 0;
    const struct tp_recipes_header *header = tpi_mapfile(path, &size);
    if (header == NULL) return "the recipes cannot be read";
    if (size < sizeof *header || memcmp(header->magic, TP_RECIPES_MAGIC, sizeof header->magic) != 0)
        return "they are no recipes";
    if (header->version != TP_RECIPES_VERSION) return "the recipes are of another version";
    const struct tp_recipe_module *modules = (const void *)(header + 1);
    const struct tp_recipe *all = (const void *)(modules + header->n_modules);
    size_t fixed = sizeof *header + header->n_modules * sizeof *modules;
    if (fixed > size || (size - fixed) % sizeof *all != 0 ||
        (size - fixed) / sizeof *all != header->n_recipes)
        return "the recipes are cut short";
    struct tpi_recipes found = {header, modules, all};
    for (uint32_t i = 0; i < header->n_modules; i++) {
        const char *why = tpi_check_module(&found, &modules[i]);
        if (why != NULL) return why;
    }
    *recipes = found;
    return NULL;
}

/* The first recipe at `offset` or behind it; `n_recipes` if there is none. */
static size_t tpi_search(const struct tp_recipe *recipes, size_t n_recipes, uint64_t offset) {
    size_t low = 0, high = n_recipes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (recipes[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct tp_recipe_module *tpi_module(const struct tpi_recipes *recipes, const uint8_t *build_id,
                                                 size_t build_id_bytes) {
    for (uint32_t i = 0; recipes->header != NULL && i < recipes->header->n_modules; i++) {
        const struct tp_recipe_module *module = &recipes->modules[i];
        if (module->build_id_bytes == build_id_bytes &&
            memcmp(module->build_id, build_id, build_id_bytes) == 0)
            return module;
    }
    return NULL;
}

const struct tp_recipe *tpi_recipes_find(const struct tpi_recipes *recipes, const uint8_t *build_id,
                                         size_t build_id_bytes, uint64_t offset) {
    const struct tp_recipe_module *module = tpi_module(recipes, build_id, build_id_bytes);
    if (module == NULL) return NULL;
    const struct tp_recipe *all = recipes->recipes + module->first_recipe;
    size_t at = tpi_search(all, module->n_recipes, offset);
    return at < module->n_recipes && all[at].offset == offset ? &all[at] : NULL;
}

size_t tpi_recipes_around(const struct tpi_recipes *recipes, const uint8_t *build_id, size_t build_id_bytes,
                          uint64_t offset, uint64_t reach, const struct tp_recipe **first, size_t most) {
    const struct tp_recipe_module *module = tpi_module(recipes, build_id, build_id_bytes);
    if (module == NULL) return 0;
    const struct tp_recipe *all = recipes->recipes + module->first_recipe;
    size_t start = tpi_search(all, module->n_recipes, offset > reach ? offset - reach : 0), n = 0;
    while (n < most && start + n < module->n_recipes && all[start + n].offset <= offset + reach)
        n++;
    *first = all + start;
    return n;
}
