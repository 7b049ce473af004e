/* hash.h - mixing of words, and the 128-bit hash of which site keys are made.
 *
 * tpi_mix is the folded 128-bit product of wyhash (public domain, Wang Yi); the odd constants are its
 * secrets.
 */
#ifndef TP_HASH_H
#define TP_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tp_hash128 {
    uint64_t hi, lo;
};

static inline uint64_t tpi_mix(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t tp_hash_word(uint64_t hash, uint64_t word) {
    return tpi_mix(hash ^ word ^ 0xa0761d6478bd642full, word ^ 0xe7037ed1a0b428dbull);
}

static inline void tp_hash128_word(struct tp_hash128 *hash, uint64_t word) {
    hash->hi = tpi_mix(hash->hi ^ word ^ 0x8ebc6af09c88c6e3ull, hash->lo ^ 0x589965cc75374cc3ull);
    hash->lo = tpi_mix(hash->lo ^ word ^ 0x1d8e4e27c47d124full, hash->hi ^ 0xeb44accab455d165ull);
}

static inline void tp_hash128_bytes(struct tp_hash128 *hash, const void *bytes, size_t size) {
    const unsigned char *from = bytes;
    tp_hash128_word(hash, size);
    for (; size > 0; from += 8) {
        uint64_t word = 0;
        size_t part = size < 8 ? size : 8;
        memcpy(&word, from, part);
        tp_hash128_word(hash, word);
        size -= part;
    }
}

#endif
