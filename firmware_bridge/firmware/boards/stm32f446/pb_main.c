/* Start and vector table of the board in pb_board.h. */
#include "pb_board.h"
#include "pb_cortex.h"
#include "pb_cycle.h"

void pb_main(void)
{
    const uint8_t cause = pb_reset_cause();
    pb_watchdog_start();
    pb_supply_watch();
    const pb_clock clock = pb_clock_start();
    pb_tick_start(&clock);
    pb_pins_start();
    pb_serial_start(&clock);
    pb_adc_start(clock.exact);
    pb_cycle_init(cause);
    pb_cycle_forever();
}

typedef void (*pb_handler)(void);

#define FAULT4 pb_fault, pb_fault, pb_fault, pb_fault
#define FAULT16 FAULT4, FAULT4, FAULT4, FAULT4

/* Behind the initial stack (sections.ld): 15 exceptions, 97 interrupts; only USART2 (38) and, as the fault it is, the
 * supply's (1) are asked for. The NMI is the quartz that stopped. */
__attribute__((section(".vectors"), used)) static const pb_handler vectors[15u + 97u] = {
    pb_restart, FAULT4, FAULT4, FAULT4, pb_fault, pb_fault,
    FAULT16, FAULT16, FAULT4, pb_fault, pb_fault, pb_serial_interrupt, pb_fault, FAULT4, FAULT4, FAULT16, FAULT16,
    FAULT16, pb_fault,
};
