/*
 * What the proofs say about the core: an account of its own in 64-bit time that never wraps, and the invariant.
 *
 * Owns the meaning of the properties P1 to P9 (claims.c), restated from docs/link.md and not taken from the core's code:
 * when the lease runs, what a violation is, which steps of the arm sequence have been passed. Must not call the core's
 * own guards. For ESBMC alone; nothing here runs on a board.
 */
#ifndef PB_MODEL_H
#define PB_MODEL_H

#include "pb_core.h"

/* Longest time between two steps that the proofs allow: 35 min; a board steps every 10 min at the latest. */
#define MODEL_DT_MAX_US 0x80000000u

/* The account. Times are 64-bit microseconds whose low 32 bits are the board's tick. */
typedef struct {
    uint64_t now_us;
    uint64_t lease_us; /* newest renewal by a message that may renew */
    uint64_t opening_us; /* when opening began */
    bool woken; /* steps of the arm sequence, passed in this order since CLOSE: the BMS was awake, ... */
    bool packed; /* ... the pack's contactors closed, voltage within limits, ... */
    bool apart; /* ... both sides apart (or not looked at), ... */
    bool matched; /* ... the cycler at the pack's voltage (or not asked to) */
    uint8_t looks; /* that showed what the step waits for, within limits, at different instants, without a break; ... */
    uint64_t since_us; /* ... the first of them */
    bool together; /* precharge relay on, and both sides have agreed for as long and as often as must be */
    bool settled; /* the contact had its time to follow the coil, ... */
    uint64_t moved_us; /* ... which moved then */
    uint32_t due; /* trips that must come in this cycle, one bit each, ... */
    uint32_t may; /* ... and those that may */
    bool bad; /* a limit was exceeded at the last look, ... */
    uint32_t beyond; /* ... and time beyond the limits less a quarter of that within, from 0 to twice the delay; in 1/4 us */
    bool key_off; /* the key has been off since the trip, and since the last RESET */
} model;

/* The claim that is checked in this run: -DCLAIM=n. */
enum { CLAIM_INVARIANT = 0, P1 = 1, P2, P3, P4, P5, P6, P7, P8, P9 };

void __ESBMC_assume(_Bool);
void __ESBMC_assert(_Bool, const char *);

#define CLAIMS(property, what) \
    do { \
        if (CLAIM == (property)) { \
            __ESBMC_assert((what), #property ": " #what); \
        } \
    } while (0)

bool model_coil(const pb_core *core);
bool model_agree(const pb_core *core);
/* A limit is exceeded by what the board sees; `phase` tells whether the pulse's limit is in force. */
bool model_violated(const pb_core *core, uint8_t phase);
/* Which: one bit for each of PB_TRIP_*. */
uint32_t model_violations(const pb_core *core, uint8_t phase);
/* The evidence that trips, in quarters of a us. */
uint32_t model_enough(const pb_core *core);
/* The lease as the account has it. */
bool model_leased(const model *m, const pb_core *core);
/* The configuration is one that may be taken. */
bool model_legal(const pb_configure *config);

/* Holds at power-up, and is kept by every cycle and every request. */
bool model_invariant(const model *m, const pb_core *core);

/* Brings the account up to date after one cycle, and after one request. */
void model_cycle(model *m, const pb_core *before, const pb_core *after);
void model_request(model *m, const pb_core *before, const pb_core *after, const pb_message *request);

/* The claims about one cycle, and about one request. */
void claims_cycle(const model *was, const model *m, const pb_core *before, const pb_core *after);
void claims_request(const model *was, const model *m, const pb_core *before, const pb_core *after, const pb_message *request);

#endif
