/* Other baud rates than the start rate: the box asks, both change, both fall back if it does not hold. An optional part. */
#ifndef VLP_BAUD_H
#define VLP_BAUD_H

#include "vlp.h"

typedef struct vlp_baud vlp_baud;

struct vlp_baud {
    /* A valid frame of the session came. */
    void (*heard)(vlp_t *link, const uint8_t *header, uint32_t n);
    /* Go on; whether data must wait. */
    int (*poll)(vlp_t *link);
    /* The session is over: back to the start rate. */
    void (*closed)(vlp_t *link);
    const uint32_t *rates;
    int (*tx_idle)(void *ctx);
    void (*set_rate)(void *ctx, uint32_t baud);
    uint32_t since_us, old, wanted;
    uint8_t state, good, sent;
};

/* Prepare; name it in vlp_config. `rates`: those to accept, with a 0 at the end. `tx_idle`: whether all that tx took has left
 * the wire; `set_rate`: change it. Both get the ctx of vlp_config. */
void vlp_baud_init(vlp_baud *baud, const uint32_t *rates, int (*tx_idle)(void *ctx),
                   void (*set_rate)(void *ctx, uint32_t baud));

#endif
