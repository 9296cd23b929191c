/* See pb_machine.h and, for the states, docs/link.md. */
#include "pb_machine.h"

#include "pb_guard.h"
#include "pb_log.h"
#include "pb_sequence.h"

static void enter(pb_core *core, uint8_t state)
{
    core->state = state;
    core->state_since_us = core->now_us;
    pb_log_put(core, PB_EVENT_STATE, state, 0u);
}

static bool coil_is_on(const pb_core *core)
{
    return (core->outputs & PB_OUT_CONTACTOR) != 0u;
}

/* The only place that moves the coil. */
static void set_coil(pb_core *core, bool on)
{
    if (on != coil_is_on(core)) {
        core->coil_since_us = core->now_us;
        core->coil_settled = false;
        core->outputs = on ? (core->outputs | PB_OUT_CONTACTOR) : (core->outputs & ~PB_OUT_CONTACTOR);
    }
}

static void disarm(pb_core *core)
{
    core->armed = false;
    core->proving = false;
    core->violation = PB_TRIP_NONE;
    core->evidence = 0u;
}

/* Coil off at once, and to where an open contactor belongs. */
static void open_now(pb_core *core)
{
    set_coil(core, false);
    disarm(core);
    core->phase = PB_PHASE_NONE;
    enter(core, (core->trip_code == PB_TRIP_NONE) ? PB_STATE_SAFE : PB_STATE_TRIPPED);
}

static void begin_opening(pb_core *core)
{
    if (!coil_is_on(core)) {
        open_now(core);
    } else if (core->state != PB_STATE_OPENING) {
        disarm(core); /* takes the cycler's enable away in this cycle */
        enter(core, PB_STATE_OPENING);
    } else {
        /* already opening: its deadline does not move */
    }
}

/* The first cause is kept, with its moment; a further one is only told. */
static void latch(pb_core *core, uint8_t code, uint16_t detail)
{
    const uint32_t bit = (uint32_t)1u << code;
    if (core->trip_code == PB_TRIP_NONE) {
        pb_log_snapshot(core, code, detail);
        core->trip_code = code;
        core->trip_detail = detail;
        core->key_was_off = false;
        pb_log_put(core, PB_EVENT_TRIP, code, detail);
    } else if ((core->causes & bit) == 0u) {
        pb_log_put(core, PB_EVENT_CAUSE, code, detail);
    } else {
        /* told already */
    }
    core->causes |= bit;
}

void pb_machine_trip(pb_core *core, uint8_t code, uint16_t detail)
{
    latch(core, code, detail);
    if (core->state != PB_STATE_TRIPPED) {
        if (((PB_TRIP_IMMEDIATE_MASK >> code) & 1u) != 0u) {
            open_now(core);
        } else {
            begin_opening(core);
        }
    }
}

void pb_machine_arm(pb_core *core, uint32_t token)
{
    core->armed = true;
    core->token = token;
    core->counter = 0u;
    core->lease_since_us = core->now_us;
    pb_log_put(core, PB_EVENT_ARMED, 0u, token);
}

void pb_machine_precharge(pb_core *core)
{
    enter(core, PB_STATE_PRECHARGE); /* without evidence: disarming has taken it back */
}

void pb_machine_close(pb_core *core)
{
    set_coil(core, true);
    enter(core, PB_STATE_CLOSED);
}

void pb_machine_withdraw(pb_core *core)
{
    begin_opening(core);
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

/* Memory keeps what was written, and the program computes what it should. */
static bool knows(const pb_core *core)
{
    return pb_crc16(core->known, sizeof core->known) == 0x29B1u; /* the check value of catalogues */
}

void pb_machine_reset(pb_core *core, uint32_t token)
{
    core->trip_code = PB_TRIP_NONE;
    core->trip_detail = 0u;
    core->causes = 0u;
    core->refused = 0u;
    core->token = token;
    core->configured = false;
    core->config_crc = 0u;
    core->key_was_off = false; /* the next one needs a turn of its own */
    disarm(core);
    pb_log_unlatch(core);
    enter(core, PB_STATE_SELF_TEST);
    if (knows(core)) {
        enter(core, PB_STATE_SAFE);
    } else {
        pb_machine_trip(core, PB_TRIP_SELF_TEST, 0u);
    }
}

uint16_t pb_lease_left_ms(const pb_core *core)
{
    const uint32_t left_us = core->armed ? pb_left_us(core, core->lease_since_us, pb_lease_us(core)) : 0u;
    return (uint16_t)(left_us / 1000u);
}

bool pb_lease_lost(const pb_core *core)
{
    return !core->armed || pb_elapsed(core, core->lease_since_us, pb_lease_us(core));
}

/* The first cause is the one from before the reset, if there was one. */
static void self_test(pb_core *core)
{
    const bool contact_open = (core->seen.inputs & PB_IN_AUX_CLOSED) == 0u;
    enter(core, PB_STATE_SELF_TEST);
    if (core->kept_code != PB_TRIP_NONE) {
        pb_machine_trip(core, core->kept_code, core->kept_detail);
    }
    if (!knows(core) || !contact_open) {
        pb_machine_trip(core, PB_TRIP_SELF_TEST, 0u);
    }
    if (core->reset_cause == PB_RESET_WATCHDOG) {
        pb_machine_trip(core, PB_TRIP_WATCHDOG, 0u);
    }
    if (core->reset_cause == PB_RESET_BROWN_OUT) {
        pb_machine_trip(core, PB_TRIP_BROWN_OUT, 0u);
    }
    if (core->trip_code == PB_TRIP_NONE) {
        enter(core, PB_STATE_SAFE);
    }
}

static void in_safe(pb_core *core)
{
    if (core->armed && pb_lease_lost(core)) {
        disarm(core); /* nothing is energised: the arming lapses, no trip */
        pb_log_put(core, PB_EVENT_LAPSED, 0u, 0u);
    }
}

static void in_precharge(pb_core *core)
{
    if (pb_lease_lost(core)) {
        pb_machine_trip(core, PB_TRIP_LEASE, 0u);
    } else {
        pb_sequence_open(core);
    }
}

static void in_closed(pb_core *core)
{
    pb_guard_limits(core);
    if (core->state != PB_STATE_CLOSED) {
        /* tripped by a limit */
    } else if (!pb_lease_lost(core)) {
        pb_sequence_closed(core);
    } else if (core->proving) {
        pb_log_put(core, PB_EVENT_PROVED, 0u, 0u);
        begin_opening(core);
    } else {
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

/* Everything but the coil follows from the state and the phase. */
static void set_outputs(pb_core *core)
{
    const uint8_t phase = core->phase;
    const bool on_the_way = core->state == PB_STATE_PRECHARGE;
    const bool closed = core->state == PB_STATE_CLOSED;
    uint32_t outputs = core->outputs & PB_OUT_CONTACTOR;
    if ((phase == PB_PHASE_PRECHARGE) || (closed && (phase == PB_PHASE_CLOSING))) {
        outputs |= PB_OUT_PRECHARGE;
    }
    if (core->armed && (phase >= PB_PHASE_MATCH)) {
        outputs |= PB_OUT_CYCLER_ENABLE; /* off while the voltage that stays behind is looked at */
    }
    if (on_the_way || closed || (core->state == PB_STATE_OPENING)) {
        outputs |= PB_OUT_PACK_REQUEST;
    }
    if (core->configured && core->awake) { /* which an armed board stays */
        outputs |= PB_OUT_BMS_WAKE;
    }
    if ((core->causes & ((uint32_t)1u << PB_TRIP_GAS)) != 0u) {
        outputs |= PB_OUT_ALARM;
    }
    core->outputs = outputs;
}

void pb_machine_time(pb_core *core, uint32_t now_us, const pb_measurements *measured)
{
    const uint32_t before = core->seen.inputs;
    core->uptime_us += (uint32_t)(now_us - core->now_us);
    core->now_us = now_us;
    core->seen = *measured;
    if (core->seen.inputs != before) {
        pb_log_put(core, PB_EVENT_INPUTS, 0u, core->seen.inputs);
    }
}

static void in_state(pb_core *core)
{
    switch (core->state) {
    case PB_STATE_SAFE:
        in_safe(core);
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
}

void pb_machine_advance(pb_core *core)
{
    const uint32_t before = core->outputs;
    if (core->state == PB_STATE_BOOT) {
        self_test(core);
    }
    pb_guard_inputs(core);
    pb_guard_contactor(core);
    in_state(core);
    if (core->state == PB_STATE_OPENING) {
        in_opening(core);
    }
    if (core->awake && !core->armed && pb_elapsed(core, core->heard_us, PB_WAKE_HOLD_US)) {
        core->awake = false; /* a flag: the time itself wraps */
    }
    set_outputs(core);
    if (core->outputs != before) {
        pb_log_put(core, PB_EVENT_OUTPUTS, 0u, core->outputs);
    }
}

uint32_t pb_machine_next_us(const pb_core *core)
{
    uint32_t next_us = pb_sooner(PB_IDLE_US, pb_sequence_next_us(core));
    if (core->armed) {
        next_us = pb_sooner(next_us, pb_left_us(core, core->lease_since_us, pb_lease_us(core)));
    }
    if (core->awake && !core->armed) {
        next_us = pb_sooner(next_us, pb_left_us(core, core->heard_us, PB_WAKE_HOLD_US));
    }
    if (!core->coil_settled) {
        next_us = pb_sooner(next_us, pb_left_us(core, core->coil_since_us, PB_AUX_TIMEOUT_US));
    }
    next_us = pb_sooner(next_us, pb_guard_next_us(core));
    if (core->state == PB_STATE_OPENING) {
        next_us = pb_sooner(next_us, PB_POLL_US);
        next_us = pb_sooner(next_us, pb_left_us(core, core->state_since_us, PB_LOAD_BREAK_MAX_US));
    }
    return next_us;
}
