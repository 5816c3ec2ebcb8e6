/* Level 1: PROTOCOL.md, section 4. */
#include "vlp_auth.h"

#include <string.h>

#include "vlp_core.h"

static void hmac(const vlp_t *link, const uint8_t *key, const vlp_bytes *parts, size_t count, uint8_t *out)
{
    link->config->auth->hmac(link->config->ctx, key, parts, count, out);
}

static void welcome(vlp_t *link, const uint8_t *hello, uint32_t n, uint8_t *p, int fresh)
{
    vlp_auth *auth = link->config->auth;
    const vlp_bytes shown[4] = {{(const uint8_t *)"VLP1 device", 11},
                                {hello, n},
                                {p, WELCOME_SIZE},
                                {link->config->identity, link->config->identity_size}};
    const vlp_bytes derived[2] = {{(const uint8_t *)"VLP1 key", 8}, {p + PROOF_AT, 32}};
    uint8_t proof[32];
    if (fresh)
        auth->random(link->config->ctx, auth->nonce, sizeof auth->nonce);
    memcpy(p + 16, auth->nonce, sizeof auth->nonce);
    hmac(link, auth->psk, shown, 4, proof);
    memcpy(p + PROOF_AT, proof, sizeof proof);
    if (fresh)
        hmac(link, auth->psk, derived, 2, auth->key);
}

/* The tag of a frame: `from` 0 the box, 1 the device; `payload`: its two parts. */
static void make_tag(const vlp_t *link, uint8_t from, uint32_t seq, const uint8_t *header, const vlp_bytes *payload, uint8_t *out)
{
    uint8_t covered[14] = {0};
    const vlp_bytes parts[3] = {{covered, sizeof covered}, payload[0], payload[1]};
    covered[0] = from;
    vlp_put32(covered + 1, seq);
    covered[9] = (uint8_t)(header[2] & ~RTX);
    covered[10] = header[3];
    covered[11] = header[8];
    covered[12] = header[9];
    covered[13] = header[11];
    hmac(link, link->config->auth->key, parts, 3, out);
}

static void sign(vlp_t *link, uint32_t seq)
{
    const vlp_bytes payload[2] = {{link->head + HEADER, link->part[0].size - HEADER}, link->part[1]};
    uint8_t tag[32];
    make_tag(link, 1, seq, link->head, payload, tag);
    memcpy(link->tail, tag, TAG);
}

static int right(const vlp_t *link, const uint8_t *header, uint32_t n, uint32_t seq)
{
    uint8_t tag[32], wrong = 0;
    if (!(header[2] & AUTH) || n < TAG)
        return 0;
    const uint8_t *given = header + HEADER + n - TAG;
    const vlp_bytes payload[2] = {{header + HEADER, n - TAG}, {NULL, 0}};
    make_tag(link, 0, seq, header, payload, tag);
    for (unsigned i = 0; i < TAG; i++)
        wrong |= (uint8_t)(tag[i] ^ given[i]);
    return !wrong;
}

void vlp_auth_init(vlp_auth *auth, const uint8_t psk[32], vlp_hmac_function hmac_function,
                   void (*random)(void *ctx, uint8_t *out, size_t n))
{
    memset(auth, 0, sizeof *auth);
    auth->welcome = welcome;
    auth->sign = sign;
    auth->right = right;
    auth->hmac = hmac_function;
    auth->random = random;
    memcpy(auth->psk, psk, sizeof auth->psk);
}
