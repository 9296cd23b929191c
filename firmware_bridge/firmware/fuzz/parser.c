/*
 * Fuzz target: bytes from a wire, through the receiver and the message reader, and back.
 *
 * Owns the claims about bytes: nothing is read or written outside its buffer (AddressSanitizer, UBSan), every frame that
 * is taken for one encodes to a frame that is taken for the same one, and a broken byte stream never stops the
 * receiver. Must not know the state machine (session.c does).
 */
#include "pb_frame.h"

#include <stdlib.h>
#include <string.h>

#define CLAIM(what) \
    do { \
        if (!(what)) { \
            abort(); \
        } \
    } while (0)

static void there_and_back(uint8_t sequence, uint8_t type, const uint8_t *payload, size_t size)
{
    pb_message message;
    pb_receiver again;
    uint8_t wire[PB_WIRE_MAX];
    uint8_t packed[PB_PAYLOAD_MAX];
    const uint8_t *frame = NULL;
    size_t length = 0u;
    bool complete = false;
    (void)memset(&message, 0, sizeof message);
    message.sequence = sequence;
    if (!pb_unpack(&message, type, payload, size)) {
        return;
    }
    CLAIM(message.type == type);
    CLAIM(pb_pack(&message, packed) == size);
    CLAIM(memcmp(packed, payload, size) == 0);
    const size_t sent = pb_frame_encode(&message, wire);
    CLAIM((sent >= PB_HEADER_SIZE + PB_CRC_SIZE + 2u) && (sent <= PB_WIRE_MAX));
    CLAIM(memchr(wire, 0, sent) == &wire[sent - 1u]);
    pb_receiver_init(&again);
    for (size_t i = 0u; i < sent; i++) {
        CLAIM(!complete);
        complete = pb_receive(&again, wire[i], &frame, &length);
    }
    CLAIM(complete && (again.errors == 0u));
    CLAIM(length == PB_HEADER_SIZE + size + PB_CRC_SIZE);
    CLAIM((frame[1] == type) && (frame[2] == sequence) && (memcmp(&frame[PB_HEADER_SIZE], payload, size) == 0));
}

/* The first byte says what the others are: bytes from the wire, or a payload that a right frame is made of. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pb_receiver receiver;
    if (size < 2u) {
        return 0;
    }
    if (((data[0] & 1u) != 0u) && (size >= 3u) && ((size - 3u) <= PB_PAYLOAD_MAX)) {
        there_and_back(data[1], data[2], &data[3], size - 3u);
        return 0;
    }
    pb_receiver_init(&receiver);
    for (size_t i = 1u; i < size; i++) {
        const uint8_t *frame = NULL;
        size_t length = 0u;
        const bool complete = pb_receive(&receiver, data[i], &frame, &length);
        CLAIM(receiver.length <= sizeof receiver.block);
        if (complete) {
            CLAIM((length >= PB_HEADER_SIZE + PB_CRC_SIZE) && (length <= PB_FRAME_MAX));
            CLAIM((frame >= receiver.block) && (&frame[length] <= &receiver.block[sizeof receiver.block]));
            CLAIM(pb_crc16(frame, length) == 0u);
            there_and_back(frame[2], frame[1], &frame[PB_HEADER_SIZE], length - PB_HEADER_SIZE - PB_CRC_SIZE);
        }
    }
    return 0;
}
