#include "camera.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vlp_cbor.h"
#include "vlp_crc32.h"
#include "vlp_messages.h"

/* --- parameters and commands --- */

static const vlp_parameter parameters[] = {
    {VLP_P_EXPOSURE_US, VLP_NUMBER, 0, 1, 1000000}, {VLP_P_GAIN_Q8, VLP_NUMBER, 0, 256, 16384},
    {VLP_P_RATE_MHZ, VLP_NUMBER, 0, 1, 1000000},    {VLP_P_FORMAT, VLP_FOURCC, 1, 0, 0},
    {VLP_P_QUALITY, VLP_NUMBER, 1, 1, 100},         {VLP_P_LED, VLP_NUMBER, 0, 0, 255},
    {VLP_P_GPIO, VLP_PINS, 0, 0, 0},
};

static int32_t *number(camera *camera, uint16_t key)
{
    switch (key) {
    case VLP_P_EXPOSURE_US:
        return &camera->exposure_us;
    case VLP_P_GAIN_Q8:
        return &camera->gain_q8;
    case VLP_P_RATE_MHZ:
        return &camera->rate_mhz;
    case VLP_P_QUALITY:
        return &camera->quality;
    default:
        return &camera->led;
    }
}

static vlp_code get(void *ctx, const vlp_parameter *parameter, int32_t value[4])
{
    camera *camera = ctx;
    if (parameter->key == VLP_P_GPIO) {
        value[0] = (int32_t)camera->pins;
        value[1] = (int32_t)camera->levels;
    } else if (parameter->key == VLP_P_FORMAT) {
        memcpy(value, "JPEG", 4);
    } else {
        *value = *number(camera, parameter->key);
    }
    return VLP_OK;
}

static vlp_code set(void *ctx, const vlp_parameter *parameter, const int32_t value[4], int apply)
{
    camera *camera = ctx;
    if (parameter->key == VLP_P_GPIO) {
        if ((uint32_t)value[0] & ~camera->pins)
            return VLP_RANGE; /* no such pin */
        if (apply)
            camera->levels = (camera->levels & ~(uint32_t)value[0]) | (uint32_t)value[1];
    } else if (apply) {
        *number(camera, parameter->key) = *value;
    }
    return VLP_OK;
}

static vlp_code start(void *ctx, uint32_t images)
{
    camera *camera = ctx;
    camera->wanted = images ? images : UINT32_MAX;
    camera->due_us = 0;
    return VLP_OK;
}

static vlp_code trigger(void *ctx, uint32_t count, uint32_t delay_us, uint32_t *first_obj)
{
    camera *camera = ctx;
    if (camera->wanted)
        return VLP_BUSY;
    camera->wanted = count;
    camera->due_us = camera->now_us + delay_us;
    *first_obj = camera->link->obj;
    return VLP_OK;
}

static vlp_code stop(void *ctx)
{
    ((camera *)ctx)->wanted = 0;
    return VLP_OK;
}

static vlp_code reboot(void *ctx, int boot_loader)
{
    ((camera *)ctx)->reboot = 1;
    return boot_loader ? VLP_UNKNOWN : VLP_OK;
}

static const vlp_commands commands = {.parameters = parameters,
                                      .parameter_count = sizeof parameters / sizeof *parameters,
                                      .formats = "JPEG",
                                      .width = 65535,
                                      .height = 65535,
                                      .get = get,
                                      .set = set,
                                      .trigger = trigger,
                                      .start = start,
                                      .stop = stop,
                                      .reboot = reboot};

/* --- images --- */

static camera_buffer *free_buffer(camera *camera)
{
    for (int i = 0; i < CAMERA_BUFFERS; i++)
        if (!camera->buffers[i].busy)
            return &camera->buffers[i];
    return NULL;
}

/* The next file as an image taken now. */
static void take(camera *camera, uint64_t now_us)
{
    camera_buffer *buffer = free_buffer(camera);
    picture picture;
    if (!buffer) {
        camera->dropped++; /* a camera does not wait for the line */
        return;
    }
    if (folder_read(&camera->folder, camera->next_file, &picture))
        exit(1);
    if (++camera->next_file == camera->folder.count) {
        camera->next_file = 0;
        if (!camera->repeat)
            camera->wanted = 1;
    }
    vlp_image *image = &buffer->image;
    image->data = picture.data;
    image->size = picture.size;
    memcpy(image->fourcc, "JPEG", 4);
    image->width = picture.width;
    image->height = picture.height;
    image->t_capture_us = now_us;
    image->exposure_us = (uint32_t)camera->exposure_us;
    image->crc32 = vlp_crc32_table(NULL, 0, picture.data, picture.size);
    if (vlp_send_image(camera->link, image)) {
        free(picture.data);
        return;
    }
    buffer->busy = 1;
    if (camera->wanted != UINT32_MAX)
        camera->wanted--;
}

/* EVENT "dropped". */
static void tell_dropped(camera *camera, uint64_t now_us)
{
    vlp_writer writer = {camera->event + VLP_EVENT_HEADER, camera->event + sizeof camera->event, 0};
    vlp_put_event(camera->event, 3, now_us);
    vlp_cbor_put(&writer, VLP_MAP, 1);
    vlp_cbor_put(&writer, VLP_UINT, 0);
    vlp_cbor_put(&writer, VLP_UINT, camera->dropped);
    if (vlp_send(camera->link, VLP_EVENT, camera->event, (uint16_t)(writer.at - camera->event)) == 0) {
        camera->event_busy = 1;
        camera->dropped = 0;
    }
}

void camera_poll(camera *camera, uint64_t now_us)
{
    camera->now_us = now_us;
    vlp_rpc_poll(&camera->rpc);
    if (camera->wanted && vlp_is_up(camera->link) && now_us >= camera->due_us) {
        uint64_t period = 1000000000u / (uint32_t)camera->rate_mhz;
        camera->due_us = camera->due_us + period > now_us ? camera->due_us + period : now_us + period;
        take(camera, now_us);
    }
    if (camera->dropped && !camera->event_busy)
        tell_dropped(camera, now_us);
    if (camera->reboot && vlp_rpc_idle(&camera->rpc))
        exit(0);
}

/* --- what comes --- */

static vlp_code log_result(camera *camera, const vlp_message *message)
{
    vlp_result result;
    if (vlp_read_result(message->data, message->size, &result))
        return VLP_INVALID;
    if (!camera->results)
        return VLP_OK;
    fprintf(camera->results, "{\"obj\": %" PRIu32 ", \"t_us\": %" PRIu64 ", \"more\": %s, \"findings\": [", result.obj, result.t_us,
            message->flags & VLP_MORE ? "true" : "false");
    for (unsigned i = 0; i < result.count; i++) {
        vlp_finding found = vlp_read_finding(&result, i);
        fprintf(camera->results,
                "%s{\"class\": %u, \"score\": %.5f, \"x\": %.2f, \"y\": %.2f, \"w\": %.2f, \"h\": %.2f, \"track\": %" PRIu32 "}",
                i ? ", " : "", found.class_id, found.score / 32768.0, found.x / 4.0, found.y / 4.0, found.w / 4.0, found.h / 4.0,
                found.track);
    }
    fprintf(camera->results, "]}\n");
    fflush(camera->results);
    return VLP_OK;
}

static vlp_code on_trigger(camera *camera, const vlp_message *message)
{
    vlp_trigger asked;
    uint32_t first;
    vlp_code code = vlp_read_trigger(message->data, message->size, &asked);
    return code ? code : trigger(camera, 1, 0, &first);
}

vlp_code camera_on_message(camera *camera, const vlp_message *message)
{
    if (message->channel == VLP_RESULT)
        return log_result(camera, message);
    if (!(message->flags & VLP_RELIABLE))
        return VLP_UNKNOWN;
    if (message->channel == VLP_RPC)
        return vlp_rpc_request(&camera->rpc, message->data, message->size);
    if (message->channel == VLP_TRIGGER)
        return on_trigger(camera, message);
    return VLP_UNKNOWN;
}

void camera_on_event(camera *camera, vlp_event event, const void *what)
{
    if (event == VLP_DOWN)
        camera->wanted = 0; /* the next box says what it wants */
    if (event != VLP_SENT && event != VLP_FAILED)
        return;
    if (what == camera->event) {
        camera->event_busy = 0;
    } else if (!vlp_rpc_gone(&camera->rpc, what)) {
        camera_buffer *buffer = (camera_buffer *)(uintptr_t)what;
        free((void *)(uintptr_t)buffer->image.data);
        buffer->busy = 0;
    }
}

void camera_init(camera *camera, vlp_t *link)
{
    camera->link = link;
    camera->exposure_us = 10000;
    camera->gain_q8 = 256;
    camera->quality = 90;
    camera->pins = 0x0f;
    vlp_rpc_init(&camera->rpc, link, &commands, camera, camera->replies, sizeof camera->replies / VLP_KEPT_REPLIES);
}
