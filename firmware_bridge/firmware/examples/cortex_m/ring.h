/* Bytes from one writer to one reader, one of them an interrupt. Head and tail are single words, which a Cortex-M writes
 * in one go, and each is written by one side only: no lock is needed. */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_SIZE 1024u /* a power of two */

typedef struct {
    volatile uint32_t head, tail; /* bytes ever written and ever read */
    uint8_t bytes[RING_SIZE];
} ring_t;

static inline uint32_t ring_count(const ring_t *ring) { return ring->head - ring->tail; }

static inline int ring_is_full(const ring_t *ring) { return ring_count(ring) == RING_SIZE; }

/* Put a byte; the ring is not full. */
static inline void ring_put(ring_t *ring, uint8_t byte)
{
    uint32_t head = ring->head;
    ring->bytes[head % RING_SIZE] = byte;
    __asm volatile("dmb" ::: "memory"); /* the byte is there before the reader may take it */
    ring->head = head + 1u;
}

/* The next byte; the ring is not empty. */
static inline uint8_t ring_get(ring_t *ring)
{
    uint32_t tail = ring->tail;
    uint8_t byte = ring->bytes[tail % RING_SIZE];
    __asm volatile("dmb" ::: "memory"); /* the byte is read before the writer may replace it */
    ring->tail = tail + 1u;
    return byte;
}

/* Put as many of n bytes as there is room for; how many. */
static inline size_t ring_write(ring_t *ring, const uint8_t *data, size_t n)
{
    size_t room = RING_SIZE - ring_count(ring);
    size_t count = n < room ? n : room;
    for (size_t i = 0; i < count; i++)
        ring_put(ring, data[i]);
    return count;
}

/* Take up to n bytes; how many. */
static inline size_t ring_read(ring_t *ring, uint8_t *data, size_t n)
{
    size_t waiting = ring_count(ring);
    size_t count = n < waiting ? n : waiting;
    for (size_t i = 0; i < count; i++)
        data[i] = ring_get(ring);
    return count;
}

#endif
