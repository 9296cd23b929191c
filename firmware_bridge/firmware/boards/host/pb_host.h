/*
 * The core as a library for a program on a PC: the simulated world, the tests.
 *
 * Owns the layout of one block of memory that the caller provides and through which everything passes, so that a
 * step costs one call with one pointer. Must not decide anything: the core does. Everything here is what a board
 * port is, with doubles in V and A where a real port has converters.
 */
#ifndef PB_HOST_H
#define PB_HOST_H

#include "pb_core.h"

typedef struct {
    /* written by the caller before a step */
    uint32_t now_us;
    uint32_t inputs; /* PB_IN_*; sensors_ok is cleared here when a measurement is not finite */
    double pack_v;
    double cycler_v;
    double current_a;
    uint32_t rx_length;
    /* read by the caller after a step */
    uint32_t outputs;
    uint32_t next_us;
    uint32_t tx_length;
    /* written by the caller when it changes; PB_TEMPERATURE_NONE at first */
    int16_t temperature_dc[PB_TEMPERATURES];
    pb_message request;
    pb_message reply;
    uint8_t rx[PB_RX_MAX_BYTES];
    pb_result result;
    pb_core core;
} pb_host;

/* Sizes and offsets the caller must agree with, in this order: sizeof(pb_host), offsets of rx_length, request, reply,
 * rx, result.tx, of body in a message, sizeof(pb_message), PB_PROTOCOL_HASH, PB_FIRMWARE_HASH, offsets of temperature_dc,
 * of core.state, core.trip_code and core.trip_detail. */
#define PB_HOST_LAYOUT_COUNT 14u
void pb_host_layout(uint32_t *values);

/* `memory` has pb_host_layout()[0] bytes, aligned to 8. `kept`: what a reset found of the latch (pb_keep), the code in
 * the lowest 8 bits, the detail in the 16 above. */
void pb_host_init(pb_host *memory, uint32_t now_us, uint32_t reset_cause, uint32_t kept);
void pb_host_step(pb_host *host);
void pb_host_message(pb_host *host);

/* For the golden vectors: `request` to an encoded frame in result.tx, and the frame in rx to `reply`.
 * pb_host_decode gives 1 for a good frame. */
void pb_host_encode(pb_host *host);
int pb_host_decode(pb_host *host);

#endif
