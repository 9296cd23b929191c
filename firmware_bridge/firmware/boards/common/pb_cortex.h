/*
 * Start-up and faults of the Cortex-M ports.
 *
 * A fault, an interrupt nobody asked for, a main function that returns: all end in pb_fault, which closes the
 * interrupts, drops the outputs and waits for the watchdog.
 */
#ifndef PB_CORTEX_H
#define PB_CORTEX_H

#include <stdint.h>

/* Where the port's vector table leads. */
void pb_restart(void);
void pb_fault(void);

/* Provided by the port. Drives every output low by register writes alone: it is called before .data and .bss exist, and
 * after a fault. */
void pb_port_make_safe(void);

/* Provided by the port. Not expected to return. */
void pb_main(void);

/* One entry of the nested vectored interrupt controller. */
void pb_interrupt_enable(uint32_t number);

#define PB_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#endif
