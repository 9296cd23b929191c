/* Generated from link.yaml by generate.py; do not edit. */
#include "pb_link_gen.h"

#include <string.h>

static uint8_t get_u8(const uint8_t *p) { return p[0]; }
static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)((uint32_t)p[0] | ((uint32_t)p[1] << 8));
}
static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}
static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | ((uint64_t)get_u32(&p[4]) << 32);
}
static int16_t get_i16(const uint8_t *p)
{
    const uint16_t u = get_u16(p);
    /* The conversion of values above the type's largest is implementation-defined; this is not. */
    return (int16_t)((u <= 0x7FFFu) ? (int32_t)u : ((int32_t)u - 0x10000));
}
static int32_t get_i32(const uint8_t *p)
{
    const uint32_t u = get_u32(p);
    return (u <= 0x7FFFFFFFu) ? (int32_t)u : (int32_t)(-(int32_t)(0xFFFFFFFFu - u) - 1);
}
static void put_u8(uint8_t *p, uint8_t v) { p[0] = v; }
static void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v & 0xFFu);
    p[1] = (uint8_t)(v >> 8);
}
static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)(v & 0xFFFFu));
    put_u16(&p[2], (uint16_t)(v >> 16));
}
static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v & 0xFFFFFFFFu));
    put_u32(&p[4], (uint32_t)(v >> 32));
}
static void put_i16(uint8_t *p, int16_t v) { put_u16(p, (uint16_t)v); }
static void put_i32(uint8_t *p, int32_t v) { put_u32(p, (uint32_t)v); }

bool pb_unpack(pb_message *m, uint8_t type, const uint8_t *p, size_t n)
{
    bool ok = false;
    m->type = type;
    switch (type) {
    case PB_MSG_HELLO:
        ok = (n == 8u);
        if (ok) {
            m->body.hello.protocol_hash = get_u32(&p[0]);
            m->body.hello.firmware_hash = get_u32(&p[4]);
        }
        break;
    case PB_MSG_CONFIGURE:
        ok = (n == 58u);
        if (ok) {
            m->body.configure.lease_ms = get_u16(&p[0]);
            m->body.configure.precharge_settle_ms = get_u16(&p[2]);
            m->body.configure.precharge_timeout_ms = get_u16(&p[4]);
            m->body.configure.limit_delay_ms = get_u16(&p[6]);
            m->body.configure.precharge_delta_mv = get_i32(&p[8]);
            m->body.configure.voltage_max_mv = get_i32(&p[12]);
            m->body.configure.voltage_min_mv = get_i32(&p[16]);
            m->body.configure.charge_max_ma = get_i32(&p[20]);
            m->body.configure.discharge_max_ma = get_i32(&p[24]);
            m->body.configure.temperature_max_dc = get_i16(&p[28]);
            m->body.configure.temperature_min_dc = get_i16(&p[30]);
            m->body.configure.wake_timeout_ms = get_u16(&p[32]);
            m->body.configure.pack_timeout_ms = get_u16(&p[34]);
            m->body.configure.residual_timeout_ms = get_u16(&p[36]);
            m->body.configure.match_timeout_ms = get_u16(&p[38]);
            m->body.configure.precharge_pause_ms = get_u16(&p[40]);
            m->body.configure.precharge_tries = get_u8(&p[42]);
            m->body.configure.sign_timeout_ms = get_u16(&p[43]);
            m->body.configure.sign_current_ma = get_i32(&p[45]);
            m->body.configure.sign_delta_mv = get_i32(&p[49]);
            m->body.configure.current_noise_ma = get_i32(&p[53]);
            m->body.configure.fitted = get_u8(&p[57]);
        }
        break;
    case PB_MSG_ARM:
        ok = (n == 6u);
        if (ok) {
            m->body.arm.token = get_u32(&p[0]);
            m->body.arm.config_crc = get_u16(&p[4]);
        }
        break;
    case PB_MSG_CLOSE:
        ok = (n == 0u);
        break;
    case PB_MSG_OPEN:
        ok = (n == 0u);
        break;
    case PB_MSG_HEARTBEAT:
        ok = (n == 8u);
        if (ok) {
            m->body.heartbeat.token = get_u32(&p[0]);
            m->body.heartbeat.counter = get_u32(&p[4]);
        }
        break;
    case PB_MSG_TRIP:
        ok = (n == 2u);
        if (ok) {
            m->body.trip.code = get_u16(&p[0]);
        }
        break;
    case PB_MSG_STATUS_QUERY:
        ok = (n == 0u);
        break;
    case PB_MSG_RESET:
        ok = (n == 20u);
        if (ok) {
            m->body.reset.token = get_u32(&p[0]);
            (void)memcpy(m->body.reset.operator, &p[4], sizeof m->body.reset.operator);
        }
        break;
    case PB_MSG_PROVE:
        ok = (n == 0u);
        break;
    case PB_MSG_SIGN:
        ok = (n == 4u);
        if (ok) {
            m->body.sign.current_ma = get_i32(&p[0]);
        }
        break;
    case PB_MSG_EVENT_QUERY:
        ok = (n == 4u);
        if (ok) {
            m->body.event_query.number = get_u32(&p[0]);
        }
        break;
    case PB_MSG_SNAPSHOT_QUERY:
        ok = (n == 0u);
        break;
    case PB_MSG_HELLO_REPLY:
        ok = (n == 15u);
        if (ok) {
            m->body.hello_reply.protocol_hash = get_u32(&p[0]);
            m->body.hello_reply.firmware_hash = get_u32(&p[4]);
            m->body.hello_reply.config_crc = get_u16(&p[8]);
            m->body.hello_reply.flags = get_u8(&p[10]);
            m->body.hello_reply.last_token = get_u32(&p[11]);
        }
        break;
    case PB_MSG_STATUS:
        ok = (n == 40u);
        if (ok) {
            m->body.status.state = get_u8(&p[0]);
            m->body.status.phase = get_u8(&p[1]);
            m->body.status.refused = get_u8(&p[2]);
            m->body.status.flags = get_u8(&p[3]);
            m->body.status.inputs = get_u16(&p[4]);
            m->body.status.outputs = get_u8(&p[6]);
            m->body.status.trip_code = get_u8(&p[7]);
            m->body.status.trip_detail = get_u16(&p[8]);
            m->body.status.lease_left_ms = get_u16(&p[10]);
            m->body.status.rx_errors = get_u16(&p[12]);
            m->body.status.uptime_us = get_u64(&p[14]);
            m->body.status.pack_mv = get_i32(&p[22]);
            m->body.status.cycler_mv = get_i32(&p[26]);
            m->body.status.current_ma = get_i32(&p[30]);
            m->body.status.hottest_dc = get_i16(&p[34]);
            m->body.status.events = get_u32(&p[36]);
        }
        break;
    case PB_MSG_ACK:
        ok = (n == 1u);
        if (ok) {
            m->body.ack.request = get_u8(&p[0]);
        }
        break;
    case PB_MSG_NAK:
        ok = (n == 2u);
        if (ok) {
            m->body.nak.request = get_u8(&p[0]);
            m->body.nak.code = get_u8(&p[1]);
        }
        break;
    case PB_MSG_EVENT:
        ok = (n == 22u);
        if (ok) {
            m->body.event.number = get_u32(&p[0]);
            m->body.event.total = get_u32(&p[4]);
            m->body.event.uptime_us = get_u64(&p[8]);
            m->body.event.kind = get_u8(&p[16]);
            m->body.event.code = get_u8(&p[17]);
            m->body.event.value = get_u32(&p[18]);
        }
        break;
    case PB_MSG_SNAPSHOT:
        ok = (n == 47u);
        if (ok) {
            m->body.snapshot.uptime_us = get_u64(&p[0]);
            m->body.snapshot.trip_code = get_u8(&p[8]);
            m->body.snapshot.trip_detail = get_u16(&p[9]);
            m->body.snapshot.state = get_u8(&p[11]);
            m->body.snapshot.phase = get_u8(&p[12]);
            m->body.snapshot.flags = get_u8(&p[13]);
            m->body.snapshot.inputs = get_u16(&p[14]);
            m->body.snapshot.outputs = get_u8(&p[16]);
            m->body.snapshot.lease_left_ms = get_u16(&p[17]);
            m->body.snapshot.token = get_u32(&p[19]);
            m->body.snapshot.counter = get_u32(&p[23]);
            m->body.snapshot.pack_mv = get_i32(&p[27]);
            m->body.snapshot.cycler_mv = get_i32(&p[31]);
            m->body.snapshot.current_ma = get_i32(&p[35]);
            m->body.snapshot.temperature_1_dc = get_i16(&p[39]);
            m->body.snapshot.temperature_2_dc = get_i16(&p[41]);
            m->body.snapshot.temperature_3_dc = get_i16(&p[43]);
            m->body.snapshot.temperature_4_dc = get_i16(&p[45]);
        }
        break;
    default:
        break;
    }
    return ok;
}

size_t pb_pack(const pb_message *m, uint8_t *p)
{
    size_t n = 0u;
    switch (m->type) {
    case PB_MSG_HELLO:
        put_u32(&p[0], m->body.hello.protocol_hash);
        put_u32(&p[4], m->body.hello.firmware_hash);
        n = 8u;
        break;
    case PB_MSG_CONFIGURE:
        put_u16(&p[0], m->body.configure.lease_ms);
        put_u16(&p[2], m->body.configure.precharge_settle_ms);
        put_u16(&p[4], m->body.configure.precharge_timeout_ms);
        put_u16(&p[6], m->body.configure.limit_delay_ms);
        put_i32(&p[8], m->body.configure.precharge_delta_mv);
        put_i32(&p[12], m->body.configure.voltage_max_mv);
        put_i32(&p[16], m->body.configure.voltage_min_mv);
        put_i32(&p[20], m->body.configure.charge_max_ma);
        put_i32(&p[24], m->body.configure.discharge_max_ma);
        put_i16(&p[28], m->body.configure.temperature_max_dc);
        put_i16(&p[30], m->body.configure.temperature_min_dc);
        put_u16(&p[32], m->body.configure.wake_timeout_ms);
        put_u16(&p[34], m->body.configure.pack_timeout_ms);
        put_u16(&p[36], m->body.configure.residual_timeout_ms);
        put_u16(&p[38], m->body.configure.match_timeout_ms);
        put_u16(&p[40], m->body.configure.precharge_pause_ms);
        put_u8(&p[42], m->body.configure.precharge_tries);
        put_u16(&p[43], m->body.configure.sign_timeout_ms);
        put_i32(&p[45], m->body.configure.sign_current_ma);
        put_i32(&p[49], m->body.configure.sign_delta_mv);
        put_i32(&p[53], m->body.configure.current_noise_ma);
        put_u8(&p[57], m->body.configure.fitted);
        n = 58u;
        break;
    case PB_MSG_ARM:
        put_u32(&p[0], m->body.arm.token);
        put_u16(&p[4], m->body.arm.config_crc);
        n = 6u;
        break;
    case PB_MSG_CLOSE:
        n = 0u;
        break;
    case PB_MSG_OPEN:
        n = 0u;
        break;
    case PB_MSG_HEARTBEAT:
        put_u32(&p[0], m->body.heartbeat.token);
        put_u32(&p[4], m->body.heartbeat.counter);
        n = 8u;
        break;
    case PB_MSG_TRIP:
        put_u16(&p[0], m->body.trip.code);
        n = 2u;
        break;
    case PB_MSG_STATUS_QUERY:
        n = 0u;
        break;
    case PB_MSG_RESET:
        put_u32(&p[0], m->body.reset.token);
        (void)memcpy(&p[4], m->body.reset.operator, sizeof m->body.reset.operator);
        n = 20u;
        break;
    case PB_MSG_PROVE:
        n = 0u;
        break;
    case PB_MSG_SIGN:
        put_i32(&p[0], m->body.sign.current_ma);
        n = 4u;
        break;
    case PB_MSG_EVENT_QUERY:
        put_u32(&p[0], m->body.event_query.number);
        n = 4u;
        break;
    case PB_MSG_SNAPSHOT_QUERY:
        n = 0u;
        break;
    case PB_MSG_HELLO_REPLY:
        put_u32(&p[0], m->body.hello_reply.protocol_hash);
        put_u32(&p[4], m->body.hello_reply.firmware_hash);
        put_u16(&p[8], m->body.hello_reply.config_crc);
        put_u8(&p[10], m->body.hello_reply.flags);
        put_u32(&p[11], m->body.hello_reply.last_token);
        n = 15u;
        break;
    case PB_MSG_STATUS:
        put_u8(&p[0], m->body.status.state);
        put_u8(&p[1], m->body.status.phase);
        put_u8(&p[2], m->body.status.refused);
        put_u8(&p[3], m->body.status.flags);
        put_u16(&p[4], m->body.status.inputs);
        put_u8(&p[6], m->body.status.outputs);
        put_u8(&p[7], m->body.status.trip_code);
        put_u16(&p[8], m->body.status.trip_detail);
        put_u16(&p[10], m->body.status.lease_left_ms);
        put_u16(&p[12], m->body.status.rx_errors);
        put_u64(&p[14], m->body.status.uptime_us);
        put_i32(&p[22], m->body.status.pack_mv);
        put_i32(&p[26], m->body.status.cycler_mv);
        put_i32(&p[30], m->body.status.current_ma);
        put_i16(&p[34], m->body.status.hottest_dc);
        put_u32(&p[36], m->body.status.events);
        n = 40u;
        break;
    case PB_MSG_ACK:
        put_u8(&p[0], m->body.ack.request);
        n = 1u;
        break;
    case PB_MSG_NAK:
        put_u8(&p[0], m->body.nak.request);
        put_u8(&p[1], m->body.nak.code);
        n = 2u;
        break;
    case PB_MSG_EVENT:
        put_u32(&p[0], m->body.event.number);
        put_u32(&p[4], m->body.event.total);
        put_u64(&p[8], m->body.event.uptime_us);
        put_u8(&p[16], m->body.event.kind);
        put_u8(&p[17], m->body.event.code);
        put_u32(&p[18], m->body.event.value);
        n = 22u;
        break;
    case PB_MSG_SNAPSHOT:
        put_u64(&p[0], m->body.snapshot.uptime_us);
        put_u8(&p[8], m->body.snapshot.trip_code);
        put_u16(&p[9], m->body.snapshot.trip_detail);
        put_u8(&p[11], m->body.snapshot.state);
        put_u8(&p[12], m->body.snapshot.phase);
        put_u8(&p[13], m->body.snapshot.flags);
        put_u16(&p[14], m->body.snapshot.inputs);
        put_u8(&p[16], m->body.snapshot.outputs);
        put_u16(&p[17], m->body.snapshot.lease_left_ms);
        put_u32(&p[19], m->body.snapshot.token);
        put_u32(&p[23], m->body.snapshot.counter);
        put_i32(&p[27], m->body.snapshot.pack_mv);
        put_i32(&p[31], m->body.snapshot.cycler_mv);
        put_i32(&p[35], m->body.snapshot.current_ma);
        put_i16(&p[39], m->body.snapshot.temperature_1_dc);
        put_i16(&p[41], m->body.snapshot.temperature_2_dc);
        put_i16(&p[43], m->body.snapshot.temperature_3_dc);
        put_i16(&p[45], m->body.snapshot.temperature_4_dc);
        n = 47u;
        break;
    default:
        break;
    }
    return n;
}

bool pb_configure_in_range(const pb_configure *v)
{
    return (v->lease_ms >= 100u)
        && (v->lease_ms <= 2000u)
        && (v->precharge_settle_ms <= 1000u)
        && (v->precharge_timeout_ms >= 10u)
        && (v->precharge_timeout_ms <= 10000u)
        && (v->limit_delay_ms <= 20u)
        && (v->precharge_delta_mv >= 1)
        && (v->precharge_delta_mv <= 100000)
        && (v->voltage_max_mv >= 1)
        && (v->voltage_max_mv <= 2000000)
        && (v->voltage_min_mv >= 1)
        && (v->voltage_min_mv <= 2000000)
        && (v->charge_max_ma >= 1)
        && (v->charge_max_ma <= 2000000)
        && (v->discharge_max_ma >= 1)
        && (v->discharge_max_ma <= 2000000)
        && (v->temperature_max_dc >= -400)
        && (v->temperature_max_dc <= 2000)
        && (v->temperature_min_dc >= -400)
        && (v->temperature_min_dc <= 2000)
        && (v->wake_timeout_ms <= 60000u)
        && (v->pack_timeout_ms <= 60000u)
        && (v->residual_timeout_ms <= 60000u)
        && (v->match_timeout_ms <= 60000u)
        && (v->precharge_pause_ms >= 1u)
        && (v->precharge_pause_ms <= 60000u)
        && (v->precharge_tries >= 1u)
        && (v->precharge_tries <= 10u)
        && (v->sign_timeout_ms <= 60000u)
        && (v->sign_current_ma >= 1)
        && (v->sign_current_ma <= 2000000)
        && (v->sign_delta_mv >= 0)
        && (v->sign_delta_mv <= 100000)
        && (v->current_noise_ma >= 0)
        && (v->current_noise_ma <= 100000);
}

bool pb_configure_equal(const pb_configure *a, const pb_configure *b)
{
    return (a->lease_ms == b->lease_ms)
        && (a->precharge_settle_ms == b->precharge_settle_ms)
        && (a->precharge_timeout_ms == b->precharge_timeout_ms)
        && (a->limit_delay_ms == b->limit_delay_ms)
        && (a->precharge_delta_mv == b->precharge_delta_mv)
        && (a->voltage_max_mv == b->voltage_max_mv)
        && (a->voltage_min_mv == b->voltage_min_mv)
        && (a->charge_max_ma == b->charge_max_ma)
        && (a->discharge_max_ma == b->discharge_max_ma)
        && (a->temperature_max_dc == b->temperature_max_dc)
        && (a->temperature_min_dc == b->temperature_min_dc)
        && (a->wake_timeout_ms == b->wake_timeout_ms)
        && (a->pack_timeout_ms == b->pack_timeout_ms)
        && (a->residual_timeout_ms == b->residual_timeout_ms)
        && (a->match_timeout_ms == b->match_timeout_ms)
        && (a->precharge_pause_ms == b->precharge_pause_ms)
        && (a->precharge_tries == b->precharge_tries)
        && (a->sign_timeout_ms == b->sign_timeout_ms)
        && (a->sign_current_ma == b->sign_current_ma)
        && (a->sign_delta_mv == b->sign_delta_mv)
        && (a->current_noise_ma == b->current_noise_ma)
        && (a->fitted == b->fitted);
}
