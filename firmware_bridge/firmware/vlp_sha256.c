/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104), small before fast: about 230 bytes of stack, one block at a time. */
#include "vlp_sha256.h"

#include <string.h>

enum { BLOCK = 64, DIGEST = 32 };

typedef struct {
    uint32_t h[8];
    uint32_t size; /* bytes so far */
    uint8_t block[BLOCK];
} sha256;

static const uint32_t K[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};

static uint32_t rotate(uint32_t x, unsigned n) { return x >> n | x << (32u - n); }

static void compress(sha256 *s)
{
    uint32_t w[16], v[8];
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *p = s->block + 4 * i;
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    memcpy(v, s->h, sizeof v);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t *x = &w[i & 15u]; /* a schedule of 16 words that rolls */
        if (i >= 16) {
            uint32_t a = w[(i + 1) & 15u], b = w[(i + 14) & 15u];
            *x += (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[(i + 9) & 15u] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        uint32_t t = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + *x;
        uint32_t u = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t;
        v[0] = t + u;
    }
    for (unsigned i = 0; i < 8; i++)
        s->h[i] += v[i];
}

static void begin(sha256 *s)
{
    static const uint32_t initial[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                        0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    memcpy(s->h, initial, sizeof initial);
    s->size = 0;
}

static void update(sha256 *s, const uint8_t *data, size_t n)
{
    while (n--) {
        s->block[s->size++ % BLOCK] = *data++;
        if (s->size % BLOCK == 0)
            compress(s);
    }
}

static void finish(sha256 *s, uint8_t *out)
{
    uint32_t size = s->size;
    const uint8_t one = 0x80, zero = 0;
    update(s, &one, 1);
    while (s->size % BLOCK != BLOCK - 8)
        update(s, &zero, 1);
    const uint8_t bits[8] = {0, 0, 0, (uint8_t)(size >> 29), (uint8_t)(size >> 21), (uint8_t)(size >> 13), (uint8_t)(size >> 5), (uint8_t)(size << 3)};
    update(s, bits, sizeof bits);
    for (unsigned i = 0; i < DIGEST; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void vlp_sha256(const vlp_bytes *parts, size_t count, uint8_t out[32])
{
    sha256 s;
    begin(&s);
    for (; count; count--, parts++)
        update(&s, parts->data, parts->size);
    finish(&s, out);
}

static void pad(sha256 *s, const uint8_t *key, uint8_t with)
{
    uint8_t block[BLOCK];
    memset(block, with, sizeof block);
    for (unsigned i = 0; i < 32; i++)
        block[i] ^= key[i];
    begin(s);
    update(s, block, sizeof block);
}

void vlp_hmac(void *ctx, const uint8_t key[32], const vlp_bytes *parts, size_t count, uint8_t out[32])
{
    sha256 s;
    uint8_t inner[DIGEST];
    (void)ctx;
    pad(&s, key, 0x36);
    for (; count; count--, parts++)
        update(&s, parts->data, parts->size);
    finish(&s, inner);
    pad(&s, key, 0x5c);
    update(&s, inner, sizeof inner);
    finish(&s, out);
}
