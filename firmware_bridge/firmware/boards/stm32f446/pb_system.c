/* Clock, tick, watchdog, supply and reset cause: see pb_board.h. */
#include "pb_board.h"
#include "pb_registers.h"

#define HSI_HZ 16000000u
#define PLL_APB1_HZ 42000000u
#define PLL_TIMER_HZ 84000000u /* twice the bus whose clock is divided */
#define US_PER_S 1000000u
/* A poll takes about ten cycles of the 16 MHz at which everything starts: 12 ms, six times what a quartz may take. */
#define READY_POLLS 20000u
#define WATCHDOG_BY_4 0u
#define WATCHDOG_COUNT 799u /* of a quarter of the LSI's 32 kHz: 100 ms */

static bool comes(volatile const uint32_t *address, uint32_t mask, uint32_t wanted)
{
    bool there = false;
    for (uint32_t i = 0u; !there && (i < READY_POLLS); i++) {
        there = (*address & mask) == wanted;
    }
    return there;
}

pb_clock pb_clock_start(void)
{
    pb_clock clock = {.exact = false, .apb1_hz = HSI_HZ, .timer_hz = HSI_HZ};
    RCC_CR |= RCC_CR_HSEBYP;
    RCC_CR |= RCC_CR_HSEON;
    bool good = comes(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY);
    if (good) {
        RCC_PLLCFGR = RCC_PLLCFGR_84_MHZ; /* 8 MHz / 4 * 168 / 4 */
        RCC_CR |= RCC_CR_PLLON;
        FLASH_ACR = FLASH_ACR_2_WAITS_CACHED;
        RCC_CFGR = RCC_CFGR_APB1_BY_2;
        good = comes(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)
            && comes(&FLASH_ACR, FLASH_ACR_2_WAITS_CACHED, FLASH_ACR_2_WAITS_CACHED);
    }
    if (good) {
        RCC_CFGR = RCC_CFGR_APB1_BY_2 | RCC_CFGR_SW_PLL;
        good = comes(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL);
        if (!good) {
            pb_fault(); /* between two clocks: nothing would be right */
        }
        RCC_CR |= RCC_CR_CSSON;
        clock.exact = true;
        clock.apb1_hz = PLL_APB1_HZ;
        clock.timer_hz = PLL_TIMER_HZ;
    } else {
        RCC_CFGR = 0u;
    }
    return clock;
}

void pb_tick_start(const pb_clock *clock)
{
    RCC_APB1ENR |= RCC_APB1_TIM2;
    (void)RCC_APB1ENR;
    TIM2_PSC = (clock->timer_hz / US_PER_S) - 1u;
    TIM2_ARR = UINT32_MAX;
    TIM2_EGR = TIM_EGR_UG; /* takes the prescaler over now */
    TIM2_CR1 = TIM_CR1_CEN;
}

uint32_t pb_port_tick_us(void)
{
    return TIM2_CNT;
}

/* A power-on sets the flags of brown-out and pin as well, so the order matters. A supply that broke down below the
 * power-on threshold cannot be told from one that was switched on; the board comes up safe and not armed either way. */
uint8_t pb_reset_cause(void)
{
    const uint32_t flags = RCC_CSR;
    uint8_t cause = PB_RESET_POWER_ON;
    if ((flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF)) != 0u) {
        cause = PB_RESET_WATCHDOG;
    } else if ((flags & RCC_CSR_PORRSTF) != 0u) {
        cause = PB_RESET_POWER_ON;
    } else if ((flags & RCC_CSR_BORRSTF) != 0u) {
        cause = PB_RESET_BROWN_OUT;
    } else if ((flags & RCC_CSR_SFTRSTF) != 0u) {
        cause = PB_RESET_SOFTWARE;
    } else if ((flags & RCC_CSR_PINRSTF) != 0u) {
        cause = PB_RESET_PIN;
    } else {
        /* none of them: power-on */
    }
    RCC_CSR |= RCC_CSR_RMVF;
    return cause;
}

void pb_watchdog_start(void)
{
    IWDG_KR = IWDG_KEY_START;
    IWDG_KR = IWDG_KEY_ACCESS;
    IWDG_PR = WATCHDOG_BY_4;
    IWDG_RLR = WATCHDOG_COUNT;
    if (!comes(&IWDG_SR, UINT32_MAX, 0u)) {
        pb_fault(); /* the longest time, 512 ms, is in force and will end this */
    }
    pb_port_feed_watchdog();
}

void pb_port_feed_watchdog(void)
{
    IWDG_KR = IWDG_KEY_FEED;
}

void pb_supply_watch(void)
{
    RCC_APB1ENR |= RCC_APB1_PWR;
    (void)RCC_APB1ENR;
    PWR_CR |= PWR_CR_PLS_2V9 | PWR_CR_PVDE;
    EXTI_RTSR |= EXTI_PVD; /* rises when the supply falls */
    EXTI_PR = EXTI_PVD;
    EXTI_IMR |= EXTI_PVD;
    pb_interrupt_enable(PVD_IRQ);
    if ((PWR_CSR & PWR_CSR_PVDO) != 0u) {
        pb_fault(); /* too low already: no edge would tell */
    }
}
