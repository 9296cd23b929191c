/* See pb_frame.h. */
#include "pb_frame.h"

#define PB_CRC_START 0xFFFFu

/* CRC of the sixteen high nibbles: two look-ups a byte, 32 bytes of flash. */
static const uint16_t crc_nibble[16] = {
    0x0000u, 0x1021u, 0x2042u, 0x3063u, 0x4084u, 0x50A5u, 0x60C6u, 0x70E7u,
    0x8108u, 0x9129u, 0xA14Au, 0xB16Bu, 0xC18Cu, 0xD1ADu, 0xE1CEu, 0xF1EFu,
};

uint16_t pb_crc16(const uint8_t *data, size_t length)
{
    uint32_t crc = PB_CRC_START;
    for (size_t i = 0u; i < length; i++) {
        const uint32_t byte = data[i];
        crc = ((crc << 4) & 0xFFFFu) ^ crc_nibble[(crc >> 12) ^ (byte >> 4)];
        crc = ((crc << 4) & 0xFFFFu) ^ crc_nibble[(crc >> 12) ^ (byte & 0x0Fu)];
    }
    return (uint16_t)crc;
}

void pb_receiver_init(pb_receiver *r)
{
    r->length = 0u;
    r->overlong = false;
    r->errors = 0u;
}

static void count_error(pb_receiver *r)
{
    if (r->errors < UINT16_MAX) {
        r->errors++;
    }
}

/* Undoes COBS in place: every code byte becomes the zero it stands for. The block holds no zero, because a zero
 * is the delimiter, so each code moves on by at least one. */
static bool cobs_decode(uint8_t *block, size_t length)
{
    size_t at = 0u;
    while (at < length) {
        const size_t code = block[at];
        block[at] = 0u;
        at += code;
    }
    return at == length;
}

bool pb_receive(pb_receiver *r, uint8_t byte, const uint8_t **frame, size_t *length)
{
    bool complete = false;
    if (byte != 0u) {
        if (r->length < sizeof r->block) {
            r->block[r->length] = byte;
            r->length++;
        } else {
            r->overlong = true;
        }
    } else {
        if (r->overlong) {
            count_error(r);
        } else if (r->length > 0u) { /* two delimiters in a row are no error */
            const size_t size = (size_t)r->length - 1u;
            const bool fits = size >= (PB_HEADER_SIZE + PB_CRC_SIZE);
            if (fits && cobs_decode(r->block, r->length) && (pb_crc16(&r->block[1], size) == 0u)
                && (r->block[1] == PB_VERSION)) {
                *frame = &r->block[1];
                *length = size;
                complete = true;
            } else {
                count_error(r);
            }
        } else {
            /* nothing between two delimiters */
        }
        r->length = 0u;
        r->overlong = false;
    }
    return complete;
}

size_t pb_frame_encode(const pb_message *message, uint8_t *out)
{
    /* The data go one place to the right of where they would lie unencoded: out[0] is the first code. */
    uint8_t *const data = &out[1];
    data[0] = (uint8_t)PB_VERSION;
    data[1] = message->type;
    data[2] = message->sequence;
    size_t size = PB_HEADER_SIZE + pb_pack(message, &data[PB_HEADER_SIZE]);
    const uint16_t crc = pb_crc16(data, size);
    data[size] = (uint8_t)(crc >> 8);
    data[size + 1u] = (uint8_t)(crc & 0xFFu);
    size += PB_CRC_SIZE;
    size_t code_at = 0u;
    for (size_t i = 1u; i <= size; i++) {
        if (out[i] == 0u) {
            out[code_at] = (uint8_t)(i - code_at);
            code_at = i;
        }
    }
    out[code_at] = (uint8_t)((size + 1u) - code_at);
    out[size + 1u] = 0u;
    return size + 2u;
}
