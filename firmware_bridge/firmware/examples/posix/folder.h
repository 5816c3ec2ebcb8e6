/* The JPEG files of a folder, in the order of their names. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    char **names;
    const char *path;
    size_t count;
} folder;

typedef struct {
    uint8_t *data;
    uint32_t size;
    uint16_t width, height;
} picture;

/* 0, or -1 with a line on stderr: no such folder, or no *.jpg in it. */
int folder_open(folder *folder, const char *path);

/* Read a file: 0, or -1 with a line on stderr. `data` is the caller's to free. */
int folder_read(const folder *folder, size_t index, picture *picture);

#endif
