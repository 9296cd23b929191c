/*
 * The control cycle of every port: read the inputs, step the core, write the outputs, feed the watchdog.
 *
 * Owns the order, the period and the settling time after a start. Must not decide anything about the contactor.
 */
#ifndef PB_CYCLE_H
#define PB_CYCLE_H

#include <stdint.h>

#define PB_CYCLE_US 1000u

/* After a start the inputs bounce, filters charge and converters wake: for this long everything is read, nothing is
 * believed, all outputs stay off and no byte is answered. */
#define PB_SETTLE_US 100000u

/* Outputs are off already. `reset_cause` is one of PB_RESET_*. */
void pb_cycle_init(uint8_t reset_cause);

/* One cycle. */
void pb_cycle_step(void);

/* For ports without an operating system: one cycle each PB_CYCLE_US, for ever. */
_Noreturn void pb_cycle_forever(void);

#endif
