/*
 * The arm sequence: from an operator's CLOSE to a contactor through which the test may run.
 *
 * Owns the order of its steps, each with a time-out and a refusal of its own: the BMS awake, the pack's own contactors,
 * its polarity, no residual voltage, the cycler at the pack's voltage, precharge, closing, the sign of the current. Must
 * not move an output: the state machine does. A step that fails withdraws to safe without a latch; what may be a welded
 * contact latches.
 */
#ifndef PB_SEQUENCE_H
#define PB_SEQUENCE_H

#include "pb_core.h"

void pb_sequence_begin(pb_core *core);

/* A sign pulse was announced. */
void pb_sequence_announce(pb_core *core, int32_t current_ma);

/* The steps before the coil, in state precharge with a lease that runs; and those after it, in state closed. */
void pb_sequence_open(pb_core *core);
void pb_sequence_closed(pb_core *core);

/* How soon the running step must be looked at again; PB_IDLE_US when there is none. */
uint32_t pb_sequence_next_us(const pb_core *core);

#endif
