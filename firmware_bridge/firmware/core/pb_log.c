/* See pb_log.h. */
#include "pb_log.h"

#include "pb_command.h"
#include "pb_machine.h"

#include <string.h>

void pb_log_put(pb_core *core, uint8_t kind, uint8_t code, uint32_t value)
{
    pb_log *const log = &core->log;
    const bool latched = core->trip_code != PB_TRIP_NONE;
    if (!latched || ((uint32_t)(log->kept - log->at_trip) < PB_EVENTS_AFTER_TRIP)) {
        pb_event *const event = &log->ring[log->kept % PB_EVENTS_MAX];
        event->number = log->total;
        event->uptime_us = core->uptime_us;
        event->kind = kind;
        event->code = code;
        event->value = value;
        log->kept++;
    }
    log->total++;
}

void pb_log_get(const pb_core *core, uint32_t number, pb_event *event)
{
    const pb_log *const log = &core->log;
    uint32_t at = (log->kept > PB_EVENTS_MAX) ? (log->kept - PB_EVENTS_MAX) : 0u;
    /* Numbers rise in the ring, with holes where events were only counted. */
    while ((at < log->kept) && (log->ring[at % PB_EVENTS_MAX].number < number)) {
        at++;
    }
    if (at < log->kept) {
        *event = log->ring[at % PB_EVENTS_MAX];
    } else {
        (void)memset(event, 0, sizeof *event);
        event->number = log->total;
    }
    event->total = log->total;
}

void pb_log_snapshot(pb_core *core, uint8_t trip_code, uint16_t detail)
{
    pb_snapshot *const s = &core->snapshot;
    s->uptime_us = core->uptime_us;
    s->trip_code = trip_code;
    s->trip_detail = detail;
    s->state = core->state;
    s->phase = core->phase;
    s->flags = pb_command_flags(core);
    s->inputs = (uint16_t)(core->seen.inputs & 0xFFFFu);
    s->outputs = (uint8_t)(core->outputs & 0xFFu);
    s->lease_left_ms = pb_lease_left_ms(core);
    s->token = core->token;
    s->counter = core->counter;
    s->pack_mv = core->seen.pack_mv;
    s->cycler_mv = core->seen.cycler_mv;
    s->current_ma = core->seen.current_ma;
    s->temperature_1_dc = core->seen.temperature_dc[0];
    s->temperature_2_dc = core->seen.temperature_dc[1];
    s->temperature_3_dc = core->seen.temperature_dc[2];
    s->temperature_4_dc = core->seen.temperature_dc[3];
    core->log.at_trip = core->log.kept;
}

void pb_log_unlatch(pb_core *core)
{
    (void)memset(&core->snapshot, 0, sizeof core->snapshot);
    core->log.at_trip = core->log.kept;
}
