/* A camera whose sensor is a folder of JPEG files: what is above the link. */
#ifndef CAMERA_H
#define CAMERA_H

#include <stdio.h>

#include "folder.h"
#include "vlp.h"
#include "vlp_rpc.h"

enum { CAMERA_BUFFERS = 3 };

typedef struct {
    vlp_image image; /* first: what VLP_SENT names */
    int busy;
} camera_buffer;

typedef struct {
    vlp_t *link;
    vlp_rpc rpc;
    folder folder;
    FILE *results; /* a line of JSON for each RESULT; or NULL */
    size_t next_file;
    int repeat;    /* begin again with the first file after the last */
    uint64_t now_us, due_us;
    uint32_t wanted;  /* images that are still to be taken; UINT32_MAX: without end */
    uint32_t dropped; /* for want of a buffer, since the box was told last */
    int32_t exposure_us, gain_q8, rate_mhz, quality, led;
    uint32_t pins, levels;
    int reboot;
    uint8_t event[32];
    int event_busy;
    camera_buffer buffers[CAMERA_BUFFERS];
    uint8_t replies[VLP_KEPT_REPLIES * 256];
} camera;

void camera_init(camera *camera, vlp_t *link);

/* Take an image if one is due, and send what waits. Before each vlp_poll. */
void camera_poll(camera *camera, uint64_t now_us);

/* For vlp_hal. */
vlp_code camera_on_message(camera *camera, const vlp_message *message);
void camera_on_event(camera *camera, vlp_event event, const void *what);

#endif
