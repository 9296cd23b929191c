/* See pb_command.h. */
#include "pb_command.h"

#include "pb_machine.h"

#define PB_ACCEPTED 0u /* no refusal has this code */

uint16_t pb_config_crc(const pb_configure *config)
{
    uint8_t payload[PB_PAYLOAD_MAX];
    pb_message message;
    message.type = PB_MSG_CONFIGURE;
    message.sequence = 0u;
    message.body.configure = *config;
    const size_t length = pb_pack(&message, payload);
    return pb_crc16(payload, length);
}

static uint8_t current_flags(const pb_core *core)
{
    uint32_t flags = 0u;
    flags |= core->armed ? PB_FLAG_ARMED : 0u;
    flags |= core->configured ? PB_FLAG_CONFIGURED : 0u;
    flags |= core->host_matched ? PB_FLAG_HOST_MATCHED : 0u;
    return (uint8_t)flags;
}

static void reply_status(const pb_core *core, pb_message *reply)
{
    pb_status *const s = &reply->body.status;
    reply->type = PB_MSG_STATUS;
    s->state = core->state;
    s->flags = current_flags(core);
    s->inputs = (uint8_t)(core->seen.inputs & 0xFFu);
    s->outputs = (uint8_t)(core->outputs & 0xFFu);
    s->trip_code = core->trip_code;
    s->trip_detail = core->trip_detail;
    s->lease_left_ms = 0u;
    if (core->armed) {
        s->lease_left_ms = (uint16_t)(pb_left_us(core, core->lease_since_us, pb_lease_us(core)) / 1000u);
    }
    s->rx_errors = core->receiver.errors;
    s->uptime_us = core->uptime_us;
    s->pack_mv = core->seen.pack_mv;
    s->cycler_mv = core->seen.cycler_mv;
    s->current_ma = core->seen.current_ma;
}

static void reply_hello(const pb_core *core, pb_message *reply)
{
    pb_hello_reply *const h = &reply->body.hello_reply;
    reply->type = PB_MSG_HELLO_REPLY;
    h->protocol_hash = PB_PROTOCOL_HASH;
    h->firmware_hash = PB_FIRMWARE_HASH;
    h->config_crc = core->config_crc;
    h->flags = current_flags(core);
    h->last_token = core->token;
}

static uint8_t on_configure(pb_core *core, const pb_configure *config)
{
    uint8_t refusal = PB_ACCEPTED;
    if (!pb_configure_in_range(config) || (config->voltage_min_mv >= config->voltage_max_mv)) {
        refusal = PB_NAK_BAD_VALUE;
    } else if (core->configured) {
        refusal = pb_configure_equal(config, &core->config) ? PB_ACCEPTED : PB_NAK_CONFIG_LOCKED;
    } else if (core->state != PB_STATE_SAFE) {
        refusal = PB_NAK_BAD_STATE;
    } else {
        core->config = *config;
        core->config_crc = pb_config_crc(config);
        core->configured = true;
    }
    return refusal;
}

static uint8_t on_arm(pb_core *core, const pb_arm *arm)
{
    uint8_t refusal = PB_ACCEPTED;
    if (core->state != PB_STATE_SAFE) {
        refusal = PB_NAK_BAD_STATE;
    } else if (!core->host_matched) {
        refusal = PB_NAK_PROTOCOL_MISMATCH;
    } else if (!core->configured) {
        refusal = PB_NAK_NOT_CONFIGURED;
    } else if (arm->config_crc != core->config_crc) {
        refusal = PB_NAK_CONFIG_MISMATCH;
    } else if (core->armed && (arm->token == core->token)) {
        refusal = PB_ACCEPTED; /* a repeated request whose answer was lost: nothing is renewed */
    } else if (arm->token <= core->token) {
        refusal = PB_NAK_OLD_TOKEN;
    } else {
        pb_machine_arm(core, arm->token);
    }
    return refusal;
}

static uint8_t on_close(pb_core *core)
{
    uint8_t refusal = PB_ACCEPTED;
    if ((core->state == PB_STATE_PRECHARGE) || (core->state == PB_STATE_CLOSED)) {
        refusal = PB_ACCEPTED; /* asked again */
    } else if (core->state != PB_STATE_SAFE) {
        refusal = PB_NAK_BAD_STATE;
    } else if (!core->armed) {
        refusal = PB_NAK_NOT_ARMED;
    } else if (pb_machine_violation(core) != PB_TRIP_NONE) {
        refusal = PB_NAK_OUT_OF_LIMITS;
    } else {
        pb_machine_precharge(core);
    }
    return refusal;
}

/* A beat to a board that is not armed renews nothing and is no error: the host beats before arming and after
 * opening, and learns the state from the reply. */
static uint8_t on_heartbeat(pb_core *core, const pb_heartbeat *beat)
{
    uint8_t refusal = PB_ACCEPTED;
    if (core->armed) {
        if (beat->token != core->token) {
            refusal = PB_NAK_WRONG_TOKEN;
        } else if (beat->counter <= core->counter) {
            refusal = PB_NAK_OLD_COUNTER;
        } else {
            core->counter = beat->counter;
            core->lease_since_us = core->now_us;
        }
    }
    return refusal;
}

static uint8_t on_reset(pb_core *core, const pb_reset *reset)
{
    uint8_t refusal = PB_ACCEPTED;
    if ((core->state != PB_STATE_TRIPPED) && (core->state != PB_STATE_SAFE)) {
        refusal = PB_NAK_BAD_STATE;
    } else if ((core->seen.inputs & PB_IN_KEY_ON) == 0u) {
        refusal = PB_NAK_KEY_OFF;
    } else if (reset->token <= core->token) {
        refusal = PB_NAK_OLD_TOKEN;
    } else {
        pb_machine_reset(core, reset->token);
    }
    return refusal;
}

static bool allowed_when_tripped(uint8_t type)
{
    return (type == PB_MSG_HELLO) || (type == PB_MSG_STATUS_QUERY) || (type == PB_MSG_HEARTBEAT)
        || (type == PB_MSG_OPEN) || (type == PB_MSG_TRIP) || (type == PB_MSG_RESET);
}

static void reply_verdict(const pb_message *request, uint8_t refusal, pb_message *reply)
{
    if (refusal == PB_ACCEPTED) {
        reply->type = PB_MSG_ACK;
        reply->body.ack.request = request->type;
    } else {
        reply->type = PB_MSG_NAK;
        reply->body.nak.request = request->type;
        reply->body.nak.code = refusal;
    }
}

void pb_command_unknown(const pb_message *request, pb_message *reply)
{
    reply->sequence = request->sequence;
    reply_verdict(request, PB_NAK_UNKNOWN, reply);
}

void pb_command(pb_core *core, const pb_message *request, pb_message *reply)
{
    uint8_t refusal = PB_ACCEPTED;
    reply->sequence = request->sequence;
    if ((core->trip_code != PB_TRIP_NONE) && !allowed_when_tripped(request->type)) {
        reply_verdict(request, PB_NAK_TRIPPED, reply);
        return;
    }
    switch (request->type) {
    case PB_MSG_HELLO:
        core->host_matched = request->body.hello.protocol_hash == PB_PROTOCOL_HASH;
        reply_hello(core, reply);
        return;
    case PB_MSG_CONFIGURE:
        refusal = on_configure(core, &request->body.configure);
        break;
    case PB_MSG_ARM:
        refusal = on_arm(core, &request->body.arm);
        break;
    case PB_MSG_CLOSE:
        refusal = on_close(core);
        break;
    case PB_MSG_OPEN:
        pb_machine_open(core);
        break;
    case PB_MSG_HEARTBEAT:
        refusal = on_heartbeat(core, &request->body.heartbeat);
        if (refusal == PB_ACCEPTED) {
            reply_status(core, reply);
            return;
        }
        break;
    case PB_MSG_TRIP:
        pb_machine_trip(core, PB_TRIP_HOST, request->body.trip.code);
        break;
    case PB_MSG_STATUS_QUERY:
        reply_status(core, reply);
        return;
    case PB_MSG_RESET:
        refusal = on_reset(core, &request->body.reset);
        break;
    default: /* a message that only a board sends */
        refusal = PB_NAK_UNKNOWN;
        break;
    }
    reply_verdict(request, refusal, reply);
}
