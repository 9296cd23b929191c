/* The properties, each as what one cycle and one request may do. See model.h and README.md. */
#include "model.h"
#include "pb_machine.h"

static bool in(const pb_core *core, uint32_t which)
{
    return (core->seen.inputs & which) != 0u;
}

static bool same_config(const pb_core *a, const pb_core *b)
{
    return pb_configure_equal(&a->config, &b->config) && (a->config_crc == b->config_crc);
}

static bool may_close_from(const pb_core *before)
{
    return (before->state == PB_STATE_PRECHARGE) && (before->trip_code == PB_TRIP_NONE);
}

/* P3: what must have begun at this very step, and how soon the board wants to be stepped to keep the deadlines. */
static void claims_deadline(const model *m, const pb_core *before, const pb_core *after)
{
    const bool coil = model_coil(after);
    const bool opening = after->state == PB_STATE_OPENING;
    const uint64_t next_us = pb_machine_next_us(after);
    const uint64_t lease_end_us = m->lease_us + ((uint64_t)after->config.lease_ms * 1000u);
    const uint64_t open_end_us = m->opening_us + PB_LOAD_BREAK_MAX_US;
    const bool hard_wired = !in(after, PB_IN_ESTOP_OK) || !in(after, PB_IN_HVIL_OK);
    const bool energised = (after->state == PB_STATE_PRECHARGE) || (after->state == PB_STATE_CLOSED);
    CLAIMS(P3, !coil || (after->armed && (m->now_us < lease_end_us)) || (opening && (m->now_us < open_end_us)));
    CLAIMS(P3, !coil || opening || (after->state == PB_STATE_CLOSED));
    CLAIMS(P3, !opening || (!after->armed && ((m->now_us + next_us) <= open_end_us)));
    CLAIMS(P3, !energised || ((m->now_us + next_us) <= lease_end_us));
    CLAIMS(P3, !hard_wired || !coil);
    CLAIMS(P3, in(after, PB_IN_GAS_OK) || !energised);
    CLAIMS(P3, (before->state != PB_STATE_OPENING) || (opening && (after->state_since_us == before->state_since_us))
                   || !coil);
    CLAIMS(P3, after->state != PB_STATE_BOOT);
    CLAIMS(P3, next_us > 0u);
}

/* P2, for every cause: what must trip has, what has tripped must or may, and is latched with the outputs off or going. */
static void claims_latch(const model *m, const pb_core *before, const pb_core *after)
{
    const bool newly = (before->trip_code == PB_TRIP_NONE) && (after->trip_code != PB_TRIP_NONE);
    const uint32_t first = (uint32_t)1u << after->trip_code;
    CLAIMS(P2, (m->due == 0u) || (after->trip_code != PB_TRIP_NONE));
    CLAIMS(P2, !newly || ((first & m->may) != 0u));
    CLAIMS(P2, !newly || ((after->causes & first) != 0u));
    CLAIMS(P2, !newly || (after->state == PB_STATE_TRIPPED) || (after->state == PB_STATE_OPENING));
    CLAIMS(P2, !newly || !after->key_was_off || !in(after, PB_IN_KEY_ON));
    CLAIMS(P2, (before->causes & ~after->causes) == 0u);
}

void claims_cycle(const model *was, const model *m, const pb_core *before, const pb_core *after)
{
    const bool rose = !model_coil(before) && model_coil(after);
    const bool way = after->state == PB_STATE_PRECHARGE;
    const bool off = (after->outputs & (PB_OUT_CONTACTOR | PB_OUT_PRECHARGE | PB_OUT_CYCLER_ENABLE)) == 0u;
    const bool idle = (after->outputs & (PB_OUT_PRECHARGE | PB_OUT_CYCLER_ENABLE)) == 0u;
    CLAIMS(P1, !rose || (may_close_from(before) && before->armed && model_leased(m, after)));
    CLAIMS(P1, !rose || (model_agree(after) && m->together));
    CLAIMS(P1, !rose || !model_violated(after, PB_PHASE_PRECHARGE));
    CLAIMS(P1, !rose || (before->phase == PB_PHASE_PRECHARGE));
    CLAIMS(P2, (before->trip_code == PB_TRIP_NONE)
                   || ((after->trip_code == before->trip_code) && (after->trip_detail == before->trip_detail)));
    CLAIMS(P2, (before->trip_code == PB_TRIP_NONE) || (after->state == PB_STATE_TRIPPED)
                   || ((after->state == PB_STATE_OPENING) && (before->state == PB_STATE_OPENING)));
    CLAIMS(P2, (after->state != PB_STATE_TRIPPED) || (after->trip_code != PB_TRIP_NONE));
    CLAIMS(P2, (in(after, PB_IN_ESTOP_OK) && in(after, PB_IN_HVIL_OK) && in(after, PB_IN_GAS_OK))
                   || (after->trip_code != PB_TRIP_NONE));
    CLAIMS(P2, (before->state != PB_STATE_BOOT) || (before->kept_code == PB_TRIP_NONE)
                   || ((after->state == PB_STATE_TRIPPED) && (after->trip_code == before->kept_code)
                       && (after->trip_detail == before->kept_detail)));
    claims_latch(m, before, after);
    claims_deadline(m, before, after);
    CLAIMS(P5, (after->state != PB_STATE_TRIPPED) || off);
    CLAIMS(P5, (after->trip_code == PB_TRIP_NONE) || idle);
    CLAIMS(P5, (after->state != PB_STATE_OPENING) || idle);
    CLAIMS(P6, (after->lease_since_us == before->lease_since_us) && (after->token == before->token)
                   && (after->counter == before->counter) && (before->armed || !after->armed));
    CLAIMS(P6, !after->armed || model_leased(m, after));
    CLAIMS(P7, same_config(before, after) && (before->configured == after->configured));
    CLAIMS(P8, !way || (after->phase < PB_PHASE_PACK) || (m->woken && m->settled));
    CLAIMS(P8, !way || (after->phase < PB_PHASE_RESIDUAL) || m->packed);
    CLAIMS(P8, !way || (after->phase < PB_PHASE_MATCH) || m->apart);
    CLAIMS(P8, !way || (after->phase < PB_PHASE_PRECHARGE) || m->matched);
    CLAIMS(P8, !rose || (m->woken && m->packed && m->apart && m->matched));
    CLAIMS(P8, !rose || (after->state == PB_STATE_CLOSED));
    CLAIMS(P8, !rose || (!in(after, PB_IN_AUX_CLOSED)
                         && (was->settled || ((m->now_us - was->moved_us) >= PB_AUX_TIMEOUT_US))));
    CLAIMS(P8, (after->state != PB_STATE_CLOSED) || (before->state == PB_STATE_CLOSED) || rose);
    CLAIMS(P8, !(before->phase == PB_PHASE_CLOSING && after->state == PB_STATE_CLOSED && after->phase > PB_PHASE_CLOSING)
                   || in(after, PB_IN_AUX_CLOSED));
    CLAIMS(P8, !(before->phase == PB_PHASE_SIGN && after->state == PB_STATE_CLOSED && after->phase == PB_PHASE_DONE)
                   || ((before->announced_ma != 0)
                       && ((before->announced_ma > 0) == (after->seen.current_ma > 0))));
    /* A violation without a break weighs what it lasts: it has come to the delay when it has lasted that long. */
    CLAIMS(P9, !m->bad || (m->beyond < model_enough(after)));
    CLAIMS(P9, !m->bad || ((4u * pb_machine_next_us(after)) <= ((model_enough(after) - m->beyond) + 3u)));
}

/* The only request that leaves the latch. */
static bool resets(const model *was, const pb_core *before, const pb_message *request)
{
    return (request->type == PB_MSG_RESET) && (before->state == PB_STATE_TRIPPED) && in(before, PB_IN_KEY_ON)
        && was->key_off && (request->body.reset.operator[0] != 0u) && (request->body.reset.token > before->token);
}

void claims_request(const model *was, const model *m, const pb_core *before, const pb_core *after, const pb_message *request)
{
    const bool renewed = (after->lease_since_us != before->lease_since_us) || (after->armed && !before->armed)
        || (after->counter != before->counter);
    const bool beat = (request->type == PB_MSG_HEARTBEAT) && before->armed
        && (request->body.heartbeat.token == before->token) && (request->body.heartbeat.counter > before->counter);
    const bool arm = (request->type == PB_MSG_ARM) && (before->state == PB_STATE_SAFE) && before->configured
        && (request->body.arm.token > before->token) && (before->host_refusal == 0u);
    const bool take = (request->type == PB_MSG_CONFIGURE) && !before->configured && !before->armed
        && (before->state == PB_STATE_SAFE);
    const bool forget = (request->type == PB_MSG_RESET) && !model_coil(before);
    CLAIMS(P1, model_coil(before) || !model_coil(after));
    CLAIMS(P2, (before->trip_code == PB_TRIP_NONE) || resets(was, before, request)
                   || ((after->trip_code == before->trip_code) && (after->trip_detail == before->trip_detail)
                       && ((after->state == before->state) || (after->state == PB_STATE_TRIPPED))));
    CLAIMS(P2, (request->type != PB_MSG_RESET) || (after->token == before->token)
                   || (in(before, PB_IN_KEY_ON) && was->key_off && (request->body.reset.operator[0] != 0u)));
    CLAIMS(P2, (before->trip_code != PB_TRIP_NONE) || (after->trip_code == PB_TRIP_NONE)
                   || ((request->type == PB_MSG_TRIP) && (after->trip_code == PB_TRIP_HOST))
                   || ((request->type == PB_MSG_RESET) && (after->trip_code == PB_TRIP_SELF_TEST)));
    CLAIMS(P2, (request->type != PB_MSG_TRIP) || (after->trip_code != PB_TRIP_NONE));
    CLAIMS(P3, ((request->type != PB_MSG_TRIP) && (request->type != PB_MSG_OPEN))
                   || ((after->state != PB_STATE_PRECHARGE) && (after->state != PB_STATE_CLOSED)));
    CLAIMS(P3, (before->state != PB_STATE_OPENING)
                   || ((after->state == PB_STATE_OPENING) && (after->state_since_us == before->state_since_us))
                   || !model_coil(after));
    CLAIMS(P5, (after->state != PB_STATE_TRIPPED) || (!model_coil(after) && !after->armed));
    CLAIMS(P6, !renewed || beat || arm);
    CLAIMS(P6, !after->armed || model_leased(m, after));
    CLAIMS(P6, after->token >= before->token);
    CLAIMS(P7, take || forget || same_config(before, after));
    CLAIMS(P7, !take || !after->configured || model_legal(&after->config));
    CLAIMS(P7, !before->configured || after->configured || forget);
    CLAIMS(P8, (after->phase == before->phase) || (after->phase == PB_PHASE_NONE)
                   || ((request->type == PB_MSG_CLOSE) && (before->state == PB_STATE_SAFE) && before->armed
                       && (after->phase == PB_PHASE_WAKE)));
    CLAIMS(P8, (after->state != PB_STATE_CLOSED) || (before->state == PB_STATE_CLOSED));
    CLAIMS(P9, (after->state != PB_STATE_CLOSED)
                   || ((after->evidence == before->evidence) && (after->looked_us == before->looked_us)));
}
