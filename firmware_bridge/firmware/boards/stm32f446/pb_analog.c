/* See pb_analog.h. */
#include "pb_analog.h"

#define FULL_COUNT 4095
#define FULL_SUM (FULL_COUNT * (int32_t)PB_SCANS)

#define SUPPLY_NOMINAL_MV 3300
#define SUPPLY_MIN_MV 2900
#define SUPPLY_MAX_MV 3600

/* AMC1311B and AMC1302: both halves around 1.44 V; 2.05 V between them at full scale, 2.49 V clipped, and -2.56 V or
 * beyond when the high side has no supply. */
#define COMMON_MV 1440
#define COMMON_TOLERANCE_MV 200
#define DIFFERENCE_MAX_MV 2300

#define DIVIDER 500 /* pack and cycler: 500 mV for each mV */
/* Amplification 41 on 0.4 mOhm: 16.4 mV for each A, so 2500/41 mA for each mV. */
#define CURRENT_MA 2500
#define CURRENT_PER_MV 41

/* value * factor / divisor in 32 bits: a microcontroller has no 64-bit division. */
static int32_t scaled(int32_t value, int32_t factor, int32_t divisor)
{
    return ((value / divisor) * factor) + (((value % divisor) * factor) / divisor);
}

/* The difference of a pair, in mV / FULL_SUM; false for one that no working amplifier gives. */
static bool difference(const pb_pair *pair, int32_t supply_mv, int32_t *value)
{
    const int32_t positive = (int32_t)pair->positive * supply_mv;
    const int32_t negative = (int32_t)pair->negative * supply_mv;
    const int32_t common_mv = (positive + negative) / (2 * FULL_SUM);
    const int32_t difference_mv = (positive - negative) / FULL_SUM;
    *value = positive - negative;
    return (common_mv >= (COMMON_MV - COMMON_TOLERANCE_MV)) && (common_mv <= (COMMON_MV + COMMON_TOLERANCE_MV))
        && (difference_mv >= -DIFFERENCE_MAX_MV) && (difference_mv <= DIFFERENCE_MAX_MV);
}

bool pb_analog_convert(const pb_counts *counts, pb_measurements *measured)
{
    int32_t supply_mv = 0;
    if (counts->reference > 0u) {
        supply_mv = (SUPPLY_NOMINAL_MV * (int32_t)counts->reference_3300_mv) / (int32_t)counts->reference;
    }
    const bool supplied = (supply_mv >= SUPPLY_MIN_MV) && (supply_mv <= SUPPLY_MAX_MV);
    int32_t pack = 0;
    int32_t cycler = 0;
    int32_t current = 0;
    bool good = false;
    if (supplied) {
        const bool pack_good = difference(&counts->pack, supply_mv, &pack);
        const bool cycler_good = difference(&counts->cycler, supply_mv, &cycler);
        const bool current_good = difference(&counts->current, supply_mv, &current);
        good = pack_good && cycler_good && current_good;
    }
    measured->pack_mv = scaled(pack, DIVIDER, FULL_SUM);
    measured->cycler_mv = scaled(cycler, DIVIDER, FULL_SUM);
    measured->current_ma = scaled(current, CURRENT_MA, FULL_SUM * CURRENT_PER_MV);
    return good;
}

/* Counts of a 10 kOhm NTC (B 3435 K) to ground with 10 kOhm to the supply, each 5 degC from -40 to 150 degC, by the
 * beta equation (tests/board/test_analog.py computes them again). Both ends share the supply, so it drops out. */
#define NTC_FIRST_DC (-400)
#define NTC_STEP_DC 50
#define NTC_POINTS 39u
#define NTC_OPEN 3990u /* -50 degC: further out no pack is */
#define NTC_SHORT 120u /* 155 degC */

static const uint16_t ntc_counts[NTC_POINTS] = {
    3936u, 3882u, 3813u, 3729u, 3627u, 3507u, 3368u, 3210u, 3037u, 2850u, 2654u, 2451u, 2248u,
    2048u, 1854u, 1669u, 1496u, 1337u, 1191u, 1059u, 940u, 834u, 740u, 657u, 584u, 519u,
    462u, 412u, 368u, 329u, 295u, 265u, 238u, 215u, 194u, 176u, 159u, 145u, 132u,
};

int16_t pb_ntc_dc(uint16_t count)
{
    int32_t value_dc = PB_TEMPERATURE_NONE;
    if ((count <= NTC_OPEN) && (count >= NTC_SHORT)) {
        uint32_t i = 0u;
        while ((i < (NTC_POINTS - 2u)) && (count < ntc_counts[i + 1u])) {
            i++;
        }
        /* Beyond the table's ends its last piece goes on. */
        const int32_t above = (int32_t)ntc_counts[i] - (int32_t)count;
        const int32_t width = (int32_t)ntc_counts[i] - (int32_t)ntc_counts[i + 1u];
        value_dc = NTC_FIRST_DC + ((int32_t)i * NTC_STEP_DC) + ((above * NTC_STEP_DC) / width);
    }
    return (int16_t)value_dc;
}
