/* What main.c needs of a board: a UART with interrupts, a clock, a tick, and a number for each start. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

extern const char board_name[];
extern const uint32_t board_rates[]; /* of the UART, with a 0 at the end; it starts at the first */
extern volatile uint32_t board_lost; /* how often the UART was not emptied in time */

/* Start the UART, the clock, and an interrupt once a millisecond. */
void board_init(void);

/* Microseconds since board_init. Call it once a minute at least: the counter below it has 32 bits. */
uint64_t board_now_us(void);

/* Take up to n bytes of those that came, or give up to n to be sent; how many. Neither waits. */
size_t board_receive(uint8_t *data, size_t n);
size_t board_send(const uint8_t *data, size_t n);

/* Whether board_receive has something; whether the last byte has left the wire. */
int board_has_received(void);
int board_tx_idle(void);

void board_set_rate(uint32_t baud);

/* A number that differs from start to start. */
uint32_t board_boot_id(void);

#endif
