/* What the core takes from the C library, for ports that have none: see pb_memory.c. */
#ifndef PB_STRING_H
#define PB_STRING_H

#include <stddef.h>

void *memset(void *target, int value, size_t length);
void *memcpy(void *target, const void *source, size_t length);

#endif
