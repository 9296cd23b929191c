/* Generated from link.yaml by generate.py; do not edit. */
#ifndef PB_LINK_GEN_H
#define PB_LINK_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PB_VERSION 1u
#define PB_PROTOCOL_HASH 0x06F4FF20u
#define PB_FIRMWARE_HASH 0xCB0DDCF9u
#define PB_HEADER_SIZE 3u
#define PB_CRC_SIZE 2u
#define PB_PAYLOAD_MAX 31u
#define PB_FRAME_MAX 36u
/* Encoded: one COBS code in front, one delimiter behind. */
#define PB_WIRE_MAX 38u

#define PB_LOAD_BREAK_MAX_US 80000u
#define PB_LOAD_BREAK_CURRENT_MA 1000
#define PB_AUX_TIMEOUT_US 200000u
#define PB_POLL_US 5000u
#define PB_IDLE_US 600000000u
#define PB_RX_MAX_BYTES 512u
#define PB_TX_MAX_BYTES 512u

#define PB_STATE_BOOT 0u
#define PB_STATE_SELF_TEST 1u
#define PB_STATE_SAFE 2u
#define PB_STATE_PRECHARGE 3u
#define PB_STATE_CLOSED 4u
#define PB_STATE_OPENING 5u
#define PB_STATE_TRIPPED 6u

#define PB_TRIP_NONE 0u
#define PB_TRIP_SELF_TEST 1u
#define PB_TRIP_LEASE 2u
#define PB_TRIP_HOST 3u
#define PB_TRIP_OVER_VOLTAGE 4u
#define PB_TRIP_UNDER_VOLTAGE 5u
#define PB_TRIP_OVER_CURRENT 6u
#define PB_TRIP_PRECHARGE_TIMEOUT 7u
#define PB_TRIP_CONTACTOR_WELDED 8u
#define PB_TRIP_CONTACTOR_DROPPED 9u
#define PB_TRIP_SENSOR_INVALID 10u
#define PB_TRIP_ESTOP 11u
#define PB_TRIP_HVIL 12u
#define PB_TRIP_GAS 13u
#define PB_TRIP_INTERNAL 14u

#define PB_NAK_BAD_VALUE 1u
#define PB_NAK_BAD_STATE 2u
#define PB_NAK_TRIPPED 3u
#define PB_NAK_NOT_CONFIGURED 4u
#define PB_NAK_CONFIG_LOCKED 5u
#define PB_NAK_CONFIG_MISMATCH 6u
#define PB_NAK_PROTOCOL_MISMATCH 7u
#define PB_NAK_OLD_TOKEN 8u
#define PB_NAK_WRONG_TOKEN 9u
#define PB_NAK_OLD_COUNTER 10u
#define PB_NAK_NOT_ARMED 11u
#define PB_NAK_OUT_OF_LIMITS 12u
#define PB_NAK_KEY_OFF 13u
#define PB_NAK_UNKNOWN 14u

#define PB_IN_AUX_CLOSED 1u
#define PB_IN_KEY_ON 2u
#define PB_IN_ESTOP_OK 4u
#define PB_IN_HVIL_OK 8u
#define PB_IN_GAS_OK 16u
#define PB_IN_SENSORS_OK 32u

#define PB_OUT_CONTACTOR 1u
#define PB_OUT_PRECHARGE 2u
#define PB_OUT_CYCLER_ENABLE 4u
#define PB_OUT_ALARM 8u

#define PB_FLAG_ARMED 1u
#define PB_FLAG_CONFIGURED 2u
#define PB_FLAG_HOST_MATCHED 4u

/* Trips that open without waiting for low current, one bit each. */
#define PB_TRIP_IMMEDIATE_MASK 0x00005902u

#define PB_MSG_HELLO 0x01u
#define PB_MSG_CONFIGURE 0x02u
#define PB_MSG_ARM 0x03u
#define PB_MSG_CLOSE 0x04u
#define PB_MSG_OPEN 0x05u
#define PB_MSG_HEARTBEAT 0x06u
#define PB_MSG_TRIP 0x07u
#define PB_MSG_STATUS_QUERY 0x08u
#define PB_MSG_RESET 0x09u
#define PB_MSG_HELLO_REPLY 0x81u
#define PB_MSG_STATUS 0x82u
#define PB_MSG_ACK 0x83u
#define PB_MSG_NAK 0x84u

typedef struct {
    uint32_t protocol_hash;
} pb_hello;

typedef struct {
    uint16_t lease_ms;
    uint16_t precharge_settle_ms;
    uint16_t precharge_timeout_ms;
    uint16_t limit_delay_ms;
    int32_t precharge_delta_mv;
    int32_t voltage_max_mv;
    int32_t voltage_min_mv;
    int32_t current_max_ma;
} pb_configure;

typedef struct {
    uint32_t token;
    uint16_t config_crc;
} pb_arm;

typedef struct {
    uint32_t token;
    uint32_t counter;
} pb_heartbeat;

typedef struct {
    uint16_t code;
} pb_trip;

typedef struct {
    uint32_t token;
} pb_reset;

typedef struct {
    uint32_t protocol_hash;
    uint32_t firmware_hash;
    uint16_t config_crc;
    uint8_t flags;
    uint32_t last_token;
} pb_hello_reply;

typedef struct {
    uint8_t state;
    uint8_t flags;
    uint8_t inputs;
    uint8_t outputs;
    uint8_t trip_code;
    uint16_t trip_detail;
    uint16_t lease_left_ms;
    uint16_t rx_errors;
    uint64_t uptime_us;
    int32_t pack_mv;
    int32_t cycler_mv;
    int32_t current_ma;
} pb_status;

typedef struct {
    uint8_t request;
} pb_ack;

typedef struct {
    uint8_t request;
    uint8_t code;
} pb_nak;

typedef struct {
    uint8_t type;
    uint8_t sequence;
    union {
        pb_hello hello;
        pb_configure configure;
        pb_arm arm;
        pb_heartbeat heartbeat;
        pb_trip trip;
        pb_reset reset;
        pb_hello_reply hello_reply;
        pb_status status;
        pb_ack ack;
        pb_nak nak;
    } body;
} pb_message;

/* Reads a payload of exactly the right length; false: unknown type or wrong length. */
bool pb_unpack(pb_message *m, uint8_t type, const uint8_t *p, size_t n);

/* Writes a payload into PB_PAYLOAD_MAX bytes of the caller; returns its length. */
size_t pb_pack(const pb_message *m, uint8_t *p);

bool pb_configure_in_range(const pb_configure *v);
bool pb_configure_equal(const pb_configure *a, const pb_configure *b);

#endif
