/*
 * I2C0 as master, polled, each wait bounded.
 *
 * A repeated START is left out on purpose: a read is a write with its STOP, then a read.
 */
#ifndef PB_I2C_H
#define PB_I2C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pb_i2c_init(void);

/* False: nobody answered, or the bus hung. `address` has 7 bits. */
bool pb_i2c_write(uint8_t address, const uint8_t *bytes, size_t length);
bool pb_i2c_read(uint8_t address, uint8_t *bytes, size_t length);

#endif
