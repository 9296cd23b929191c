/* See pb_cycle.h. */
#include "pb_cycle.h"

#include "pb_debounce.h"
#include "pb_port.h"
#include "pb_retain.h"

#include <string.h>

static struct {
    uint32_t now_us; /* of the newest cycle; first, where a test rig looks for it */
    uint32_t start_us;
    bool settled;
    pb_debounce debounce;
    pb_core core;
    pb_result result;
    uint8_t rx[PB_RX_MAX_BYTES];
} pb_cycle;

/* A board that was not just switched on, and does not know whether it had tripped, has. */
static void keep_latch(uint8_t reset_cause)
{
    uint8_t code = PB_TRIP_NONE;
    uint16_t detail = 0u;
    if (!pb_retain_read(&code, &detail) && (reset_cause != PB_RESET_POWER_ON)) {
        code = PB_TRIP_UNKNOWN_RESET;
    }
    pb_keep(&pb_cycle.core, code, detail);
}

void pb_cycle_init(uint8_t reset_cause)
{
    pb_cycle.now_us = pb_port_tick_us();
    pb_cycle.start_us = pb_cycle.now_us;
    pb_init(&pb_cycle.core, pb_cycle.now_us, reset_cause);
    keep_latch(reset_cause);
}

/* Time first, then what was received: a lease that has expired cannot be renewed by what arrived late. */
void pb_cycle_step(void)
{
    pb_measurements measured;
    (void)memset(&measured, 0, sizeof measured);
    pb_cycle.now_us = pb_port_tick_us();
    measured.inputs = pb_debounce_step(&pb_cycle.debounce, pb_cycle.now_us, pb_port_inputs());
    pb_port_measure(&measured);
    if (pb_cycle.settled) {
        const size_t received = pb_port_receive(pb_cycle.rx, sizeof pb_cycle.rx);
        pb_step(&pb_cycle.core, pb_cycle.now_us, pb_cycle.rx, received, &measured, &pb_cycle.result);
        pb_retain_write(pb_cycle.core.trip_code, pb_cycle.core.trip_detail);
        pb_port_outputs(pb_cycle.result.outputs);
        pb_port_send(pb_cycle.result.tx, pb_cycle.result.tx_length);
    } else {
        pb_cycle.settled = (uint32_t)(pb_cycle.now_us - pb_cycle.start_us) >= PB_SETTLE_US;
    }
    pb_port_feed_watchdog();
}

_Noreturn void pb_cycle_forever(void)
{
    uint32_t due_us = pb_port_tick_us();
    for (;;) {
        /* A tick that stands still keeps this loop here, and the watchdog unfed. */
        while ((uint32_t)(pb_port_tick_us() - due_us) < PB_CYCLE_US) {
            pb_port_idle();
        }
        due_us += PB_CYCLE_US;
        if ((uint32_t)(pb_port_tick_us() - due_us) >= PB_CYCLE_US) {
            due_us = pb_port_tick_us(); /* a cycle took too long: go on from here, without catching up */
        }
        pb_cycle_step();
    }
}
