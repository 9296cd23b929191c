/*
 * What the proofs leave open or out. A CRC may have any value. The log decides nothing: that it writes to itself alone
 * is a lemma of its own (log.c), and the state machine is proved without it.
 */
#include "pb_log.h"

uint16_t nondet_crc(void);

uint16_t pb_crc16(const uint8_t *data, size_t length)
{
    (void)data;
    (void)length;
    return nondet_crc();
}

void pb_log_put(pb_core *core, uint8_t kind, uint8_t code, uint32_t value)
{
    (void)core;
    (void)kind;
    (void)code;
    (void)value;
}

void pb_log_get(const pb_core *core, uint32_t number, pb_event *event)
{
    (void)core;
    (void)number;
    (void)event;
}

void pb_log_snapshot(pb_core *core, uint8_t trip_code, uint16_t detail)
{
    (void)core;
    (void)trip_code;
    (void)detail;
}

void pb_log_unlatch(pb_core *core)
{
    (void)core;
}
