/*
 * The interlock board on a NUCLEO-F446RE: bare registers of RM0390.
 *
 * verified_on_hardware: false. It compiles, and a test boots it in an emulator of a relative (STM32F405) far enough to
 * answer; nobody has run it on the board. Pins: pins.yaml.
 */
#ifndef PB_BOARD_H
#define PB_BOARD_H

#include "pb_port.h"

typedef struct {
    bool exact; /* the quartz runs everything; without it time is not known well enough to close */
    uint32_t apb1_hz; /* USART2 */
    uint32_t timer_hz; /* TIM2 */
} pb_clock;

/* System clock from the ST-LINK's 8 MHz through the PLL, 84 MHz; the internal 16 MHz when that does not come in time.
 * A quartz that stops later raises the NMI, which is a fault. */
pb_clock pb_clock_start(void);

/* TIM2 as a free-running count of microseconds. */
void pb_tick_start(const pb_clock *clock);

/* Which PB_RESET_*; clears the flags. */
uint8_t pb_reset_cause(void);

/* IWDG, which nothing can stop again. */
void pb_watchdog_start(void);

/* From here on a supply below 2.9 V is a fault: outputs off until the watchdog's reset. */
void pb_supply_watch(void);

void pb_pins_start(void);
void pb_serial_start(const pb_clock *clock);
void pb_serial_interrupt(void);

/* `trusted` false: measurements are told, and never valid. */
void pb_adc_start(bool trusted);

#endif
