/* The process of pb_pty.h: its command line, its clock, its output and its end. */
#include "pb_pty.h"

#include "pb_cycle.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_US 1000u
#define NS_PER_S 1000000000u

static volatile sig_atomic_t asked_to_stop;
static uint32_t shown_outputs;
static uint32_t lines_dropped;

uint64_t pb_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)now.tv_sec * NS_PER_S) + (uint64_t)now.tv_nsec;
}

uint32_t pb_port_tick_us(void)
{
    return (uint32_t)(pb_now_ns() / NS_PER_US);
}

void pb_tell(const char *text, ...)
{
    char lines[512];
    va_list values;
    va_start(values, text);
    const int size = vsnprintf(lines, sizeof lines - 1u, text, values);
    va_end(values);
    if ((size > 0) && ((size_t)size < (sizeof lines - 1u))) {
        lines[size] = '\n';
        /* Lines are shorter than PIPE_BUF, and that much room is what makes a pipe ready: the write does not wait. The
         * descriptor stays as it is, for it may be shared with a shell. */
        struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
        const bool room = (poll(&ready, 1u, 0) == 1) && ((ready.revents & POLLOUT) != 0);
        if (!room || (write(STDOUT_FILENO, lines, (size_t)size + 1u) != ((ssize_t)size + 1))) {
            lines_dropped++;
        }
    }
}

void pb_port_outputs(uint32_t outputs)
{
    static const char *const names[] = {"contactor", "precharge", "cycler_enable", "alarm", "bms_wake", "pack_request"};
    const uint32_t changed = outputs ^ shown_outputs;
    shown_outputs = outputs;
    for (uint32_t i = 0u; i < (sizeof names / sizeof names[0]); i++) {
        if (((changed >> i) & 1u) != 0u) {
            pb_tell("{\"t_ns\": %" PRIu64 ", \"output\": \"%s\", \"on\": %s}", pb_now_ns(), names[i],
                    (((outputs >> i) & 1u) != 0u) ? "true" : "false");
        }
    }
}

void pb_port_idle(void)
{
    /* The kernel sends by itself. */
}

void pb_port_feed_watchdog(void)
{
    /* There is none: see pb_pty.h. */
}

static void on_stop(int number)
{
    (void)number;
    asked_to_stop = 1;
}

static int usage(const char *why)
{
    (void)fprintf(stderr, "%s\nusage: packbench-board-pty [--link PATH | --tcp PORT] [NAME=VALUE ...]\n", why);
    return 2;
}

static bool open_wire(const char *link, const char *port)
{
    bool good = false;
    if (port == NULL) {
        good = pb_wire_open_pty(link);
    } else {
        char *end = NULL;
        const unsigned long number = strtoul(port, &end, 10);
        good = (end != port) && (*end == '\0') && (number <= UINT16_MAX) && pb_wire_open_tcp((uint16_t)number);
    }
    return good;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

/* Until the next cycle is due. One that came too late is not made up for. */
static uint64_t sleep_until(uint64_t due_ns)
{
    const uint64_t late_ns = pb_now_ns() - due_ns;
    uint64_t next_ns = due_ns + ((uint64_t)PB_CYCLE_US * NS_PER_US);
    if ((int64_t)late_ns > (int64_t)PB_CYCLE_US * (int64_t)NS_PER_US) {
        next_ns = pb_now_ns();
    }
    const struct timespec until = {
        .tv_sec = (time_t)(next_ns / NS_PER_S),
        .tv_nsec = (long)(next_ns % NS_PER_S),
    };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    return next_ns;
}

static void run(void)
{
    uint64_t due_ns = pb_now_ns();
    pb_cycle_init(PB_RESET_POWER_ON);
    while (asked_to_stop == 0) {
        pb_plant_listen();
        pb_plant_move(pb_now_ns(), (shown_outputs & PB_OUT_CONTACTOR) != 0u);
        pb_cycle_step();
        due_ns = sleep_until(due_ns);
    }
    pb_port_outputs(0u);
    pb_tell("{\"stopped\": true, \"lines_dropped\": %" PRIu32 "}", lines_dropped);
}

int main(int count, char **words)
{
    const char *link = NULL;
    const char *port = NULL;
    for (int i = 1; i < count; i++) {
        const bool more = (i + 1) < count;
        if (more && (strcmp(words[i], "--link") == 0)) {
            i++;
            link = words[i];
        } else if (more && (strcmp(words[i], "--tcp") == 0)) {
            i++;
            port = words[i];
        } else if (!pb_plant_word(words[i])) {
            return usage(words[i]);
        } else {
            /* taken */
        }
    }
    if ((link != NULL) && (port != NULL)) {
        return usage("--link and --tcp exclude each other");
    }
    catch_signals();
    if (!open_wire(link, port)) {
        (void)fprintf(stderr, "packbench-board-pty: %s\n", strerror(errno));
        return 1;
    }
    pb_tell("{\"ready\": true, \"line\": \"%s\", \"link\": %s, \"pid\": %ld, \"protocol_hash\": \"%08" PRIx32
            "\", \"firmware_hash\": \"%08" PRIx32 "\"}",
            pb_wire_name(), (link == NULL) ? "false" : "true", (long)getpid(), (uint32_t)PB_PROTOCOL_HASH,
            (uint32_t)PB_FIRMWARE_HASH);
    run();
    pb_wire_close();
    return 0;
}
