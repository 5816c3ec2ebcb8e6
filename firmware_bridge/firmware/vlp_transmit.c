/* What goes: frames out of messages and images, their repetition, and the control messages of the link. */
#include <string.h>

#include "vlp_auth.h"
#include "vlp_core.h"

vlp_slot *vlp_slot_at(const vlp_stream *stream, unsigned i)
{
    i += stream->first;
    if (i >= stream->count)
        i -= stream->count;
    return &stream->slots[i];
}

/* --- the end of a message --- */

void vlp_tell(const vlp_t *link, vlp_event event, const void *what)
{
    link->config->hal->on_event(link->config->ctx, event, what);
}

static const vlp_image *take_oldest_image(vlp_t *link)
{
    vlp_image *image = link->images;
    link->images = image->next;
    return image;
}

/* What the box has from the oldest on is the caller's again, unless bytes of it are just being taken. */
static void release(vlp_t *link, vlp_stream *stream)
{
    while (stream->sent) {
        const vlp_slot *slot = vlp_slot_at(stream, 0);
        const void *what = slot->data;
        unsigned flags = slot->flags;
        if ((flags & (RECEIVED | BUSY)) != RECEIVED)
            return;
        stream->sent--;
        if (++stream->first == stream->count)
            stream->first = 0;
        if (slot->channel == VLP_IMAGE) {
            if (flags & MORE)
                continue;
            what = take_oldest_image(link);
        }
        vlp_tell(link, flags & ABORT ? VLP_FAILED : VLP_SENT, what);
    }
}

void vlp_fail_all(vlp_t *link)
{
    for (vlp_stream *stream = link->streams; stream < link->streams + 2; stream++) {
        stream->sent = (uint8_t)(stream->sent + stream->unsent);
        for (unsigned i = 0; i < stream->sent; i++)
            vlp_slot_at(stream, i)->flags = RECEIVED | ABORT | MORE; /* MORE: images are told of below */
        release(link, stream);
    }
    while (link->images)
        vlp_tell(link, VLP_FAILED, take_oldest_image(link));
}

/* --- frames --- */

/* Give bytes to the board; whether nothing remains. */
int vlp_flush(vlp_t *link)
{
    const vlp_config *config = link->config;
    vlp_slot *slot = link->slot_now;
    for (; link->part_now < 3; link->part_now++) {
        vlp_bytes *part = &link->part[link->part_now];
        if (!part->size)
            continue;
        size_t taken = config->hal->tx(config->ctx, part->data, part->size);
        link->counts[VLP_N_TX_BYTES] += (uint32_t)taken;
        part->data += taken;
        part->size -= taken;
        if (part->size)
            return 0;
    }
    if (slot) {
        slot->flags &= (uint8_t)~BUSY;
        link->slot_now = NULL;
        release(link, vlp_stream_at(link, link->head[11]));
    }
    return 1;
}

/* Where the payload of the next frame goes; VF, CH, SID are those of a control message, and there is no second part. */
uint8_t *vlp_begin(vlp_t *link)
{
    link->part[1].size = 0;
    return (uint8_t *)memset(link->head, 0, sizeof link->head) + HEADER;
}

/* Begin to send a frame: VF, CH, SID and payload are in head up to `end`, more payload in the second part. */
void vlp_emit(vlp_t *link, const uint8_t *end, uint32_t seq, uint32_t salt)
{
    uint8_t *head = link->head, *tail = link->tail;
    size_t size = (size_t)(end - head), tag_size = head[2] & AUTH ? TAG : 0;
    if (salt) {
        const vlp_stream *stream = vlp_stream_at(link, head[11]);
        vlp_put16(head + 6, stream->rx_next);
        head[10] = link->window;
    }
    link->part[0].data = head;
    link->part[0].size = size;
    link->part[2].data = tail;
    head[0] = 0xff;
    head[1] = 0x9e;
    head[2] |= VERSION_BITS;
    vlp_put16(head + 4, seq);
    size += link->part[1].size + tag_size - HEADER;
    vlp_put16(head + 8, (uint32_t)size);
    uint32_t crc = vlp_crc(link, salt, head + 2, 10);
    vlp_put32(head + 12, crc);
    if (tag_size)
        link->config->auth->sign(link, seq);
    if (size) {
        crc = vlp_crc(link, crc, head + HEADER, link->part[0].size - HEADER);
        crc = vlp_crc(link, crc, link->part[1].data, link->part[1].size);
        vlp_put32(tail + tag_size, vlp_crc(link, crc, tail, tag_size));
        tag_size += 4;
    }
    link->part[2].size = tag_size;
    link->part_now = 0;
    link->counts[VLP_N_TX_FRAMES]++;
}

void vlp_emit_control(vlp_t *link, const uint8_t *end) { vlp_emit(link, end, link->datagrams++, link->session); }

/* --- the streams --- */

/* Where memory is laid out as the wire is, the members of vlp_image from obj to crc32 are copied as they are. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(VLP_BYTEWISE)
enum { IMAGE_BYTES = IMAGE_HEADER - 4 };
typedef char image_is_laid_out_as_on_the_wire
    [offsetof(vlp_image, t_capture_us) - offsetof(vlp_image, obj) == 20
             && offsetof(vlp_image, crc32) - offsetof(vlp_image, obj) == IMAGE_BYTES - 4
         ? 1
         : -1];

static uint8_t *put_image(uint8_t *p, const vlp_image *image) { return (uint8_t *)memcpy(p, &image->obj, IMAGE_BYTES) + IMAGE_BYTES; }
#else
static uint8_t *put_image(uint8_t *p, const vlp_image *image)
{
    p = vlp_put32(vlp_put32(p, image->obj), image->size);
    memcpy(p, image->fourcc, 4);
    p = vlp_put16(vlp_put16(p + 4, image->width), image->height);
    p = vlp_put16(vlp_put16(p, image->stride), image->deadline_ms);
    return vlp_put32(vlp_put32(vlp_put64(p, image->t_capture_us), image->exposure_us), image->crc32);
}
#endif

static void emit_slot(vlp_t *link, vlp_stream *stream, vlp_slot *slot, uint32_t seq)
{
    uint8_t *end = vlp_begin(link), *head = end - HEADER;
    unsigned flags = slot->flags, vf = REL | (flags & (FIRST | MORE));
    link->part[1].data = slot->data;
    link->part[1].size = slot->size;
    if (flags & FIRST) {
        const vlp_image *image = slot->data;
        *end++ = 1;
        *end++ = IMAGE_HEADER;
        end = put_image(vlp_put16(end, (flags & ABORT) / ABORT), image);
        link->part[1].data = image->data;
    }
    if (flags & ONCE) {
        vf |= RTX;
        flags |= TWICE;
        link->counts[VLP_N_AGAIN]++;
    }
    if (vlp_needs_tag(link, slot->channel))
        vf |= AUTH;
    head[2] = (uint8_t)vf;
    head[3] = slot->channel;
    head[11] = stream->sid;
    slot->flags = (uint8_t)((flags & ~(unsigned)AGAIN) | ONCE | BUSY);
    slot->sent_us = link->now_us;
    link->slot_now = slot;
    vlp_emit(link, end, seq, link->session);
}

/* Put the next piece of an image, or the word that it is given up, into `slot`; whether there was one. */
static int cut_image(const vlp_t *link, vlp_slot *slot)
{
    vlp_image *image = link->images;
    while (image && image->state == I_CUT)
        image = image->next;
    if (!image)
        return 0;
    uint32_t at = image->at, left = image->size - at, room = link->chunk;
    unsigned flags = 0;
    slot->data = image->data + at;
    if (image->state == I_ABORTING) {
        flags = ABORT;
        at = left = 0;
    }
    if (!at) {
        flags |= FIRST;
        slot->data = image;
        room -= IMAGE_HEADER;
    }
    if (left > room) {
        flags |= MORE;
        left = room;
    } else {
        image->state = I_CUT;
    }
    slot->channel = VLP_IMAGE;
    slot->flags = (uint8_t)flags;
    slot->size = (uint16_t)left;
    image->at += left;
    return 1;
}

/* Begin to send the most urgent frame of a stream; whether there was one. */
static int send_data(vlp_t *link, vlp_stream *stream)
{
    unsigned sent = stream->sent, i = 0;
    vlp_slot *slot;
    for (;; i++) {
        slot = vlp_slot_at(stream, i);
        if (i == sent)
            break;
        if ((slot->flags & (AGAIN | RECEIVED)) == AGAIN) {
            emit_slot(link, stream, slot, stream->next - sent + i);
            return 1;
        }
    }
    if (sent >= link->window || sent >= stream->count || stream->next == stream->edge)
        return 0;
    if (stream->unsent)
        stream->unsent--;
    else if (!stream->sid || !cut_image(link, slot))
        return 0;
    stream->sent++;
    emit_slot(link, stream, slot, stream->next++);
    return 1;
}

/* --- what is heard of them --- */

static void sample_rtt(vlp_t *link, uint32_t rtt)
{
    uint32_t error = rtt - link->srtt8_us / 8u;
    if (!link->srtt8_us) {
        link->srtt8_us = 8u * rtt;
        link->rttvar4_us = 2u * rtt;
        return;
    }
    link->srtt8_us += error;
    link->rttvar4_us += ((int32_t)error < 0 ? 0u - error : error) - link->rttvar4_us / 4u;
}

/* ACK and CREDIT, and what came beyond a hole: bit i of `early` stands for SEQ ack + 1 + i. */
void vlp_acknowledged(vlp_t *link, vlp_stream *stream, uint32_t ack, uint32_t credit, uint32_t early)
{
    uint32_t una = stream->next - stream->sent, ahead = (uint16_t)(ack - una), gap = link->srtt8_us / 8u + REPEAT_GAP_US;
    int beyond = 0;
    if (ahead > stream->sent)
        return; /* out of date, or of nothing that was sent */
    una += ahead + (credit < MAX_WINDOW ? credit : (uint32_t)MAX_WINDOW);
    if ((int32_t)(una - stream->edge) > 0)
        stream->edge = una;
    for (uint32_t i = stream->sent; i-- > 0;) {
        vlp_slot *slot = vlp_slot_at(stream, i);
        int got = i < ahead;
        if (i > ahead && early >> (i - ahead - 1u) & 1u)
            got = beyond = 1;
        if (slot->flags & (got ? RECEIVED : RECEIVED | BUSY))
            continue;
        if (got) {
            if (!(slot->flags & TWICE))
                sample_rtt(link, link->now_us - slot->sent_us);
            slot->flags |= RECEIVED;
            stream->expiries = 0;
        } else if (beyond && (!(slot->flags & TWICE) || vlp_since(link, slot->sent_us, gap))) {
            slot->flags |= AGAIN;
        }
    }
    release(link, stream);
}

/* When the oldest frame was not acknowledged in time, which doubles each time, all that are late go again; or it is the end. */
static void expire(vlp_t *link)
{
    uint32_t rto = link->srtt8_us ? link->srtt8_us / 8u + link->rttvar4_us : RTO_FIRST_US;
    if (rto < RTO_MIN_US)
        rto = RTO_MIN_US;
    for (unsigned sid = 0; sid < 2; sid++) {
        vlp_stream *stream = vlp_stream_at(link, sid);
        uint32_t limit = rto << stream->expiries;
        if (limit > RTO_MAX_US)
            limit = RTO_MAX_US;
        for (unsigned i = 0; i < stream->sent; i++) {
            vlp_slot *slot = vlp_slot_at(stream, i);
            if (slot->flags & (RECEIVED | AGAIN | BUSY) || !vlp_since(link, slot->sent_us, limit)) {
                if (i)
                    continue;
                break;
            }
            slot->flags |= AGAIN;
            limit = rto; /* of the others */
            if (!i && ++stream->expiries == MAX_EXPIRIES)
                vlp_close(link); /* nothing is sent any more, and the loops end */
        }
    }
}

/* --- control messages --- */

/* ERROR, or AUTH_FAIL, which has a byte less: what follows is ignored. */
void vlp_notice(vlp_t *link, unsigned type, unsigned code, const uint8_t *header)
{
    uint8_t *p = link->notice;
    *p++ = (uint8_t)type;
    *p++ = (uint8_t)code;
    if (type == T_ERROR)
        *p++ = header[3];
    p[0] = header[4];
    p[1] = header[5];
    link->pending |= P_NOTICE;
}

/* Records of ACK for the streams that are due. */
static uint8_t *put_acks(vlp_t *link, uint8_t *p)
{
    for (unsigned sid = 0; sid < 2; sid++) {
        vlp_stream *stream = vlp_stream_at(link, sid);
        if (!stream->ack_now)
            continue;
        stream->ack_now = 0;
        *p++ = (uint8_t)sid;
        *p++ = link->window;
        p = vlp_put16(p, stream->rx_next) + 1;
    }
    return p;
}

/* Begin to send the most urgent control message; whether there was one. */
static int send_control(vlp_t *link)
{
    uint8_t *begin = vlp_begin(link), *p = begin + 1;
    unsigned type, done = 0, pending = link->pending;
    if (pending & P_PONG) {
        type = T_PONG;
        done = P_PONG;
        memcpy(begin + 4, link->ping, sizeof link->ping);
        p = vlp_put64(begin + 4 + sizeof link->ping, vlp_clock(link));
    } else if ((p = put_acks(link, p)) != begin + 1) {
        type = T_ACK;
    } else if (pending & P_NOTICE) {
        type = link->notice[0];
        done = P_NOTICE;
        memcpy(begin, link->notice, NOTICE_SIZE);
        p = begin + NOTICE_SIZE;
    } else if (pending & P_STATS) {
        type = T_STATS;
        done = P_STATS;
        p += link->config->stats(link->counts, p, MIN_MAXPL - 1);
    } else if (vlp_since(link, link->beat_us, HEARTBEAT_US)) {
        type = T_PING;
        link->beat_us = link->now_us;
        p = vlp_put64(begin + 8, vlp_clock(link));
    } else {
        return 0;
    }
    *begin = (uint8_t)type;
    link->pending = (uint8_t)(pending & ~done);
    vlp_emit_control(link, p);
    return 1;
}

/* Begin to send whatever is most urgent in a session. */
void vlp_send_next(vlp_t *link)
{
    expire(link);
    if (link->state == S_UP && !send_control(link) && !send_data(link, vlp_stream_at(link, CONTROL)))
        send_data(link, vlp_stream_at(link, BULK));
}
