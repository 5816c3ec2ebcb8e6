/* The structs of RESULT, EVENT and TRIGGER (PROTOCOL.md, 5.3, 5.4, 5.6), read and written. An optional part above the link. */
#ifndef VLP_MESSAGES_H
#define VLP_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "vlp.h"

enum { VLP_EVENT_HEADER = 12, VLP_TRIGGER_SIZE = 16, VLP_RESULT_HEADER = 16, VLP_RECORD_SIZE = 16 };

/* Findings of one image, or a part of them: VLP_FIRST and VLP_MORE of the message say which. */
typedef struct {
    const uint8_t *records;
    uint64_t t_us;   /* the image's time of capture */
    uint32_t obj;    /* the image's number */
    uint16_t count;
    uint8_t stride;
} vlp_result;

/* Quarters of a pixel, top-left corner; score 32768 is 1.0; track 0 is none. */
typedef struct {
    uint32_t track;
    uint16_t class_id, score;
    int16_t x, y, w, h;
} vlp_finding;

typedef struct {
    uint64_t t_us;
    uint32_t count;
    uint16_t source;
} vlp_trigger;

/* VLP_OK, or VLP_INVALID: what on_message shall return. */
vlp_code vlp_read_result(const uint8_t *data, size_t n, vlp_result *result);

/* Finding i, below count. */
vlp_finding vlp_read_finding(const vlp_result *result, unsigned i);

vlp_code vlp_read_trigger(const uint8_t *data, size_t n, vlp_trigger *trigger);
void vlp_put_trigger(uint8_t out[16], const vlp_trigger *trigger);

/* The head of an EVENT; a CBOR map follows it. */
void vlp_put_event(uint8_t out[12], uint16_t kind, uint64_t t_us);

#endif
