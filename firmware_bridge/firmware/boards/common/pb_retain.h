/*
 * The latch across a reset of the board: a trip and its detail, in memory that a reset leaves alone.
 *
 * Owns that record and whether it is whole. Must not decide what a trip means. Memory holds nonsense after power-on, and
 * what a dying supply made of it after a brown-out, so the record carries its complement.
 */
#ifndef PB_RETAIN_H
#define PB_RETAIN_H

#include <stdbool.h>
#include <stdint.h>

/* After every cycle. PB_TRIP_NONE: not tripped. */
void pb_retain_write(uint8_t trip_code, uint16_t trip_detail);

/* What was written before the reset; false, and nothing, when it is not whole. */
bool pb_retain_read(uint8_t *trip_code, uint16_t *trip_detail);

#endif
