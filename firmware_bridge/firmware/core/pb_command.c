/* See pb_command.h. */
#include "pb_command.h"

#include "pb_guard.h"
#include "pb_log.h"
#include "pb_machine.h"
#include "pb_sequence.h"

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

uint8_t pb_command_flags(const pb_core *core)
{
    uint32_t flags = 0u;
    flags |= core->armed ? PB_FLAG_ARMED : 0u;
    flags |= core->configured ? PB_FLAG_CONFIGURED : 0u;
    flags |= (core->host_refusal == PB_ACCEPTED) ? PB_FLAG_HOST_MATCHED : 0u;
    flags |= core->proving ? PB_FLAG_PROVING : 0u;
    return (uint8_t)flags;
}

static void reply_status(const pb_core *core, pb_message *reply)
{
    pb_status *const s = &reply->body.status;
    reply->type = PB_MSG_STATUS;
    s->state = core->state;
    s->phase = core->phase;
    s->refused = core->refused;
    s->flags = pb_command_flags(core);
    s->inputs = (uint16_t)(core->seen.inputs & 0xFFFFu);
    s->outputs = (uint8_t)(core->outputs & 0xFFu);
    s->trip_code = core->trip_code;
    s->trip_detail = core->trip_detail;
    s->lease_left_ms = pb_lease_left_ms(core);
    s->rx_errors = core->receiver.errors;
    s->uptime_us = core->uptime_us;
    s->pack_mv = core->seen.pack_mv;
    s->cycler_mv = core->seen.cycler_mv;
    s->current_ma = core->seen.current_ma;
    s->hottest_dc = pb_guard_hottest_dc(core);
    s->events = core->log.total;
}

static void reply_hello(const pb_core *core, pb_message *reply)
{
    pb_hello_reply *const h = &reply->body.hello_reply;
    reply->type = PB_MSG_HELLO_REPLY;
    h->protocol_hash = PB_PROTOCOL_HASH;
    h->firmware_hash = PB_FIRMWARE_HASH;
    h->config_crc = core->config_crc;
    h->flags = pb_command_flags(core);
    h->last_token = core->token;
}

static uint8_t on_configure(pb_core *core, const pb_configure *config)
{
    uint8_t refusal = PB_ACCEPTED;
    if (!pb_configure_in_range(config) || (config->voltage_min_mv >= config->voltage_max_mv)
        || (config->temperature_min_dc >= config->temperature_max_dc)) {
        refusal = PB_NAK_BAD_VALUE;
    } else if (core->configured) {
        refusal = pb_configure_equal(config, &core->config) ? PB_ACCEPTED : PB_NAK_CONFIG_LOCKED;
    } else if (core->state != PB_STATE_SAFE) {
        refusal = PB_NAK_BAD_STATE;
    } else {
        core->config = *config;
        core->config_crc = pb_config_crc(config);
        core->configured = true;
        pb_log_put(core, PB_EVENT_CONFIGURED, 0u, core->config_crc);
    }
    return refusal;
}

static uint8_t on_arm(pb_core *core, const pb_arm *arm)
{
    uint8_t refusal = PB_ACCEPTED;
    if (core->state != PB_STATE_SAFE) {
        refusal = PB_NAK_BAD_STATE;
    } else if (core->host_refusal != PB_ACCEPTED) {
        refusal = core->host_refusal;
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
    } else {
        pb_sequence_begin(core);
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
            core->proving = false;
        }
    }
    return refusal;
}

static void on_hello(pb_core *core, const pb_hello *hello)
{
    if (hello->protocol_hash != PB_PROTOCOL_HASH) {
        core->host_refusal = PB_NAK_PROTOCOL_MISMATCH;
    } else if (hello->firmware_hash != PB_FIRMWARE_HASH) {
        core->host_refusal = PB_NAK_FIRMWARE_MISMATCH;
    } else {
        core->host_refusal = PB_ACCEPTED;
    }
}

/* The contactor must be known to be closed, and nothing may flow: the proof is of the lease, and of nothing else. */
static uint8_t on_prove(pb_core *core)
{
    const int32_t current_ma = core->seen.current_ma;
    const bool low = ((core->seen.inputs & PB_IN_SENSORS_OK) != 0u) && (current_ma < PB_LOAD_BREAK_CURRENT_MA)
        && (current_ma > -PB_LOAD_BREAK_CURRENT_MA);
    uint8_t refusal = PB_ACCEPTED;
    if ((core->phase != PB_PHASE_SIGN) && (core->phase != PB_PHASE_DONE)) {
        refusal = PB_NAK_BAD_STATE;
    } else if (core->state != PB_STATE_CLOSED) {
        refusal = PB_NAK_BAD_STATE; /* opening already */
    } else if (!low) {
        refusal = PB_NAK_LOAD;
    } else {
        core->proving = true;
        pb_log_put(core, PB_EVENT_PROOF, 0u, 0u);
    }
    return refusal;
}

static uint8_t on_sign(pb_core *core, const pb_sign *sign)
{
    const int32_t most_ma = core->config.sign_current_ma;
    const int32_t lost_ma = 2 * core->config.current_noise_ma; /* half of the pulse counts as seen */
    const int32_t current_ma = sign->current_ma;
    uint8_t refusal = PB_ACCEPTED;
    if ((core->state != PB_STATE_CLOSED) || (core->phase != PB_PHASE_SIGN)) {
        refusal = PB_NAK_BAD_STATE;
    } else if (((current_ma <= lost_ma) && (current_ma >= -lost_ma)) || (current_ma > most_ma) || (current_ma < -most_ma)) {
        refusal = PB_NAK_BAD_VALUE;
    } else {
        pb_sequence_announce(core, current_ma);
    }
    return refusal;
}

static uint8_t on_reset(pb_core *core, const pb_reset *reset)
{
    uint8_t refusal = PB_ACCEPTED;
    if ((core->state != PB_STATE_TRIPPED) && (core->state != PB_STATE_SAFE)) {
        refusal = PB_NAK_BAD_STATE;
    } else if (((core->seen.inputs & PB_IN_KEY_ON) == 0u) || !core->key_was_off) {
        refusal = PB_NAK_KEY_OFF; /* a key that is left turned is no decision */
    } else if (reset->operator[0] == 0u) {
        refusal = PB_NAK_NO_OPERATOR;
    } else if (reset->token <= core->token) {
        refusal = PB_NAK_OLD_TOKEN;
    } else {
        pb_machine_reset(core, reset->token);
        pb_log_put(core, PB_EVENT_RESET, 0u, pb_crc16(reset->operator, sizeof reset->operator));
    }
    return refusal;
}

static bool allowed_when_tripped(uint8_t type)
{
    return (type == PB_MSG_HELLO) || (type == PB_MSG_STATUS_QUERY) || (type == PB_MSG_HEARTBEAT)
        || (type == PB_MSG_EVENT_QUERY) || (type == PB_MSG_SNAPSHOT_QUERY) || (type == PB_MSG_OPEN) || (type == PB_MSG_TRIP) || (type == PB_MSG_RESET);
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

/* Requests that are answered by what was asked for; false for all others. */
static bool replied(pb_core *core, const pb_message *request, pb_message *reply)
{
    bool known = true;
    switch (request->type) {
    case PB_MSG_HELLO:
        on_hello(core, &request->body.hello);
        reply_hello(core, reply);
        break;
    case PB_MSG_STATUS_QUERY:
        reply_status(core, reply);
        break;
    case PB_MSG_EVENT_QUERY:
        reply->type = PB_MSG_EVENT;
        pb_log_get(core, request->body.event_query.number, &reply->body.event);
        break;
    case PB_MSG_SNAPSHOT_QUERY:
        reply->type = PB_MSG_SNAPSHOT;
        reply->body.snapshot = core->snapshot;
        break;
    default:
        known = false;
        break;
    }
    return known;
}

/* Requests that change something; the refusal, or PB_ACCEPTED. */
static uint8_t done(pb_core *core, const pb_message *request)
{
    uint8_t refusal = PB_ACCEPTED;
    switch (request->type) {
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
        break;
    case PB_MSG_TRIP:
        pb_machine_trip(core, PB_TRIP_HOST, request->body.trip.code);
        break;
    case PB_MSG_RESET:
        refusal = on_reset(core, &request->body.reset);
        break;
    case PB_MSG_PROVE:
        refusal = on_prove(core);
        break;
    case PB_MSG_SIGN:
        refusal = on_sign(core, &request->body.sign);
        break;
    default: /* a message that only a board sends */
        refusal = PB_NAK_UNKNOWN;
        break;
    }
    return refusal;
}

void pb_command(pb_core *core, const pb_message *request, pb_message *reply)
{
    reply->sequence = request->sequence;
    core->heard_us = core->now_us;
    core->awake = true;
    if ((core->trip_code != PB_TRIP_NONE) && !allowed_when_tripped(request->type)) {
        reply_verdict(request, PB_NAK_TRIPPED, reply);
    } else if (!replied(core, request, reply)) {
        const uint8_t refusal = done(core, request);
        if ((request->type == PB_MSG_HEARTBEAT) && (refusal == PB_ACCEPTED)) {
            reply_status(core, reply);
        } else {
            reply_verdict(request, refusal, reply);
        }
    } else {
        /* replied */
    }
}
