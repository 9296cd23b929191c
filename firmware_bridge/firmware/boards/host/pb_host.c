/* See pb_host.h. */
#include "pb_host.h"

#define PB_HOST_LARGEST 2.0e6 /* V or A: far beyond any bench, within int32 in mV and mA */

void pb_host_layout(uint32_t *values)
{
    values[0] = (uint32_t)sizeof(pb_host);
    values[1] = (uint32_t)offsetof(pb_host, rx_length);
    values[2] = (uint32_t)offsetof(pb_host, request);
    values[3] = (uint32_t)offsetof(pb_host, reply);
    values[4] = (uint32_t)offsetof(pb_host, rx);
    values[5] = (uint32_t)offsetof(pb_host, result.tx);
    values[6] = (uint32_t)offsetof(pb_message, body);
    values[7] = (uint32_t)sizeof(pb_message);
    values[8] = PB_PROTOCOL_HASH;
    values[9] = PB_FIRMWARE_HASH;
    values[10] = (uint32_t)offsetof(pb_host, temperature_dc);
    values[11] = (uint32_t)offsetof(pb_host, core.state);
    values[12] = (uint32_t)offsetof(pb_host, core.trip_code);
    values[13] = (uint32_t)offsetof(pb_host, core.trip_detail);
}

void pb_host_init(pb_host *memory, uint32_t now_us, uint32_t reset_cause, uint32_t kept)
{
    pb_init(&memory->core, now_us, (uint8_t)reset_cause);
    pb_keep(&memory->core, (uint8_t)(kept & 0xFFu), (uint16_t)((kept >> 8) & 0xFFFFu));
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        memory->temperature_dc[i] = PB_TEMPERATURE_NONE;
    }
}

/* V to mV or A to mA, rounded to the nearest; false for what is not finite or absurd. */
static bool to_milli(double value, int32_t *milli)
{
    const bool usable = (value > -PB_HOST_LARGEST) && (value < PB_HOST_LARGEST); /* false for NaN */
    *milli = 0;
    if (usable) {
        *milli = (int32_t)((value * 1000.0) + ((value < 0.0) ? -0.5 : 0.5));
    }
    return usable;
}

static void convert(const pb_host *host, pb_measurements *measured)
{
    const bool pack = to_milli(host->pack_v, &measured->pack_mv);
    const bool cycler = to_milli(host->cycler_v, &measured->cycler_mv);
    const bool current = to_milli(host->current_a, &measured->current_ma);
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        measured->temperature_dc[i] = host->temperature_dc[i];
    }
    measured->inputs = host->inputs;
    if (!(pack && cycler && current)) {
        measured->inputs &= ~PB_IN_SENSORS_OK;
    }
}

static void show(pb_host *host)
{
    host->outputs = host->result.outputs;
    host->next_us = host->result.next_us;
    host->tx_length = host->result.tx_length;
}

void pb_host_step(pb_host *host)
{
    pb_measurements measured;
    convert(host, &measured);
    pb_step(&host->core, host->now_us, host->rx, host->rx_length, &measured, &host->result);
    show(host);
}

void pb_host_message(pb_host *host)
{
    pb_measurements measured;
    convert(host, &measured);
    pb_step_message(&host->core, host->now_us, &host->request, &measured, &host->reply, &host->result);
    show(host);
}

void pb_host_encode(pb_host *host)
{
    host->tx_length = (uint32_t)pb_frame_encode(&host->request, host->result.tx);
}

int pb_host_decode(pb_host *host)
{
    pb_receiver receiver;
    bool good = false;
    pb_receiver_init(&receiver);
    for (uint32_t i = 0u; (i < host->rx_length) && (i < PB_RX_MAX_BYTES); i++) {
        const uint8_t *frame = NULL;
        size_t length = 0u;
        if (pb_receive(&receiver, host->rx[i], &frame, &length)) {
            host->reply.sequence = frame[2];
            good = pb_unpack(&host->reply, frame[1], &frame[PB_HEADER_SIZE],
                             length - (PB_HEADER_SIZE + PB_CRC_SIZE));
        }
    }
    return good ? 1 : 0;
}
