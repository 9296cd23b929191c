/* Registers of the STM32F446 that this port uses (RM0390, chapters of the peripherals). */
#ifndef PB_REGISTERS_H
#define PB_REGISTERS_H

#include "pb_cortex.h"

#define TIM2_CR1 PB_REGISTER(0x40000000u)
#define TIM2_EGR PB_REGISTER(0x40000014u)
#define TIM2_CNT PB_REGISTER(0x40000024u)
#define TIM2_PSC PB_REGISTER(0x40000028u)
#define TIM2_ARR PB_REGISTER(0x4000002Cu)
#define TIM_CR1_CEN 0x01u
#define TIM_EGR_UG 0x01u

#define IWDG_KR PB_REGISTER(0x40003000u)
#define IWDG_PR PB_REGISTER(0x40003004u)
#define IWDG_RLR PB_REGISTER(0x40003008u)
#define IWDG_SR PB_REGISTER(0x4000300Cu)
#define IWDG_KEY_FEED 0xAAAAu
#define IWDG_KEY_ACCESS 0x5555u
#define IWDG_KEY_START 0xCCCCu

#define USART2_SR PB_REGISTER(0x40004400u)
#define USART2_DR PB_REGISTER(0x40004404u)
#define USART2_BRR PB_REGISTER(0x40004408u)
#define USART2_CR1 PB_REGISTER(0x4000440Cu)
#define USART2_IRQ 38u
#define USART_SR_ORE 0x08u
#define USART_SR_RXNE 0x20u
#define USART_SR_TXE 0x80u
#define USART_CR1_UE 0x2000u
#define USART_CR1_RXNEIE 0x20u
#define USART_CR1_TE 0x08u
#define USART_CR1_RE 0x04u

#define PWR_CR PB_REGISTER(0x40007000u)
#define PWR_CSR PB_REGISTER(0x40007004u)
#define PWR_CR_PVDE 0x10u
#define PWR_CR_PLS_2V9 (7u << 5)
#define PWR_CSR_PVDO 0x04u

#define ADC1_SR PB_REGISTER(0x40012000u)
#define ADC1_CR1 PB_REGISTER(0x40012004u)
#define ADC1_CR2 PB_REGISTER(0x40012008u)
#define ADC1_SMPR1 PB_REGISTER(0x4001200Cu)
#define ADC1_SMPR2 PB_REGISTER(0x40012010u)
#define ADC1_SQR1 PB_REGISTER(0x4001202Cu)
#define ADC1_SQR3 PB_REGISTER(0x40012034u)
#define ADC1_DR PB_REGISTER(0x4001204Cu)
#define ADC_CCR PB_REGISTER(0x40012304u)
#define ADC_SR_EOC 0x02u
#define ADC_CR2_ADON 0x01u
#define ADC_CR2_SWSTART 0x40000000u
#define ADC_CCR_PCLK2_BY_4 (1u << 16)
#define ADC_CCR_TSVREFE (1u << 23)
#define ADC_84_CYCLES_EACH_10_TO_18 0x04924924u
#define ADC_84_CYCLES_EACH_0_TO_9 0x24924924u
#define ADC_480_CYCLES_17 (7u << 21)
#define ADC_CHANNEL_VREFINT 17u
#define VREFINT_CAL (*(volatile const uint16_t *)(uintptr_t)0x1FFF7A2Au) /* measured at 3.3 V when it was made */

#define EXTI_IMR PB_REGISTER(0x40013C00u)
#define EXTI_RTSR PB_REGISTER(0x40013C08u)
#define EXTI_PR PB_REGISTER(0x40013C14u)
#define EXTI_PVD (1u << 16)
#define PVD_IRQ 1u

#define GPIO_BASE 0x40020000u
#define GPIO_STRIDE 0x400u
#define GPIO_REGISTER(port, offset) PB_REGISTER(GPIO_BASE + ((port) * GPIO_STRIDE) + (offset))
#define GPIO_MODER(port) GPIO_REGISTER(port, 0x00u)
#define GPIO_PUPDR(port) GPIO_REGISTER(port, 0x0Cu)
#define GPIO_IDR(port) GPIO_REGISTER(port, 0x10u)
#define GPIO_BSRR(port) GPIO_REGISTER(port, 0x18u)
#define GPIO_LCKR(port) GPIO_REGISTER(port, 0x1Cu)
#define GPIO_AFR(port, half) GPIO_REGISTER(port, 0x20u + (4u * (half)))
#define GPIO_LCKK (1u << 16)
#define GPIO_INPUT 0u
#define GPIO_OUTPUT 1u
#define GPIO_ALTERNATE 2u
#define GPIO_ANALOG 3u
#define GPIO_PULL_NONE 0u
#define GPIO_PULL_UP 1u
#define GPIO_PULL_DOWN 2u
#define GPIO_AF_USART2 7u

#define RCC_CR PB_REGISTER(0x40023800u)
#define RCC_PLLCFGR PB_REGISTER(0x40023804u)
#define RCC_CFGR PB_REGISTER(0x40023808u)
#define RCC_AHB1ENR PB_REGISTER(0x40023830u)
#define RCC_APB1ENR PB_REGISTER(0x40023840u)
#define RCC_APB2ENR PB_REGISTER(0x40023844u)
#define RCC_CSR PB_REGISTER(0x40023874u)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_CSSON (1u << 19)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_84_MHZ (4u | (168u << 6) | (1u << 16) | (1u << 22) | (7u << 24) | (2u << 28))
#define RCC_CFGR_APB1_BY_2 (4u << 10)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_MASK 0x0Cu
#define RCC_CFGR_SWS_PLL 0x08u
#define RCC_AHB1_PORTS_A_B_C 0x07u
#define RCC_APB1_TIM2 (1u << 0)
#define RCC_APB1_USART2 (1u << 17)
#define RCC_APB1_PWR (1u << 28)
#define RCC_APB2_ADC1 (1u << 8)
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_BORRSTF (1u << 25)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_PORRSTF (1u << 27)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)

#define FLASH_ACR PB_REGISTER(0x40023C00u)
#define FLASH_ACR_2_WAITS_CACHED (2u | (1u << 8) | (1u << 9) | (1u << 10))

#endif
