/* corrupt SEED COUNT: so many damaged frames for the parser of a session; prints how many were taken for right ones. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>

#include "shim.c"

enum { MAX = 16 + 512 + 4 };

static uint64_t state;

static uint32_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static uint32_t below(uint32_t n) { return (uint32_t)((uint64_t)next() * n >> 32); }

static void put(uint8_t *p, uint32_t value, int bytes)
{
    for (; bytes; bytes--, value >>= 8)
        *p++ = (uint8_t)value;
}

static size_t make(uint8_t *frame, uint32_t salt)
{
    size_t n = 1 + below(below(8) ? 64 : 512);
    uint32_t fields = next();
    frame[0] = 0xff;
    frame[1] = 0x9e;
    frame[2] = (uint8_t)(0x40 | (fields & 0x3c));
    frame[3] = (uint8_t)(frame[2] & 0x20 ? 1 + (fields >> 8) % 40 : (fields >> 8) % 40);
    put(frame + 4, next(), 4);
    put(frame + 8, (uint32_t)n, 2);
    frame[10] = (uint8_t)(fields >> 16);
    frame[11] = (uint8_t)(fields >> 31);
    put(frame + 12, vlp_crc32_table(NULL, salt, frame + 2, 10), 4);
    for (size_t i = 0; i < n; i++)
        frame[16 + i] = (uint8_t)next();
    put(frame + 16 + n, vlp_crc32_table(NULL, vlp_get32(frame + 12), frame + 16, n), 4);
    return 16 + n + 4;
}

/* Bits, a burst, bytes lost or put in, two frames mixed. */
static size_t damage(uint8_t *p, size_t n)
{
    uint32_t at = below((uint32_t)n), span = 1 + below(16);
    switch (below(5)) {
    case 0:
        for (uint32_t bits = 1 + below(6); bits; bits--) {
            at = below((uint32_t)n);
            p[at] ^= (uint8_t)(1u << below(8));
        }
        return n;
    case 1:
        for (; span && at < n; span--)
            p[at++] = (uint8_t)next();
        return n;
    case 2:
        span = span < n - at ? span : (uint32_t)(n - at);
        memmove(p + at, p + at + span, n - at - span);
        return n - span;
    case 3:
        memmove(p + at + 1, p + at, n - at);
        p[at] = (uint8_t)next();
        return n + 1;
    default:
        for (uint32_t to = below((uint32_t)n); at < n && span; at++, to = (to + 1) % (uint32_t)n, span--)
            p[at] = p[to];
        return n;
    }
}

int main(int argc, char **argv)
{
    uint8_t frame[MAX], data[MAX + 1];
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000, tried = 0, taken = 0, damaged_only = 0;
    device *dev = dev_new(512, 8, 4, 8, 1, 0, NULL, NULL, (const uint8_t *)"\xa0", 1, 1000000, 1);
    dev->link.session = 0x1badcafeu;
    while (tried < count) {
        size_t n = make(frame, dev->link.session);
        memcpy(data, frame, n);
        size_t size = damage(data, n);
        if (memmem(data, size, frame, n)) {
            damaged_only++; /* the frame is whole: a byte before or behind it */
            continue;
        }
        uint32_t before = dev->link.counts[VLP_N_RX_FRAMES];
        dev->link.rx_size = 0;
        vlp_rx(&dev->link, data, size);
        taken += dev->link.counts[VLP_N_RX_FRAMES] - before;
        dev->log_size = 0;
        tried++;
    }
    dev->link.session = 0;
    printf("%lu damaged frames, %lu taken (%lu headers, %lu payloads refused by their CRC)\n", tried, taken,
           (unsigned long)dev->link.counts[VLP_N_BAD_HEADER], (unsigned long)dev->link.counts[VLP_N_BAD_PAYLOAD]);
    return taken != 0;
}
