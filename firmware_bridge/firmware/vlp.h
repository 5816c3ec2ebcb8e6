/* The device side of VLP/1 (see PROTOCOL.md): a link to a box over any pipe of bytes.
 *
 * C99, no heap, no globals, no recursion, bounded loops, no unaligned access. All memory is the caller's: one `vlp_t`, the
 * slots, one receive buffer, and the payloads that are sent, which are borrowed until the box has them. Nothing here is
 * reentrant: call every function from one context, and hand bytes from an interrupt over through a ring of your own.
 * From within on_message and on_event vlp_send, vlp_send_image, vlp_abort_image, vlp_is_up and vlp_longest may be called.
 *
 *     vlp_init(&link, &config);
 *     for (;;) {
 *         vlp_rx(&link, bytes, count);      // what came
 *         vlp_poll(&link);                  // time, and what goes; at least once a millisecond
 *     }
 *
 * The core is vlp.c, vlp_receive.c and vlp_transmit.c. Everything else is in files of its own and costs nothing where it is not
 * named: README.md has the list.
 */
#ifndef VLP_H
#define VLP_H

#include <stddef.h>
#include <stdint.h>

#define VLP_OVERHEAD 20u
#define VLP_RX_BUFFER(maxpl) ((size_t)(maxpl) + VLP_OVERHEAD)

enum vlp_channel {
    VLP_CTL, VLP_RPC, VLP_EVENT, VLP_LOG, VLP_IMAGE, VLP_RESULT, VLP_TRIGGER, VLP_FWUP, VLP_PTZ, VLP_VENDOR = 32
};

enum vlp_caps {
    VLP_CAP_IN_ORDER = 1, VLP_CAP_BAUD = 2, VLP_CAP_IMAGES = 4, VLP_CAP_RESULTS = 8, VLP_CAP_PTZ = 16,
    VLP_CAP_UPDATE = 32, VLP_CAP_PAIRING = 64
};

/* Codes of ERROR and of RPC replies. */
typedef enum {
    VLP_OK, VLP_UNKNOWN, VLP_INVALID, VLP_BUSY, VLP_RANGE, VLP_AUTH_NEEDED, VLP_NOMEM, VLP_HW, VLP_TIMEOUT
} vlp_code;

/* What the functions below return when they do not return 0. */
enum vlp_error { VLP_E_DOWN = -1, VLP_E_BUSY = -2, VLP_E_TOO_LONG = -3, VLP_E_ARGUMENT = -4 };

typedef enum {
    VLP_UP,     /* a session has begun; what: NULL */
    VLP_DOWN,   /* it is over, and VLP_FAILED has been told of everything on its way; what: NULL */
    VLP_SENT,   /* the box has it. what: the `data` of vlp_send, or the vlp_image; it is the caller's again */
    VLP_FAILED  /* the session ended, or the image was given up. what: as above */
} vlp_event;

/* What is counted, since vlp_init. Up to VLP_N_GIVEN_UP these are the numbers of STATS on the wire. */
enum vlp_count {
    VLP_N_RX_FRAMES, VLP_N_TX_FRAMES, VLP_N_RX_BYTES, VLP_N_TX_BYTES, VLP_N_SKIPPED, VLP_N_BAD_HEADER, VLP_N_BAD_PAYLOAD,
    VLP_N_DUPLICATES, VLP_N_AGAIN, VLP_N_BAD_TAGS, VLP_N_INVALID, VLP_N_SESSIONS, VLP_N_GIVEN_UP,
    VLP_N_BAD_VERSION, VLP_N_BAD_LENGTH, VLP_N_BAD_STREAM, VLP_N_BAD_KIND, VLP_N_UNSALTED, VLP_N_STALLS,
    VLP_COUNTS
};

/* Of a message: how it came. FIRST and MORE as on the wire; without RELIABLE it was a datagram. */
enum vlp_flags { VLP_FIRST = 8, VLP_MORE = 16, VLP_RELIABLE = 32 };

typedef struct {
    const uint8_t *data; /* valid until on_message returns */
    uint16_t size;
    uint8_t channel;
    uint8_t flags;       /* enum vlp_flags */
} vlp_message;

typedef struct {
    const uint8_t *data;
    size_t size;
} vlp_bytes;

/* What the board does for the link. `ctx` is the one of vlp_config. */
typedef struct {
    /* Take up to n bytes for sending, without waiting; returns how many. `data` is not read after it was returned as taken:
     * a board that sends from it by DMA starts with the first call, returns 0 while that runs, and n when it is done.
     * tx(ctx, NULL, 0): whatever is on its way is given up; stop reading. */
    size_t (*tx)(void *ctx, const uint8_t *data, size_t n);
    /* Microseconds since any moment; never goes back. */
    uint64_t (*now_us)(void *ctx);
    /* CRC-32/ISO-HDLC going on from `crc` (0 at the beginning); n may be 0. One of vlp_crc32.h, or the board's. */
    uint32_t (*crc32)(void *ctx, uint32_t crc, const uint8_t *data, size_t n);
    /* A message came. VLP_OK, or what to answer by ERROR: VLP_UNKNOWN for a channel that is not used here. */
    vlp_code (*on_message)(void *ctx, const vlp_message *message);
    void (*on_event)(void *ctx, vlp_event event, const void *what);
} vlp_hal;

/* A frame on its way, or a message that waits. Memory for the link; nothing in it is the caller's business. */
typedef struct {
    const void *data;
    uint32_t sent_us;
    uint16_t size;
    uint8_t channel, flags;
} vlp_slot;

struct vlp_auth;
struct vlp_baud;

typedef struct {
    const vlp_hal *hal;
    void *ctx;
    uint8_t *rx_buffer;      /* of VLP_RX_BUFFER(maxpl) bytes */
    vlp_slot *slots[2];      /* messages and frames on their way: control stream, bulk stream */
    uint8_t slot_count[2];   /* how many there are, 1..32 each; 4 and 8 do well */
    uint8_t window;          /* 1..32: frames that may be on their way, in each direction and stream */
    uint16_t maxpl;          /* longest payload taken and sent, 64..8192 */
    uint32_t caps;           /* enum vlp_caps; IN_ORDER and BAUD are added by the link itself */
    uint32_t boot_id;        /* differs from start to start: a counter in flash, a random number */
    uint32_t start_baud;     /* 0: the pipe has no rate */
    const uint8_t *identity; /* a CBOR map {0: vendor, 1: model, 2: serial, 3: firmware}, for instance in flash; or NULL */
    uint8_t identity_size;   /* at most 192 */
    size_t (*stats)(const uint32_t *counts, uint8_t *out, size_t limit); /* vlp_stats.h: answer STATS; NULL: do not */
    struct vlp_auth *auth;   /* vlp_auth.h: talk to boxes with the key only; NULL: open */
    struct vlp_baud *baud;   /* vlp_baud.h: other rates than the start rate; NULL: none */
} vlp_config;

/* An image. It and its data are borrowed until VLP_SENT or VLP_FAILED; nothing is copied. From obj
 * to crc32 the members are those of the wire, in its order. */
typedef struct vlp_image {
    const uint8_t *data;
    struct vlp_image *next;  /* private */
    uint32_t at;             /* private */
    uint32_t obj;            /* its number, given by vlp_send_image; RESULT names it */
    uint32_t size;           /* of data, 1 .. 64 MiB */
    char fourcc[4];
    uint16_t width, height;
    uint16_t stride;         /* bytes per row of raw formats, else 0 */
    uint16_t deadline_ms;    /* after t_capture_us it is of no more use; 0: never */
    uint64_t t_capture_us;   /* start of exposure, by now_us */
    uint32_t exposure_us;
    uint32_t crc32;          /* of data */
    uint8_t state;           /* private */
} vlp_image;

/* --- private: what a link is made of --- */

/* What is used most comes first: small offsets make short instructions. */
typedef struct {
    uint8_t sid, ack_now, count; /* slots that there are */
    uint8_t first, sent, unsent; /* the ring of them: frames that are sent, then messages that are not */
    uint8_t expiries;            /* in a row, of the oldest */
    vlp_slot *slots;
    uint32_t next;    /* SEQ of the first that is not sent, without wrap-around */
    uint32_t edge;    /* first SEQ that the box has no room for */
    uint32_t rx_next; /* SEQ expected of the box */
} vlp_stream;

typedef struct {
    const vlp_config *config;
    uint8_t state, window, pending, part_now, notice[5];
    uint16_t maxpl, chunk, rx_size, datagrams;
    uint32_t session, candidate, srtt8_us, rttvar4_us;
    uint32_t now_us;    /* of the last vlp_rx or vlp_poll */
    uint32_t heard_us, beat_us, byte_us, stall_us, auth_fail_us;
    vlp_image *images;  /* oldest first */
    vlp_bytes part[3];  /* of the frame on its way, from part_now on: head, payload, tail */
    vlp_slot *slot_now; /* whose payload that is */
    uint32_t counts[VLP_COUNTS];
    uint32_t baud, obj;
    vlp_stream streams[2];
    uint8_t ping[20];   /* the PING that is to be answered, and when it came */
    uint8_t tail[12], head[84];
} vlp_t;

/* --- what the caller calls --- */

/* What is wrong with a configuration, in words; NULL: nothing. In a file of its own: costs nothing where it is not called. */
const char *vlp_check(const vlp_config *config);

/* Prepare a link. `config`, and what it names, must be right (vlp_check) and must stay. */
void vlp_init(vlp_t *link, const vlp_config *config);

/* Bytes that came. Calls on_message and on_event. */
void vlp_rx(vlp_t *link, const uint8_t *data, size_t n);

/* Time, and what is to go. Call at least once a millisecond, and after vlp_rx. */
void vlp_poll(vlp_t *link);

/* Send a message of one frame, once and in order; 0 or enum vlp_error. VLP_E_BUSY: no slot is free. `data` is borrowed until
 * VLP_SENT or VLP_FAILED. `channel`: any but CTL and IMAGE; vendor channels take the bulk stream. */
int vlp_send(vlp_t *link, uint8_t channel, const void *data, uint16_t n);

/* Send an image after those sent before; 0 or enum vlp_error. Messages on the bulk stream pass it between its frames. */
int vlp_send_image(vlp_t *link, vlp_image *image);

/* Send no more of an image; VLP_FAILED follows. VLP_E_ARGUMENT if nothing of it remains to be given up. */
int vlp_abort_image(vlp_t *link, vlp_image *image);

/* Whether there is a session, and the longest message of one frame on `channel` then (0 without a session). */
int vlp_is_up(const vlp_t *link);
uint16_t vlp_longest(const vlp_t *link, uint8_t channel);

#endif
