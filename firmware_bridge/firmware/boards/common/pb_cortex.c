/* See pb_cortex.h. */
#include "pb_cortex.h"

#define NVIC_ISER 0xE000E100u

/* From the linker script: places, of which only the address means something. */
extern uint32_t pb_data_start[];
extern uint32_t pb_data_end[];
extern const uint32_t pb_data_image[];
extern uint32_t pb_bss_start[];
extern uint32_t pb_bss_end[];

static uint32_t words_between(const uint32_t *start, const uint32_t *end)
{
    return ((uint32_t)(uintptr_t)end - (uint32_t)(uintptr_t)start) / (uint32_t)sizeof(uint32_t);
}

void pb_interrupt_enable(uint32_t number)
{
    PB_REGISTER(NVIC_ISER + (4u * (number / 32u))) = (uint32_t)1u << (number % 32u);
}

void pb_restart(void)
{
    pb_port_make_safe(); /* before anything else */
    const uint32_t data_words = words_between(pb_data_start, pb_data_end);
    for (uint32_t i = 0u; i < data_words; i++) {
        pb_data_start[i] = pb_data_image[i];
    }
    const uint32_t bss_words = words_between(pb_bss_start, pb_bss_end);
    for (uint32_t i = 0u; i < bss_words; i++) {
        pb_bss_start[i] = 0u;
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
