/*
 * What each request of the host does: used by pb_step.c alone.
 *
 * Owns who may ask for what and when (the whitelist while tripped), and the reply. Must not move an output itself:
 * it asks the state machine.
 */
#ifndef PB_COMMAND_H
#define PB_COMMAND_H

#include "pb_core.h"

/* Answers a message whose payload was readable. Always gives exactly one reply. */
void pb_command(pb_core *core, const pb_message *request, pb_message *reply);

/* Answers a frame that was whole, but whose type or length this board does not know. */
void pb_command_unknown(const pb_message *request, pb_message *reply);

/* Bits of `flags` as they are now. */
uint8_t pb_command_flags(const pb_core *core);

/* CRC-16 of a CONFIGURE payload as it stands on the wire. */
uint16_t pb_config_crc(const pb_configure *config);

#endif
