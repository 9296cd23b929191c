/* See pb_debounce.h. */
#include "pb_debounce.h"

uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t now_us, uint32_t raw)
{
    for (uint32_t i = 0u; i < PB_DEBOUNCE_BITS; i++) {
        const uint32_t bit = (uint32_t)1u << i;
        if (((raw ^ debounce->state) & bit) == 0u) {
            debounce->differs &= ~bit;
        } else if ((debounce->differs & bit) == 0u) {
            debounce->differs |= bit;
            debounce->since_us[i] = now_us;
        } else if ((uint32_t)(now_us - debounce->since_us[i]) >= PB_DEBOUNCE_US) {
            debounce->state ^= bit;
            debounce->differs &= ~bit;
        } else {
            /* not long enough */
        }
    }
    return debounce->state;
}
