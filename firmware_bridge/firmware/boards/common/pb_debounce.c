/* See pb_debounce.h. */
#include "pb_debounce.h"

#define ENOUGH (PB_DEBOUNCE_US * PB_DEBOUNCE_FADE)
#define MOST (2u * ENOUGH) /* so that one reading at 1 after enough at 0 does not let the next at 0 go */

/* What the time since the last reading adds to one bit's evidence, or takes from it: it counts as what was read then. */
static uint32_t weighed(uint32_t evidence, bool differed, bool falls, uint32_t gone_us)
{
    uint32_t weight = 0u;
    if (differed) {
        weight = (gone_us < PB_DEBOUNCE_US) ? (evidence + (gone_us * PB_DEBOUNCE_FADE)) : MOST;
    } else if (falls && (gone_us < evidence)) {
        weight = evidence - gone_us;
    } else {
        /* faded; and what rises must not break off at all */
    }
    return (weight < MOST) ? weight : MOST;
}

uint32_t pb_debounce_step(pb_debounce *debounce, uint32_t now_us, uint32_t raw)
{
    const uint32_t gone_us = now_us - debounce->looked_us;
    debounce->looked_us = now_us;
    for (uint32_t i = 0u; i < PB_DEBOUNCE_BITS; i++) {
        const uint32_t bit = (uint32_t)1u << i;
        const bool falls = (debounce->state & bit) != 0u;
        const bool differs = ((raw ^ debounce->state) & bit) != 0u;
        uint32_t evidence = weighed(debounce->evidence[i], (debounce->differs & bit) != 0u, falls, gone_us);
        debounce->differs = differs ? (debounce->differs | bit) : (debounce->differs & ~bit);
        if (differs && (evidence >= ENOUGH)) {
            debounce->state ^= bit;
            debounce->differs &= ~bit;
            evidence = 0u;
        } else if (!differs && !falls) {
            evidence = 0u;
        } else {
            /* not enough yet, or fading */
        }
        debounce->evidence[i] = evidence;
    }
    return debounce->state;
}
