/*
 * Inputs without their bounce, in favour of the unsafe value.
 *
 * A bit rises (safe) when it has read 1 without a break for PB_DEBOUNCE_US. It falls (unsafe) once the evidence has come
 * to that: time at 0 counts up, time at 1 takes it back, PB_DEBOUNCE_FADE times more slowly. A loop that is open in more
 * than a fifth of the time is taken for open.
 *
 * Must not know what a bit means. Everything begins at 0, the unsafe value of every input. By time and not by cycles: a
 * cycle that comes late must not make an emergency stop come later still.
 */
#ifndef PB_DEBOUNCE_H
#define PB_DEBOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#define PB_DEBOUNCE_US 4000u /* five readings at 1 kHz; an emergency stop has to latch within 20 ms */
#define PB_DEBOUNCE_FADE 4u
#define PB_DEBOUNCE_BITS 16u

typedef struct {
    uint32_t state;
    uint32_t differs; /* bits that did not read as in `state` the last time, */
    uint32_t looked_us; /* which was then */
    uint32_t evidence[PB_DEBOUNCE_BITS]; /* for the other value of each; in parts of a us, PB_DEBOUNCE_FADE of them */
} pb_debounce;

/* One cycle; returns the bits that hold. Bits from PB_DEBOUNCE_BITS up are dropped. `now_us` may wrap. */
uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t now_us, uint32_t raw);

#endif
