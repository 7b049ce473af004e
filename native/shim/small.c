/* small.c - exponential gaps and their weights, without libm: the shim needs nothing beneath it but libc. */
#include "small.h"

#include <string.h>

#include "options.h"

/* Natural logarithm of x in (0, 1]: the exponent's share, and atanh's series for the mantissa (error < 2e-6).
 */
static double tpi_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull;
    memcpy(&x, &bits, sizeof x);
    double s = (x - 1) / (x + 1), s2 = s * s;
    return exponent * 0.6931471805599453 +
           2 * s * (1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 / 9))));
}

/* exp(-x): the series of x / 1024, squared ten times. */
static double tpi_exp_minus(double x) {
    double y = x / 1024;
    double value = 1 - y + y * y / 2 - y * y * y / 6;
    if (value < 0) return 0;
    for (unsigned i = 0; i < 10; i++)
        value *= value;
    return value;
}

/* xorshift64* (Vigna); the upper 53 bits, never 0. */
static double tpi_uniform(struct tp_thread *self) {
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return (double)((self->random * 0x2545f4914f6cdd1dull >> 11) + 1) * 0x1p-53;
}

void tp_small_next(struct tp_thread *self) {
    uint64_t period = tp_options.small_period_bytes;
    if (period == 0 || period > INT64_MAX / 64)
        self->small_left = INT64_MAX;
    else
        self->small_left = (int64_t)(-tpi_log(tpi_uniform(self)) * (double)period);
}

uint32_t tp_small_weight(size_t size) {
    /* A sample is taken with probability 1 - exp(-size / period), and stands for the inverse of it. */
    double x = (double)size / (double)tp_options.small_period_bytes;
    double probability = x < 1e-3 ? x - x * x / 2 : 1 - tpi_exp_minus(x);
    double weight = 1 / probability + 0.5;
    return weight < 1 ? 1u : weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
}
