/* Generated from link.yaml by generate.py; do not edit. */
#ifndef PB_LINK_GEN_H
#define PB_LINK_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PB_VERSION 2u
#define PB_PROTOCOL_HASH 0x4517CFA7u
#define PB_FIRMWARE_HASH 0xECE0BA2Fu
#define PB_HEADER_SIZE 3u
#define PB_CRC_SIZE 2u
#define PB_PAYLOAD_MAX 58u
#define PB_FRAME_MAX 63u
/* Encoded: one COBS code in front, one delimiter behind. */
#define PB_WIRE_MAX 65u

#define PB_LOAD_BREAK_MAX_US 80000u
#define PB_LOAD_BREAK_CURRENT_MA 1000
#define PB_AUX_TIMEOUT_US 200000u
#define PB_FADE_DIVISOR 4u
#define PB_LOOKS_MIN 3u
#define PB_POLL_US 5000u
#define PB_IDLE_US 600000000u
#define PB_WAKE_HOLD_US 60000000u
#define PB_REVERSED_MV 1000
#define PB_EVENTS_MAX 64u
#define PB_EVENTS_AFTER_TRIP 32u
#define PB_RX_MAX_BYTES 512u
#define PB_TX_MAX_BYTES 512u

#define PB_STATE_BOOT 0u
#define PB_STATE_SELF_TEST 1u
#define PB_STATE_SAFE 2u
#define PB_STATE_PRECHARGE 3u
#define PB_STATE_CLOSED 4u
#define PB_STATE_OPENING 5u
#define PB_STATE_TRIPPED 6u

#define PB_PHASE_NONE 0u
#define PB_PHASE_WAKE 1u
#define PB_PHASE_PACK 2u
#define PB_PHASE_RESIDUAL 3u
#define PB_PHASE_MATCH 4u
#define PB_PHASE_PRECHARGE 5u
#define PB_PHASE_PAUSE 6u
#define PB_PHASE_CLOSING 7u
#define PB_PHASE_SIGN 8u
#define PB_PHASE_DONE 9u

#define PB_TRIP_NONE 0u
#define PB_TRIP_SELF_TEST 1u
#define PB_TRIP_LEASE 2u
#define PB_TRIP_HOST 3u
#define PB_TRIP_OVER_VOLTAGE 4u
#define PB_TRIP_UNDER_VOLTAGE 5u
#define PB_TRIP_OVER_CURRENT 6u
#define PB_TRIP_RESIDUAL_VOLTAGE 7u
#define PB_TRIP_CONTACTOR_WELDED 8u
#define PB_TRIP_CONTACTOR_DROPPED 9u
#define PB_TRIP_SENSOR_INVALID 10u
#define PB_TRIP_ESTOP 11u
#define PB_TRIP_HVIL 12u
#define PB_TRIP_GAS 13u
#define PB_TRIP_INTERNAL 14u
#define PB_TRIP_OVER_TEMPERATURE 15u
#define PB_TRIP_UNDER_TEMPERATURE 16u
#define PB_TRIP_INSULATION 17u
#define PB_TRIP_WATCHDOG 18u
#define PB_TRIP_BROWN_OUT 19u
#define PB_TRIP_UNKNOWN_RESET 20u

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
#define PB_NAK_FIRMWARE_MISMATCH 15u
#define PB_NAK_NO_OPERATOR 16u
#define PB_NAK_LOAD 17u
#define PB_NAK_BMS_ASLEEP 18u
#define PB_NAK_PACK_ABSENT 19u
#define PB_NAK_REVERSED 20u
#define PB_NAK_VOLTAGE_MISMATCH 21u
#define PB_NAK_PRECHARGE_FAILED 22u
#define PB_NAK_SIGN_ABSENT 23u
#define PB_NAK_SIGN_WRONG 24u

#define PB_IN_AUX_CLOSED 1u
#define PB_IN_KEY_ON 2u
#define PB_IN_ESTOP_OK 4u
#define PB_IN_HVIL_OK 8u
#define PB_IN_GAS_OK 16u
#define PB_IN_SENSORS_OK 32u
#define PB_IN_INSULATION_OK 64u
#define PB_IN_BMS_OK 128u
#define PB_IN_PACK_CLOSED 256u

#define PB_OUT_CONTACTOR 1u
#define PB_OUT_PRECHARGE 2u
#define PB_OUT_CYCLER_ENABLE 4u
#define PB_OUT_ALARM 8u
#define PB_OUT_BMS_WAKE 16u
#define PB_OUT_PACK_REQUEST 32u

#define PB_FLAG_ARMED 1u
#define PB_FLAG_CONFIGURED 2u
#define PB_FLAG_HOST_MATCHED 4u
#define PB_FLAG_PROVING 8u

#define PB_FITTED_BMS_OK 1u
#define PB_FITTED_PACK_CLOSED 2u
#define PB_FITTED_INSULATION_OK 4u
#define PB_FITTED_TEMPERATURE_1 16u
#define PB_FITTED_TEMPERATURE_2 32u
#define PB_FITTED_TEMPERATURE_3 64u
#define PB_FITTED_TEMPERATURE_4 128u

#define PB_RESET_POWER_ON 0u
#define PB_RESET_PIN 1u
#define PB_RESET_SOFTWARE 2u
#define PB_RESET_WATCHDOG 3u
#define PB_RESET_BROWN_OUT 4u

#define PB_EVENT_BOOT 0u
#define PB_EVENT_STATE 1u
#define PB_EVENT_PHASE 2u
#define PB_EVENT_TRIP 3u
#define PB_EVENT_CAUSE 4u
#define PB_EVENT_REFUSED 5u
#define PB_EVENT_ARMED 6u
#define PB_EVENT_LAPSED 7u
#define PB_EVENT_CONFIGURED 8u
#define PB_EVENT_RESET 9u
#define PB_EVENT_INPUTS 10u
#define PB_EVENT_OUTPUTS 11u
#define PB_EVENT_PROOF 12u
#define PB_EVENT_PROVED 13u
#define PB_EVENT_OPENED 14u
#define PB_EVENT_ANNOUNCED 15u

/* Trips that open without waiting for low current, one bit each. */
#define PB_TRIP_IMMEDIATE_MASK 0x001C5982u

#define PB_MSG_HELLO 0x01u
#define PB_MSG_CONFIGURE 0x02u
#define PB_MSG_ARM 0x03u
#define PB_MSG_CLOSE 0x04u
#define PB_MSG_OPEN 0x05u
#define PB_MSG_HEARTBEAT 0x06u
#define PB_MSG_TRIP 0x07u
#define PB_MSG_STATUS_QUERY 0x08u
#define PB_MSG_RESET 0x09u
#define PB_MSG_PROVE 0x0Au
#define PB_MSG_SIGN 0x0Bu
#define PB_MSG_EVENT_QUERY 0x0Cu
#define PB_MSG_SNAPSHOT_QUERY 0x0Du
#define PB_MSG_HELLO_REPLY 0x81u
#define PB_MSG_STATUS 0x82u
#define PB_MSG_ACK 0x83u
#define PB_MSG_NAK 0x84u
#define PB_MSG_EVENT 0x85u
#define PB_MSG_SNAPSHOT 0x86u

typedef struct {
    uint32_t protocol_hash;
    uint32_t firmware_hash;
} pb_hello;

typedef struct {
    uint16_t lease_ms;
    uint16_t precharge_settle_ms;
    uint16_t precharge_timeout_ms;
    uint16_t limit_delay_ms;
    int32_t precharge_delta_mv;
    int32_t voltage_max_mv;
    int32_t voltage_min_mv;
    int32_t charge_max_ma;
    int32_t discharge_max_ma;
    int16_t temperature_max_dc;
    int16_t temperature_min_dc;
    uint16_t wake_timeout_ms;
    uint16_t pack_timeout_ms;
    uint16_t residual_timeout_ms;
    uint16_t match_timeout_ms;
    uint16_t precharge_pause_ms;
    uint8_t precharge_tries;
    uint16_t sign_timeout_ms;
    int32_t sign_current_ma;
    int32_t sign_delta_mv;
    int32_t current_noise_ma;
    uint8_t fitted;
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
    uint8_t operator[16];
} pb_reset;

typedef struct {
    int32_t current_ma;
} pb_sign;

typedef struct {
    uint32_t number;
} pb_event_query;

typedef struct {
    uint32_t protocol_hash;
    uint32_t firmware_hash;
    uint16_t config_crc;
    uint8_t flags;
    uint32_t last_token;
} pb_hello_reply;

typedef struct {
    uint8_t state;
    uint8_t phase;
    uint8_t refused;
    uint8_t flags;
    uint16_t inputs;
    uint8_t outputs;
    uint8_t trip_code;
    uint16_t trip_detail;
    uint16_t lease_left_ms;
    uint16_t rx_errors;
    uint64_t uptime_us;
    int32_t pack_mv;
    int32_t cycler_mv;
    int32_t current_ma;
    int16_t hottest_dc;
    uint32_t events;
} pb_status;

typedef struct {
    uint8_t request;
} pb_ack;

typedef struct {
    uint8_t request;
    uint8_t code;
} pb_nak;

typedef struct {
    uint32_t number;
    uint32_t total;
    uint64_t uptime_us;
    uint8_t kind;
    uint8_t code;
    uint32_t value;
} pb_event;

typedef struct {
    uint64_t uptime_us;
    uint8_t trip_code;
    uint16_t trip_detail;
    uint8_t state;
    uint8_t phase;
    uint8_t flags;
    uint16_t inputs;
    uint8_t outputs;
    uint16_t lease_left_ms;
    uint32_t token;
    uint32_t counter;
    int32_t pack_mv;
    int32_t cycler_mv;
    int32_t current_ma;
    int16_t temperature_1_dc;
    int16_t temperature_2_dc;
    int16_t temperature_3_dc;
    int16_t temperature_4_dc;
} pb_snapshot;

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
        pb_sign sign;
        pb_event_query event_query;
        pb_hello_reply hello_reply;
        pb_status status;
        pb_ack ack;
        pb_nak nak;
        pb_event event;
        pb_snapshot snapshot;
    } body;
} pb_message;

/* Reads a payload of exactly the right length; false: unknown type or wrong length. */
bool pb_unpack(pb_message *m, uint8_t type, const uint8_t *p, size_t n);

/* Writes a payload into PB_PAYLOAD_MAX bytes of the caller; returns its length. */
size_t pb_pack(const pb_message *m, uint8_t *p);

bool pb_configure_in_range(const pb_configure *v);
bool pb_configure_equal(const pb_configure *a, const pb_configure *b);

#endif
