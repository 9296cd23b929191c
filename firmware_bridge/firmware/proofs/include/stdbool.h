/* ESBMC's own makes bool an int, to which 2 is a value; a board's bool is _Bool. */
#ifndef PB_PROOF_STDBOOL_H
#define PB_PROOF_STDBOOL_H
#define bool _Bool
#define true 1
#define false 0
#endif
