/*
 * What the board remembers: the sequence of events, and the moment of the trip.
 *
 * Owns the ring and the snapshot. Must not decide anything. It exists so that the cause of a trip can be told
 * afterwards, with times of the board's own clock, whatever happened to the host.
 */
#ifndef PB_LOG_H
#define PB_LOG_H

#include "pb_core.h"

void pb_log_put(pb_core *core, uint8_t kind, uint8_t code, uint32_t value);

/* The event with that number, or the oldest that is remembered after it. */
void pb_log_get(const pb_core *core, uint32_t number, pb_event *event);

/* Keeps the moment: called before a trip changes anything. */
void pb_log_snapshot(pb_core *core, uint8_t trip_code, uint16_t detail);

/* After a reset the ring takes everything again. */
void pb_log_unlatch(pb_core *core);

#endif
