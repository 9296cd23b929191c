/*
 * Inputs without their bounce: a bit changes when it has read differently, without a break, for PB_DEBOUNCE_US.
 *
 * Must not know what a bit means. Everything begins at 0, the unsafe value of every input. By time and not by cycles: a
 * cycle that comes late must not make an emergency stop come later still.
 */
#ifndef PB_DEBOUNCE_H
#define PB_DEBOUNCE_H

#include <stdint.h>

#define PB_DEBOUNCE_US 4000u /* five readings at 1 kHz; an emergency stop has to latch within 20 ms */
#define PB_DEBOUNCE_BITS 16u

typedef struct {
    uint32_t state;
    uint32_t differs; /* bits that did not read as in `state` the last time */
    uint32_t since_us[PB_DEBOUNCE_BITS]; /* when each of them began to */
} pb_debounce;

/* One cycle; returns the bits that hold. Bits from PB_DEBOUNCE_BITS up are dropped. `now_us` may wrap. */
uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t now_us, uint32_t raw);

#endif
