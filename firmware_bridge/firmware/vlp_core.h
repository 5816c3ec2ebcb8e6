/* What the parts of the library share. Not for applications. */
#ifndef VLP_CORE_H
#define VLP_CORE_H

#include "vlp.h"

enum { REL = VLP_RELIABLE, MORE = VLP_MORE, FIRST = VLP_FIRST, RTX = 1 << 2, AUTH = 1 << 1, VERSION_BITS = 1 << 6 };
enum { HEADER = 16, TAG = 8, IMAGE_HEADER = 40, HELLO_SIZE = 32, WELCOME_SIZE = 64, PROOF_AT = 32, PING_SIZE = 16 };
enum { MIN_MAXPL = 64, MAX_MAXPL = 8192, MAX_IDENTITY = 192, MAX_EXPIRIES = 10, MAX_WINDOW = 32, MAX_BITMAP = 8, NOTICE_SIZE = 5 };
enum { CONTROL, BULK };
enum {
    T_HELLO = 1, T_WELCOME, T_ACK, T_PING, T_PONG, T_RESET, T_BOOT, T_BAUD_REQ, T_BAUD_OK, T_BAUD_PROBE, T_BYE,
    T_STATS, T_AUTH_FAIL, T_ERROR
};
/* Of a WELCOME. */
enum { PAIRED = 1, REFUSED_OPEN = 2, REFUSED_VERSION = 4 };
/* Of a link: control messages that wait, and its state. */
enum { P_PONG = 1, P_PING = 2, P_NOTICE = 4, P_STATS = 8 };
enum { S_CLOSED, S_HALF, S_UP };
/* Of a slot, beside FIRST and MORE: the box has it; it must go again; bytes of it are being taken; it was sent, and more than
 * once; it gives an image up. */
enum { RECEIVED = 1, AGAIN = 2, BUSY = 4, ONCE = 32, ABORT = 64, TWICE = 128 };
/* Of an image: frames are still to be cut, only the word that it is given up, or nothing. */
enum { I_CUTTING, I_ABORTING, I_CUT };

#define STALL_MIN_US 20000u
#define HEARTBEAT_US 250000u
#define TIMEOUT_US 1000000u
#define BOOT_US 500000u
#define RTO_FIRST_US 200000u
#define RTO_MIN_US 20000u
#define RTO_MAX_US 1000000u
#define REPEAT_GAP_US 2000u
#define AUTH_FAIL_US 1000000u

/* Bytes; what puts returns where the next goes. */
uint32_t vlp_get16(const uint8_t *p);
uint32_t vlp_get32(const uint8_t *p);
uint8_t *vlp_put16(uint8_t *p, uint32_t value);
uint8_t *vlp_put32(uint8_t *p, uint32_t value);
uint8_t *vlp_put64(uint8_t *p, uint64_t value);
uint32_t vlp_crc(const vlp_t *link, uint32_t crc, const uint8_t *data, size_t n);

/* The time, which is kept in now_us; whether `span` has passed since `then`, as of now_us. */
uint64_t vlp_clock(vlp_t *link);
int vlp_since(const vlp_t *link, uint32_t then, uint32_t span);

/* The session. */
void vlp_close(vlp_t *link);
void vlp_on_hello(vlp_t *link, const uint8_t *hello, uint32_t n);
void vlp_set_rate(vlp_t *link, uint32_t baud);
int vlp_needs_tag(const vlp_t *link, uint8_t channel);
int vlp_stream_of(uint8_t channel);
void vlp_tell(const vlp_t *link, vlp_event event, const void *what);

/* What goes. */
vlp_slot *vlp_slot_at(const vlp_stream *stream, unsigned i);
vlp_stream *vlp_stream_at(vlp_t *link, unsigned sid);
int vlp_flush(vlp_t *link);
uint8_t *vlp_begin(vlp_t *link);
void vlp_emit(vlp_t *link, const uint8_t *end, uint32_t seq, uint32_t salt);
void vlp_emit_control(vlp_t *link, const uint8_t *end);
void vlp_send_next(vlp_t *link);
void vlp_fail_all(vlp_t *link);
void vlp_acknowledged(vlp_t *link, vlp_stream *stream, uint32_t ack, uint32_t credit, uint32_t early);

/* ERROR or AUTH_FAIL is to go, about the frame with this header. */
void vlp_notice(vlp_t *link, unsigned type, unsigned code, const uint8_t *header);

/* What comes. */
void vlp_parse(vlp_t *link, int stalled);

#endif
