/*
 * Pins on the NUCLEO-F446RE, as in pins.yaml, which says what is connected to each (tests/board/test_pins.py holds the
 * two together).
 */
#ifndef PB_PINS_H
#define PB_PINS_H

#define PA(number) (0x00u + (number))
#define PB(number) (0x10u + (number))
#define PC(number) (0x20u + (number))

#define PIN_CONTACTOR PC(6u)
#define PIN_PRECHARGE PC(7u)
#define PIN_CYCLER_ENABLE PC(8u)
#define PIN_ALARM PC(9u)
#define PIN_BMS_WAKE PC(10u)
#define PIN_PACK_REQUEST PC(11u)

#define PIN_MIRROR PB(12u)
#define PIN_KEY_ON PB(13u)
#define PIN_ESTOP_OK PB(14u)
#define PIN_HVIL_OK PB(15u)
#define PIN_GAS_OK PB(5u)
#define PIN_INSULATION_OK PB(6u)
#define PIN_BMS_OK PB(8u)
#define PIN_PACK_CLOSED PB(9u)

#define PIN_PACK_P PA(0u)
#define PIN_PACK_N PA(1u)
#define PIN_CYCLER_P PA(4u)
#define PIN_CYCLER_N PB(0u)
#define PIN_CURRENT_P PC(1u)
#define PIN_CURRENT_N PC(0u)
#define PIN_NTC_1 PC(2u)
#define PIN_NTC_2 PC(3u)
#define PIN_NTC_3 PC(4u)
#define PIN_NTC_4 PC(5u)

#define PIN_SERIAL_TX PA(2u)
#define PIN_SERIAL_RX PA(3u)

#endif
