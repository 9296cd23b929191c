/*
 * Inputs without their bounce: a bit changes when it has read differently PB_DEBOUNCE_CYCLES times in a row.
 *
 * Must not know what a bit means. Everything begins at 0, the unsafe value of every input.
 */
#ifndef PB_DEBOUNCE_H
#define PB_DEBOUNCE_H

#include <stdint.h>

#define PB_DEBOUNCE_CYCLES 5u /* at 1 kHz: 5 ms of the 20 ms in which an emergency stop has to latch */
#define PB_DEBOUNCE_BITS 16u

typedef struct {
    uint32_t state;
    uint8_t differs[PB_DEBOUNCE_BITS]; /* how many times in a row the raw bit was not that of `state` */
} pb_debounce;

/* One cycle; returns the bits that hold. Bits from PB_DEBOUNCE_BITS up are dropped. */
uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t raw);

#endif
