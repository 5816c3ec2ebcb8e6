/* HMAC-SHA-256 (FIPS 180-4, RFC 2104) for vlp_auth.h, where the board has none. An optional part. */
#ifndef VLP_SHA256_H
#define VLP_SHA256_H

#include "vlp.h"

void vlp_sha256(const vlp_bytes *parts, size_t count, uint8_t out[32]);

/* A vlp_hmac_function. */
void vlp_hmac(void *ctx, const uint8_t key[32], const vlp_bytes *parts, size_t count, uint8_t out[32]);

#endif
