/* See pb_cortex.h. */
#include "pb_cortex.h"

#define NVIC_ISER 0xE000E100u

/* From the linker script. */
extern uint32_t pb_data_start;
extern uint32_t pb_data_end;
extern const uint32_t pb_data_image;
extern uint32_t pb_bss_start;
extern uint32_t pb_bss_end;

void pb_interrupt_enable(uint32_t number)
{
    PB_REGISTER(NVIC_ISER + (4u * (number / 32u))) = (uint32_t)1u << (number % 32u);
}

void pb_restart(void)
{
    pb_port_make_safe(); /* before anything else */
    const uint32_t *from = &pb_data_image;
    for (uint32_t *to = &pb_data_start; to < &pb_data_end; to++) {
        *to = *from;
        from++;
    }
    for (uint32_t *to = &pb_bss_start; to < &pb_bss_end; to++) {
        *to = 0u;
    }
    pb_main();
    pb_fault();
}

/* After the outputs are low: nothing feeds the watchdog any more. */
__attribute__((used)) static void pb_hold(void)
{
    pb_port_make_safe();
    for (;;) {
        __asm volatile("nop");
    }
}

/* The stack may be what is broken, so it is set anew before anything is pushed. */
__attribute__((naked)) void pb_fault(void)
{
    __asm volatile("cpsid i\n"
                   "ldr r0, =pb_stack_top\n"
                   "msr msp, r0\n"
                   "b pb_hold\n");
}
