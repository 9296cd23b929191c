/* See pb_debounce.h. */
#include "pb_debounce.h"

uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t raw)
{
    for (uint32_t i = 0u; i < PB_DEBOUNCE_BITS; i++) {
        const uint32_t bit = (uint32_t)1u << i;
        if (((raw ^ debounce->state) & bit) == 0u) {
            debounce->differs[i] = 0u;
        } else {
            debounce->differs[i]++;
            if (debounce->differs[i] >= PB_DEBOUNCE_CYCLES) {
                debounce->state ^= bit;
                debounce->differs[i] = 0u;
            }
        }
    }
    return debounce->state;
}
