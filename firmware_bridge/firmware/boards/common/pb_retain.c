/* See pb_retain.h. */
#include "pb_retain.h"

#define COMPLEMENT 0x50424C54u /* so that memory full of ones or zeros is no record */
#define MARK 0xA5000000u

/* Volatile: that nobody reads it before the next reset is no reason to leave it out. */
static volatile uint32_t record __attribute__((section(".noinit")));
static volatile uint32_t against __attribute__((section(".noinit")));

void pb_retain_write(uint8_t trip_code, uint16_t trip_detail)
{
    const uint32_t value = MARK | ((uint32_t)trip_detail << 8) | trip_code;
    record = value; /* torn between the two, it is not whole */
    against = value ^ ~COMPLEMENT;
}

bool pb_retain_read(uint8_t *trip_code, uint16_t *trip_detail)
{
    const uint32_t value = record;
    const bool whole = ((value & 0xFF000000u) == MARK) && ((value ^ against) == ~COMPLEMENT);
    if (whole) {
        *trip_code = (uint8_t)(value & 0xFFu);
        *trip_detail = (uint16_t)((value >> 8) & 0xFFFFu);
    }
    return whole;
}
