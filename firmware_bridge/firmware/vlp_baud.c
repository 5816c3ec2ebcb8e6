/* Another baud rate: PROTOCOL.md, section 3.5. */
#include "vlp_baud.h"

#include <string.h>

#include "vlp_core.h"

enum { IDLE, REFUSING, ANSWERING, LEAVING, LISTENING, PROBING, WAITING };
enum { PROBES = 16, ENOUGH = 15, PROBE_SIZE = 68 };

#define LISTENS_US 150000u
#define GIVES_UP_US 450000u

static void change(vlp_t *link, uint32_t rate)
{
    vlp_baud *baud = link->config->baud;
    baud->set_rate(link->config->ctx, rate);
    vlp_set_rate(link, rate);
    baud->since_us = link->now_us;
    link->rx_size = 0;
}

/* The line was not used for data for a while: count from now. */
static void postpone(vlp_t *link)
{
    for (vlp_stream *stream = link->streams; stream < link->streams + 2; stream++)
        for (unsigned i = 0; i < stream->sent; i++)
            vlp_slot_at(stream, i)->sent_us = link->now_us;
}

static void asked(vlp_t *link, uint32_t wanted)
{
    vlp_baud *baud = link->config->baud;
    const uint32_t *rate = baud->rates;
    while (*rate && *rate != wanted)
        rate++;
    int able = *rate && link->baud && link->maxpl >= PROBE_SIZE;
    baud->old = link->baud;
    baud->wanted = able ? wanted : 0;
    baud->state = able ? ANSWERING : REFUSING;
}

static void judge(vlp_baud *baud)
{
    baud->sent = 0;
    baud->state = baud->good >= ENOUGH ? PROBING : WAITING;
}

static void heard(vlp_t *link, const uint8_t *header, uint32_t n)
{
    vlp_baud *baud = link->config->baud;
    const uint8_t *p = header + HEADER;
    uint8_t type = header[3] == VLP_CTL && n >= 8 ? p[0] : 0;
    if (type == T_BAUD_REQ && baud->state <= LEAVING) {
        asked(link, vlp_get32(p + 4));
    } else if (type == T_BAUD_PROBE && baud->state == LISTENING) {
        baud->good++;
        if (p[1] == PROBES - 1)
            judge(baud);
    } else if ((type < T_BAUD_REQ || type > T_BAUD_PROBE) && baud->state == WAITING && baud->good >= ENOUGH) {
        baud->state = IDLE; /* the box has made up its mind */
        postpone(link);
    }
}

static void answer(vlp_t *link)
{
    vlp_baud *baud = link->config->baud;
    uint8_t *p = vlp_begin(link);
    p[0] = T_BAUD_OK;
    vlp_put32(p + 4, baud->wanted);
    baud->state = baud->wanted ? LEAVING : IDLE;
    vlp_emit_control(link, p + 8);
}

static void probe(vlp_t *link)
{
    vlp_baud *baud = link->config->baud;
    uint8_t *p = vlp_begin(link);
    p[0] = T_BAUD_PROBE;
    p[1] = baud->sent++;
    p[2] = baud->good;
    for (uint8_t i = 0; i < 64; i++)
        p[4 + i] = i < 32 ? (uint8_t)"\x00\xff\x55\xaa"[i & 3] : i;
    if (baud->sent == PROBES)
        baud->state = WAITING;
    vlp_emit_control(link, p + PROBE_SIZE);
}

static int poll(vlp_t *link)
{
    vlp_baud *baud = link->config->baud;
    switch (baud->state) {
    case IDLE:
        return 0;
    case REFUSING:
    case ANSWERING:
        answer(link);
        break;
    case LEAVING:
        if (baud->tx_idle(link->config->ctx)) {
            change(link, baud->wanted);
            baud->good = 0;
            baud->state = LISTENING;
        }
        break;
    case LISTENING:
        if (vlp_since(link, baud->since_us, LISTENS_US))
            judge(baud);
        break;
    case PROBING:
        probe(link);
        break;
    default:
        if (vlp_since(link, baud->since_us, GIVES_UP_US)) {
            change(link, baud->old);
            baud->state = IDLE;
            postpone(link);
        }
    }
    return 1;
}

static void closed(vlp_t *link)
{
    vlp_baud *baud = link->config->baud;
    baud->state = IDLE;
    if (link->baud && link->baud != link->config->start_baud)
        baud->set_rate(link->config->ctx, link->config->start_baud);
}

void vlp_baud_init(vlp_baud *baud, const uint32_t *rates, int (*tx_idle)(void *ctx),
                   void (*set_rate)(void *ctx, uint32_t rate))
{
    memset(baud, 0, sizeof *baud);
    baud->heard = heard;
    baud->poll = poll;
    baud->closed = closed;
    baud->rates = rates;
    baud->tx_idle = tx_idle;
    baud->set_rate = set_rate;
}
