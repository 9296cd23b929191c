"""The C side of the link: pb_link_gen.h (types and codes) and pb_link_gen.c (packing and unpacking).

Owns the form of that C. Must not know what a message means. Fixed layouts, no run-time library: a decoder is told the
length and refuses any other.
"""

from __future__ import annotations

from firmware_bridge.protocol.spec import RANGES, SIZES, WARNING, Field, LinkSpec, Message

C_TYPES = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "i16": "int16_t",
    "i32": "int32_t",
    "text16": "uint8_t",
}


C_ACCESS = """\
static uint8_t get_u8(const uint8_t *p) { return p[0]; }
static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)((uint32_t)p[0] | ((uint32_t)p[1] << 8));
}
static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}
static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | ((uint64_t)get_u32(&p[4]) << 32);
}
static int16_t get_i16(const uint8_t *p)
{
    const uint16_t u = get_u16(p);
    /* The conversion of values above the type's largest is implementation-defined; this is not. */
    return (int16_t)((u <= 0x7FFFu) ? (int32_t)u : ((int32_t)u - 0x10000));
}
static int32_t get_i32(const uint8_t *p)
{
    const uint32_t u = get_u32(p);
    return (u <= 0x7FFFFFFFu) ? (int32_t)u : (int32_t)(-(int32_t)(0xFFFFFFFFu - u) - 1);
}
static void put_u8(uint8_t *p, uint8_t v) { p[0] = v; }
static void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v & 0xFFu);
    p[1] = (uint8_t)(v >> 8);
}
static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)(v & 0xFFFFu));
    put_u16(&p[2], (uint16_t)(v >> 16));
}
static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v & 0xFFFFFFFFu));
    put_u32(&p[4], (uint32_t)(v >> 32));
}
static void put_i16(uint8_t *p, int16_t v) { put_u16(p, (uint16_t)v); }
static void put_i32(uint8_t *p, int32_t v) { put_u32(p, (uint32_t)v); }
"""

UNPACK = "bool pb_unpack(pb_message *m, uint8_t type, const uint8_t *p, size_t n)"
PACK = "size_t pb_pack(const pb_message *m, uint8_t *p)"


def range_tests(message: Message) -> list[str]:
    """The C comparisons that a message's stated ranges need beyond what its types hold anyway."""
    tests: list[str] = []
    for field in message.fields:
        low, high = RANGES[field.type]
        suffix = "u" if field.type.startswith("u") else ""
        tests += [f"(v->{field.name} >= {field.min}{suffix})"] if field.min > low else []
        tests += [f"(v->{field.name} <= {field.max}{suffix})"] if field.max < high else []
    return tests


def array(field: Field) -> str:
    """What follows a member's name."""
    return f"[{SIZES[field.type]}]" if field.type == "text16" else ""


def in_range(message: Message) -> str:
    """Declarator of the range check."""
    return f"bool pb_{message.name}_in_range(const pb_{message.name} *v)"


def equal(message: Message) -> str:
    """Declarator of the comparison."""
    return f"bool pb_{message.name}_equal(const pb_{message.name} *a, const pb_{message.name} *b)"


def emit_c_header(spec: LinkSpec) -> str:
    """pb_link_gen.h."""
    out = [f"/* {WARNING} */", "#ifndef PB_LINK_GEN_H", "#define PB_LINK_GEN_H", ""]
    out += ["#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>", ""]
    out += [f"#define PB_VERSION {spec.version}u", f"#define PB_PROTOCOL_HASH 0x{spec.protocol_hash:08X}u"]
    out += [f"#define PB_FIRMWARE_HASH 0x{spec.firmware_hash:08X}u"]
    out += ["#define PB_HEADER_SIZE 3u", "#define PB_CRC_SIZE 2u"]
    out += [f"#define PB_PAYLOAD_MAX {spec.frame_max - 5}u", f"#define PB_FRAME_MAX {spec.frame_max}u"]
    out += [
        "/* Encoded: one COBS code in front, one delimiter behind. */",
        f"#define PB_WIRE_MAX {spec.frame_max + 2}u",
    ]
    out += [""] + [
        f"#define PB_{t.name.upper()} {t.value}{'' if t.name.endswith(('_ma', '_mv')) else 'u'}" for t in spec.timing
    ]
    prefixes = {
        "states": "STATE",
        "phases": "PHASE",
        "trips": "TRIP",
        "refusals": "NAK",
        "inputs": "IN",
        "outputs": "OUT",
        "flags": "FLAG",
        "fitted": "FITTED",
        "resets": "RESET",
        "events": "EVENT",
    }
    for key, prefix in prefixes.items():
        out += [""] + [f"#define PB_{prefix}_{e.name.upper()} {e.value}u" for e in spec.enums[key]]
    immediate = sum(1 << trip.value for trip in spec.enums["trips"] if not trip.load_break)
    out += ["", "/* Trips that open without waiting for low current, one bit each. */"]
    out += [f"#define PB_TRIP_IMMEDIATE_MASK 0x{immediate:08X}u", ""]
    out += [f"#define PB_MSG_{m.name.upper()} 0x{m.id:02X}u" for m in spec.messages] + [""]
    for message in spec.messages:
        if message.fields:
            out += ["typedef struct {"]
            out += [f"    {C_TYPES[f.type]} {f.name}{array(f)};" for f in message.fields]
            out += [f"}} pb_{message.name};", ""]
    out += ["typedef struct {", "    uint8_t type;", "    uint8_t sequence;", "    union {"]
    out += [f"        pb_{m.name} {m.name};" for m in spec.messages if m.fields]
    out += ["    } body;", "} pb_message;", ""]
    out += ["/* Reads a payload of exactly the right length; false: unknown type or wrong length. */", f"{UNPACK};", ""]
    out += ["/* Writes a payload into PB_PAYLOAD_MAX bytes of the caller; returns its length. */", f"{PACK};", ""]
    for message in spec.messages:
        if range_tests(message):
            out += [f"{in_range(message)};", f"{equal(message)};", ""]
    return "\n".join([*out, "#endif", ""])


def emit_c_source(spec: LinkSpec) -> str:
    """pb_link_gen.c."""
    out = [f"/* {WARNING} */", '#include "pb_link_gen.h"', "", "#include <string.h>", "", C_ACCESS]
    out += [f"{UNPACK}", "{", "    bool ok = false;", "    m->type = type;", "    switch (type) {"]
    for message in spec.messages:
        out += [f"    case PB_MSG_{message.name.upper()}:", f"        ok = (n == {message.size}u);"]
        if message.fields:
            out += ["        if (ok) {"]
            offset = 0
            for field in message.fields:
                member = f"m->body.{message.name}.{field.name}"
                if field.type == "text16":
                    out += [f"            (void)memcpy({member}, &p[{offset}], sizeof {member});"]
                else:
                    out += [f"            {member} = get_{field.type}(&p[{offset}]);"]
                offset += SIZES[field.type]
            out += ["        }"]
        out += ["        break;"]
    out += ["    default:", "        break;", "    }", "    return ok;", "}", ""]
    out += [f"{PACK}", "{", "    size_t n = 0u;", "    switch (m->type) {"]
    for message in spec.messages:
        out += [f"    case PB_MSG_{message.name.upper()}:"]
        offset = 0
        for field in message.fields:
            member = f"m->body.{message.name}.{field.name}"
            if field.type == "text16":
                out += [f"        (void)memcpy(&p[{offset}], {member}, sizeof {member});"]
            else:
                out += [f"        put_{field.type}(&p[{offset}], {member});"]
            offset += SIZES[field.type]
        out += [f"        n = {offset}u;", "        break;"]
    out += ["    default:", "        break;", "    }", "    return n;", "}"]
    for message in spec.messages:
        if tests := range_tests(message):
            out += ["", in_range(message), "{", "    return " + "\n        && ".join(tests) + ";", "}"]
            same = [f"(a->{field.name} == b->{field.name})" for field in message.fields]
            out += ["", equal(message), "{", "    return " + "\n        && ".join(same) + ";", "}"]
    return "\n".join([*out, ""])
