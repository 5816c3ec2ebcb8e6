/* The device side of VLP/1: the session, time, and what the caller calls. See vlp.h for how to use it. */
#include "vlp.h"

#include <string.h>

#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_core.h"

/* --- bytes --- */

uint32_t vlp_get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }

uint32_t vlp_get32(const uint8_t *p) { return vlp_get16(p) | vlp_get16(p + 2) << 16; }

uint8_t *vlp_put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    return p + 2;
}

uint8_t *vlp_put32(uint8_t *p, uint32_t value) { return vlp_put16(vlp_put16(p, value), value >> 16); }

uint8_t *vlp_put64(uint8_t *p, uint64_t value) { return vlp_put32(vlp_put32(p, (uint32_t)value), (uint32_t)(value >> 32)); }

uint32_t vlp_crc(const vlp_t *link, uint32_t crc, const uint8_t *data, size_t n)
{
    return link->config->hal->crc32(link->config->ctx, crc, data, n);
}

static uint32_t at_most(uint32_t value, uint32_t limit) { return value < limit ? value : limit; }

/* --- time --- */

uint64_t vlp_clock(vlp_t *link)
{
    uint64_t now = link->config->hal->now_us(link->config->ctx);
    link->now_us = (uint32_t)now;
    return now;
}

int vlp_since(const vlp_t *link, uint32_t then, uint32_t span) { return link->now_us - then >= span; }

/* The line's rate, and what follows from it: the bytes of 5 ms, and the time of 4 frames, to the next power of two. There are
 * boards that cannot divide. */
void vlp_set_rate(vlp_t *link, uint32_t baud)
{
    uint32_t chunk = baud ? ((baud >> 7) * 1048u) >> 14 : MAX_MAXPL; /* baud / 2000 */
    link->baud = baud;
    link->stall_us = STALL_MIN_US;
    for (; baud && baud < 296000u; baud <<= 1)
        link->stall_us <<= 1;
    link->chunk = (uint16_t)(at_most(chunk < 128 ? 128 : chunk, link->maxpl) & ~63u);
}

/* --- the session --- */

/* The end of what there was, and the beginning of a session, or of none. */
static void restart(vlp_t *link, uint32_t session, uint32_t maxpl, uint32_t window)
{
    const vlp_config *config = link->config;
    unsigned state = link->state;
    link->state = session ? S_HALF : S_CLOSED;
    config->hal->tx(config->ctx, NULL, 0);
    link->part_now = 3;
    link->slot_now = NULL;
    vlp_fail_all(link);
    if (config->baud)
        config->baud->closed(link);
    link->session = session;
    link->maxpl = (uint16_t)maxpl;
    link->window = (uint8_t)window;
    link->candidate = link->srtt8_us = 0;
    link->pending = 0;
    for (vlp_stream *stream = link->streams; stream < link->streams + 2; stream++) {
        stream->ack_now = stream->expiries = 0;
        stream->next = stream->rx_next = 0;
        stream->edge = window;
    }
    vlp_set_rate(link, config->start_baud);
    link->heard_us = link->now_us;
    link->beat_us = link->now_us - BOOT_US;
    if (state == S_UP)
        vlp_tell(link, VLP_DOWN, NULL);
}

void vlp_close(vlp_t *link) { restart(link, 0, link->config->maxpl, 1); }

void vlp_on_hello(vlp_t *link, const uint8_t *hello, uint32_t n)
{
    const vlp_config *config = link->config;
    uint32_t session = vlp_get32(hello + 4), maxpl = at_most(vlp_get16(hello + 8), config->maxpl);
    unsigned window = at_most(hello[10], config->window), flags = config->auth ? PAIRED : 0;
    int fresh = session != link->session;
    if (fresh) {
        if (link->state == S_UP && session != link->candidate) {
            link->candidate = session; /* counts if it comes again and nothing else between */
            return;
        }
        if (hello[1] > 1 || !hello[2])
            flags = REFUSED_VERSION;
        else if (flags & ~(unsigned)hello[3])
            flags = REFUSED_OPEN;
        else
            restart(link, session, maxpl < MIN_MAXPL ? MIN_MAXPL : maxpl, window ? window : 1u);
    }
    if (link->part_now < 3)
        return; /* the box asks again */
    uint8_t *begin = vlp_begin(link), *p = begin;
    *p++ = T_WELCOME;
    *p++ = !(flags & REFUSED_VERSION);
    *p++ = (uint8_t)flags;
    *p++ = link->window;
    p = vlp_put16(vlp_put16(vlp_put32(p, session), link->maxpl), 0x0101);
    vlp_put32(p, config->caps | VLP_CAP_IN_ORDER | (config->baud ? VLP_CAP_BAUD : 0u));
    if (flags & PAIRED)
        config->auth->welcome(link, hello, n, begin, fresh);
    link->part[1].data = config->identity;
    link->part[1].size = config->identity_size;
    vlp_emit(link, begin + WELCOME_SIZE, 0, 0);
}

/* --- channels --- */

vlp_stream *vlp_stream_at(vlp_t *link, unsigned sid) { return &link->streams[sid]; }

int vlp_needs_tag(const vlp_t *link, uint8_t channel)
{
    const uint32_t tagged = 1u << VLP_RPC | 1u << VLP_TRIGGER | 1u << VLP_FWUP | 1u << VLP_PTZ;
    return link->config->auth && channel <= VLP_PTZ && (tagged >> channel & 1u);
}

int vlp_stream_of(uint8_t channel)
{
    const uint32_t bulk = 1u << VLP_LOG | 1u << VLP_IMAGE | 1u << VLP_FWUP;
    return channel >= VLP_VENDOR || (bulk >> channel & 1u);
}

/* --- what the caller calls --- */

void vlp_init(vlp_t *link, const vlp_config *config)
{
    memset(link, 0, sizeof *link);
    link->config = config;
    link->part_now = 3;
    for (unsigned sid = 0; sid < 2; sid++) {
        link->streams[sid].sid = (uint8_t)sid;
        link->streams[sid].slots = config->slots[sid];
        link->streams[sid].count = config->slot_count[sid];
    }
    vlp_clock(link);
    vlp_close(link);
}

void vlp_rx(vlp_t *link, const uint8_t *data, size_t n)
{
    size_t capacity = VLP_RX_BUFFER(link->config->maxpl);
    vlp_clock(link);
    link->byte_us = link->now_us;
    link->counts[VLP_N_RX_BYTES] += (uint32_t)n;
    while (n) {
        size_t count = at_most((uint32_t)n, (uint32_t)capacity - link->rx_size);
        memcpy(link->config->rx_buffer + link->rx_size, data, count);
        link->rx_size = (uint16_t)(link->rx_size + count);
        data += count;
        n -= count;
        vlp_parse(link, 0);
    }
}

/* Begin to send whatever is due. */
static void compose(vlp_t *link)
{
    struct vlp_baud *baud = link->config->baud;
    if (link->state == S_UP) {
        if (!baud || !baud->poll(link))
            vlp_send_next(link);
    } else if (link->state == S_CLOSED && vlp_since(link, link->beat_us, BOOT_US)) {
        uint8_t *p = vlp_begin(link);
        *p = T_BOOT;
        link->beat_us = link->now_us;
        vlp_emit_control(link, vlp_put32(p + 4, link->config->boot_id));
    }
}

void vlp_poll(vlp_t *link)
{
    vlp_clock(link);
    if (link->rx_size && vlp_since(link, link->byte_us, link->stall_us))
        vlp_parse(link, 1);
    if (link->state != S_CLOSED && vlp_since(link, link->heard_us, TIMEOUT_US))
        vlp_close(link);
    while (vlp_flush(link)) { /* ends when window and credit are used up */
        compose(link);
        if (link->part_now == 3)
            return;
    }
}

int vlp_send(vlp_t *link, uint8_t channel, const void *data, uint16_t n)
{
    vlp_stream *stream = vlp_stream_at(link, (unsigned)vlp_stream_of(channel));
    unsigned used = (unsigned)stream->sent + stream->unsent;
    if (link->state != S_UP)
        return VLP_E_DOWN;
    if (!(channel & ~(unsigned)VLP_IMAGE))
        return VLP_E_ARGUMENT; /* that or VLP_CTL */
    if (n > vlp_longest(link, channel))
        return VLP_E_TOO_LONG;
    if (used >= stream->count)
        return VLP_E_BUSY;
    vlp_slot *slot = vlp_slot_at(stream, used);
    slot->data = data;
    slot->size = n;
    slot->channel = channel;
    slot->flags = 0;
    stream->unsent++;
    return 0;
}

int vlp_send_image(vlp_t *link, vlp_image *image)
{
    vlp_image **end = &link->images;
    if (link->state != S_UP)
        return VLP_E_DOWN;
    while (*end)
        end = &(*end)->next;
    *end = image;
    image->next = NULL;
    image->at = 0;
    image->state = I_CUTTING;
    image->obj = link->obj++;
    return 0;
}

int vlp_is_up(const vlp_t *link) { return link->state == S_UP; }

uint16_t vlp_longest(const vlp_t *link, uint8_t channel)
{
    return link->state != S_UP ? 0 : (uint16_t)(link->maxpl - (vlp_needs_tag(link, channel) ? TAG : 0));
}
