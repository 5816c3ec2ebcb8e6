/* The subset of CBOR (RFC 8949) that VLP/1 uses: definite lengths, depth at most 4, no floats, no tags. No recursion. */
#ifndef VLP_CBOR_H
#define VLP_CBOR_H

#include <stddef.h>
#include <stdint.h>

enum { VLP_UINT, VLP_NEGATIVE, VLP_BYTES, VLP_TEXT, VLP_ARRAY, VLP_MAP, VLP_SIMPLE = 7 };
enum { VLP_FALSE = 20, VLP_TRUE, VLP_NULL };
#define VLP_CBOR_DEPTH 4

/* --- decoding --- */

typedef struct {
    const uint8_t *at, *end;
} vlp_reader;

typedef struct {
    const uint8_t *data; /* of a string: its bytes */
    uint32_t number;     /* value; -1 - value of a negative number; bytes, items or pairs; which simple value */
    uint8_t type;
    uint8_t wide;        /* the number did not fit and is UINT32_MAX */
} vlp_item;

/* Whether `data` is one item of the subset and nothing else. The functions below are for what has passed this. Two things are
 * not looked at: whether text is UTF-8, and whether a map repeats a key. */
int vlp_cbor_valid(const uint8_t *data, size_t n);

/* The next item: a string with its bytes; of an array or a map the head, its items follow. */
vlp_item vlp_cbor_next(vlp_reader *reader);

/* Go past the next item and all that is in it. */
void vlp_cbor_skip(vlp_reader *reader);

/* Whether an item is a whole number within int32_t, and which. */
int vlp_cbor_integer(const vlp_item *item, int32_t *value);

/* --- encoding --- */

typedef struct {
    uint8_t *at, *end;
    uint8_t full; /* something did not fit; nothing more is written */
} vlp_writer;

/* A head: a number, or the count of an array or a map, whose items are to follow. */
void vlp_cbor_put(vlp_writer *writer, uint8_t type, uint32_t number);
void vlp_cbor_put_integer(vlp_writer *writer, int32_t value);

/* A string. type: VLP_BYTES or VLP_TEXT. */
void vlp_cbor_put_string(vlp_writer *writer, uint8_t type, const void *data, size_t n);

/* Bytes that are CBOR already. */
void vlp_cbor_put_raw(vlp_writer *writer, const void *data, size_t n);

#endif
