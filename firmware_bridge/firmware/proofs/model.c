/* See model.h. */
#include "model.h"

bool model_coil(const pb_core *core)
{
    return (core->outputs & PB_OUT_CONTACTOR) != 0u;
}

static bool in(const pb_core *core, uint32_t which)
{
    return (core->seen.inputs & which) != 0u;
}

static bool fitted(const pb_core *core, uint32_t which)
{
    return (core->config.fitted & which) != 0u;
}

bool model_agree(const pb_core *core)
{
    int64_t apart_mv = (int64_t)core->seen.pack_mv - core->seen.cycler_mv;
    if (apart_mv < 0) {
        apart_mv = -apart_mv;
    }
    return apart_mv < core->config.precharge_delta_mv;
}

static uint32_t bit(uint8_t code)
{
    return (uint32_t)1u << code;
}

static uint32_t temperature_violations(const pb_core *core, uint32_t which, int16_t reading_dc)
{
    uint32_t found = 0u;
    if (fitted(core, which)) {
        found |= (reading_dc == PB_TEMPERATURE_NONE) ? bit(PB_TRIP_SENSOR_INVALID) : 0u;
        found |= (reading_dc > core->config.temperature_max_dc) ? bit(PB_TRIP_OVER_TEMPERATURE) : 0u;
        found |= (reading_dc < core->config.temperature_min_dc) ? bit(PB_TRIP_UNDER_TEMPERATURE) : 0u;
    }
    return found;
}

uint32_t model_violations(const pb_core *core, uint8_t phase)
{
    const pb_configure *const limits = &core->config;
    const int64_t current_ma = core->seen.current_ma;
    const bool unproven = ((phase == PB_PHASE_CLOSING) || (phase == PB_PHASE_SIGN)) && (limits->sign_timeout_ms != 0u);
    const int64_t way_ma = (current_ma > 0) ? limits->charge_max_ma : limits->discharge_max_ma;
    const int64_t most_ma = (unproven && (limits->sign_current_ma < way_ma)) ? limits->sign_current_ma : way_ma;
    uint32_t found = 0u;
    found |= in(core, PB_IN_SENSORS_OK) ? 0u : bit(PB_TRIP_SENSOR_INVALID);
    found |= (core->seen.pack_mv > limits->voltage_max_mv) ? bit(PB_TRIP_OVER_VOLTAGE) : 0u;
    found |= (core->seen.pack_mv < limits->voltage_min_mv) ? bit(PB_TRIP_UNDER_VOLTAGE) : 0u;
    found |= ((current_ma > most_ma) || (-current_ma > most_ma)) ? bit(PB_TRIP_OVER_CURRENT) : 0u;
    found |= (fitted(core, PB_FITTED_INSULATION_OK) && !in(core, PB_IN_INSULATION_OK)) ? bit(PB_TRIP_INSULATION) : 0u;
    found |= temperature_violations(core, PB_FITTED_TEMPERATURE_1, core->seen.temperature_dc[0]);
    found |= temperature_violations(core, PB_FITTED_TEMPERATURE_2, core->seen.temperature_dc[1]);
    found |= temperature_violations(core, PB_FITTED_TEMPERATURE_3, core->seen.temperature_dc[2]);
    found |= temperature_violations(core, PB_FITTED_TEMPERATURE_4, core->seen.temperature_dc[3]);
    return found;
}

bool model_violated(const pb_core *core, uint8_t phase)
{
    return model_violations(core, phase) != 0u;
}

uint32_t model_enough(const pb_core *core)
{
    return (uint32_t)core->config.limit_delay_ms * 4000u;
}

bool model_leased(const model *m, const pb_core *core)
{
    return (m->lease_us <= m->now_us) && ((m->now_us - m->lease_us) < ((uint64_t)core->config.lease_ms * 1000u));
}

bool model_legal(const pb_configure *config)
{
    return pb_configure_in_range(config) && (config->voltage_min_mv < config->voltage_max_mv)
        && (config->temperature_min_dc < config->temperature_max_dc);
}

static bool states_fit(const model *m, const pb_core *c)
{
    const uint8_t s = c->state;
    const bool known = (s == PB_STATE_BOOT) || (s == PB_STATE_SAFE) || (s == PB_STATE_PRECHARGE)
        || (s == PB_STATE_CLOSED) || (s == PB_STATE_OPENING) || (s == PB_STATE_TRIPPED);
    const bool tripped = c->trip_code != PB_TRIP_NONE;
    const bool coil = (s == PB_STATE_CLOSED) || (s == PB_STATE_OPENING);
    bool phase_fits = c->phase == PB_PHASE_NONE;
    if (s == PB_STATE_PRECHARGE) {
        phase_fits = (c->phase >= PB_PHASE_WAKE) && (c->phase <= PB_PHASE_PAUSE);
    } else if (coil) {
        phase_fits = (c->phase >= PB_PHASE_CLOSING) && (c->phase <= PB_PHASE_DONE);
    }
    return known && phase_fits && (model_coil(c) == coil) && (c->trip_code <= PB_TRIP_UNKNOWN_RESET)
        && (c->kept_code <= PB_TRIP_UNKNOWN_RESET)
        && (!tripped || (s == PB_STATE_OPENING) || (s == PB_STATE_TRIPPED))
        && (tripped || (s != PB_STATE_TRIPPED))
        && ((s != PB_STATE_BOOT) || (!c->armed && !c->configured))
        && ((s != PB_STATE_OPENING)
            || ((c->state_since_us == (uint32_t)m->opening_us) && (m->opening_us <= m->now_us)
                && ((m->now_us - m->opening_us) < PB_LOAD_BREAK_MAX_US)));
}

static bool lease_fits(const model *m, const pb_core *c)
{
    const bool may = (c->state == PB_STATE_SAFE) || (c->state == PB_STATE_PRECHARGE) || (c->state == PB_STATE_CLOSED);
    const bool must = (c->state == PB_STATE_PRECHARGE) || (c->state == PB_STATE_CLOSED);
    return (!c->armed || (may && c->configured && (c->lease_since_us == (uint32_t)m->lease_us) && model_leased(m, c)))
        && (!must || c->armed) && (!c->configured || model_legal(&c->config))
        && (!c->proving || (c->state == PB_STATE_CLOSED));
}

/* Steps that look at both sides' voltages. */
static bool waits(uint8_t phase)
{
    return (phase == PB_PHASE_RESIDUAL) || (phase == PB_PHASE_MATCH) || (phase == PB_PHASE_PRECHARGE);
}

static bool sequence_fits(const model *m, const pb_core *c)
{
    const bool way = c->state == PB_STATE_PRECHARGE;
    const bool looking = way && waits(c->phase);
    const bool counted = (m->looks == c->agreed) && (m->looks <= 3u)
        && ((m->looks == 0u)
            || ((c->agreed_since_us == (uint32_t)m->since_us) && (m->since_us <= m->now_us)
                && ((m->looks == 3u) || (c->agreed_at_us == c->now_us))));
    return (!way || (c->phase < PB_PHASE_PACK) || m->woken) && (!way || (c->phase < PB_PHASE_RESIDUAL) || m->packed)
        && (!way || (c->phase < PB_PHASE_MATCH) || m->apart) && (!way || (c->phase < PB_PHASE_PRECHARGE) || m->matched)
        && (!looking || counted);
}

/* The coil and the time that the contact has to follow it. */
static bool contact_fits(const model *m, const pb_core *c)
{
    const bool pending = (c->coil_since_us == (uint32_t)m->moved_us) && (m->moved_us <= m->now_us)
        && ((m->now_us - m->moved_us) < PB_AUX_TIMEOUT_US);
    return (c->coil_settled == m->settled) && (c->coil_settled || pending)
        && ((c->state != PB_STATE_PRECHARGE) || (c->phase < PB_PHASE_PACK) || c->coil_settled);
}

static bool limits_fit(const model *m, const pb_core *c)
{
    const bool looked_at = (c->state == PB_STATE_CLOSED)
        || ((c->state == PB_STATE_PRECHARGE) && (c->phase >= PB_PHASE_RESIDUAL));
    const bool pending = c->violation != PB_TRIP_NONE;
    return (m->bad == (looked_at && pending)) && (!pending || looked_at) && (!m->bad || (m->beyond < model_enough(c)))
        && (c->evidence == m->beyond) && (looked_at || (m->beyond == 0u))
        && (!looked_at || ((c->looked_us == c->now_us) && (m->beyond <= (2u * model_enough(c)))));
}

bool model_invariant(const model *m, const pb_core *c)
{
    return (c->now_us == (uint32_t)m->now_us) && states_fit(m, c) && lease_fits(m, c) && sequence_fits(m, c)
        && limits_fit(m, c) && (!c->key_was_off || m->key_off)
        && contact_fits(m, c);
}

static bool looked_at(const pb_core *core)
{
    return (core->state == PB_STATE_CLOSED)
        || ((core->state == PB_STATE_PRECHARGE) && (core->phase >= PB_PHASE_RESIDUAL));
}

/* One look of a step at both sides; another one in the same instant is none. */
static void look(model *m, const pb_core *after, uint8_t phase, bool again)
{
    const bool wanted = model_agree(after) == (phase != PB_PHASE_RESIDUAL);
    if (!wanted || model_violated(after, phase)) {
        m->looks = 0u;
    } else if (m->looks == 0u) {
        m->looks = 1u;
        m->since_us = m->now_us;
    } else if (!again && (m->looks < 3u)) {
        m->looks++;
    } else {
        /* counted */
    }
}

/* The arm sequence by what was seen, each step only after the one before it; whether the one that looks has seen enough. */
static bool pass_steps(model *m, const pb_core *before, const pb_core *after)
{
    const pb_configure *const config = &after->config;
    bool held = false;
    if ((before->state == PB_STATE_PRECHARGE) && waits(before->phase)) {
        look(m, after, before->phase, after->now_us == before->now_us);
        /* In the tick's 32 bits: never more than what has passed. */
        held = (m->looks == 3u)
            && ((after->now_us - (uint32_t)m->since_us) >= ((uint32_t)config->precharge_settle_ms * 1000u));
    }
    m->together = held && (before->phase == PB_PHASE_PRECHARGE);
    if (before->state == PB_STATE_PRECHARGE) {
        m->woken = m->woken || !fitted(after, PB_FITTED_BMS_OK) || in(after, PB_IN_BMS_OK);
        m->packed = m->packed
            || (m->woken && !model_violated(after, PB_PHASE_PACK)
                && (!fitted(after, PB_FITTED_PACK_CLOSED) || in(after, PB_IN_PACK_CLOSED)));
        m->apart = m->apart
            || (m->packed && ((config->residual_timeout_ms == 0u) || (held && (before->phase == PB_PHASE_RESIDUAL))));
        m->matched = m->matched
            || (m->apart && ((config->match_timeout_ms == 0u) || (held && (before->phase == PB_PHASE_MATCH))));
    }
    if ((after->state == PB_STATE_PRECHARGE) && (after->phase != before->phase)) {
        m->looks = 0u;
        if (waits(after->phase)) {
            look(m, after, after->phase, false);
        }
    }
    return held;
}

/* Since when the coil is as it is. */
static void move(model *m, const pb_core *before, const pb_core *after)
{
    if (model_coil(before) != model_coil(after)) {
        m->moved_us = m->now_us;
        m->settled = false;
    }
}

/* What was seen at the last look has held since then. */
static void weigh(model *m, const pb_core *before, const pb_core *after)
{
    const uint32_t gone_us = after->now_us - before->now_us;
    const uint32_t most = 2u * model_enough(after);
    if (!m->bad) {
        m->beyond -= (gone_us < m->beyond) ? gone_us : m->beyond;
    } else if ((gone_us > most) || ((4u * gone_us) > (most - m->beyond))) {
        m->beyond = most;
    } else {
        m->beyond += 4u * gone_us;
    }
}

/* Trips of the start: what a reset found, its own cause, a contact that is closed. That the CRC's known answer is
 * wrong may come at any time: the checksum itself is left open (stubs.c). */
static void due_at_start(model *m, const pb_core *before, const pb_core *after)
{
    m->due |= (before->kept_code != PB_TRIP_NONE) ? bit(before->kept_code) : 0u;
    m->due |= (before->reset_cause == PB_RESET_WATCHDOG) ? bit(PB_TRIP_WATCHDOG) : 0u;
    m->due |= (before->reset_cause == PB_RESET_BROWN_OUT) ? bit(PB_TRIP_BROWN_OUT) : 0u;
    m->due |= in(after, PB_IN_AUX_CLOSED) ? bit(PB_TRIP_SELF_TEST) : 0u;
    m->may |= bit(PB_TRIP_SELF_TEST);
}

/* Every cause of a trip, by what is seen in this cycle and what the account knows. */
static void due(model *m, const pb_core *before, const pb_core *after, bool held)
{
    const bool way = before->state == PB_STATE_PRECHARGE;
    const bool closed = before->state == PB_STATE_CLOSED;
    const bool contact = in(after, PB_IN_AUX_CLOSED);
    const uint32_t violations = model_violations(after, before->phase);
    const uint32_t step_us = after->now_us - before->phase_since_us;
    const uint32_t limit_us = (uint32_t)after->config.residual_timeout_ms * 1000u;
    m->due = m->may = 0u;
    if (before->state == PB_STATE_BOOT) {
        due_at_start(m, before, after);
    }
    m->due |= in(after, PB_IN_ESTOP_OK) ? 0u : bit(PB_TRIP_ESTOP);
    m->due |= in(after, PB_IN_HVIL_OK) ? 0u : bit(PB_TRIP_HVIL);
    m->due |= in(after, PB_IN_GAS_OK) ? 0u : bit(PB_TRIP_GAS);
    m->due |= (m->settled && !model_coil(before) && contact) ? bit(PB_TRIP_CONTACTOR_WELDED) : 0u;
    m->due |= (m->settled && model_coil(before) && !contact) ? bit(PB_TRIP_CONTACTOR_DROPPED) : 0u;
    m->due |= ((way || (closed && !before->proving)) && !model_leased(m, after)) ? bit(PB_TRIP_LEASE) : 0u;
    m->due |= (looked_at(before) && (m->beyond >= model_enough(after))) ? violations : 0u;
    if (way && (before->phase == PB_PHASE_RESIDUAL) && (limit_us != 0u) && (step_us >= limit_us) && !held) {
        m->due |= (violations != 0u) ? violations : bit(PB_TRIP_RESIDUAL_VOLTAGE);
    }
    m->may |= m->due;
}

void model_cycle(model *m, const pb_core *before, const pb_core *after)
{
    const bool violated = model_violated(after, before->phase);
    m->settled = m->settled || ((m->now_us - m->moved_us) >= PB_AUX_TIMEOUT_US);
    weigh(m, before, after);
    due(m, before, after, pass_steps(m, before, after));
    move(m, before, after);
    m->bad = looked_at(after) && violated;
    if (!looked_at(after)) {
        m->beyond = 0u;
    }
    if ((after->state == PB_STATE_OPENING) && (before->state != PB_STATE_OPENING)) {
        m->opening_us = m->now_us;
    }
    if ((before->trip_code == PB_TRIP_NONE) && (after->trip_code != PB_TRIP_NONE)) {
        m->key_off = false;
    }
    m->key_off = m->key_off || !in(after, PB_IN_KEY_ON);
}

void model_request(model *m, const pb_core *before, const pb_core *after, const pb_message *request)
{
    const pb_heartbeat *const beat = &request->body.heartbeat;
    if ((request->type == PB_MSG_HEARTBEAT) && before->armed && (beat->token == before->token)
        && (beat->counter > before->counter)) {
        m->lease_us = m->now_us;
    }
    if ((request->type == PB_MSG_ARM) && (before->state == PB_STATE_SAFE) && before->configured
        && (before->host_refusal == 0u) && (request->body.arm.config_crc == before->config_crc)
        && (request->body.arm.token > before->token)) {
        m->lease_us = m->now_us;
    }
    if ((request->type == PB_MSG_CLOSE) && (before->state == PB_STATE_SAFE)) {
        m->woken = m->packed = m->apart = m->matched = m->together = false;
        m->looks = 0u;
    }
    move(m, before, after);
    if (!looked_at(after)) {
        m->bad = false;
        m->beyond = 0u;
    }
    if ((after->state == PB_STATE_OPENING) && (before->state != PB_STATE_OPENING)) {
        m->opening_us = m->now_us;
    }
    const bool reset = (request->type == PB_MSG_RESET) && (after->token != before->token);
    if (reset || ((before->trip_code == PB_TRIP_NONE) && (after->trip_code != PB_TRIP_NONE))) {
        m->key_off = false;
    }
}
