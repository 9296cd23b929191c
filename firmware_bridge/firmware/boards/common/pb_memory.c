/* The two functions of the C library that the core and the compiler call, for ports without a C library. */
#include <string.h>

#include <stdint.h>

void *memset(void *target, int value, size_t length)
{
    uint8_t *const to = target;
    for (size_t i = 0u; i < length; i++) {
        to[i] = (uint8_t)value;
    }
    return target;
}

void *memcpy(void *target, const void *source, size_t length)
{
    uint8_t *const to = target;
    const uint8_t *const from = source;
    for (size_t i = 0u; i < length; i++) {
        to[i] = from[i];
    }
    return target;
}
