/* What comes: frames out of bytes, and what each of them does. */
#include <string.h>

#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_core.h"

/* One or two records. A bitmap is longer than the largest window; where it is shorter, what is read with it is the payload's CRC. */
static vlp_code on_acks(vlp_t *link, const uint8_t *p, const uint8_t *end)
{
    for (unsigned records = 0; records == 0 || (records < 2 && p != end); records++) {
        unsigned size = p[4];
        if (end - p < 5 || p[0] > 1 || size > MAX_BITMAP || (int)size > end - p - 5)
            return VLP_INVALID;
        uint32_t early = vlp_get32(p + 5);
        if (size < 4)
            early &= (1u << 8 * size) - 1u;
        vlp_acknowledged(link, vlp_stream_at(link, p[0]), vlp_get16(p + 2), p[1], early);
        p += 5 + size;
    }
    return VLP_OK;
}

static vlp_code on_control(vlp_t *link, const uint8_t *p, uint32_t n)
{
    unsigned type = n ? p[0] : 0;
    if (type == 0 || type > T_ERROR)
        return VLP_UNKNOWN;
    if (type == T_ACK)
        return on_acks(link, p + 1, p + n);
    if (type == T_PING) {
        if (n < PING_SIZE)
            return VLP_INVALID;
        memcpy(link->ping, p + 4, 12);
        vlp_put64(link->ping + 12, vlp_clock(link));
        link->streams[CONTROL].ack_now = link->streams[BULK].ack_now = 1;
        link->pending |= P_PONG;
    }
    if (type == T_BYE)
        vlp_close(link);
    if (type == T_STATS && link->config->stats)
        link->pending |= P_STATS;
    return VLP_OK; /* the others say nothing that a device acts on */
}

static vlp_code on_message(vlp_t *link, const uint8_t *header, uint32_t n)
{
    vlp_message message = {header + HEADER, (uint16_t)n, header[3], header[2] & (FIRST | MORE | REL)};
    return link->config->hal->on_message(link->config->ctx, &message);
}

/* A message of a reliable stream; only what is next is taken. */
static vlp_code on_reliable(vlp_t *link, vlp_stream *stream, const uint8_t *header, uint32_t n, int tagged)
{
    uint32_t seq = stream->rx_next;
    unsigned ahead = (uint16_t)(vlp_get16(header + 4) - seq);
    stream->ack_now = 1;
    if (ahead) {
        link->counts[VLP_N_DUPLICATES] += ahead >> 15;
        return VLP_OK;
    }
    if (header[2] & AUTH || tagged) {
        const struct vlp_auth *auth = link->config->auth;
        if (!auth || !auth->right(link, header, n, seq)) {
            link->counts[VLP_N_BAD_TAGS]++;
            if (vlp_since(link, link->auth_fail_us, AUTH_FAIL_US)) {
                link->auth_fail_us = link->now_us;
                vlp_notice(link, T_AUTH_FAIL, stream->sid, header);
            }
            return VLP_OK;
        }
        n -= TAG;
    }
    stream->rx_next++;
    return on_message(link, header, n);
}

/* A frame whose CRCs are right, of the session. */
static void on_frame(vlp_t *link, const uint8_t *header, uint32_t n)
{
    vlp_stream *stream = vlp_stream_at(link, header[11]);
    int tagged = vlp_needs_tag(link, header[3]);
    vlp_code code;
    link->heard_us = link->now_us;
    link->candidate = 0;
    if (link->state == S_HALF) {
        link->state = S_UP;
        link->counts[VLP_N_SESSIONS]++;
        vlp_tell(link, VLP_UP, NULL);
    }
    if (link->config->baud)
        link->config->baud->heard(link, header, n);
    vlp_acknowledged(link, stream, vlp_get16(header + 6), header[10], 0);
    if (header[2] & REL)
        code = on_reliable(link, stream, header, n, tagged);
    else if (header[3] == VLP_CTL)
        code = on_control(link, header + HEADER, n);
    else if (tagged)
        code = VLP_AUTH_NEEDED; /* a datagram has none */
    else
        code = on_message(link, header, n);
    if (code) {
        link->counts[VLP_N_INVALID]++;
        vlp_notice(link, T_ERROR, code, header);
    }
}

enum { PARTIAL = -1 };

/* The frame at `p`: 0 and its size; or PARTIAL, or the check that it fails. */
static int take_frame(vlp_t *link, const uint8_t *p, uint32_t left, uint32_t *size)
{
    if (left < HEADER)
        return PARTIAL;
    uint32_t n = vlp_get16(p + 8);
    unsigned vf = p[2], rel = vf & REL, control = !(p[3] | rel);
    if ((vf & 0xc1u) != VERSION_BITS)
        return VLP_N_BAD_VERSION;
    if (n > link->config->maxpl)
        return VLP_N_BAD_LENGTH;
    if (p[11] > 1)
        return VLP_N_BAD_STREAM;
    if (rel ? p[3] == VLP_CTL : vf & AUTH)
        return VLP_N_BAD_KIND;
    uint32_t crc = vlp_get32(p + 12);
    int salted = vlp_crc(link, link->session, p + 2, 10) == crc;
    if (!salted && (!control || vlp_crc(link, 0, p + 2, 10) != crc))
        return VLP_N_BAD_HEADER;
    *size = HEADER + n + (n ? 4u : 0u);
    if (left < *size)
        return PARTIAL;
    const uint8_t *payload = p + HEADER;
    if (n && vlp_crc(link, crc, payload, n) != vlp_get32(payload + n))
        return VLP_N_BAD_PAYLOAD;
    unsigned type = n ? payload[0] : 0;
    if (!salted && type != T_HELLO && type != T_WELCOME && type != T_BOOT)
        return VLP_N_UNSALTED;
    link->counts[VLP_N_RX_FRAMES]++;
    if (salted && link->session)
        on_frame(link, p, n);
    else if (control && type == T_HELLO && n >= HELLO_SIZE && vlp_get32(payload + 4))
        vlp_on_hello(link, payload, n);
    return 0;
}

/* Everything that is whole; if `stalled`, what is partial is a failure. */
void vlp_parse(vlp_t *link, int stalled)
{
    uint8_t *begin = link->config->rx_buffer, *p = begin, *end = begin + link->rx_size;
    while (p < end) {
        uint32_t size;
        if (p[0] == 0xff && (p + 1 == end || p[1] == 0x9e)) {
            int failure = take_frame(link, p, (uint32_t)(end - p), &size);
            if (!failure) {
                p += size;
                continue;
            }
            if (failure == PARTIAL) {
                if (!stalled)
                    break;
                failure = VLP_N_STALLS;
            }
            link->counts[failure]++;
        }
        p++;
        link->counts[VLP_N_SKIPPED]++;
    }
    link->rx_size = (uint16_t)(end - p);
    memmove(begin, p, link->rx_size);
}
