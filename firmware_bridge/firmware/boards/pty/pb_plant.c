/* Wires and sensors of the process: the words of pb_pty.h. */
#include "pb_pty.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTACT_NS 20000000u
#define LARGEST 2000000000 /* mV or mA */

static pb_measurements shown = {
    .temperature_dc = {PB_TEMPERATURE_NONE, PB_TEMPERATURE_NONE, PB_TEMPERATURE_NONE, PB_TEMPERATURE_NONE},
};
static bool contact_follows = true;
static bool coil;
static uint64_t coil_since_ns;

static const struct {
    const char *name;
    uint32_t bit;
} wires[] = {
    {"aux_closed", PB_IN_AUX_CLOSED}, {"key_on", PB_IN_KEY_ON},
    {"estop_ok", PB_IN_ESTOP_OK},     {"hvil_ok", PB_IN_HVIL_OK},
    {"gas_ok", PB_IN_GAS_OK},         {"sensors_ok", PB_IN_SENSORS_OK},
    {"bms_ok", PB_IN_BMS_OK},         {"insulation_ok", PB_IN_INSULATION_OK},
    {"pack_closed", PB_IN_PACK_CLOSED},
};

static const struct {
    const char *name;
    int32_t *value;
} numbers[] = {
    {"pack_mv", &shown.pack_mv},
    {"cycler_mv", &shown.cycler_mv},
    {"current_ma", &shown.current_ma},
};

static bool is_named(const char *word, size_t length, const char *name)
{
    return (strlen(name) == length) && (memcmp(word, name, length) == 0);
}

static bool whole_number(const char *text, int32_t largest, int32_t *value)
{
    char *end = NULL;
    errno = 0;
    const long number = strtol(text, &end, 10);
    const bool good = (end != text) && (*end == '\0') && (errno == 0) && (number <= largest) && (number >= -largest);
    if (good) {
        *value = (int32_t)number;
    }
    return good;
}

static bool set_wire(const char *word, size_t length, const char *value)
{
    const bool on = strcmp(value, "1") == 0;
    bool known = false;
    for (size_t i = 0u; i < (sizeof wires / sizeof wires[0]); i++) {
        if (is_named(word, length, wires[i].name) && (on || (strcmp(value, "0") == 0))) {
            shown.inputs = on ? (shown.inputs | wires[i].bit) : (shown.inputs & ~wires[i].bit);
            contact_follows = contact_follows && (wires[i].bit != PB_IN_AUX_CLOSED);
            known = true;
        }
    }
    if (is_named(word, length, "aux_closed") && (strcmp(value, "coil") == 0)) {
        contact_follows = true;
        known = true;
    }
    return known;
}

static bool set_temperature(const char *word, size_t length, const char *value)
{
    static const char pattern[] = "temperature_?_dc";
    int32_t reading_dc = PB_TEMPERATURE_NONE;
    bool good = (length == (sizeof pattern - 1u)) && (word[12] >= '1') && (word[12] <= '4');
    for (size_t i = 0u; good && (i < length); i++) {
        good = (i == 12u) || (word[i] == pattern[i]);
    }
    good = good && ((strcmp(value, "none") == 0) || whole_number(value, INT16_MAX, &reading_dc));
    if (good) {
        shown.temperature_dc[word[12] - '1'] = (int16_t)reading_dc;
    }
    return good;
}

bool pb_plant_word(const char *word)
{
    const char *const equals = strchr(word, '=');
    bool known = false;
    if (equals != NULL) {
        const size_t length = (size_t)(equals - word);
        const char *const value = &equals[1];
        for (size_t i = 0u; i < (sizeof numbers / sizeof numbers[0]); i++) {
            if (is_named(word, length, numbers[i].name)) {
                known = whole_number(value, LARGEST, numbers[i].value);
            }
        }
        known = known || set_wire(word, length, value) || set_temperature(word, length, value);
    }
    return known;
}

/* Cuts every wire. */
static void cut(void)
{
    shown.inputs &= PB_IN_AUX_CLOSED;
}

/* The words of one line; it comes without its end. */
static void take_line(char *text)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t\r", &rest); word != NULL; word = strtok_r(NULL, " \t\r", &rest)) {
        if (!pb_plant_word(word)) {
            pb_tell("{\"not_understood\": %zu}", strlen(word)); /* its length: what it says might be no JSON */
        }
    }
}

void pb_plant_listen(void)
{
    static char text[1024];
    static size_t length;
    static bool ended;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    const bool there = !ended && (poll(&ready, 1u, 0) == 1);
    const ssize_t got = there ? read(STDIN_FILENO, &text[length], sizeof text - 1u - length) : -1;
    if (got == 0) {
        ended = true;
        cut();
        pb_tell("{\"input_ended\": true}");
    } else if (got > 0) {
        length += (size_t)got;
        char *start = text;
        char *end = memchr(text, '\n', length);
        while (end != NULL) {
            *end = '\0';
            take_line(start);
            start = &end[1];
            end = memchr(start, '\n', length - (size_t)(start - text));
        }
        length -= (size_t)(start - text);
        memmove(text, start, length);
        if (length == (sizeof text - 1u)) {
            length = 0u; /* longer than any line */
            pb_tell("{\"not_understood\": %zu}", sizeof text);
        }
    } else {
        /* nothing there */
    }
}

void pb_plant_move(uint64_t now_ns, bool pin)
{
    const bool supply = ((shown.inputs & PB_IN_ESTOP_OK) != 0u) && ((shown.inputs & PB_IN_HVIL_OK) != 0u);
    const bool on = pin && supply;
    if (on != coil) {
        coil = on;
        coil_since_ns = now_ns;
    }
    if (contact_follows && ((now_ns - coil_since_ns) >= CONTACT_NS)) {
        shown.inputs = coil ? (shown.inputs | PB_IN_AUX_CLOSED) : (shown.inputs & ~PB_IN_AUX_CLOSED);
    }
}

uint32_t pb_port_inputs(void)
{
    return shown.inputs & ~PB_IN_SENSORS_OK;
}

void pb_port_measure(pb_measurements *measured)
{
    const uint32_t inputs = measured->inputs;
    *measured = shown;
    measured->inputs = inputs | (shown.inputs & PB_IN_SENSORS_OK);
}
