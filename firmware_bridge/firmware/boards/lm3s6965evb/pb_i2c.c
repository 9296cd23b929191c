/* See pb_i2c.h. */
#include "pb_i2c.h"

#include "pb_cortex.h"

#define I2C_BASE 0x40020000u
#define MSA PB_REGISTER(I2C_BASE + 0x00u)
#define MCS PB_REGISTER(I2C_BASE + 0x04u)
#define MDR PB_REGISTER(I2C_BASE + 0x08u)
#define MTPR PB_REGISTER(I2C_BASE + 0x0Cu)
#define MCR PB_REGISTER(I2C_BASE + 0x20u)

#define MCS_RUN 0x01u
#define MCS_START 0x02u
#define MCS_STOP 0x04u
#define MCS_ACK 0x08u
/* Read back: */
#define MCS_BUSY 0x01u
#define MCS_ERROR 0x02u
#define MCS_ARBITRATION_LOST 0x10u
#define MCR_MASTER 0x10u
#define MTPR_400_KHZ 6u
#define BUSY_POLLS 2000u /* one byte at 400 kHz is 25 us */

void pb_i2c_init(void)
{
    MCR = MCR_MASTER;
    MTPR = MTPR_400_KHZ;
}

static bool run(uint32_t command)
{
    MCS = command;
    uint32_t status = MCS;
    for (uint32_t i = 0u; ((status & MCS_BUSY) != 0u) && (i < BUSY_POLLS); i++) {
        status = MCS;
    }
    return (status & (MCS_BUSY | MCS_ERROR | MCS_ARBITRATION_LOST)) == 0u;
}

bool pb_i2c_write(uint8_t address, const uint8_t *bytes, size_t length)
{
    bool good = true;
    MSA = (uint32_t)address << 1;
    for (size_t i = 0u; good && (i < length); i++) {
        const uint32_t start = (i == 0u) ? MCS_START : 0u;
        const uint32_t stop = ((i + 1u) == length) ? MCS_STOP : 0u;
        MDR = bytes[i];
        good = run(MCS_RUN | start | stop);
    }
    if (!good) {
        MCS = MCS_STOP;
    }
    return good;
}

bool pb_i2c_read(uint8_t address, uint8_t *bytes, size_t length)
{
    bool good = true;
    MSA = ((uint32_t)address << 1) | 1u;
    for (size_t i = 0u; good && (i < length); i++) {
        const uint32_t start = (i == 0u) ? MCS_START : 0u;
        const uint32_t last = ((i + 1u) == length) ? MCS_STOP : MCS_ACK;
        good = run(MCS_RUN | start | last);
        bytes[i] = (uint8_t)(MDR & 0xFFu);
    }
    if (!good) {
        MCS = MCS_STOP;
    }
    return good;
}
