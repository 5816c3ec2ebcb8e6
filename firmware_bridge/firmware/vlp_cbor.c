/* CBOR without recursion; see vlp_cbor.h. */
#include "vlp_cbor.h"

#include <string.h>

/* --- decoding --- */

/* One head, and a string's bytes; 0 if it is cut off, or not of the subset. */
static int read_item(vlp_reader *reader, vlp_item *item)
{
    if (reader->at == reader->end)
        return 0;
    unsigned first = *reader->at++, size = first & 31u;
    uint32_t number = size;
    item->type = (uint8_t)(first >> 5);
    item->wide = 0;
    item->data = NULL;
    if (size >= 24) {
        if (size > 27 || item->type == VLP_SIMPLE)
            return 0;
        size = 1u << (size - 24u);
        if (size > (size_t)(reader->end - reader->at))
            return 0;
        for (number = 0; size; size--) {
            if (number >> 24)
                item->wide = 1;
            number = number << 8 | *reader->at++;
        }
        if (item->wide)
            number = UINT32_MAX;
    }
    item->number = number;
    if (item->type == VLP_BYTES || item->type == VLP_TEXT) {
        if (item->wide || number > (size_t)(reader->end - reader->at))
            return 0;
        item->data = reader->at;
        reader->at += number;
    }
    return item->type != 6 && (item->type != VLP_SIMPLE || (number >= VLP_FALSE && number <= VLP_NULL));
}

/* One item with all that is in it; 0 if it is not of the subset. */
static int read_all(vlp_reader *reader)
{
    uint32_t left[VLP_CBOR_DEPTH + 1] = {1};
    uint8_t keys[VLP_CBOR_DEPTH + 1] = {0}; /* in a map: whether keys are among the items */
    unsigned depth = 0;
    for (;;) {
        while (!left[depth])
            if (!depth--)
                return 1;
        int is_key = keys[depth] && !(left[depth] & 1u);
        vlp_item item;
        left[depth]--;
        if (!read_item(reader, &item) || (is_key && item.type != VLP_UINT))
            return 0;
        if (item.type != VLP_ARRAY && item.type != VLP_MAP)
            continue;
        uint32_t each = item.type == VLP_MAP ? 2 : 1;
        if (depth == VLP_CBOR_DEPTH || item.number > (size_t)(reader->end - reader->at) >> (each - 1u))
            return 0;
        left[++depth] = item.number * each;
        keys[depth] = item.type == VLP_MAP;
    }
}

int vlp_cbor_valid(const uint8_t *data, size_t n)
{
    vlp_reader reader = {data, data + n};
    return read_all(&reader) && reader.at == reader.end;
}

vlp_item vlp_cbor_next(vlp_reader *reader)
{
    vlp_item item;
    if (!read_item(reader, &item)) {
        memset(&item, 0, sizeof item);
        item.type = VLP_SIMPLE;
        item.number = VLP_NULL;
    }
    return item;
}

void vlp_cbor_skip(vlp_reader *reader) { read_all(reader); }

int vlp_cbor_integer(const vlp_item *item, int32_t *value)
{
    if (item->type > VLP_NEGATIVE || item->number > INT32_MAX)
        return 0;
    *value = item->type == VLP_UINT ? (int32_t)item->number : -1 - (int32_t)item->number;
    return 1;
}

/* --- encoding --- */

void vlp_cbor_put_raw(vlp_writer *writer, const void *data, size_t n)
{
    if (writer->full || n > (size_t)(writer->end - writer->at)) {
        writer->full = 1;
        return;
    }
    if (n)
        memcpy(writer->at, data, n);
    writer->at += n;
}

void vlp_cbor_put(vlp_writer *writer, uint8_t type, uint32_t number)
{
    uint8_t head[5] = {0, (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    unsigned size = number >> 16 ? 4 : number >> 8 ? 2 : number >= 24 ? 1 : 0;
    uint8_t *begin = head + 4 - size;
    static const uint8_t code[5] = {0, 24, 25, 0, 26};
    *begin = (uint8_t)((uint32_t)type << 5 | (size ? code[size] : number));
    vlp_cbor_put_raw(writer, begin, 1 + size);
}

void vlp_cbor_put_integer(vlp_writer *writer, int32_t value)
{
    if (value >= 0)
        vlp_cbor_put(writer, VLP_UINT, (uint32_t)value);
    else
        vlp_cbor_put(writer, VLP_NEGATIVE, (uint32_t)(-1 - value));
}

void vlp_cbor_put_string(vlp_writer *writer, uint8_t type, const void *data, size_t n)
{
    vlp_cbor_put(writer, type, (uint32_t)n);
    vlp_cbor_put_raw(writer, data, n);
}
