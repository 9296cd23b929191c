/* See pb_guard.h. */
#include "pb_guard.h"

#include "pb_log.h"
#include "pb_machine.h"

static bool input(const pb_core *core, uint32_t which)
{
    return (core->seen.inputs & which) != 0u;
}

static bool is_fitted(const pb_core *core, uint32_t which)
{
    return (core->config.fitted & which) != 0u;
}

/* PB_TRIP_* of the first fitted sensor that is open or beyond a limit. */
static uint8_t temperature_violation(const pb_core *core)
{
    uint8_t code = PB_TRIP_NONE;
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        const int16_t reading_dc = core->seen.temperature_dc[i];
        if ((code == PB_TRIP_NONE) && is_fitted(core, PB_FITTED_TEMPERATURE_1 << i)) {
            if (reading_dc == PB_TEMPERATURE_NONE) {
                code = PB_TRIP_SENSOR_INVALID;
            } else if (reading_dc > core->config.temperature_max_dc) {
                code = PB_TRIP_OVER_TEMPERATURE;
            } else if (reading_dc < core->config.temperature_min_dc) {
                code = PB_TRIP_UNDER_TEMPERATURE;
            } else {
                /* within limits */
            }
        }
    }
    return code;
}

/* Until the pulse has shown its sign, no more than the pulse may flow. */
static int32_t current_limit_ma(const pb_core *core, int32_t own_ma)
{
    const bool unproven = (core->phase == PB_PHASE_CLOSING) || (core->phase == PB_PHASE_SIGN);
    const bool asked = core->config.sign_timeout_ms > 0u;
    int32_t limit_ma = own_ma;
    if (unproven && asked && (core->config.sign_current_ma < limit_ma)) {
        limit_ma = core->config.sign_current_ma;
    }
    return limit_ma;
}

uint8_t pb_guard_violation(const pb_core *core)
{
    const pb_measurements *const m = &core->seen;
    const int32_t charge_max_ma = current_limit_ma(core, core->config.charge_max_ma);
    const int32_t discharge_max_ma = current_limit_ma(core, core->config.discharge_max_ma);
    uint8_t code = PB_TRIP_NONE;
    if (!input(core, PB_IN_SENSORS_OK)) {
        code = PB_TRIP_SENSOR_INVALID;
    } else if (m->pack_mv > core->config.voltage_max_mv) {
        code = PB_TRIP_OVER_VOLTAGE;
    } else if (m->pack_mv < core->config.voltage_min_mv) {
        code = PB_TRIP_UNDER_VOLTAGE;
    } else if ((m->current_ma > charge_max_ma) || (m->current_ma < -discharge_max_ma)) {
        code = PB_TRIP_OVER_CURRENT;
    } else if (is_fitted(core, PB_FITTED_INSULATION_OK) && !input(core, PB_IN_INSULATION_OK)) {
        code = PB_TRIP_INSULATION;
    } else {
        code = temperature_violation(core);
    }
    return code;
}

int16_t pb_guard_hottest_dc(const pb_core *core)
{
    int16_t hottest_dc = PB_TEMPERATURE_NONE;
    bool open = false;
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        if (is_fitted(core, PB_FITTED_TEMPERATURE_1 << i)) {
            const int16_t reading_dc = core->seen.temperature_dc[i];
            open = open || (reading_dc == PB_TEMPERATURE_NONE);
            if (reading_dc > hottest_dc) {
                hottest_dc = reading_dc;
            }
        }
    }
    if (open) {
        hottest_dc = PB_TEMPERATURE_NONE;
    }
    return hottest_dc;
}

/* As much evidence as trips. */
static uint32_t enough(const pb_core *core)
{
    return (uint32_t)core->config.limit_delay_ms * (1000u * PB_FADE_DIVISOR);
}

/* The time since the last look counts as what was seen then. More than enough may gather, so that the good sample after
 * the violation that made it enough does not let the next one go. */
static void weigh(pb_core *core)
{
    const uint32_t gone_us = core->now_us - core->looked_us;
    const uint32_t most = 2u * enough(core);
    core->looked_us = core->now_us;
    if (core->violation == PB_TRIP_NONE) {
        core->evidence = (gone_us < core->evidence) ? (core->evidence - gone_us) : 0u;
    } else if (gone_us >= (most / PB_FADE_DIVISOR)) {
        core->evidence = most;
    } else {
        core->evidence = pb_sooner(core->evidence + (gone_us * PB_FADE_DIVISOR), most);
    }
}

/* One account for all limits: going over from one violation to another is not a break. */
void pb_guard_limits(pb_core *core)
{
    const uint8_t code = pb_guard_violation(core);
    weigh(core);
    core->violation = code;
    if ((code != PB_TRIP_NONE) && (core->evidence >= enough(core))) {
        pb_machine_trip(core, code, 0u);
    }
}

uint32_t pb_guard_next_us(const pb_core *core)
{
    uint32_t next_us = PB_IDLE_US;
    if (core->violation != PB_TRIP_NONE) {
        next_us = ((enough(core) - core->evidence) + (PB_FADE_DIVISOR - 1u)) / PB_FADE_DIVISOR;
    }
    return next_us;
}

void pb_guard_inputs(pb_core *core)
{
    if (!input(core, PB_IN_ESTOP_OK)) {
        pb_machine_trip(core, PB_TRIP_ESTOP, 0u);
    }
    if (!input(core, PB_IN_HVIL_OK)) {
        pb_machine_trip(core, PB_TRIP_HVIL, 0u);
    }
    if (!input(core, PB_IN_GAS_OK)) {
        pb_machine_trip(core, PB_TRIP_GAS, 0u);
    }
    if (!input(core, PB_IN_KEY_ON)) {
        core->key_was_off = true;
    }
}

/* How long the contact took to open, measured once for each time the coil goes off. */
static void time_release(pb_core *core, bool coil, bool closed)
{
    if (coil) {
        core->release_timed = false;
    } else if (!closed && !core->release_timed) {
        core->release_timed = true;
        pb_log_put(core, PB_EVENT_OPENED, 0u, (uint32_t)(core->now_us - core->coil_since_us));
    } else {
        /* still closed, or timed already */
    }
}

void pb_guard_contactor(pb_core *core)
{
    const bool coil = (core->outputs & PB_OUT_CONTACTOR) != 0u;
    const bool closed = input(core, PB_IN_AUX_CLOSED);
    time_release(core, coil, closed);
    if (pb_elapsed(core, core->coil_since_us, PB_AUX_TIMEOUT_US)) {
        core->coil_settled = true; /* kept as a flag: the time itself wraps */
    }
    if (core->coil_settled) {
        if (closed && !coil) {
            pb_machine_trip(core, PB_TRIP_CONTACTOR_WELDED, 0u);
        }
        if (coil && !closed) {
            pb_machine_trip(core, PB_TRIP_CONTACTOR_DROPPED, 0u);
        }
    }
}
