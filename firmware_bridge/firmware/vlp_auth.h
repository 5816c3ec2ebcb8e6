/* Level 1 of VLP/1: both sides hold a key; frames that change something have a tag. An optional part of the link. */
#ifndef VLP_AUTH_H
#define VLP_AUTH_H

#include "vlp.h"

typedef struct vlp_auth vlp_auth;

/* HMAC-SHA-256 of the parts, one after the other: vlp_hmac of vlp_sha256.h, or the board's. */
typedef void (*vlp_hmac_function)(void *ctx, const uint8_t key[32], const vlp_bytes *parts, size_t count, uint8_t out[32]);

struct vlp_auth {
    /* Fill the nonce and the proof of a WELCOME; `fresh`: of a new session. */
    void (*welcome)(vlp_t *link, const uint8_t *hello, uint32_t n, uint8_t *welcome, int fresh);
    /* Put the tag of the frame that is about to go into out.tail. */
    void (*sign)(vlp_t *link, uint32_t seq);
    /* Whether the tag of a frame that came is right; n: of its payload, tag included. */
    int (*right)(const vlp_t *link, const uint8_t *header, uint32_t n, uint32_t seq);
    vlp_hmac_function hmac;
    void (*random)(void *ctx, uint8_t *out, size_t n);
    uint8_t psk[32], key[32], nonce[16];
};

/* Prepare; name it in vlp_config. `random` gives bytes that nobody can foresee; both get the ctx of vlp_config. */
void vlp_auth_init(vlp_auth *auth, const uint8_t psk[32], vlp_hmac_function hmac,
                   void (*random)(void *ctx, uint8_t *out, size_t n));

#endif
