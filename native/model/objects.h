/* objects.h - whose memory an address is: the address space, cut into ranges that each have one owner.
 *
 * Every byte has a stack of claims on it; the newest is its owner. A claim that covers older claims whole
 * ends them. A release ends the claims that lie within it; and unless it ends one of just its range, it takes
 * its part from the claim around them. So what is freed goes back to what it was taken from, and memory that
 * is unmapped takes with it whatever was claimed inside.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_OBJECTS_H
#define TPM_OBJECTS_H

#include "heat.h"

struct tpm_claim {
    struct tpm_claim *around; /* the owner before */
    uint64_t first, last;     /* as it was claimed */
    uint32_t object, depth;
    uint64_t users;        /* ranges that it owns, and claims within */
    struct tpm_heat *heat; /* NULL: where its accesses fall is not counted */
    uint64_t *counts;      /* the lane's, as is `shift`: every access asks for them */
    uint32_t shift;
};

/* Bytes that lie together and have one owner: [first, first + span]. One host cache line.
 *
 * Its place in memory is never used for anything but a range, and its generation grows when it dies. So
 * whoever holds a range and its generation may read it at any time: if the generation is still the same, so
 * are its `first` and its claim to the addresses between `first` and `first + span`, and `object` is their
 * owner now. */
struct tpm_range {
    struct tpm_range *left, *right; /* a zip tree by `first`; `left` is the pool's word when dead */
    uint64_t first, span;
    uint32_t object, generation;
    struct tpm_claim *owner;
    struct tpm_range *before, *after; /* by address: together they cover all of it */
};

/* Ranges that were found last, by page. */
#define TPM_FOUND_BITS 12u

struct tpm_objects {
    struct tpm_range *root;
    struct tpm_pool ranges, claims;
    struct tpm_claim *nobody; /* TPM_OBJECT_UNKNOWN, around everything */
    struct tpm_heats *heats;
    struct tpm_found {
        struct tpm_range *range;
        uint32_t generation;
    } found[1u << TPM_FOUND_BITS];
};

/* False: no memory. */
bool tpm_objects_init(struct tpm_objects *objects, struct tpm_heats *heats, const struct tpm_host *host);
void tpm_objects_end(struct tpm_objects *objects);

/* False: no memory, and nothing has changed hands. */
bool tpm_objects_claim(struct tpm_objects *objects, uint64_t address, uint64_t bytes, uint32_t object);
bool tpm_objects_release(struct tpm_objects *objects, uint64_t address, uint64_t bytes);

/* The range that holds `address`. */
struct tpm_range *tpm_objects_find(struct tpm_objects *objects, uint64_t address);

/* The owner of `address`. An instruction mostly meets the object that it met before. */
static inline uint32_t tpm_objects_at(struct tpm_objects *objects, struct tpm_access *access,
                                      uint64_t address) {
    struct tpm_range *range = access->range;
    if (__builtin_expect(range == NULL || range->generation != access->generation ||
                             address - range->first > range->span,
                         0)) {
        access->range = range = tpm_objects_find(objects, address);
        access->generation = range->generation;
    }
    return range->object;
}

#endif
