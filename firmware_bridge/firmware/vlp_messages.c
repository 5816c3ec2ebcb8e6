/* Structs on the wire; see vlp_messages.h. */
#include "vlp_messages.h"

#include "vlp_core.h"

static uint64_t get64(const uint8_t *p) { return (uint64_t)vlp_get32(p + 4) << 32 | vlp_get32(p); }

vlp_code vlp_read_result(const uint8_t *data, size_t n, vlp_result *result)
{
    if (n < VLP_RESULT_HEADER || data[0] < 1 || data[1] < VLP_RECORD_SIZE)
        return VLP_INVALID;
    result->stride = data[1];
    result->count = (uint16_t)vlp_get16(data + 2);
    result->obj = vlp_get32(data + 4);
    result->t_us = get64(data + 8);
    result->records = data + VLP_RESULT_HEADER;
    return n - VLP_RESULT_HEADER < (size_t)result->count * result->stride ? VLP_INVALID : VLP_OK;
}

vlp_finding vlp_read_finding(const vlp_result *result, unsigned i)
{
    const uint8_t *p = result->records + (size_t)i * result->stride;
    vlp_finding found;
    found.class_id = (uint16_t)vlp_get16(p);
    found.score = (uint16_t)vlp_get16(p + 2);
    found.x = (int16_t)vlp_get16(p + 4);
    found.y = (int16_t)vlp_get16(p + 6);
    found.w = (int16_t)vlp_get16(p + 8);
    found.h = (int16_t)vlp_get16(p + 10);
    found.track = vlp_get32(p + 12);
    return found;
}

vlp_code vlp_read_trigger(const uint8_t *data, size_t n, vlp_trigger *trigger)
{
    if (n < VLP_TRIGGER_SIZE || data[0] < 1 || data[1] < VLP_TRIGGER_SIZE || data[1] > n)
        return VLP_INVALID;
    trigger->source = (uint16_t)vlp_get16(data + 2);
    trigger->count = vlp_get32(data + 4);
    trigger->t_us = get64(data + 8);
    return VLP_OK;
}

void vlp_put_trigger(uint8_t out[16], const vlp_trigger *trigger)
{
    out[0] = 1;
    out[1] = VLP_TRIGGER_SIZE;
    vlp_put64(vlp_put32(vlp_put16(out + 2, trigger->source), trigger->count), trigger->t_us);
}

void vlp_put_event(uint8_t out[12], uint16_t kind, uint64_t t_us)
{
    out[0] = 1;
    out[1] = VLP_EVENT_HEADER;
    vlp_put64(vlp_put16(out + 2, kind), t_us);
}
