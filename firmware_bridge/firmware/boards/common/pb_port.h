/*
 * What a board port provides to the control cycle (pb_cycle.c).
 *
 * Each function is bounded: no call waits for hardware without a limit. None of them decides anything.
 */
#ifndef PB_PORT_H
#define PB_PORT_H

#include "pb_core.h"

/* Free-running, wraps. */
uint32_t pb_port_tick_us(void);

/* The wires as they are, PB_IN_* without PB_IN_SENSORS_OK. A wire that is broken reads as the unsafe value. */
uint32_t pb_port_inputs(void);

/* Voltages, current, temperatures; sets PB_IN_SENSORS_OK in `inputs` when voltages and current are valid, and leaves
 * the other bits alone. */
void pb_port_measure(pb_measurements *measured);

/* PB_OUT_* to the pins. */
void pb_port_outputs(uint32_t outputs);

/* At most `room` received bytes, oldest first. */
size_t pb_port_receive(uint8_t *bytes, size_t room);

/* Takes all of it or, when there is no room, nothing: the host asks again. */
void pb_port_send(const uint8_t *bytes, size_t length);

/* Called over and over between two cycles: moves what is to be sent into the hardware. */
void pb_port_idle(void);

/* Called once at the end of each completed cycle, and from nowhere else. */
void pb_port_feed_watchdog(void);

#endif
