/*
 * Frames: COBS, CRC-16/CCITT-FALSE and the byte-wise receiver.
 *
 * Owns the way from bytes to one checked frame and back. Must not know what a message means.
 * Bounded by construction: one fixed buffer, one pass, no allocation.
 */
#ifndef PB_FRAME_H
#define PB_FRAME_H

#include "pb_link_gen.h"

typedef struct {
    uint8_t block[PB_FRAME_MAX + 1u]; /* COBS code byte and data, without the delimiter */
    uint16_t length;
    bool overlong; /* dropping until the next delimiter */
    uint16_t errors; /* blocks that were no frame; saturates */
} pb_receiver;

uint16_t pb_crc16(const uint8_t *data, size_t length);

void pb_receiver_init(pb_receiver *r);

/* Takes one byte. True: *frame and *length show header, payload and CRC of a frame whose CRC and version are
 * right; they point into the receiver and hold until the next call. */
bool pb_receive(pb_receiver *r, uint8_t byte, const uint8_t **frame, size_t *length);

/* Writes the encoded frame of `message`, delimiter included; `out` has PB_WIRE_MAX bytes. Returns its length. */
size_t pb_frame_encode(const pb_message *message, uint8_t *out);

#endif
