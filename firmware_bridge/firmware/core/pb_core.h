/*
 * The interlock board's core: when the contactor may be closed, and when it must not be.
 *
 * Owns the state machine, the arm sequence, the lease, the board's own limits, the latch and what is remembered of it.
 * Must not touch hardware, a clock, the heap or the stack without a bound: everything comes in as an argument and goes
 * out as a result, so that the very same code runs on a microcontroller, under its emulator and in the simulated
 * world's virtual time.
 *
 * It is not a certified safety function. Emergency stop, HVIL and door break the coil's supply and the cycler's
 * enable in hardware without it; the core senses and latches that.
 */
#ifndef PB_CORE_H
#define PB_CORE_H

#include "pb_frame.h"

#define PB_TEMPERATURES 4u
#define PB_TEMPERATURE_NONE INT16_MIN /* a sensor that gives no reading: not there, open or shorted */

/* What the board's own sensors say at this step. `inputs` holds PB_IN_* bits. */
typedef struct {
    int32_t pack_mv;
    int32_t cycler_mv;
    int32_t current_ma; /* positive charges the pack */
    int16_t temperature_dc[PB_TEMPERATURES]; /* 0.1 degC */
    uint32_t inputs;
} pb_measurements;

/* What the board is to do until the next step. */
typedef struct {
    uint32_t outputs; /* PB_OUT_* bits */
    uint32_t next_us; /* step again within this time at the latest, even when nothing is received */
    uint32_t tx_length;
    uint8_t tx[PB_TX_MAX_BYTES];
} pb_result;

/* The sequence of events: a ring that the moment of a trip is not pushed out of. */
typedef struct {
    pb_event ring[PB_EVENTS_MAX]; /* .total are filled in when asked */
    uint32_t total; /* events so far, those that were only counted included */
    uint32_t kept; /* of them, those that were put into the ring */
    uint32_t at_trip; /* `kept` when it tripped */
} pb_log;

typedef struct {
    uint8_t state; /* PB_STATE_* */
    uint8_t phase; /* PB_PHASE_* of the arm sequence */
    uint8_t refused; /* PB_NAK_* of the arm sequence that failed last */
    uint8_t reset_cause; /* PB_RESET_* */
    uint8_t known[9]; /* written at power-up, its CRC looked at in the first step: memory and program work */
    uint8_t kept_code; /* trip that a reset of the board has interrupted; tripped anew in the first step */
    uint16_t kept_detail;
    uint8_t trip_code; /* first cause; set already while opening */
    uint16_t trip_detail;
    uint32_t causes; /* trips seen since the last reset, one bit each */
    uint32_t outputs;

    uint32_t now_us; /* of the newest step; wraps */
    uint64_t uptime_us;
    uint32_t state_since_us;
    uint32_t phase_since_us;
    uint32_t coil_since_us; /* when the coil last changed */
    bool coil_settled; /* the auxiliary contact had its time since then; before that no arm sequence gets further than wake */
    bool release_timed; /* the contact has been seen open since the coil went off */

    bool configured;
    uint8_t host_refusal; /* why this host may not arm, PB_NAK_*; 0 when its HELLO matched */
    bool armed;
    bool awake; /* the BMS is kept awake */
    uint32_t heard_us; /* of the newest valid frame */
    bool key_was_off; /* since the trip, and since the last RESET */
    bool proving; /* the end of the lease is awaited as a proof test */
    pb_configure config;
    uint16_t config_crc;
    uint32_t token; /* newest ever used */
    uint32_t counter;
    uint32_t lease_since_us;

    uint8_t tries; /* of precharge, in this arm sequence */
    uint8_t agreed; /* looks that showed what the running step waits for, without a break; counted to PB_LOOKS_MIN */
    uint32_t agreed_since_us; /* the first of them */
    uint32_t agreed_at_us; /* the newest */
    int32_t announced_ma; /* the sign pulse; 0: none */
    int32_t rest_mv; /* the pack's voltage when it was announced */
    uint8_t violation; /* PB_TRIP_* that the newest look at the limits found, or none */
    uint32_t looked_us; /* when that was */
    uint32_t evidence; /* of violations: time beyond the limits less time within them / PB_FADE_DIVISOR; in parts of a
                        * microsecond, of which there are PB_FADE_DIVISOR */

    pb_measurements seen; /* of the newest step */
    pb_receiver receiver;
    uint16_t tx_dropped;
    pb_snapshot snapshot;
    pb_log log;
} pb_core;

/* Power-up: state boot, outputs off. `now_us` is any value of the free-running 32-bit microsecond tick, `reset_cause`
 * one of PB_RESET_*: after a watchdog or a brown-out the first step trips. */
void pb_init(pb_core *core, uint32_t now_us, uint8_t reset_cause);

/* After pb_init, where memory outlasts a reset: the trip_code and trip_detail that the core had before it. PB_TRIP_NONE
 * when it had not tripped. A code that does not exist counts as PB_TRIP_INTERNAL. */
void pb_keep(pb_core *core, uint8_t trip_code, uint16_t trip_detail);

/* One control cycle: time and measurements first (an expired lease cannot be renewed by what arrived late), then the
 * received bytes in order, then the outputs. Steps must not be more than 2^32 us apart; `next_us` sees to that.
 * At most PB_RX_MAX_BYTES are taken. */
void pb_step(pb_core *core, uint32_t now_us, const uint8_t *rx, size_t rx_length, const pb_measurements *measured,
             pb_result *result);

/* The same cycle for one request that is already a message: nothing but frames and bytes is left out. */
void pb_step_message(pb_core *core, uint32_t now_us, const pb_message *request, const pb_measurements *measured,
                     pb_message *reply, pb_result *result);

#endif
