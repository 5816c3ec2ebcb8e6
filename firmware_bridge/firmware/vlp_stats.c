/* The answer to STATS: PROTOCOL.md, section 5. */
#include "vlp_stats.h"

#include "vlp.h"

size_t vlp_stats(const uint32_t *counts, uint8_t *out, size_t limit)
{
    size_t at = 1;
    out[0] = 0xa0;
    for (unsigned i = 0; i <= VLP_N_GIVEN_UP && at + 6 <= limit; i++) {
        if (!counts[i])
            continue;
        out[0]++;
        out[at++] = (uint8_t)i;
        out[at++] = 0x1a;
        for (int shift = 24; shift >= 0; shift -= 8)
            out[at++] = (uint8_t)(counts[i] >> shift);
    }
    return at;
}
