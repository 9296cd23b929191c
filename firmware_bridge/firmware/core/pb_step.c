/* One control cycle: see pb_core.h. */
#include "pb_command.h"
#include "pb_log.h"
#include "pb_machine.h"

#include <string.h>

void pb_init(pb_core *core, uint32_t now_us, uint8_t reset_cause)
{
    (void)memset(core, 0, sizeof *core);
    (void)memcpy(core->known, "123456789", sizeof core->known);
    core->state = PB_STATE_BOOT;
    core->now_us = now_us;
    core->state_since_us = now_us;
    core->coil_since_us = now_us;
    core->coil_settled = true; /* off for longer than anybody knows: a closed contact is a welded one at once */
    core->release_timed = true;
    core->reset_cause = reset_cause;
    core->host_refusal = PB_NAK_PROTOCOL_MISMATCH;
    pb_log_put(core, PB_EVENT_BOOT, reset_cause, 0u);
    pb_receiver_init(&core->receiver);
}

void pb_keep(pb_core *core, uint8_t trip_code, uint16_t trip_detail)
{
    core->kept_code = (trip_code <= PB_TRIP_UNKNOWN_RESET) ? trip_code : PB_TRIP_INTERNAL;
    core->kept_detail = trip_detail;
}

static void answer(pb_core *core, const uint8_t *frame, size_t length, pb_result *result)
{
    pb_message request;
    pb_message reply;
    const size_t payload = length - (PB_HEADER_SIZE + PB_CRC_SIZE);
    request.sequence = frame[2];
    if (pb_unpack(&request, frame[1], &frame[PB_HEADER_SIZE], payload)) {
        pb_command(core, &request, &reply);
    } else {
        pb_command_unknown(&request, &reply);
    }
    if ((result->tx_length + PB_WIRE_MAX) <= PB_TX_MAX_BYTES) {
        result->tx_length += (uint32_t)pb_frame_encode(&reply, &result->tx[result->tx_length]);
    } else if (core->tx_dropped < UINT16_MAX) {
        core->tx_dropped++;
    } else {
        /* counted enough */
    }
}

static void finish(pb_core *core, pb_result *result)
{
    result->outputs = core->outputs;
    result->next_us = pb_machine_next_us(core);
}

void pb_step(pb_core *core, uint32_t now_us, const uint8_t *rx, size_t rx_length, const pb_measurements *measured,
             pb_result *result)
{
    const size_t taken = (rx_length <= PB_RX_MAX_BYTES) ? rx_length : PB_RX_MAX_BYTES;
    bool commanded = false;
    result->tx_length = 0u;
    pb_machine_time(core, now_us, measured);
    pb_machine_advance(core);
    for (size_t i = 0u; i < taken; i++) {
        const uint8_t *frame = NULL;
        size_t length = 0u;
        if (pb_receive(&core->receiver, rx[i], &frame, &length)) {
            answer(core, frame, length, result);
            commanded = true;
        }
    }
    if (commanded) {
        pb_machine_advance(core); /* what was asked for takes effect in this cycle */
    }
    finish(core, result);
}

void pb_step_message(pb_core *core, uint32_t now_us, const pb_message *request, const pb_measurements *measured,
                     pb_message *reply, pb_result *result)
{
    result->tx_length = 0u;
    pb_machine_time(core, now_us, measured);
    pb_machine_advance(core);
    pb_command(core, request, reply);
    pb_machine_advance(core);
    finish(core, result);
}
