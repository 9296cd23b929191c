/*
 * Pins and sensors of the board that QEMU plays (machine lm3s6965evb).
 *
 * verified_on_hardware: false. This port exists to run the firmware under an emulator; nobody sells the board any more,
 * and the real chip's port E has no pins 4 to 7, and I2C on PB2 and PB3.
 *
 * Outputs, port B, high is on, low after every reset:
 *   PB0 contactor   PB1 precharge   PB2 cycler_enable   PB3 alarm   PB4 bms_wake   PB5 pack_request
 * Inputs, port E, high is safe; an undriven pin reads 0, so a broken wire is a trip:
 *   PE0 estop_ok   PE1 key_on   PE2 hvil_ok   PE3 gas_ok   PE5 insulation_ok   PE6 bms_ok   PE7 pack_closed
 *   PE4 mirror: normally closed contact of the contactor; high means that its main contacts are open, so a broken wire
 *   reads as closed
 * I2C0:
 *   max34451 at 0x4E, READ_VOUT as two's complement: page 0 pack voltage and page 1 cycler voltage in 20 mV, page 2
 *   current in 10 mA, positive charges; pages 17 to 19 temperatures 2 to 4 in 0.01 degC
 *   tmp105 at 0x48: temperature 1
 * UART0: 460800 baud, 8N1.
 */
#ifndef PB_BOARD_H
#define PB_BOARD_H

#include "pb_port.h"

/* Volts, amperes and temperatures over I2C. */
void pb_sensors_init(void);

#endif
