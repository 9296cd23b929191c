/* The converter: one channel after the other, each wait bounded. */
#include "pb_analog.h"
#include "pb_board.h"
#include "pb_pins.h"
#include "pb_registers.h"

/* 96 cycles of the converter are 4.6 us, 384 of the processor; at 16 MHz both are as many. A poll takes about ten. */
#define CONVERSION_POLLS 1000u

static bool trusted;
static uint32_t turn; /* which temperature is read in this cycle */
static int16_t temperature_dc[PB_TEMPERATURES];

void pb_adc_start(bool may_be_trusted)
{
    trusted = may_be_trusted;
    RCC_APB2ENR |= RCC_APB2_ADC1;
    (void)RCC_APB2ENR;
    ADC_CCR = ADC_CCR_PCLK2_BY_4 | ADC_CCR_TSVREFE; /* 21 MHz */
    ADC1_CR1 = 0u;
    ADC1_SMPR1 = ADC_84_CYCLES_EACH_10_TO_18 | ADC_480_CYCLES_17; /* the reference wants 10 us */
    ADC1_SMPR2 = ADC_84_CYCLES_EACH_0_TO_9;
    ADC1_SQR1 = 0u; /* one conversion at a time */
    ADC1_CR2 = ADC_CR2_ADON;
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        temperature_dc[i] = PB_TEMPERATURE_NONE;
    }
}

static bool convert_channel(uint32_t channel, uint16_t *count)
{
    ADC1_SQR3 = channel;
    ADC1_SR = 0u;
    ADC1_CR2 = ADC_CR2_ADON | ADC_CR2_SWSTART;
    bool done = false;
    for (uint32_t i = 0u; !done && (i < CONVERSION_POLLS); i++) {
        done = (ADC1_SR & ADC_SR_EOC) != 0u;
    }
    *count = (uint16_t)(ADC1_DR & 0x0FFFu);
    return done;
}

/* ADC1's inputs 0 to 7 are on port A, 8 and 9 on port B, 10 to 15 on port C. */
static uint32_t channel_of(uint8_t pin)
{
    uint32_t channel = pin;
    if (pin >= PC(0u)) {
        channel = ((uint32_t)pin - PC(0u)) + 10u;
    } else if (pin >= PB(0u)) {
        channel = ((uint32_t)pin - PB(0u)) + 8u;
    } else {
        /* port A */
    }
    return channel;
}

static bool add(uint8_t pin, uint16_t *sum)
{
    uint16_t count = 0u;
    const bool good = convert_channel(channel_of(pin), &count);
    *sum = (uint16_t)(*sum + count);
    return good;
}

/* The three sensors turn by turn, so that voltage and current belong to the same moment. */
static bool scan(pb_counts *counts)
{
    bool good = true;
    for (uint32_t i = 0u; good && (i < PB_SCANS); i++) {
        good = add(PIN_PACK_P, &counts->pack.positive) && add(PIN_PACK_N, &counts->pack.negative)
            && add(PIN_CYCLER_P, &counts->cycler.positive) && add(PIN_CYCLER_N, &counts->cycler.negative)
            && add(PIN_CURRENT_P, &counts->current.positive) && add(PIN_CURRENT_N, &counts->current.negative);
    }
    return good && convert_channel(ADC_CHANNEL_VREFINT, &counts->reference);
}

void pb_port_measure(pb_measurements *measured)
{
    static const uint8_t ntc_pins[PB_TEMPERATURES] = {PIN_NTC_1, PIN_NTC_2, PIN_NTC_3, PIN_NTC_4};
    pb_counts counts = {.reference = 0u};
    const bool scanned = scan(&counts);
    counts.reference_3300_mv = scanned ? VREFINT_CAL : 0u;
    const bool valid = pb_analog_convert(&counts, measured);
    if (trusted && scanned && valid) {
        measured->inputs |= PB_IN_SENSORS_OK;
    }
    uint16_t count = 0u;
    const bool read = convert_channel(channel_of(ntc_pins[turn]), &count);
    temperature_dc[turn] = PB_TEMPERATURE_NONE;
    if (read) {
        temperature_dc[turn] = pb_ntc_dc(count);
    }
    turn = (turn + 1u) % PB_TEMPERATURES;
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        measured->temperature_dc[i] = temperature_dc[i];
    }
}
