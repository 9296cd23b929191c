/* Clock, tick, pins, serial line, watchdog and start of the board in pb_board.h. */
#include "pb_board.h"
#include "pb_cortex.h"
#include "pb_cycle.h"
#include "pb_ring.h"

#define CLOCK_MHZ 50u

#define SYSCTL_BASE 0x400FE000u
#define SYSCTL_RESC PB_REGISTER(SYSCTL_BASE + 0x05Cu)
#define SYSCTL_RCC PB_REGISTER(SYSCTL_BASE + 0x060u)
#define SYSCTL_RCGC0 PB_REGISTER(SYSCTL_BASE + 0x100u)
#define SYSCTL_RCGC1 PB_REGISTER(SYSCTL_BASE + 0x104u)
#define SYSCTL_RCGC2 PB_REGISTER(SYSCTL_BASE + 0x108u)
#define RCC_50_MHZ (0x01C00000u | 0x00400000u | (3u << 23))
#define RCGC0_WATCHDOG 0x08u
#define RCGC1_UART0_I2C0_TIMER0 0x11001u
#define RCGC2_PORTS_A_B_E 0x13u
#define RESC_EXTERNAL 0x01u
#define RESC_BROWN_OUT 0x04u
#define RESC_WATCHDOG 0x08u
#define RESC_SOFTWARE 0x10u

#define SYST_CSR PB_REGISTER(0xE000E010u)
#define SYST_RVR PB_REGISTER(0xE000E014u)
#define SYST_CVR PB_REGISTER(0xE000E018u)
#define SYST_MAX 0x00FFFFFFu
#define SYST_CORE_CLOCK_NO_INTERRUPT 5u

#define PORT_A_BASE 0x40004000u
#define PORT_B_BASE 0x40005000u
#define PORT_E_BASE 0x40024000u
#define GPIO_MASKED(base, mask) PB_REGISTER((base) + ((mask) << 2))
#define GPIO_DIR(base) PB_REGISTER((base) + 0x400u)
#define GPIO_AFSEL(base) PB_REGISTER((base) + 0x420u)
#define GPIO_PDR(base) PB_REGISTER((base) + 0x514u)
#define GPIO_DEN(base) PB_REGISTER((base) + 0x51Cu)
#define OUTPUT_PINS 0x3Fu
#define INPUT_PINS 0xFFu
#define SERIAL_PINS 0x03u
#define I2C_PINS 0x0Cu

#define PE_ESTOP_OK 0x01u
#define PE_KEY_ON 0x02u
#define PE_HVIL_OK 0x04u
#define PE_GAS_OK 0x08u
#define PE_MIRROR 0x10u
#define PE_INSULATION_OK 0x20u
#define PE_BMS_OK 0x40u
#define PE_PACK_CLOSED 0x80u

#define UART_BASE 0x4000C000u
#define UART_DR PB_REGISTER(UART_BASE + 0x00u)
#define UART_FR PB_REGISTER(UART_BASE + 0x18u)
#define UART_IBRD PB_REGISTER(UART_BASE + 0x24u)
#define UART_FBRD PB_REGISTER(UART_BASE + 0x28u)
#define UART_LCRH PB_REGISTER(UART_BASE + 0x2Cu)
#define UART_CTL PB_REGISTER(UART_BASE + 0x30u)
#define UART_IM PB_REGISTER(UART_BASE + 0x38u)
#define UART_ICR PB_REGISTER(UART_BASE + 0x44u)
#define UART_IRQ 5u
#define FR_RX_EMPTY 0x10u
#define FR_TX_FULL 0x20u
#define IM_RECEIVE 0x50u /* level and time-out */
#define BAUD_INTEGER 6u /* 50 MHz / (16 * 460800) = 6.7817 */
#define BAUD_FRACTION 50u

#define TIMER_BASE 0x40030000u
#define TIMER_CFG PB_REGISTER(TIMER_BASE + 0x00u)
#define TIMER_TAMR PB_REGISTER(TIMER_BASE + 0x04u)
#define TIMER_CTL PB_REGISTER(TIMER_BASE + 0x0Cu)
#define TIMER_IMR PB_REGISTER(TIMER_BASE + 0x18u)
#define TIMER_ICR PB_REGISTER(TIMER_BASE + 0x24u)
#define TIMER_TAILR PB_REGISTER(TIMER_BASE + 0x28u)
#define TIMER_IRQ 19u
#define TIMER_PERIODIC 2u
#define TIMER_TIME_OUT 1u
#define WAKE_CYCLES ((PB_CYCLE_US / 4u) * CLOCK_MHZ)

#define WATCHDOG_BASE 0x40000000u
#define WATCHDOG_LOAD PB_REGISTER(WATCHDOG_BASE + 0x000u)
#define WATCHDOG_CTL PB_REGISTER(WATCHDOG_BASE + 0x008u)
#define WATCHDOG_ICR PB_REGISTER(WATCHDOG_BASE + 0x00Cu)
#define WATCHDOG_LOCK PB_REGISTER(WATCHDOG_BASE + 0xC00u)
#define WATCHDOG_KEY 0x1ACCE551u
#define WATCHDOG_INTERRUPT_AND_RESET 3u
/* It counts down twice: the first end raises an interrupt that nobody takes, the second resets. A feed is worth 100 to
 * 200 ms. */
#define WATCHDOG_COUNT (100000u * CLOCK_MHZ)

#define RUNNING 0x50421965u

static pb_ring received;
static pb_ring to_send;
static uint32_t tick_cycles; /* not yet a whole microsecond */
static uint32_t tick_last;
static uint32_t tick_us;
/* QEMU keeps RESC at 0 whatever the reset was. RAM survives a reset and holds nonsense after power-on, so this word
 * tells the two apart, and a restart without a known reason counts as the watchdog's. Volatile, or the compiler makes
 * it a single bit. */
static volatile uint32_t running __attribute__((section(".noinit")));

void pb_port_make_safe(void)
{
    SYSCTL_RCGC2 |= RCGC2_PORTS_A_B_E; /* registers of a port without a clock fault */
    (void)SYSCTL_RCGC2;
    GPIO_MASKED(PORT_B_BASE, OUTPUT_PINS) = 0u;
    GPIO_DIR(PORT_B_BASE) |= OUTPUT_PINS;
    GPIO_DEN(PORT_B_BASE) |= OUTPUT_PINS;
    GPIO_MASKED(PORT_B_BASE, OUTPUT_PINS) = 0u; /* again: as inputs the pins took no value */
}

static uint8_t reset_cause(void)
{
    const uint32_t flags = SYSCTL_RESC;
    const bool unexplained = (flags & (RESC_WATCHDOG | RESC_BROWN_OUT | RESC_SOFTWARE | RESC_EXTERNAL)) == 0u;
    uint8_t cause = PB_RESET_POWER_ON;
    if (((flags & RESC_WATCHDOG) != 0u) || (unexplained && (running == RUNNING))) {
        cause = PB_RESET_WATCHDOG;
    } else if ((flags & RESC_BROWN_OUT) != 0u) {
        cause = PB_RESET_BROWN_OUT;
    } else if ((flags & RESC_SOFTWARE) != 0u) {
        cause = PB_RESET_SOFTWARE;
    } else if ((flags & RESC_EXTERNAL) != 0u) {
        cause = PB_RESET_PIN;
    } else {
        /* power-on */
    }
    running = RUNNING;
    SYSCTL_RESC = 0u;
    return cause;
}

static void watchdog_start(void)
{
    SYSCTL_RCGC0 |= RCGC0_WATCHDOG;
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_LOAD = WATCHDOG_COUNT;
    WATCHDOG_CTL = WATCHDOG_INTERRUPT_AND_RESET; /* cannot be undone but by a reset */
    WATCHDOG_LOCK = 0u;
}

void pb_port_feed_watchdog(void)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_ICR = 1u; /* also clears a first end that has passed */
    WATCHDOG_LOAD = WATCHDOG_COUNT;
    WATCHDOG_LOCK = 0u;
}

/* SysTick runs free and raises no interrupt: an emulator on a busy host merges interrupts, and counted ones run slow.
 * Must be called at least every 0.33 s. */
uint32_t pb_port_tick_us(void)
{
    const uint32_t now = SYST_CVR;
    tick_cycles += (tick_last - now) & SYST_MAX; /* it counts down */
    tick_last = now;
    const uint32_t whole_us = tick_cycles / CLOCK_MHZ;
    tick_cycles -= whole_us * CLOCK_MHZ;
    tick_us += whole_us;
    return tick_us;
}

static void tick_start(void)
{
    SYST_RVR = SYST_MAX;
    SYST_CVR = 0u;
    SYST_CSR = SYST_CORE_CLOCK_NO_INTERRUPT;
    tick_last = SYST_CVR;
}

/* Wakes the processor from its sleep between two cycles, and counts nothing. Without the sleep an emulator's processor
 * burns a host's core, and the host's scheduler lets it wait for that. */
static void wake_start(void)
{
    TIMER_CFG = 0u; /* 32 bits */
    TIMER_TAMR = TIMER_PERIODIC;
    TIMER_TAILR = WAKE_CYCLES;
    TIMER_IMR = TIMER_TIME_OUT;
    TIMER_CTL = 1u;
    pb_interrupt_enable(TIMER_IRQ);
}

static void on_wake(void)
{
    TIMER_ICR = TIMER_TIME_OUT;
}

static void pins_start(void)
{
    GPIO_DIR(PORT_E_BASE) &= ~INPUT_PINS;
    GPIO_PDR(PORT_E_BASE) |= INPUT_PINS; /* a broken wire reads 0 */
    GPIO_DEN(PORT_E_BASE) |= INPUT_PINS;
    GPIO_AFSEL(PORT_A_BASE) |= SERIAL_PINS;
    GPIO_DEN(PORT_A_BASE) |= SERIAL_PINS;
    GPIO_AFSEL(PORT_B_BASE) &= ~OUTPUT_PINS;
}

uint32_t pb_port_inputs(void)
{
    static const uint32_t wires[7][2] = {
        {PE_ESTOP_OK, PB_IN_ESTOP_OK}, {PE_KEY_ON, PB_IN_KEY_ON}, {PE_HVIL_OK, PB_IN_HVIL_OK},
        {PE_GAS_OK, PB_IN_GAS_OK},     {PE_BMS_OK, PB_IN_BMS_OK}, {PE_INSULATION_OK, PB_IN_INSULATION_OK},
        {PE_PACK_CLOSED, PB_IN_PACK_CLOSED},
    };
    const uint32_t pins = GPIO_MASKED(PORT_E_BASE, INPUT_PINS);
    uint32_t inputs = ((pins & PE_MIRROR) == 0u) ? PB_IN_AUX_CLOSED : 0u;
    for (uint32_t i = 0u; i < 7u; i++) {
        if ((pins & wires[i][0]) != 0u) {
            inputs |= wires[i][1];
        }
    }
    return inputs;
}

void pb_port_outputs(uint32_t outputs)
{
    GPIO_MASKED(PORT_B_BASE, OUTPUT_PINS) = outputs & OUTPUT_PINS; /* PBn is bit n of PB_OUT_* */
}

static void serial_start(void)
{
    UART_IBRD = BAUD_INTEGER;
    UART_FBRD = BAUD_FRACTION;
    UART_LCRH = 0x70u; /* 8N1, FIFOs on */
    UART_CTL = 0x301u;
    UART_IM = IM_RECEIVE;
    pb_interrupt_enable(UART_IRQ);
}

/* A full ring stops receiving until the cycle has taken from it: a flood costs the line, and never the cycle. */
static void on_serial(void)
{
    UART_ICR = IM_RECEIVE;
    while (((UART_FR & FR_RX_EMPTY) == 0u) && (pb_ring_room(&received) > 0u)) {
        pb_ring_put(&received, (uint8_t)(UART_DR & 0xFFu));
    }
    if (pb_ring_room(&received) == 0u) {
        UART_IM = 0u;
    }
}

size_t pb_port_receive(uint8_t *bytes, size_t room)
{
    const size_t taken = pb_ring_take_all(&received, bytes, room);
    UART_IM = IM_RECEIVE;
    return taken;
}

static void transmit(void)
{
    while (!pb_ring_empty(&to_send) && ((UART_FR & FR_TX_FULL) == 0u)) {
        UART_DR = pb_ring_take(&to_send);
    }
}

void pb_port_send(const uint8_t *bytes, size_t length)
{
    (void)pb_ring_put_all(&to_send, bytes, length);
    transmit();
}

/* Sleeps until the next interrupt: one that came since the interrupts were closed ends the sleep at once. */
void pb_port_idle(void)
{
    transmit();
    __asm volatile("cpsid i\n"
                   "wfi\n"
                   "cpsie i\n" ::: "memory");
}

void pb_main(void)
{
    SYSCTL_RCC = RCC_50_MHZ;
    SYSCTL_RCGC1 |= RCGC1_UART0_I2C0_TIMER0;
    (void)SYSCTL_RCGC1;
    const uint8_t cause = reset_cause();
    watchdog_start();
    tick_start();
    pins_start();
    serial_start();
    wake_start();
    pb_sensors_init();
    pb_cycle_init(cause);
    pb_cycle_forever();
}

typedef void (*pb_handler)(void);

#define FAULT4 pb_fault, pb_fault, pb_fault, pb_fault
#define FAULT16 FAULT4, FAULT4, FAULT4, FAULT4

/* Behind the initial stack (sections.ld): 15 exceptions, 44 interrupts; only UART0 (5) and timer 0 A (19) are asked
 * for. */
__attribute__((section(".vectors"), used)) static const pb_handler vectors[15u + 44u] = {
    pb_restart, FAULT4, FAULT4, FAULT4, pb_fault, pb_fault,
    FAULT4, pb_fault, on_serial, pb_fault, pb_fault, FAULT4, FAULT4, pb_fault, pb_fault, pb_fault, on_wake, FAULT16,
    FAULT4, FAULT4,
};
