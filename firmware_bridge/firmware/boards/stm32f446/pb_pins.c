/* Pins and serial line: see pb_board.h. */
#include "pb_pins.h"

#include "pb_board.h"
#include "pb_registers.h"
#include "pb_ring.h"

#define PINS_PER_PORT 16u
#define BAUD 460800u

/* In the order of the bits of PB_OUT_*. */
static const uint8_t output_pins[6] = {
    PIN_CONTACTOR, PIN_PRECHARGE, PIN_CYCLER_ENABLE, PIN_ALARM, PIN_BMS_WAKE, PIN_PACK_REQUEST,
};

static const struct {
    uint8_t pin;
    uint16_t input;
} input_pins[] = {
    {PIN_KEY_ON, PB_IN_KEY_ON},   {PIN_ESTOP_OK, PB_IN_ESTOP_OK},
    {PIN_HVIL_OK, PB_IN_HVIL_OK}, {PIN_GAS_OK, PB_IN_GAS_OK},
    {PIN_BMS_OK, PB_IN_BMS_OK},   {PIN_INSULATION_OK, PB_IN_INSULATION_OK},
    {PIN_MIRROR, 0u},             {PIN_PACK_CLOSED, PB_IN_PACK_CLOSED},
};

static const uint8_t analog_pins[10] = {
    PIN_PACK_P, PIN_PACK_N, PIN_CYCLER_P, PIN_CYCLER_N, PIN_CURRENT_P,
    PIN_CURRENT_N, PIN_NTC_1, PIN_NTC_2, PIN_NTC_3, PIN_NTC_4,
};

static pb_ring received;
static pb_ring to_send;

static uint32_t port_of(uint8_t pin)
{
    return (uint32_t)pin / PINS_PER_PORT;
}

static uint32_t bit_of(uint8_t pin)
{
    return (uint32_t)1u << ((uint32_t)pin % PINS_PER_PORT);
}

static void set_up(uint8_t pin, uint32_t mode, uint32_t pull)
{
    const uint32_t port = port_of(pin);
    const uint32_t at = 2u * ((uint32_t)pin % PINS_PER_PORT);
    GPIO_PUPDR(port) = (GPIO_PUPDR(port) & ~((uint32_t)3u << at)) | (pull << at);
    GPIO_MODER(port) = (GPIO_MODER(port) & ~((uint32_t)3u << at)) | (mode << at);
}

static void write_pin(uint8_t pin, bool high)
{
    GPIO_BSRR(port_of(pin)) = high ? bit_of(pin) : (bit_of(pin) << 16);
}

/* Low is in the output register before the pin becomes an output. */
void pb_port_make_safe(void)
{
    RCC_AHB1ENR |= RCC_AHB1_PORTS_A_B_C;
    (void)RCC_AHB1ENR;
    for (uint32_t i = 0u; i < sizeof output_pins; i++) {
        write_pin(output_pins[i], false);
        set_up(output_pins[i], GPIO_OUTPUT, GPIO_PULL_DOWN);
    }
}

/* Until the next reset nobody turns an output into something else. */
static void lock_outputs(void)
{
    for (uint32_t port = 0u; port < 3u; port++) {
        uint32_t bits = 0u;
        for (uint32_t i = 0u; i < sizeof output_pins; i++) {
            bits |= (port_of(output_pins[i]) == port) ? bit_of(output_pins[i]) : 0u;
        }
        if (bits != 0u) {
            GPIO_LCKR(port) = GPIO_LCKK | bits; /* the sequence of RM0390 */
            GPIO_LCKR(port) = bits;
            GPIO_LCKR(port) = GPIO_LCKK | bits;
            (void)GPIO_LCKR(port);
        }
    }
}

void pb_pins_start(void)
{
    for (uint32_t i = 0u; i < (sizeof input_pins / sizeof input_pins[0]); i++) {
        set_up(input_pins[i].pin, GPIO_INPUT, GPIO_PULL_DOWN);
    }
    for (uint32_t i = 0u; i < sizeof analog_pins; i++) {
        set_up(analog_pins[i], GPIO_ANALOG, GPIO_PULL_NONE);
    }
    lock_outputs();
}

uint32_t pb_port_inputs(void)
{
    uint32_t inputs = 0u;
    for (uint32_t i = 0u; i < (sizeof input_pins / sizeof input_pins[0]); i++) {
        const uint8_t pin = input_pins[i].pin;
        const bool high = (GPIO_IDR(port_of(pin)) & bit_of(pin)) != 0u;
        if (pin == PIN_MIRROR) {
            inputs |= high ? 0u : PB_IN_AUX_CLOSED;
        } else if (high) {
            inputs |= input_pins[i].input;
        } else {
            /* unsafe */
        }
    }
    return inputs;
}

void pb_port_outputs(uint32_t outputs)
{
    for (uint32_t i = 0u; i < sizeof output_pins; i++) {
        write_pin(output_pins[i], ((outputs >> i) & 1u) != 0u);
    }
}

static void connect_serial(uint8_t pin)
{
    const uint32_t at = 4u * ((uint32_t)pin % 8u);
    const uint32_t half = ((uint32_t)pin % PINS_PER_PORT) / 8u;
    const uint32_t others = GPIO_AFR(port_of(pin), half) & ~((uint32_t)15u << at);
    GPIO_AFR(port_of(pin), half) = others | ((uint32_t)GPIO_AF_USART2 << at);
    set_up(pin, GPIO_ALTERNATE, GPIO_PULL_UP); /* an open line is idle */
}

void pb_serial_start(const pb_clock *clock)
{
    RCC_APB1ENR |= RCC_APB1_USART2;
    (void)RCC_APB1ENR;
    connect_serial(PIN_SERIAL_TX);
    connect_serial(PIN_SERIAL_RX);
    USART2_BRR = (clock->apb1_hz + (BAUD / 2u)) / BAUD;
    USART2_CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    pb_interrupt_enable(USART2_IRQ);
}

/* One byte each, at most one in 21 us. Reading status and data also clears an overrun; a byte that is lost costs its
 * frame, which the CRC finds. */
void pb_serial_interrupt(void)
{
    const uint32_t status = USART2_SR;
    const uint8_t byte = (uint8_t)(USART2_DR & 0xFFu);
    if (((status & USART_SR_RXNE) != 0u) && (pb_ring_room(&received) > 0u)) {
        pb_ring_put(&received, byte);
    }
}

size_t pb_port_receive(uint8_t *bytes, size_t room)
{
    return pb_ring_take_all(&received, bytes, room);
}

/* As much as the transmitter takes at once: a byte or two. */
static void transmit(void)
{
    while (!pb_ring_empty(&to_send) && ((USART2_SR & USART_SR_TXE) != 0u)) {
        USART2_DR = pb_ring_take(&to_send);
    }
}

void pb_port_send(const uint8_t *bytes, size_t length)
{
    (void)pb_ring_put_all(&to_send, bytes, length);
    transmit();
}

void pb_port_idle(void)
{
    transmit();
}
