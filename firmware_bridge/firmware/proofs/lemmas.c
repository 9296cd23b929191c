/*
 * The proof by induction over cycles and requests: see README.md.
 *
 * LEMMA_START   power-up, any tick, any cause: the invariant holds.
 * LEMMA_CYCLE   any state with the invariant, any time later, any measurements: the claims and the invariant hold.
 * LEMMA_REQUEST any state with the invariant, any message: the claims and the invariant hold.
 */
#include "model.h"
#include "pb_command.h"
#include "pb_machine.h"

pb_core nondet_core(void);
model nondet_model(void);
pb_message nondet_message(void);
pb_measurements nondet_measurements(void);
uint32_t nondet_tick(void);
uint64_t nondet_time(void);
uint8_t nondet_cause(void);

/* Times at which an addition in 64 bits cannot wrap: 36,000 years. */
static void assume_times(const model *m)
{
    __ESBMC_assume(m->now_us < ((uint64_t)1 << 60));
}

#if defined(LEMMA_START)
int main(void)
{
    pb_core core;
    model m = nondet_model();
    m.bad = false;
    m.beyond = 0u;
    m.together = false;
    m.settled = true;
    m.key_off = false;
    m.now_us = nondet_time();
    pb_init(&core, (uint32_t)m.now_us, nondet_cause());
    CLAIMS(CLAIM_INVARIANT, model_invariant(&m, &core));
    return 0;
}
#elif defined(LEMMA_CYCLE)
int main(void)
{
    pb_core core = nondet_core();
    const pb_measurements measured = nondet_measurements();
    const uint32_t dt_us = nondet_tick();
    model m = nondet_model();
    assume_times(&m);
    __ESBMC_assume(model_invariant(&m, &core));
    __ESBMC_assume(dt_us <= MODEL_DT_MAX_US);
    const pb_core before = core;
    const model was = m;
    m.now_us += dt_us;
    pb_machine_time(&core, (uint32_t)m.now_us, &measured);
    pb_machine_advance(&core);
    model_cycle(&m, &before, &core);
    claims_cycle(&was, &m, &before, &core);
    CLAIMS(CLAIM_INVARIANT, model_invariant(&m, &core) && (core.state != PB_STATE_BOOT));
    return 0;
}
#else
int main(void)
{
    pb_core core = nondet_core();
    const pb_message request = nondet_message();
    pb_message reply;
    model m = nondet_model();
    assume_times(&m);
    __ESBMC_assume(model_invariant(&m, &core));
    __ESBMC_assume(core.state != PB_STATE_BOOT); /* a cycle comes first in every step */
    const pb_core before = core;
    const model was = m;
    pb_command(&core, &request, &reply);
    model_request(&m, &before, &core, &request);
    claims_request(&was, &m, &before, &core, &request);
    CLAIMS(CLAIM_INVARIANT, model_invariant(&m, &core));
    return 0;
}
#endif
