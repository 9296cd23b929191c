/*
 * What the board looks at by itself, whatever the host says: its own limits, the hard-wired inputs, the contact.
 *
 * Owns the tests and their delay. Must not move an output: a violation is handed to the state machine as a trip.
 */
#ifndef PB_GUARD_H
#define PB_GUARD_H

#include "pb_core.h"

/* PB_TRIP_* of the own limit that the newest measurements exceed, or PB_TRIP_NONE. */
uint8_t pb_guard_violation(const pb_core *core);

/* The highest fitted sensor in 0.1 degC; PB_TEMPERATURE_NONE when none is fitted, or one of them gives no reading. */
int16_t pb_guard_hottest_dc(const pb_core *core);

/* Limits while energised: trips on a violation once the evidence has come to the delay. One good sample takes little of
 * it back, so a limit that is exceeded on and off trips as well. */
void pb_guard_limits(pb_core *core);

/* After a violation: how soon the limits must be looked at again; PB_IDLE_US without one. */
uint32_t pb_guard_next_us(const pb_core *core);

/* Inputs that are hard-wired as well: latched in every state. */
void pb_guard_inputs(pb_core *core);

/* The auxiliary contact follows the coil within its time, and stays with it afterwards. */
void pb_guard_contactor(pb_core *core);

#endif
