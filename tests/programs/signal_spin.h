/* signal_spin.h - user time, so that samples strike. */
#ifndef SIGNAL_SPIN_H
#define SIGNAL_SPIN_H

static volatile unsigned long spun;

/* Some milliseconds of arithmetic. */
static inline void spin(void) {
    for (int i = 0; i < 10000000; i++)
        spun += (unsigned long)i;
}

#endif
