#define _XOPEN_SOURCE 700
#include "folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_jpeg(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (!strcmp(dot, ".jpg") || !strcmp(dot, ".jpeg") || !strcmp(dot, ".JPG"));
}

int folder_open(folder *folder, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_jpeg, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: %s\n", path, count < 0 ? "cannot be read" : "holds no *.jpg");
        return -1;
    }
    folder->path = path;
    folder->count = (size_t)count;
    folder->names = malloc((size_t)count * sizeof *folder->names);
    for (int i = 0; i < count; i++)
        folder->names[i] = entries[i]->d_name;
    return 0;
}

/* Width and height stand in the frame header (SOF0..SOF15, without DHT, JPG and DAC). */
static int find_size(picture *picture)
{
    const uint8_t *p = picture->data, *end = p + picture->size;
    if (picture->size < 4 || p[0] != 0xff || p[1] != 0xd8)
        return -1;
    for (p += 2; end - p >= 9 && p[0] == 0xff; p += 2 + (p[2] << 8 | p[3]))
        if (p[1] >= 0xc0 && p[1] <= 0xcf && p[1] != 0xc4 && p[1] != 0xc8 && p[1] != 0xcc) {
            picture->height = (uint16_t)(p[5] << 8 | p[6]);
            picture->width = (uint16_t)(p[7] << 8 | p[8]);
            return 0;
        }
    return -1;
}

int folder_read(const folder *folder, size_t index, picture *picture)
{
    char path[4096];
    long size = -1;
    snprintf(path, sizeof path, "%s/%s", folder->path, folder->names[index]);
    FILE *file = fopen(path, "rb");
    if (file && !fseek(file, 0, SEEK_END))
        size = ftell(file);
    picture->data = size > 0 ? malloc((size_t)size) : NULL;
    picture->size = size > 0 ? (uint32_t)size : 0;
    if (picture->data) {
        rewind(file);
        if (fread(picture->data, 1, (size_t)size, file) != (size_t)size || find_size(picture)) {
            free(picture->data);
            picture->data = NULL;
        }
    }
    if (file)
        fclose(file);
    if (!picture->data)
        fprintf(stderr, "%s is not a JPEG file that can be read\n", path);
    return picture->data ? 0 : -1;
}
