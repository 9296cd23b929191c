/* The sensors of pb_board.h: voltages and current in every cycle, one temperature in each. */
#include "pb_board.h"
#include "pb_i2c.h"

#define MONITOR 0x4Eu
#define MONITOR_PAGE 0x00u
#define MONITOR_READ_VOUT 0x8Bu
#define MONITOR_READ_TEMPERATURE 0x8Du
#define PAGE_PACK 0u
#define PAGE_CYCLER 1u
#define PAGE_CURRENT 2u
#define PAGE_TEMPERATURE 16 /* of sensor i: this and i */
#define VOLTAGE_MV 20
#define CURRENT_MA 10
#define CENTI_PER_DECI 10

#define THERMOMETER 0x48u
#define THERMOMETER_READ 0x00u
#define THERMOMETER_CONFIG 0x01u
#define THERMOMETER_12_BITS 0x60u
#define BITS_PER_DEGREE 256 /* of the 16 bits it sends */
#define DECI_PER_DEGREE 10

static int16_t temperature_dc[PB_TEMPERATURES];
static uint32_t turn; /* which sensor is read in this cycle */

void pb_sensors_init(void)
{
    static const uint8_t twelve_bits[2] = {THERMOMETER_CONFIG, THERMOMETER_12_BITS};
    pb_i2c_init();
    (void)pb_i2c_write(THERMOMETER, twelve_bits, sizeof twelve_bits);
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        temperature_dc[i] = PB_TEMPERATURE_NONE;
    }
}

static bool monitor_read(uint8_t page, uint8_t command, int32_t *value)
{
    const uint8_t select[2] = {MONITOR_PAGE, page};
    uint8_t bytes[2] = {0u, 0u};
    const bool good = pb_i2c_write(MONITOR, select, sizeof select) && pb_i2c_write(MONITOR, &command, 1u)
        && pb_i2c_read(MONITOR, bytes, sizeof bytes);
    const uint32_t raw = (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8);
    *value = (int32_t)(int16_t)(uint16_t)raw;
    return good;
}

static bool thermometer_read(int32_t *value_dc)
{
    static const uint8_t select = THERMOMETER_READ;
    uint8_t bytes[2] = {0u, 0u};
    const bool good = pb_i2c_write(THERMOMETER, &select, 1u) && pb_i2c_read(THERMOMETER, bytes, sizeof bytes);
    const uint32_t raw = ((uint32_t)bytes[0] << 8) | (uint32_t)bytes[1];
    *value_dc = ((int32_t)(int16_t)(uint16_t)raw * DECI_PER_DEGREE) / BITS_PER_DEGREE;
    return good;
}

static void read_temperature(uint32_t which)
{
    int32_t value = 0;
    bool good = false;
    if (which == 0u) {
        good = thermometer_read(&value);
    } else {
        good = monitor_read((uint8_t)(PAGE_TEMPERATURE + which), MONITOR_READ_TEMPERATURE, &value);
        value /= CENTI_PER_DECI;
    }
    temperature_dc[which] = PB_TEMPERATURE_NONE;
    if (good) {
        temperature_dc[which] = (int16_t)value;
    }
}

void pb_port_measure(pb_measurements *measured)
{
    int32_t pack = 0;
    int32_t cycler = 0;
    int32_t current = 0;
    const bool good = monitor_read(PAGE_PACK, MONITOR_READ_VOUT, &pack)
        && monitor_read(PAGE_CYCLER, MONITOR_READ_VOUT, &cycler)
        && monitor_read(PAGE_CURRENT, MONITOR_READ_VOUT, &current);
    measured->pack_mv = pack * VOLTAGE_MV;
    measured->cycler_mv = cycler * VOLTAGE_MV;
    measured->current_ma = current * CURRENT_MA;
    if (good) {
        measured->inputs |= PB_IN_SENSORS_OK;
    }
    read_temperature(turn);
    turn = (turn + 1u) % PB_TEMPERATURES;
    for (uint32_t i = 0u; i < PB_TEMPERATURES; i++) {
        measured->temperature_dc[i] = temperature_dc[i];
    }
}
