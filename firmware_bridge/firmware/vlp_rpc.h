/* Commands of the box (channel RPC, PROTOCOL.md 5.1): a camera gives a table of its parameters and a few functions. An optional
 * part above the link; needs vlp_cbor.c.
 *
 *     static vlp_code on_message(void *ctx, const vlp_message *message)
 *     {
 *         if (message->channel == VLP_RPC && message->flags & VLP_RELIABLE)
 *             return vlp_rpc_request(&rpc, message->data, message->size);
 *         ...
 *     }
 *     static void on_event(void *ctx, vlp_event event, const void *what)
 *     {
 *         if (vlp_rpc_gone(&rpc, what))
 *             return;
 *         ...
 *     }
 *     and vlp_rpc_poll(&rpc) before each vlp_poll(&link).
 */
#ifndef VLP_RPC_H
#define VLP_RPC_H

#include "vlp.h"

enum vlp_parameter_key {
    VLP_P_EXPOSURE_US = 1, VLP_P_GAIN_Q8, VLP_P_ROI, VLP_P_RATE_MHZ, VLP_P_FORMAT, VLP_P_QUALITY, VLP_P_FLIP, VLP_P_LED,
    VLP_P_GPIO, VLP_P_SIZE, VLP_P_VENDOR = 64
};

/* What a parameter's value is, in an array of four int32_t:
 * NUMBER: one. PAIR and QUAD: two, four; all within min..max. FOURCC: one, the characters, the first in the lowest byte.
 * PINS: a mask of pins 0..31, and their levels; min and max are not used, nor are they for FOURCC. */
enum vlp_kind { VLP_NUMBER = 1, VLP_PAIR = 2, VLP_QUAD = 4, VLP_FOURCC = 5, VLP_PINS = 6 };

typedef struct {
    uint16_t key;
    uint8_t kind;      /* enum vlp_kind */
    uint8_t read_only; /* set is answered by INVALID */
    int32_t min, max;
} vlp_parameter;

/* What the camera does. A function that is NULL is answered by UNKNOWN. */
typedef struct {
    const vlp_parameter *parameters;
    uint8_t parameter_count;
    const char *formats;        /* fourccs one after the other: "JPEGGREY"; or NULL */
    uint16_t width, height;     /* the largest image */
    vlp_code (*get)(void *ctx, const vlp_parameter *parameter, int32_t value[4]);
    /* `apply` 0: only say whether it can be; 1: do it. A set of several is first asked for all, then done: all or nothing. */
    vlp_code (*set)(void *ctx, const vlp_parameter *parameter, const int32_t value[4], int apply);
    vlp_code (*trigger)(void *ctx, uint32_t count, uint32_t delay_us, uint32_t *first_obj);
    vlp_code (*start)(void *ctx, uint32_t images); /* 0: without end */
    vlp_code (*stop)(void *ctx);
    vlp_code (*reboot)(void *ctx, int boot_loader); /* do it when vlp_rpc_idle says so */
    vlp_code (*subscribe)(void *ctx, uint32_t kinds); /* bit k: EVENTs of kind k, 1..31 */
    vlp_code (*pair)(void *ctx, const uint8_t key[32]); /* refuse by VLP_AUTH_NEEDED outside of pairing mode */
} vlp_commands;

#define VLP_KEPT_REPLIES 8

typedef struct {
    uint32_t id;
    uint16_t size;
    uint8_t state;
} vlp_reply;

typedef struct {
    vlp_t *link;
    const vlp_commands *commands;
    void *ctx;
    uint8_t *memory;
    uint16_t reply_size;
    uint8_t next;
    vlp_reply replies[VLP_KEPT_REPLIES];
} vlp_rpc;

/* Prepare. `memory`: VLP_KEPT_REPLIES times `reply_size` bytes, which bounds a reply; 64 do for get and set of a few, the caps
 * take about 12 bytes a parameter and the identity. `ctx` goes to the functions of `commands`. */
void vlp_rpc_init(vlp_rpc *rpc, vlp_t *link, const vlp_commands *commands, void *ctx, uint8_t *memory, uint16_t reply_size);

/* A message on channel RPC; what on_message shall return. */
vlp_code vlp_rpc_request(vlp_rpc *rpc, const uint8_t *data, uint16_t n);

/* VLP_SENT or VLP_FAILED came with `what`: whether it was a reply. */
int vlp_rpc_gone(vlp_rpc *rpc, const void *what);

/* Send the replies that found no free slot. */
void vlp_rpc_poll(vlp_rpc *rpc);

/* Whether no reply is on its way. */
int vlp_rpc_idle(const vlp_rpc *rpc);

#endif
