/* The answer to STATS, for vlp_config.stats. An optional part of the link. */
#ifndef VLP_STATS_H
#define VLP_STATS_H

#include <stddef.h>
#include <stdint.h>

/* A CBOR map of the counters that are not 0, as many as `limit` bytes take; returns its size. */
size_t vlp_stats(const uint32_t *counts, uint8_t *out, size_t limit);

#endif
