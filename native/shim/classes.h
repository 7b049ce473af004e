/* classes.h - the sizes that slabs hold: steps of 16 bytes up to 512, then 16 steps for each doubling. What
 * is lost by rounding up is at most 1/16 from there on, about what the C library's headers cost.
 */
#ifndef TP_CLASSES_H
#define TP_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#define TP_CLASS_STEP 16u
#define TP_CLASS_LINEAR_BYTES 512u
#define TP_CLASS_LARGEST_BYTES 16384u
#define TP_CLASSES 112u
#define TP_CLASS_NONE TP_CLASSES

enum { TPI_LINEAR_CLASSES = 32, TPI_LINEAR_SHIFT = 9, TPI_DOUBLING_SHIFT = 4 };

/* The smallest class that holds `size` bytes; TP_CLASS_NONE: it is too large. */
static inline unsigned tp_class_of(size_t size) {
    if (size <= TP_CLASS_LINEAR_BYTES) return (unsigned)((size - (size != 0)) / 16);
    if (size > TP_CLASS_LARGEST_BYTES) return TP_CLASS_NONE;
    unsigned last = (unsigned)size - 1, shift = 31u - (unsigned)__builtin_clz(last);
    return TPI_LINEAR_CLASSES + (shift - TPI_LINEAR_SHIFT) * 16 + (last >> (shift - TPI_DOUBLING_SHIFT) & 15);
}

static inline uint32_t tp_class_bytes(unsigned class) {
    if (class < TPI_LINEAR_CLASSES) return (class + 1) * TP_CLASS_STEP;
    unsigned above = class - TPI_LINEAR_CLASSES, shift = TPI_LINEAR_SHIFT + above / 16;
    return (1u << shift) + ((above % 16 + 1) << (shift - TPI_DOUBLING_SHIFT));
}

/* The smallest class whose every object lies at a multiple of `align`, a power of two; slabs do. */
static inline unsigned tp_class_aligned(size_t size, size_t align) {
    unsigned class = tp_class_of(size);
    while (class < TP_CLASSES && tp_class_bytes(class) % align != 0)
        class ++;
    return class;
}

#endif
