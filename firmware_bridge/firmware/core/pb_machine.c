/* See pb_machine.h and, for the states, docs/link.md. */
#include "pb_machine.h"

static void enter(pb_core *core, uint8_t state)
{
    core->state = state;
    core->state_since_us = core->now_us;
}

/* The only place that moves the coil. */
static void set_coil(pb_core *core, bool on)
{
    const bool is_on = (core->outputs & PB_OUT_CONTACTOR) != 0u;
    if (on != is_on) {
        core->coil_since_us = core->now_us;
        core->coil_settled = false;
        core->outputs = on ? (core->outputs | PB_OUT_CONTACTOR) : (core->outputs & ~PB_OUT_CONTACTOR);
    }
}

static void disarm(pb_core *core)
{
    core->armed = false;
    core->violation = PB_TRIP_NONE;
}

/* Coil off at once, and to where an open contactor belongs. */
static void open_now(pb_core *core)
{
    set_coil(core, false);
    disarm(core);
    enter(core, (core->trip_code == PB_TRIP_NONE) ? PB_STATE_SAFE : PB_STATE_TRIPPED);
}

static void begin_opening(pb_core *core)
{
    if ((core->outputs & PB_OUT_CONTACTOR) == 0u) {
        open_now(core);
    } else if (core->state != PB_STATE_OPENING) {
        disarm(core); /* takes the cycler's enable away in this cycle */
        enter(core, PB_STATE_OPENING);
    } else {
        /* already opening: its deadline does not move */
    }
}

void pb_machine_trip(pb_core *core, uint8_t code, uint16_t detail)
{
    if (core->trip_code == PB_TRIP_NONE) { /* the first cause is kept */
        core->trip_code = code;
        core->trip_detail = detail;
    }
    if (((PB_TRIP_IMMEDIATE_MASK >> code) & 1u) != 0u) {
        open_now(core);
    } else if (core->state != PB_STATE_TRIPPED) {
        begin_opening(core);
    } else {
        /* latched already */
    }
}

void pb_machine_arm(pb_core *core, uint32_t token)
{
    core->armed = true;
    core->token = token;
    core->counter = 0u;
    core->lease_since_us = core->now_us;
}

void pb_machine_precharge(pb_core *core)
{
    core->agreed = false;
    core->violation = PB_TRIP_NONE;
    enter(core, PB_STATE_PRECHARGE);
}

void pb_machine_open(pb_core *core)
{
    if ((core->state == PB_STATE_PRECHARGE) || (core->state == PB_STATE_CLOSED)) {
        begin_opening(core);
    }
    if (core->state == PB_STATE_SAFE) {
        disarm(core);
    }
}

void pb_machine_reset(pb_core *core, uint32_t token)
{
    core->trip_code = PB_TRIP_NONE;
    core->trip_detail = 0u;
    core->token = token;
    core->configured = false;
    core->config_crc = 0u;
    disarm(core);
    enter(core, PB_STATE_SAFE);
}

uint8_t pb_machine_violation(const pb_core *core)
{
    const pb_measurements *const m = &core->seen;
    uint8_t code = PB_TRIP_NONE;
    if ((m->inputs & PB_IN_SENSORS_OK) == 0u) {
        code = PB_TRIP_SENSOR_INVALID;
    } else if (m->pack_mv > core->config.voltage_max_mv) {
        code = PB_TRIP_OVER_VOLTAGE;
    } else if (m->pack_mv < core->config.voltage_min_mv) {
        code = PB_TRIP_UNDER_VOLTAGE;
    } else if ((m->current_ma > core->config.current_max_ma) || (m->current_ma < -core->config.current_max_ma)) {
        code = PB_TRIP_OVER_CURRENT;
    } else {
        /* within limits */
    }
    return code;
}

/* Limits while energised: a violation counts once it has lasted limit_delay without a break. One delay for all of
 * them: going over from one violation to another is not a break. */
static void guard_limits(pb_core *core)
{
    const uint8_t code = pb_machine_violation(core);
    if (code == PB_TRIP_NONE) {
        core->violation = PB_TRIP_NONE;
    } else {
        if (core->violation == PB_TRIP_NONE) {
            core->violation_since_us = core->now_us;
        }
        core->violation = code;
        if (pb_elapsed(core, core->violation_since_us, (uint32_t)core->config.limit_delay_ms * 1000u)) {
            pb_machine_trip(core, code, 0u);
        }
    }
}

/* Inputs that are hard-wired as well: latched in every state. */
static void guard_inputs(pb_core *core)
{
    const uint32_t inputs = core->seen.inputs;
    if ((inputs & PB_IN_ESTOP_OK) == 0u) {
        pb_machine_trip(core, PB_TRIP_ESTOP, 0u);
    }
    if ((inputs & PB_IN_HVIL_OK) == 0u) {
        pb_machine_trip(core, PB_TRIP_HVIL, 0u);
    }
    if ((inputs & PB_IN_GAS_OK) == 0u) {
        pb_machine_trip(core, PB_TRIP_GAS, 0u);
    }
}

/* The auxiliary contact follows the coil within its time, and stays with it afterwards. */
static void guard_contactor(pb_core *core)
{
    if (pb_elapsed(core, core->coil_since_us, PB_AUX_TIMEOUT_US)) {
        core->coil_settled = true; /* kept as a flag: the time itself wraps */
    }
    if (core->coil_settled) {
        const bool coil = (core->outputs & PB_OUT_CONTACTOR) != 0u;
        const bool closed = (core->seen.inputs & PB_IN_AUX_CLOSED) != 0u;
        if (closed && !coil) {
            pb_machine_trip(core, PB_TRIP_CONTACTOR_WELDED, 0u);
        }
        if (coil && !closed) {
            pb_machine_trip(core, PB_TRIP_CONTACTOR_DROPPED, 0u);
        }
    }
}

static bool lease_lost(const pb_core *core)
{
    return !core->armed || pb_elapsed(core, core->lease_since_us, pb_lease_us(core));
}

static void self_test(pb_core *core)
{
    static const uint8_t known[9] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
    const bool crc_right = pb_crc16(known, sizeof known) == 0x29B1u;
    const bool contact_open = (core->seen.inputs & PB_IN_AUX_CLOSED) == 0u;
    if (crc_right && contact_open) {
        enter(core, PB_STATE_SAFE);
    } else {
        pb_machine_trip(core, PB_TRIP_SELF_TEST, 0u);
    }
}

static void in_precharge(pb_core *core)
{
    guard_limits(core);
    if (core->state != PB_STATE_PRECHARGE) {
        /* tripped by a limit */
    } else if (lease_lost(core)) {
        pb_machine_trip(core, PB_TRIP_LEASE, 0u);
    } else {
        const int64_t delta_mv = (int64_t)core->seen.pack_mv - (int64_t)core->seen.cycler_mv;
        const int64_t bound_mv = core->config.precharge_delta_mv;
        const bool agree = (delta_mv < bound_mv) && (delta_mv > -bound_mv) && (core->violation == PB_TRIP_NONE);
        if (agree && !core->agreed) {
            core->agreed_since_us = core->now_us;
        }
        core->agreed = agree;
        if (agree && pb_elapsed(core, core->agreed_since_us, (uint32_t)core->config.precharge_settle_ms * 1000u)) {
            set_coil(core, true);
            enter(core, PB_STATE_CLOSED);
        } else if (pb_elapsed(core, core->state_since_us, (uint32_t)core->config.precharge_timeout_ms * 1000u)) {
            pb_machine_trip(core, PB_TRIP_PRECHARGE_TIMEOUT, 0u);
        } else {
            /* keep waiting */
        }
    }
}

static void in_closed(pb_core *core)
{
    guard_limits(core);
    if ((core->state == PB_STATE_CLOSED) && lease_lost(core)) {
        pb_machine_trip(core, PB_TRIP_LEASE, 0u);
    }
}

static void in_opening(pb_core *core)
{
    const int32_t current_ma = core->seen.current_ma;
    const bool known = (core->seen.inputs & PB_IN_SENSORS_OK) != 0u;
    const bool low = known && (current_ma < PB_LOAD_BREAK_CURRENT_MA) && (current_ma > -PB_LOAD_BREAK_CURRENT_MA);
    if (low || pb_elapsed(core, core->state_since_us, PB_LOAD_BREAK_MAX_US)) {
        open_now(core);
    }
}

/* Everything but the coil follows from the state. */
static void set_outputs(pb_core *core)
{
    uint32_t outputs = core->outputs & PB_OUT_CONTACTOR;
    if (core->state == PB_STATE_PRECHARGE) {
        outputs |= PB_OUT_PRECHARGE;
    }
    if (core->armed) {
        outputs |= PB_OUT_CYCLER_ENABLE;
    }
    if (core->trip_code == PB_TRIP_GAS) {
        outputs |= PB_OUT_ALARM;
    }
    core->outputs = outputs;
}

void pb_machine_time(pb_core *core, uint32_t now_us, const pb_measurements *measured)
{
    core->uptime_us += (uint32_t)(now_us - core->now_us);
    core->now_us = now_us;
    core->seen = *measured;
}

void pb_machine_advance(pb_core *core)
{
    if (core->state == PB_STATE_BOOT) {
        enter(core, PB_STATE_SELF_TEST);
        self_test(core);
    }
    guard_inputs(core);
    guard_contactor(core);
    switch (core->state) {
    case PB_STATE_SAFE:
        if (core->armed && lease_lost(core)) {
            disarm(core); /* nothing is energised: the arming lapses, no trip */
        }
        break;
    case PB_STATE_PRECHARGE:
        in_precharge(core);
        break;
    case PB_STATE_CLOSED:
        in_closed(core);
        break;
    case PB_STATE_OPENING:
        break; /* below, so that a transition of this very step is not delayed by one */
    case PB_STATE_TRIPPED:
        break;
    default:
        pb_machine_trip(core, PB_TRIP_INTERNAL, 0u);
        break;
    }
    if (core->state == PB_STATE_OPENING) {
        in_opening(core);
    }
    set_outputs(core);
}

static uint32_t sooner(uint32_t a_us, uint32_t b_us)
{
    return (a_us < b_us) ? a_us : b_us;
}

uint32_t pb_machine_next_us(const pb_core *core)
{
    uint32_t next_us = PB_IDLE_US;
    if (core->armed) {
        next_us = sooner(next_us, pb_left_us(core, core->lease_since_us, pb_lease_us(core)));
    }
    if (!core->coil_settled) {
        next_us = sooner(next_us, pb_left_us(core, core->coil_since_us, PB_AUX_TIMEOUT_US));
    }
    if (core->violation != PB_TRIP_NONE) {
        const uint32_t delay_us = (uint32_t)core->config.limit_delay_ms * 1000u;
        next_us = sooner(next_us, pb_left_us(core, core->violation_since_us, delay_us));
    }
    if (core->state == PB_STATE_PRECHARGE) {
        next_us = sooner(next_us, PB_POLL_US);
        next_us = sooner(next_us, pb_left_us(core, core->state_since_us,
                                             (uint32_t)core->config.precharge_timeout_ms * 1000u));
    }
    if (core->state == PB_STATE_OPENING) {
        next_us = sooner(next_us, PB_POLL_US);
        next_us = sooner(next_us, pb_left_us(core, core->state_since_us, PB_LOAD_BREAK_MAX_US));
    }
    return next_us;
}
