/* Drives a device through what its input says: bytes as they are, frames that are right but for what the input changes, time,
 * a transmitter that takes little, messages and images of its own. For libFuzzer; with STANDALONE, a loop over seeds.
 * The first octets choose the configuration, then each operation takes an octet and what it needs. */
#include <stdio.h>

#include "rpc_shim.c"

typedef struct {
    const uint8_t *at, *end;
} input;

static uint8_t octet(input *in) { return in->at < in->end ? *in->at++ : 0; }

static uint32_t word(input *in)
{
    uint32_t value = octet(in);
    return value | (uint32_t)octet(in) << 8;
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value);
    put16(p + 2, value >> 16);
}

static const uint8_t psk[32] = "a key that both sides have, 32 b";

/* Add the tag that a frame of the box must have. */
static size_t add_tag(device *dev, uint8_t *frame, size_t n)
{
    uint8_t covered[14] = {0}, digest[32];
    put32(covered + 1, dev->link.streams[frame[11] & 1].rx_next);
    covered[9] = (uint8_t)(frame[2] & ~4);
    covered[10] = frame[3];
    put16(covered + 11, (uint32_t)n + 8);
    covered[13] = frame[11];
    const vlp_bytes parts[2] = {{covered, sizeof covered}, {frame + 16, n}};
    vlp_hmac(NULL, dev->auth.key, parts, 2, digest);
    memcpy(frame + 16 + n, digest, 8);
    return n + 8;
}

/* A frame of the session: `kind` says of which kind, and what is wrong with it. */
static void feed_frame(device *dev, input *in)
{
    uint8_t frame[16 + 300 + 8 + 4];
    unsigned kind = octet(in), wrong = octet(in);
    uint32_t salt = dev->link.session;
    uint8_t sid = kind >> 7;
    vlp_stream *stream = &dev->link.streams[sid];
    size_t n = octet(in);
    memset(frame, 0, sizeof frame);
    for (size_t i = 0; i < n; i++)
        frame[16 + i] = octet(in);
    frame[0] = 0xff;
    frame[1] = 0x9e;
    frame[2] = 0x40;
    frame[11] = sid;
    switch (kind & 7u) {
    case 0: /* control */
        frame[16] = (uint8_t)(frame[16] % 16);
        if (frame[16] == 1)
            salt = 0, n = n < 32 ? 32 : n;
        else if (frame[16] == 3 && n >= 6) {
            frame[17] &= 1;
            frame[21] &= 15;
            put16(frame + 19, stream->next - stream->sent + (frame[19] & 7u));
        } else if (frame[16] == 4)
            n = n < 16 ? 16 : n;
        else if (frame[16] == 10)
            n = 68;
        break;
    case 1: /* datagram */
        frame[3] = octet(in) & 63u;
        break;
    case 2: /* control message under salt 0 */
        salt = 0;
        break;
    default: /* reliable */
        frame[2] |= 0x20;
        frame[3] = (uint8_t)(1 + (octet(in) & 39u));
        put16(frame + 4, stream->rx_next + (wrong & 0x10 ? octet(in) - 3u : 0));
        if ((frame[3] == 1 || frame[3] == 6 || frame[3] == 7 || frame[3] == 8) && dev->config.auth && !(wrong & 0x20)) {
            frame[2] |= 2;
            n = add_tag(dev, frame, n);
        }
    }
    put16(frame + 6, stream->next - stream->sent + (octet(in) & 3u));
    frame[10] = octet(in) & 31u;
    put16(frame + 8, (uint32_t)n);
    switch (wrong & 15u) {
    case 1:
        frame[2] ^= octet(in);
        break;
    case 2:
        put16(frame + 8, word(in));
        break;
    case 3:
        frame[11] = octet(in);
        break;
    case 4:
        frame[3] = octet(in);
        break;
    case 5:
        salt ^= 1;
        break;
    default:
        break;
    }
    put32(frame + 12, vlp_crc32_nibble(NULL, salt, frame + 2, 10));
    put32(frame + 16 + n, vlp_crc32_nibble(NULL, vlp_get32(frame + 12), frame + 16, n));
    size_t size = 16 + n + (n ? 4u : 0u);
    if ((wrong & 15u) == 6)
        frame[octet(in) % size] ^= (uint8_t)(1 + octet(in));
    if ((wrong & 15u) == 7)
        size = octet(in) % size;
    dev_rx(dev, dev->now, frame, size);
}

static void step(device *dev, input *in)
{
    uint8_t small[256];
    uint32_t obj;
    static void *image;
    size_t n;
    switch (octet(in) % 14u) {
    case 0: /* bytes as they are */
        n = octet(in);
        for (size_t i = 0; i < n; i++)
            small[i] = octet(in);
        dev_rx(dev, dev->now, small, n);
        break;
    case 1:
        dev_poll(dev, dev->now + word(in), octet(in), 1);
        break;
    case 2:
        dev_poll(dev, dev->now + 8u * word(in), 100000, octet(in) & 1);
        break;
    case 3:
        memset(small, 7, sizeof small);
        dev_send(dev, octet(in), small, octet(in), 1);
        break;
    case 4:
        memset(small, 9, sizeof small);
        n = 1u + octet(in);
        image = dev_send_image(dev, small, (uint32_t)n, 5, 2, &obj);
        break;
    case 5: /* the handle may be of an image that is gone: only those that the link has are looked at */
        for (vlp_image *one = dev->link.images; one; one = one->next)
            if (one == image) {
                dev_abort_image(dev, image);
                break;
            }
        break;
    case 6:
        dev->answer = (vlp_code)(octet(in) % 9u);
        break;
    case 7: /* a request, most of it as the input says */
        n = octet(in) % 48u;
        for (size_t i = 0; i < n; i++)
            small[i] = octet(in);
        memcpy(small + 48, "\xa3\x00", 2);
        small[50] = octet(in) % 24u;
        small[51] = 1;
        small[52] = octet(in) % 10u;
        small[53] = 2;
        memcpy(small + 54, small, n);
        if (vlp_rpc_request(&rpc, small + 48, (uint16_t)(6 + n)) == VLP_INVALID)
            vlp_rpc_request(&rpc, small, (uint16_t)n);
        vlp_rpc_poll(&rpc);
        break;
    default:
        feed_frame(dev, in);
    }
    dev->out_size = dev->log_size = 0;
}

/* HELLO, and a PING under the new salt. */
static void open_session(device *dev, input *in)
{
    uint8_t hello[16 + 32 + 4] = {0xff, 0x9e, 0x40, 0, 0, 0, 0, 0, 32, 0, 0, 0};
    uint8_t ping[16 + 16 + 4] = {0xff, 0x9e, 0x40, 0, 0, 0, 0, 0, 16, 0, 8, 0};
    uint8_t *p = hello + 16;
    p[0] = p[1] = p[2] = 1;
    p[3] = dev->config.auth ? 1 : 0;
    put32(p + 4, 0x5eed0000u | octet(in));
    put16(p + 8, 256);
    p[10] = octet(in) & 31u;
    put32(hello + 12, vlp_crc32_nibble(NULL, 0, hello + 2, 10));
    put32(hello + 48, vlp_crc32_nibble(NULL, vlp_get32(hello + 12), p, 32));
    dev_rx(dev, dev->now, hello, sizeof hello);
    dev_poll(dev, dev->now + 1000, 100000, 1);
    ping[16] = 4;
    put32(ping + 12, vlp_crc32_nibble(NULL, dev->link.session, ping + 2, 10));
    put32(ping + 32, vlp_crc32_nibble(NULL, vlp_get32(ping + 12), ping + 16, 16));
    dev_rx(dev, dev->now, ping, sizeof ping);
    dev->out_size = dev->log_size = 0;
}

static int is_reply(const void *what) { return vlp_rpc_gone(&rpc, what); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    static const uint32_t rates[] = {921600, 3000000, 0};
    unsigned choice = octet(&in);
    device *dev = dev_new((uint16_t)(64 + 8 * (octet(&in) & 31)), (uint8_t)(1 + (octet(&in) & 31)), (uint8_t)(1 + (choice & 3)),
                          (uint8_t)(1 + (choice >> 2 & 7)), 1, choice & 64 ? 115200 : 0, choice & 64 ? rates : NULL,
                          choice & 128 ? psk : NULL, (const uint8_t *)"\xa0", 1, 1000000, 1);
    is_claimed = is_reply;
    rpc_new(dev, 160);
    if (choice & 32)
        open_session(dev, &in);
    while (in.at < in.end)
        step(dev, &in);
    dev_free(dev);
    return 0;
}

#ifdef STANDALONE
static uint64_t state;

static uint32_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

/* fuzz SEED COUNT: so many inputs. */
int main(int argc, char **argv)
{
    uint8_t data[2048];
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    for (unsigned long i = 0; i < count; i++) {
        size_t size = next() % sizeof data;
        for (size_t j = 0; j < size; j++)
            data[j] = (uint8_t)(next() % 4u ? next() : next() % 24u); /* small numbers are operations and types */
        if (size)
            data[0] |= 32;
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%lu inputs\n", count);
    return 0;
}
#endif
