/* A board for tests: a clock that is set, a transmitter that takes as much as it is told to, and a log of all that the link
 * says. Payloads are copied to memory of their own and freed when the link gives them back, so that a sanitizer sees what is
 * read too late. */
#include <stdlib.h>
#include <string.h>

#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_cbor.h"
#include "vlp_core.h"
#include "vlp_crc32.h"
#include "vlp_messages.h"
#include "vlp_sha256.h"
#include "vlp_stats.h"

enum { OUT_SIZE = 1 << 17, LOG_SIZE = 1 << 20 };

typedef struct {
    vlp_t link;
    vlp_config config;
    vlp_hal hal;
    vlp_auth auth;
    vlp_baud baud;
    uint32_t rates[8], rate, random;
    uint64_t now;
    vlp_slot slots[2][32];
    uint8_t identity[192];
    uint8_t *rx;
    size_t room, out_size, log_size;
    int idle;
    vlp_code answer;
    uint32_t on_its_way;
    uint8_t out[OUT_SIZE], log[LOG_SIZE];
} device;

static void note(device *dev, uint8_t kind, uint8_t channel, uint8_t flags, const void *data, uint32_t n)
{
    uint8_t head[8] = {kind, channel, flags, 0};
    memcpy(head + 4, &n, 4);
    if (dev->log_size + 8 + n > LOG_SIZE)
        abort();
    memcpy(dev->log + dev->log_size, head, 8);
    if (n)
        memcpy(dev->log + dev->log_size + 8, data, n);
    dev->log_size += 8 + n;
}

static size_t tx(void *ctx, const uint8_t *data, size_t n)
{
    device *dev = ctx;
    if (!data) {
        uint32_t at = (uint32_t)dev->out_size;
        note(dev, 'C', 0, 0, &at, 4);
        return 0;
    }
    if (n > dev->room)
        n = dev->room;
    if (n > OUT_SIZE - dev->out_size)
        n = OUT_SIZE - dev->out_size;
    memcpy(dev->out + dev->out_size, data, n);
    dev->out_size += n;
    dev->room -= n;
    return n;
}

static uint64_t now_us(void *ctx) { return ((device *)ctx)->now; }

static vlp_code on_message(void *ctx, const vlp_message *message)
{
    device *dev = ctx;
    note(dev, 'M', message->channel, message->flags, message->data, message->size);
    return dev->answer;
}

/* Whether something that comes back belongs to another part. */
static int (*is_claimed)(const void *what);

static void on_event(void *ctx, vlp_event event, const void *what)
{
    device *dev = ctx;
    uint32_t tag = 0;
    if (what && is_claimed && is_claimed(what))
        return;
    if (what) {
        const uint8_t *memory = what;
        memcpy(&tag, memory - 16, 4);
        dev->on_its_way--;
        free((void *)(memory - 16));
    }
    note(dev, 'E', (uint8_t)event, 0, &tag, what ? 4 : 0);
}

static void give_random(void *ctx, uint8_t *out, size_t n)
{
    device *dev = ctx;
    while (n--) {
        dev->random = dev->random * 1664525u + 1013904223u;
        *out++ = (uint8_t)(dev->random >> 24);
    }
}

static int tx_idle(void *ctx) { return ((device *)ctx)->idle && !((device *)ctx)->out_size; }

static void set_rate(void *ctx, uint32_t rate)
{
    device *dev = ctx;
    dev->rate = rate;
    note(dev, 'R', 0, 0, &rate, 4);
}

/* --- what a test calls --- */

device *dev_new(uint16_t maxpl, uint8_t window, uint8_t control, uint8_t bulk, uint32_t boot_id, uint32_t start,
                const uint32_t *rates, const uint8_t *psk, const uint8_t *identity, uint8_t identity_size, uint64_t now,
                uint32_t seed)
{
    device *dev = calloc(1, sizeof *dev);
    vlp_hal hal = {tx, now_us, vlp_crc32_table, on_message, on_event};
    dev->hal = hal;
    dev->now = now;
    dev->random = seed;
    dev->rate = start;
    dev->rx = malloc(VLP_RX_BUFFER(maxpl));
    memset(dev->rx, 0xdd, VLP_RX_BUFFER(maxpl));
    dev->config.hal = &dev->hal;
    dev->config.ctx = dev;
    dev->config.rx_buffer = dev->rx;
    dev->config.slots[0] = dev->slots[0];
    dev->config.slots[1] = dev->slots[1];
    dev->config.slot_count[0] = control;
    dev->config.slot_count[1] = bulk;
    dev->config.window = window;
    dev->config.maxpl = maxpl;
    dev->config.caps = VLP_CAP_IMAGES | VLP_CAP_RESULTS;
    dev->config.boot_id = boot_id;
    dev->config.start_baud = start;
    dev->config.stats = vlp_stats;
    memcpy(dev->identity, identity, identity_size);
    dev->config.identity = dev->identity;
    dev->config.identity_size = identity_size;
    if (psk) {
        vlp_auth_init(&dev->auth, psk, vlp_hmac, give_random);
        dev->config.auth = &dev->auth;
    }
    if (rates) {
        for (unsigned i = 0; i < 7 && rates[i]; i++)
            dev->rates[i] = rates[i];
        vlp_baud_init(&dev->baud, dev->rates, tx_idle, set_rate);
        dev->config.baud = &dev->baud;
    }
    if (vlp_check(&dev->config)) {
        free(dev->rx);
        free(dev);
        return NULL;
    }
    vlp_init(&dev->link, &dev->config);
    return dev;
}

void dev_free(device *dev)
{
    dev->room = 0;
    for (int i = 0; i < 2; i++) { /* the link is down: everything comes back; what is partial may still hold a frame */
        dev->now += 10000000;
        vlp_poll(&dev->link);
    }
    if (dev->on_its_way)
        abort();
    free(dev->rx);
    free(dev);
}

void dev_rx(device *dev, uint64_t now, const uint8_t *data, size_t n)
{
    dev->now = now;
    vlp_rx(&dev->link, data, n);
}

void dev_poll(device *dev, uint64_t now, size_t room, int idle)
{
    dev->now = now;
    dev->room = room;
    dev->idle = idle;
    vlp_poll(&dev->link);
}

/* A copy whose first 16 bytes are the tag. */
static uint8_t *remember(device *dev, const void *data, size_t n, uint32_t tag)
{
    uint8_t *memory = malloc(n + 16);
    memcpy(memory, &tag, 4);
    memcpy(memory + 16, data, n);
    dev->on_its_way++;
    return memory + 16;
}

int dev_send(device *dev, uint8_t channel, const uint8_t *data, uint16_t n, uint32_t tag)
{
    uint8_t *memory = remember(dev, data, n, tag);
    int result = vlp_send(&dev->link, channel, memory, n);
    if (result) {
        dev->on_its_way--;
        free(memory - 16);
    }
    return result;
}

/* The image's number is written to `obj`; the handle is for dev_abort_image while the image is on its way. */
void *dev_send_image(device *dev, const uint8_t *data, uint32_t size, uint64_t t_capture, uint32_t tag, uint32_t *obj)
{
    vlp_image proto = {0};
    uint8_t *all = malloc(sizeof proto + size);
    memcpy(all, &proto, sizeof proto);
    memcpy(all + sizeof proto, data, size);
    uint8_t *memory = remember(dev, all, sizeof proto + size, tag);
    vlp_image *image = (vlp_image *)memory;
    free(all);
    image->data = memory + sizeof proto;
    image->size = size;
    memcpy(image->fourcc, "GREY", 4);
    image->width = 3;
    image->height = 5;
    image->stride = 7;
    image->deadline_ms = 11;
    image->exposure_us = 1234567;
    image->t_capture_us = t_capture;
    image->crc32 = vlp_crc32_nibble(NULL, 0, image->data, size);
    if (vlp_send_image(&dev->link, image)) {
        dev->on_its_way--;
        free(memory - 16);
        return NULL;
    }
    *obj = image->obj;
    return image;
}

int dev_abort_image(device *dev, void *image) { return vlp_abort_image(&dev->link, image); }

size_t dev_take_output(device *dev, uint8_t *to)
{
    size_t n = dev->out_size;
    memcpy(to, dev->out, n);
    dev->out_size = 0;
    return n;
}

size_t dev_take_log(device *dev, uint8_t *to)
{
    size_t n = dev->log_size;
    memcpy(to, dev->log, n);
    dev->log_size = 0;
    return n;
}

int dev_up(const device *dev) { return vlp_is_up(&dev->link); }

uint32_t dev_session(const device *dev) { return dev->link.session; }

uint16_t dev_longest(const device *dev, uint8_t channel) { return vlp_longest(&dev->link, channel); }

uint32_t dev_count(const device *dev, int which) { return dev->link.counts[which]; }

void dev_answer(device *dev, vlp_code code) { dev->answer = code; }

uint32_t dev_free_slots(const device *dev, int sid)
{
    const vlp_stream *stream = &dev->link.streams[sid];
    return (uint32_t)(stream->count - stream->sent - stream->unsent);
}

int dev_idle(const device *dev)
{
    return !dev->link.images && !dev->link.streams[0].sent && !dev->link.streams[0].unsent && !dev->link.streams[1].sent
           && !dev->link.streams[1].unsent;
}

/* As if a session had been opened with this number. */
void dev_force_session(device *dev, uint32_t session)
{
    dev->link.session = session;
    dev->link.state = session ? S_UP : S_CLOSED;
    dev->link.heard_us = (uint32_t)dev->now;
}

/* --- parts that need no link --- */

/* Read an item and write it again; the size, or -1. */
int cbor_again(const uint8_t *data, size_t n, uint8_t *out, size_t limit)
{
    vlp_reader in = {data, data + n};
    vlp_writer writer = {out, out + limit, 0};
    if (!vlp_cbor_valid(data, n))
        return -1;
    while (in.at < in.end) {
        vlp_item item = vlp_cbor_next(&in);
        int32_t value;
        if (item.wide)
            return -2;
        if (item.data)
            vlp_cbor_put_string(&writer, item.type, item.data, item.number);
        else if (vlp_cbor_integer(&item, &value))
            vlp_cbor_put_integer(&writer, value);
        else
            vlp_cbor_put(&writer, item.type, item.number);
    }
    return writer.full ? -3 : (int)(writer.at - out);
}

/* Where vlp_cbor_skip ends. */
int cbor_skip(const uint8_t *data, size_t n)
{
    vlp_reader in = {data, data + n};
    vlp_cbor_skip(&in);
    return (int)(in.at - data);
}

int read_result(const uint8_t *data, size_t n, vlp_result *result, vlp_finding *found, unsigned limit)
{
    vlp_code code = vlp_read_result(data, n, result);
    for (unsigned i = 0; !code && i < result->count && i < limit; i++)
        found[i] = vlp_read_finding(result, i);
    return (int)code;
}

void hmac_of(const uint8_t *key, const uint8_t *data, size_t n, uint8_t *out)
{
    const vlp_bytes parts[2] = {{data, n / 2}, {data + n / 2, n - n / 2}};
    vlp_hmac(NULL, key, parts, 2, out);
}

void sha256_of(const uint8_t *data, size_t n, uint8_t *out)
{
    const vlp_bytes part = {data, n};
    vlp_sha256(&part, 1, out);
}
