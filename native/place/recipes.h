/* recipes.h - how the address of an access follows from the sampled registers, mapped read-only. */
#ifndef TP_RECIPES_H
#define TP_RECIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/planfile.h"

struct tpi_recipes {
    const struct tp_recipes_header *header; /* NULL: none */
    const struct tp_recipe_module *modules;
    const struct tp_recipe *recipes;
};

/* Maps and checks the file. NULL, or in words why there are no recipes now. */
const char *tpi_recipes_open(struct tpi_recipes *recipes, const char *path);

/* The recipe for a sampled instruction; NULL: unknown. Async-signal-safe. */
const struct tp_recipe *tpi_recipes_find(const struct tpi_recipes *recipes, const uint8_t *build_id,
                                         size_t build_id_bytes, uint64_t offset);

/* The recipes for sampled instructions at most `reach` bytes before or behind `offset`, at most `most` of
 * them: as a rule those of the same loop. Async-signal-safe. */
size_t tpi_recipes_around(const struct tpi_recipes *recipes, const uint8_t *build_id, size_t build_id_bytes,
                          uint64_t offset, uint64_t reach, const struct tp_recipe **first, size_t most);

#endif
