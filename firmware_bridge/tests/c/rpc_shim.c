/* Commands without a link around them: requests in, replies out, and what was done. */
#include "shim.c"

#include "vlp_rpc.h"

static int32_t exposure = 100, roi[4] = {0, 0, 640, 480}, temperature = -40;
static uint32_t pins = 0x80000003u, levels = 1, format = 0x4745504au;
static int changes, reboots;
static uint32_t kinds, started, pulses, delay;
static uint8_t paired[32];
static int failing;

static const vlp_parameter table[] = {
    {VLP_P_EXPOSURE_US, VLP_NUMBER, 0, 10, 70000}, {VLP_P_ROI, VLP_QUAD, 0, 0, 640},   {VLP_P_FORMAT, VLP_FOURCC, 0, 0, 0},
    {VLP_P_GPIO, VLP_PINS, 0, 0, 0},               {64, VLP_NUMBER, 1, -50, 100},
};

static vlp_code get(void *ctx, const vlp_parameter *parameter, int32_t value[4])
{
    (void)ctx;
    switch (parameter->key) {
    case VLP_P_EXPOSURE_US:
        value[0] = exposure;
        break;
    case VLP_P_ROI:
        memcpy(value, roi, sizeof roi);
        break;
    case VLP_P_FORMAT:
        value[0] = (int32_t)format;
        break;
    case VLP_P_GPIO:
        value[0] = (int32_t)pins;
        value[1] = (int32_t)levels;
        break;
    default:
        value[0] = temperature;
    }
    return VLP_OK;
}

static vlp_code set(void *ctx, const vlp_parameter *parameter, const int32_t value[4], int apply)
{
    (void)ctx;
    if (failing)
        return VLP_HW;
    if (!apply)
        return VLP_OK;
    changes++;
    if (parameter->key == VLP_P_EXPOSURE_US)
        exposure = value[0];
    else if (parameter->key == VLP_P_ROI)
        memcpy(roi, value, sizeof roi);
    else if (parameter->key == VLP_P_FORMAT)
        format = (uint32_t)value[0];
    else
        levels = (levels & ~(uint32_t)value[0]) | (uint32_t)value[1];
    return VLP_OK;
}

static vlp_code trigger(void *ctx, uint32_t count, uint32_t delay_us, uint32_t *first)
{
    (void)ctx;
    pulses += count;
    delay = delay_us;
    *first = 7;
    return VLP_OK;
}

static vlp_code start(void *ctx, uint32_t images)
{
    (void)ctx;
    started = images;
    return VLP_OK;
}

static vlp_code reboot(void *ctx, int loader)
{
    (void)ctx;
    reboots += loader ? 10 : 1;
    return VLP_OK;
}

static vlp_code subscribe(void *ctx, uint32_t wanted)
{
    (void)ctx;
    kinds = wanted;
    return VLP_OK;
}

static vlp_code pair(void *ctx, const uint8_t *psk)
{
    (void)ctx;
    memcpy(paired, psk, 32);
    return VLP_OK;
}

static const vlp_commands commands = {table, 5, "JPEGGREY", 640, 480, get, set, trigger, start, NULL, reboot, subscribe, pair};

static vlp_rpc rpc;
static uint8_t memory[VLP_KEPT_REPLIES * 160];

void rpc_new(device *dev, uint16_t reply_size) { vlp_rpc_init(&rpc, &dev->link, &commands, NULL, memory, reply_size); }

int rpc_request(const uint8_t *data, uint16_t n) { return (int)vlp_rpc_request(&rpc, data, n); }

void rpc_poll(void) { vlp_rpc_poll(&rpc); }

int rpc_idle(void) { return vlp_rpc_idle(&rpc); }

/* The frames that wait or are on their way on the control stream; then the box has them all. */
size_t rpc_replies(device *dev, uint8_t *out)
{
    uint8_t *p = out;
    vlp_stream *stream = &dev->link.streams[0];
    for (unsigned i = 0; i < (unsigned)stream->sent + stream->unsent; i++) {
        const vlp_slot *slot = vlp_slot_at(stream, i);
        *p++ = (uint8_t)slot->size;
        memcpy(p, slot->data, slot->size);
        p += slot->size;
    }
    return (size_t)(p - out);
}

/* All is acknowledged, or has failed: the link tells of each. */
void rpc_settle(device *dev)
{
    vlp_stream *stream = &dev->link.streams[0];
    for (; stream->sent + stream->unsent; stream->unsent--) {
        const void *what = vlp_slot_at(stream, 0)->data;
        if (++stream->first == stream->count)
            stream->first = 0;
        if (!vlp_rpc_gone(&rpc, what))
            abort();
    }
}

int32_t rpc_value(int which)
{
    const int32_t values[] = {exposure, roi[2], (int32_t)levels, changes, reboots, (int32_t)kinds, (int32_t)started, (int32_t)pulses, (int32_t)delay, paired[31]};
    return values[which];
}

void rpc_fail(int yes) { failing = yes; }
