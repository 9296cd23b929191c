/*
 * Fuzz target: whole sessions of one board, through pb_step, with the safety claims asserted after every step.
 *
 * Owns the reading of an input as a session (time, sensors, frames with a right CRC, raw bytes) and an account of its
 * own of what the board was told, in 64-bit time that never wraps. Must not trust the core's own flags where its account
 * can tell: the lease is the account's.
 */
#include "pb_core.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64u
#define CLAIM(what) \
    do { \
        if (!(what)) { \
            abort(); \
        } \
    } while (0)

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t at;
} source;

/* What the board was told and did, by an account of its own. */
typedef struct {
    uint64_t now_us;
    uint64_t renewed_us; /* newest message that may have renewed the lease */
    uint64_t opening_us;
    uint32_t counter; /* the host's */
    uint32_t token;
    uint8_t rx[PB_RX_MAX_BYTES];
    size_t rx_length;
    bool may_renew; /* this step holds an ARM, or a heartbeat with the right token and a risen counter */
    bool may_reset;
    bool may_close;
} account;

static uint8_t take(source *s)
{
    uint8_t value = 0u;
    if (s->at < s->size) {
        value = s->data[s->at];
        s->at++;
    }
    return value;
}

static uint32_t take32(source *s)
{
    const uint32_t low = take(s);
    const uint32_t high = take(s);
    return low | (high << 8) | ((uint32_t)take(s) << 16) | ((uint32_t)take(s) << 24);
}

static void send(account *a, const pb_message *message)
{
    if ((a->rx_length + PB_WIRE_MAX) <= sizeof a->rx) {
        a->rx_length += pb_frame_encode(message, &a->rx[a->rx_length]);
    }
}

static void send_raw(account *a, source *s)
{
    size_t count = take(s) & 0x3Fu;
    while ((count > 0u) && (a->rx_length < sizeof a->rx)) {
        a->rx[a->rx_length] = take(s);
        a->rx_length++;
        count--;
    }
}

/* Any message of any type, its payload from the input. */
static void send_any(account *a, source *s)
{
    pb_message message;
    uint8_t payload[PB_PAYLOAD_MAX];
    const uint8_t type = take(s);
    const size_t size = take(s);
    if (size <= PB_PAYLOAD_MAX) {
        for (size_t i = 0u; i < size; i++) {
            payload[i] = take(s);
        }
        (void)memset(&message, 0, sizeof message);
        message.sequence = 0u;
        if (pb_unpack(&message, type, payload, size)) {
            a->may_renew = a->may_renew || (type == PB_MSG_ARM) || (type == PB_MSG_HEARTBEAT);
            a->may_reset = a->may_reset || (type == PB_MSG_RESET);
            a->may_close = a->may_close || (type == PB_MSG_CLOSE);
            send(a, &message);
        }
    }
}

/* What a sensible host sends next: so that an input reaches deep without having to guess. */
static void send_sensible(account *a, const pb_core *core, uint8_t what)
{
    pb_message message;
    (void)memset(&message, 0, sizeof message);
    switch (what & 0x07u) {
    case 0u:
        message.type = PB_MSG_HELLO;
        message.body.hello.protocol_hash = PB_PROTOCOL_HASH;
        message.body.hello.firmware_hash = PB_FIRMWARE_HASH;
        break;
    case 1u:
        message.type = PB_MSG_CONFIGURE;
        message.body.configure = (pb_configure){500u, 20u, 300u, 10u, 5000, 403200, 268800, 110000, 90000, 600, -200,
                                                200u, 200u, 50u, 50u, 100u, 2u, 200u, 3000, 0, 50,
                                                (uint8_t)(what >> 3)};
        break;
    case 2u:
        message.type = PB_MSG_ARM;
        message.body.arm.token = ++a->token;
        message.body.arm.config_crc = core->config_crc;
        a->counter = 0u;
        a->may_renew = true;
        break;
    case 3u:
        message.type = PB_MSG_CLOSE;
        a->may_close = true;
        break;
    case 4u:
        message.type = PB_MSG_SIGN;
        message.body.sign.current_ma = ((what & 0x08u) != 0u) ? 1500 : -1500;
        break;
    case 5u:
        message.type = ((what & 0x08u) != 0u) ? PB_MSG_PROVE : PB_MSG_OPEN;
        break;
    case 6u:
        message.type = PB_MSG_RESET;
        message.body.reset.token = ++a->token;
        message.body.reset.operator[0] = (uint8_t)'L';
        a->may_reset = true;
        break;
    default:
        message.type = PB_MSG_HEARTBEAT;
        message.body.heartbeat.token = a->token;
        message.body.heartbeat.counter = ++a->counter;
        a->may_renew = true;
        break;
    }
    send(a, &message);
}

/* The sensors: healthy, with what the input takes away or changes. */
static void sense(source *s, const pb_core *core, pb_measurements *m)
{
    const uint8_t change = take(s);
    m->inputs = 0x1FCu; /* everything that must be there */
    m->inputs |= ((core->outputs & PB_OUT_CONTACTOR) != 0u) ? PB_IN_AUX_CLOSED : 0u;
    m->pack_mv = 360000;
    m->cycler_mv = (core->phase >= PB_PHASE_MATCH) ? 360000 : 0;
    m->current_ma = (core->phase == PB_PHASE_SIGN) ? core->announced_ma : 0;
    for (size_t i = 0u; i < PB_TEMPERATURES; i++) {
        m->temperature_dc[i] = 250;
    }
    if ((change & 0x01u) != 0u) {
        m->inputs ^= (uint32_t)1u << (take(s) % 9u);
    }
    if ((change & 0x02u) != 0u) {
        m->pack_mv = (int32_t)take32(s);
    }
    if ((change & 0x04u) != 0u) {
        m->current_ma = (int32_t)take32(s);
    }
    if ((change & 0x08u) != 0u) {
        m->cycler_mv = (int32_t)take32(s);
    }
    if ((change & 0x10u) != 0u) {
        m->temperature_dc[take(s) % PB_TEMPERATURES] = (int16_t)(uint16_t)(take(s) | ((uint32_t)take(s) << 8));
    }
}

/* After every step: what must hold whatever was sent. */
static void claim(account *a, const pb_core *before, const pb_core *core, const pb_result *result)
{
    const bool was = (before->outputs & PB_OUT_CONTACTOR) != 0u;
    const bool coil = (result->outputs & PB_OUT_CONTACTOR) != 0u;
    const bool tripped = before->trip_code != PB_TRIP_NONE;
    if (a->may_renew) {
        a->renewed_us = a->now_us;
    }
    if ((core->state == PB_STATE_OPENING) && (before->state != PB_STATE_OPENING)) {
        a->opening_us = a->now_us;
    }
    CLAIM(was || !coil || (before->armed && (before->phase == PB_PHASE_PRECHARGE)));
    CLAIM(!coil || !tripped || (core->state == PB_STATE_OPENING));
    CLAIM(!tripped || a->may_reset || (core->trip_code == before->trip_code));
    CLAIM((core->state != PB_STATE_TRIPPED)
          || ((result->outputs & (PB_OUT_CONTACTOR | PB_OUT_PRECHARGE | PB_OUT_CYCLER_ENABLE)) == 0u));
    CLAIM((core->state != PB_STATE_CLOSED)
          || ((a->now_us - a->renewed_us) < ((uint64_t)core->config.lease_ms * 1000u)));
    CLAIM((core->state != PB_STATE_OPENING) || ((a->now_us - a->opening_us) < PB_LOAD_BREAK_MAX_US));
    CLAIM((before->phase != PB_PHASE_NONE) || (core->phase == PB_PHASE_NONE) || a->may_close);
    CLAIM((result->next_us > 0u) && (result->tx_length <= PB_TX_MAX_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    source s = {data, size, 0u};
    account a;
    pb_core core;
    pb_result result;
    (void)memset(&a, 0, sizeof a);
    a.now_us = take32(&s);
    pb_init(&core, (uint32_t)a.now_us, (uint8_t)(take(&s) % 5u));
    for (uint32_t i = 0u; (i < STEPS_MAX) && (s.at < s.size); i++) {
        const uint8_t kind = take(&s);
        pb_measurements measured;
        a.rx_length = 0u;
        a.may_renew = a.may_reset = a.may_close = false;
        sense(&s, &core, &measured);
        if ((kind & 0x80u) != 0u) {
            send_any(&a, &s);
        }
        if ((kind & 0x40u) != 0u) {
            send_raw(&a, &s);
        }
        if ((kind & 0x20u) != 0u) {
            send_sensible(&a, &core, take(&s));
        }
        const uint32_t dt_us = ((kind & 0x10u) != 0u) ? take32(&s) % PB_IDLE_US : (uint32_t)(kind & 0x0Fu) * 5000u;
        a.now_us += dt_us;
        const pb_core before = core;
        pb_step(&core, (uint32_t)a.now_us, a.rx, a.rx_length, &measured, &result);
        claim(&a, &before, &core, &result);
    }
    return 0;
}
