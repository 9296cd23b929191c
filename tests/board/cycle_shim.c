/*
 * The control cycle of the ports (pb_cycle.c) on a PC, for test_retain.py: wires and sensors that are healthy or what the
 * test says, a tick that it moves, and a reset that leaves memory alone.
 */
#include "pb_cycle.h"
#include "pb_port.h"

#include <string.h>

extern volatile uint32_t record; /* of pb_retain.c, which is compiled here without `static` */

static uint32_t tick_us;
static uint32_t wires = 0x1FCu; /* all but the contact and the key */
static uint32_t driven;
static uint8_t received[PB_RX_MAX_BYTES];
static size_t received_length;
static uint8_t sent[PB_TX_MAX_BYTES];
static uint32_t sent_length;

uint32_t pb_port_tick_us(void)
{
    return tick_us;
}

uint32_t pb_port_inputs(void)
{
    return wires & ~PB_IN_SENSORS_OK;
}

void pb_port_measure(pb_measurements *measured)
{
    measured->pack_mv = 360000;
    measured->inputs |= PB_IN_SENSORS_OK;
}

void pb_port_outputs(uint32_t outputs)
{
    driven = outputs;
}

size_t pb_port_receive(uint8_t *bytes, size_t room)
{
    const size_t length = received_length;
    (void)room;
    memcpy(bytes, received, length);
    received_length = 0u;
    return length;
}

void pb_port_send(const uint8_t *bytes, size_t length)
{
    if (length > 0u) {
        memcpy(sent, bytes, length);
        sent_length = (uint32_t)length;
    }
}

void pb_port_idle(void)
{
}

void pb_port_feed_watchdog(void)
{
}

void shim_start(uint32_t cause)
{
    pb_cycle_init((uint8_t)cause);
}

void shim_run(uint32_t cycles)
{
    for (uint32_t i = 0u; i < cycles; i++) {
        tick_us += PB_CYCLE_US;
        pb_cycle_step();
    }
}

void shim_wire(uint32_t bit, uint32_t level)
{
    wires = (level != 0u) ? (wires | bit) : (wires & ~bit);
}

/* One frame to the board; what it answers is copied to `answer`. */
uint32_t shim_ask(const uint8_t *frame, uint32_t length, uint8_t *answer)
{
    memcpy(received, frame, length);
    received_length = length;
    sent_length = 0u;
    shim_run(1u);
    memcpy(answer, sent, sent_length);
    return sent_length;
}

void shim_spoil(uint32_t bits)
{
    record ^= bits;
}
