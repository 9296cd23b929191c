/* See pb_sequence.h and, for the phases, docs/link.md. */
#include "pb_sequence.h"

#include "pb_guard.h"
#include "pb_log.h"
#include "pb_machine.h"

#define US_PER_MS 1000u

static void go_on(pb_core *core, uint8_t phase)
{
    core->phase = phase;
    core->phase_since_us = core->now_us;
    core->agreed = 0u;
    pb_log_put(core, PB_EVENT_PHASE, phase, 0u);
}

static void refuse(pb_core *core, uint8_t code)
{
    core->refused = code;
    pb_log_put(core, PB_EVENT_REFUSED, code, 0u);
    pb_machine_withdraw(core);
}

/* Whether the running step has lasted its time. */
static bool late(const pb_core *core, uint16_t limit_ms)
{
    return pb_elapsed(core, core->phase_since_us, (uint32_t)limit_ms * US_PER_MS);
}

static bool input(const pb_core *core, uint32_t which)
{
    return (core->seen.inputs & which) != 0u;
}

/* An input that is not wired is not waited for. */
static bool given(const pb_core *core, uint32_t fitted, uint32_t which)
{
    return ((core->config.fitted & fitted) == 0u) || input(core, which);
}

static bool sides_agree(const pb_core *core)
{
    const int64_t delta_mv = (int64_t)core->seen.pack_mv - (int64_t)core->seen.cycler_mv;
    const int64_t bound_mv = core->config.precharge_delta_mv;
    return (delta_mv < bound_mv) && (delta_mv > -bound_mv);
}

/* True once `now` has held without a break for the settling time and in PB_LOOKS_MIN looks; several in one instant are
 * one. Never by a single sample, however short the settling time. */
static bool settled(pb_core *core, bool now)
{
    if (!now) {
        core->agreed = 0u;
    } else if (core->agreed == 0u) {
        core->agreed = 1u;
        core->agreed_since_us = core->now_us;
        core->agreed_at_us = core->now_us;
    } else if ((core->agreed < PB_LOOKS_MIN) && (core->now_us != core->agreed_at_us)) {
        core->agreed++;
        core->agreed_at_us = core->now_us;
    } else {
        /* counted enough, or already */
    }
    return (core->agreed >= PB_LOOKS_MIN)
        && pb_elapsed(core, core->agreed_since_us, (uint32_t)core->config.precharge_settle_ms * US_PER_MS);
}

/* The voltages may be believed: the sensors are valid, and no limit is exceeded. */
static bool believed(const pb_core *core)
{
    return core->violation == PB_TRIP_NONE;
}

void pb_sequence_begin(pb_core *core)
{
    core->refused = 0u;
    core->tries = 0u;
    core->announced_ma = 0;
    pb_machine_precharge(core);
    go_on(core, PB_PHASE_WAKE);
}

void pb_sequence_announce(pb_core *core, int32_t current_ma)
{
    core->announced_ma = current_ma;
    core->rest_mv = core->seen.pack_mv;
    core->agreed = 0u;
    pb_log_put(core, PB_EVENT_ANNOUNCED, 0u, (uint32_t)current_ma);
}

/* A contact that sticks after the last opening is looked for to the end (pb_guard_contactor) before anything begins. */
static void in_wake(pb_core *core)
{
    if (!core->coil_settled) {
        /* keep waiting */
    } else if (given(core, PB_FITTED_BMS_OK, PB_IN_BMS_OK)) {
        go_on(core, PB_PHASE_PACK);
    } else if (late(core, core->config.wake_timeout_ms)) {
        refuse(core, PB_NAK_BMS_ASLEEP);
    } else {
        /* keep waiting */
    }
}

static void in_pack(pb_core *core)
{
    const bool known = input(core, PB_IN_SENSORS_OK);
    const bool closed = given(core, PB_FITTED_PACK_CLOSED, PB_IN_PACK_CLOSED);
    if (known && (core->seen.pack_mv < -PB_REVERSED_MV)) {
        refuse(core, PB_NAK_REVERSED);
    } else if (closed && (pb_guard_violation(core) == PB_TRIP_NONE)) {
        go_on(core, PB_PHASE_RESIDUAL);
    } else if (late(core, core->config.pack_timeout_ms)) {
        const bool absent = !closed || (known && (core->seen.pack_mv < core->config.voltage_min_mv));
        refuse(core, absent ? PB_NAK_PACK_ABSENT : PB_NAK_OUT_OF_LIMITS);
    } else {
        /* keep waiting */
    }
}

static void in_residual(pb_core *core)
{
    const bool apart = settled(core, !sides_agree(core) && believed(core));
    if (apart || (core->config.residual_timeout_ms == 0u)) {
        go_on(core, PB_PHASE_MATCH);
    } else if (late(core, core->config.residual_timeout_ms)) {
        pb_machine_trip(core, believed(core) ? PB_TRIP_RESIDUAL_VOLTAGE : core->violation, 0u);
    } else {
        /* keep waiting */
    }
}

static void in_match(pb_core *core)
{
    const bool matched = settled(core, sides_agree(core) && believed(core));
    if (matched || (core->config.match_timeout_ms == 0u)) {
        go_on(core, PB_PHASE_PRECHARGE);
    } else if (late(core, core->config.match_timeout_ms)) {
        refuse(core, PB_NAK_VOLTAGE_MISMATCH);
    } else {
        /* keep waiting */
    }
}

static void in_precharge(pb_core *core)
{
    if (settled(core, sides_agree(core) && believed(core))) {
        pb_machine_close(core);
        go_on(core, PB_PHASE_CLOSING);
    } else if (late(core, core->config.precharge_timeout_ms)) {
        core->tries++;
        if (core->tries < core->config.precharge_tries) {
            go_on(core, PB_PHASE_PAUSE);
        } else {
            refuse(core, PB_NAK_PRECHARGE_FAILED);
        }
    } else {
        /* keep waiting */
    }
}

static void in_pause(pb_core *core)
{
    if (late(core, core->config.precharge_pause_ms)) {
        go_on(core, PB_PHASE_PRECHARGE);
    }
}

void pb_sequence_open(pb_core *core)
{
    if (core->phase == PB_PHASE_WAKE) {
        in_wake(core);
    }
    if (core->phase == PB_PHASE_PACK) {
        in_pack(core);
    }
    /* From here on the pack's voltage is there, and must stay within the limits. */
    if (core->phase >= PB_PHASE_RESIDUAL) {
        pb_guard_limits(core);
    }
    if (core->phase == PB_PHASE_RESIDUAL) {
        in_residual(core);
    }
    if (core->phase == PB_PHASE_MATCH) {
        in_match(core);
    }
    if (core->phase == PB_PHASE_PAUSE) {
        in_pause(core);
    }
    if (core->phase == PB_PHASE_PRECHARGE) {
        in_precharge(core);
    }
}

/* The pulse flows: does it go the way that was announced, and does the voltage follow? */
static bool sign_is_right(const pb_core *core)
{
    const bool charging = core->announced_ma > 0;
    const bool current_right = (core->seen.current_ma > 0) == charging;
    const int64_t delta_mv = (int64_t)core->seen.pack_mv - (int64_t)core->rest_mv;
    const int64_t least_mv = core->config.sign_delta_mv;
    const bool moved = (least_mv > 0) && ((delta_mv >= least_mv) || (delta_mv <= -least_mv));
    const bool voltage_right = !moved || ((delta_mv > 0) == charging);
    return current_right && voltage_right;
}

static int64_t magnitude(int32_t value)
{
    return (value < 0) ? -(int64_t)value : (int64_t)value;
}

static void in_sign(pb_core *core)
{
    const bool flows = (core->announced_ma != 0) && believed(core)
        && ((2 * magnitude(core->seen.current_ma)) >= magnitude(core->announced_ma));
    if (settled(core, flows)) {
        if (sign_is_right(core)) {
            go_on(core, PB_PHASE_DONE);
        } else {
            refuse(core, PB_NAK_SIGN_WRONG);
        }
    } else if (late(core, core->config.sign_timeout_ms)) {
        refuse(core, PB_NAK_SIGN_ABSENT);
    } else {
        /* keep waiting */
    }
}

void pb_sequence_closed(pb_core *core)
{
    if ((core->phase == PB_PHASE_CLOSING) && input(core, PB_IN_AUX_CLOSED)) {
        go_on(core, (core->config.sign_timeout_ms > 0u) ? PB_PHASE_SIGN : PB_PHASE_DONE);
    }
    if (core->phase == PB_PHASE_SIGN) {
        in_sign(core);
    }
}

/* The time-out of the running step. */
static uint16_t limit_ms(const pb_core *core)
{
    uint16_t limit = 0u;
    switch (core->phase) {
    case PB_PHASE_WAKE:
        limit = core->config.wake_timeout_ms;
        break;
    case PB_PHASE_PACK:
        limit = core->config.pack_timeout_ms;
        break;
    case PB_PHASE_RESIDUAL:
        limit = core->config.residual_timeout_ms;
        break;
    case PB_PHASE_MATCH:
        limit = core->config.match_timeout_ms;
        break;
    case PB_PHASE_PRECHARGE:
        limit = core->config.precharge_timeout_ms;
        break;
    case PB_PHASE_PAUSE:
        limit = core->config.precharge_pause_ms;
        break;
    default: /* sign: the only one that is left */
        limit = core->config.sign_timeout_ms;
        break;
    }
    return limit;
}

uint32_t pb_sequence_next_us(const pb_core *core)
{
    /* Opening keeps the phase it came from, and has a deadline of its own. */
    const bool running = (core->phase != PB_PHASE_NONE) && (core->phase != PB_PHASE_DONE)
        && (core->state != PB_STATE_OPENING);
    uint32_t next_us = PB_IDLE_US;
    if (running) {
        next_us = PB_POLL_US;
        const bool contact = (core->phase == PB_PHASE_CLOSING) || !core->coil_settled;
        if (!contact) { /* which has a time of its own */
            const uint32_t limit_us = (uint32_t)limit_ms(core) * US_PER_MS;
            next_us = pb_sooner(next_us, pb_left_us(core, core->phase_since_us, limit_us));
        }
    }
    return next_us;
}
