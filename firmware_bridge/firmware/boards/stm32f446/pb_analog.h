/*
 * From the converter's counts to volts, amperes and degrees.
 *
 * Owns the scaling and what counts as a broken sensor. Pure: no register, no clock; a test runs it on a PC.
 */
#ifndef PB_ANALOG_H
#define PB_ANALOG_H

#include "pb_core.h"

#define PB_SCANS 4u /* conversions of each half that are added up */

/* A sensor's two wires, each the sum of PB_SCANS counts of 12 bits. */
typedef struct {
    uint16_t positive;
    uint16_t negative;
} pb_pair;

typedef struct {
    pb_pair pack;
    pb_pair cycler;
    pb_pair current;
    uint16_t reference; /* the internal reference, one count */
    uint16_t reference_3300_mv; /* and the same at 3300 mV, from the factory */
} pb_counts;

/* Fills voltages and current; true when all three are valid. */
bool pb_analog_convert(const pb_counts *counts, pb_measurements *measured);

/* 0.1 degC of an NTC against its resistor, or PB_TEMPERATURE_NONE when it is open or shorted. */
int16_t pb_ntc_dc(uint16_t count);

#endif
