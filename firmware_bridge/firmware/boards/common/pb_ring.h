/*
 * Bytes between one writer and one reader, one of which may be an interrupt handler.
 *
 * Bounded; each side moves its own index only, so nobody needs to be locked out. What does not fit is refused, and the
 * caller says what that means.
 */
#ifndef PB_RING_H
#define PB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PB_RING_BYTES 1024u /* a power of two */

typedef struct {
    uint8_t bytes[PB_RING_BYTES];
    volatile uint32_t written; /* both count on and wrap */
    volatile uint32_t taken;
} pb_ring;

static inline uint32_t pb_ring_room(const pb_ring *ring)
{
    return PB_RING_BYTES - (ring->written - ring->taken);
}

static inline bool pb_ring_empty(const pb_ring *ring)
{
    return ring->written == ring->taken;
}

/* Only when there is room. */
static inline void pb_ring_put(pb_ring *ring, uint8_t byte)
{
    const uint32_t at = ring->written;
    ring->bytes[at % PB_RING_BYTES] = byte;
    __asm volatile("" ::: "memory"); /* the byte before the index that shows it; one core needs no more than order */
    ring->written = at + 1u;
}

/* Only when it is not empty. */
static inline uint8_t pb_ring_take(pb_ring *ring)
{
    const uint32_t at = ring->taken;
    const uint8_t byte = ring->bytes[at % PB_RING_BYTES];
    __asm volatile("" ::: "memory");
    ring->taken = at + 1u;
    return byte;
}

/* As many as there are, at most `room`. */
static inline size_t pb_ring_take_all(pb_ring *ring, uint8_t *bytes, size_t room)
{
    size_t count = 0u;
    while ((count < room) && !pb_ring_empty(ring)) {
        bytes[count] = pb_ring_take(ring);
        count++;
    }
    return count;
}

/* All of it, or false and nothing. */
static inline bool pb_ring_put_all(pb_ring *ring, const uint8_t *bytes, size_t length)
{
    const bool fits = length <= pb_ring_room(ring);
    for (size_t i = 0u; fits && (i < length); i++) {
        pb_ring_put(ring, bytes[i]);
    }
    return fits;
}

#endif
