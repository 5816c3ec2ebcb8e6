/* CRC-32/ISO-HDLC in software, for vlp_hal.crc32: the same result, at three prices. Each stands alone; the linker drops the others. */
#ifndef VLP_CRC32_H
#define VLP_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* No table. */
uint32_t vlp_crc32_bitwise(void *ctx, uint32_t crc, const uint8_t *data, size_t n);

/* A table of 64 bytes. */
uint32_t vlp_crc32_nibble(void *ctx, uint32_t crc, const uint8_t *data, size_t n);

/* A table of 1 KiB. */
uint32_t vlp_crc32_table(void *ctx, uint32_t crc, const uint8_t *data, size_t n);

#endif
