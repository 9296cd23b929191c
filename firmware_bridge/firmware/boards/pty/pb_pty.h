/*
 * The board as a process: packbench-board-pty [--link PATH | --tcp PORT] [NAME=VALUE ...]
 *
 * The core runs at 1 kHz on CLOCK_MONOTONIC behind a pty (PATH becomes a symbolic link to it) or a TCP port of
 * 127.0.0.1. What a real port reads from pins and converters comes as lines of NAME=VALUE words on standard input, and
 * as words of the command line for the start:
 *   pack_mv cycler_mv current_ma           whole numbers
 *   temperature_1_dc ... temperature_4_dc  0.1 degC, or none
 *   key_on estop_ok hvil_ok gas_ok insulation_ok bms_ok pack_closed sensors_ok     0 or 1; 0 until given
 *   aux_closed   0, 1 or coil (the start): follows the coil after 20 ms, with its supply through estop_ok and hvil_ok
 * When standard input ends, the wires are cut: all inputs read 0, which is a trip.
 * Standard output has JSON lines: first one {"ready": ...}, then one for each output that changes, with its time on
 * CLOCK_MONOTONIC, and one for each word that is not understood. Lines that nobody takes are dropped and counted: a
 * reader that stands still must not stop the board.
 * SIGTERM and SIGINT: outputs off, told, exit 0. There is no hardware watchdog: when this process is stopped or killed,
 * whoever plays the contactor has to let go, as a coil without supply does.
 */
#ifndef PB_PTY_H
#define PB_PTY_H

#include "pb_port.h"

/* The far end of the line, made by pb_wire_open_*; -1 while nobody is connected. */
bool pb_wire_open_pty(const char *link);
bool pb_wire_open_tcp(uint16_t port);
const char *pb_wire_name(void);
void pb_wire_close(void);

/* Wires and sensors as the words say; false for a word that is none. */
bool pb_plant_word(const char *word);
/* Reads standard input without waiting. */
void pb_plant_listen(void);
/* Lets the contactor follow its coil. */
void pb_plant_move(uint64_t now_ns, bool pin);
uint32_t pb_plant_inputs(void);

uint64_t pb_now_ns(void);
/* One JSON line; `text` is printf's. */
__attribute__((format(printf, 1, 2))) void pb_tell(const char *text, ...);

#endif
