/*
 * The state machine, inside the core: used by the other files of the core alone.
 *
 * Owns every transition and every output. Must not know about frames.
 */
#ifndef PB_MACHINE_H
#define PB_MACHINE_H

#include "pb_core.h"

/* Wrap-safe: true when `since` lies at least `span_us` back. */
static inline bool pb_elapsed(const pb_core *core, uint32_t since_us, uint32_t span_us)
{
    return (uint32_t)(core->now_us - since_us) >= span_us;
}

/* Time left until `since + span`, 0 when it has passed. */
static inline uint32_t pb_left_us(const pb_core *core, uint32_t since_us, uint32_t span_us)
{
    const uint32_t gone_us = (uint32_t)(core->now_us - since_us);
    return (gone_us >= span_us) ? 0u : (span_us - gone_us);
}

static inline uint32_t pb_sooner(uint32_t a_us, uint32_t b_us)
{
    return (a_us < b_us) ? a_us : b_us;
}

static inline uint32_t pb_lease_us(const pb_core *core)
{
    return (uint32_t)core->config.lease_ms * 1000u;
}

uint16_t pb_lease_left_ms(const pb_core *core);
bool pb_lease_lost(const pb_core *core);

void pb_machine_time(pb_core *core, uint32_t now_us, const pb_measurements *measured);
void pb_machine_advance(pb_core *core);
uint32_t pb_machine_next_us(const pb_core *core);

void pb_machine_trip(pb_core *core, uint8_t code, uint16_t detail);
void pb_machine_arm(pb_core *core, uint32_t token);
void pb_machine_open(pb_core *core);
void pb_machine_reset(pb_core *core, uint32_t token);

/* For the arm sequence: into state precharge; coil on and into state closed; back to safe without a latch. */
void pb_machine_precharge(pb_core *core);
void pb_machine_close(pb_core *core);
void pb_machine_withdraw(pb_core *core);

#endif
