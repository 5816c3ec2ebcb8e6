/* Preloaded into a process, records in one file all that it does to files whose path begins with VEDETTE_LOG_PREFIX:
 * a record is {u8 kind, u32 file, u64 offset, u64 length} and, for a write or a name, its bytes. See power_replay.py.
 * Mapped memory (the -shm file of SQLite) is not seen and not needed: it is made anew. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPENED = 1, WRITTEN, TRUNCATED, SYNCED, REMOVED };
enum { MOST_FILES = 4096, LONGEST_NAME = 1024 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static const char *prefix;
static uint32_t file_of[MOST_FILES];               /* by descriptor; 0: not recorded */
static char names[256][LONGEST_NAME];
static uint32_t known = 1;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void append(const void *data, size_t length) {
    static ssize_t (*write_)(int, const void *, size_t);
    if (!write_) write_ = real("write");
    const char *at = data;
    while (length) {
        ssize_t done = write_(log_fd, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static void record(uint8_t kind, uint32_t file, uint64_t offset, uint64_t length, const void *data) {
    unsigned char head[21];
    head[0] = kind;
    memcpy(head + 1, &file, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 8);
    append(head, sizeof head);
    if (data) append(data, length);
}

__attribute__((constructor)) static void begin(void) {
    static int (*open_)(const char *, int, ...);
    open_ = real("open");
    prefix = getenv("VEDETTE_LOG_PREFIX");
    const char *path = getenv("VEDETTE_LOG");
    if (prefix && path) log_fd = open_(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int wanted(const char *path) {
    return log_fd >= 0 && path && strncmp(path, prefix, strlen(prefix)) == 0 && !strstr(path, "-shm") &&
           strlen(path) < LONGEST_NAME;
}

static int opened(int fd, const char *path) {
    if (fd < 0 || fd >= MOST_FILES) return fd;
    pthread_mutex_lock(&guard);
    file_of[fd] = 0;
    if (wanted(path)) {
        uint32_t file = 1;
        while (file < known && strcmp(names[file], path)) file++;
        if (file == 256) abort();
        if (file == known) strcpy(names[known++], path);
        file_of[fd] = file;
        record(OPENED, file, 0, strlen(path), path);
    }
    pthread_mutex_unlock(&guard);
    return fd;
}

#define OPEN(name)                                                  \
    int name(const char *path, int flags, ...) {                    \
        static int (*next)(const char *, int, ...);                 \
        if (!next) next = real(#name);                              \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                               \
        return opened(next(path, flags, mode), path);               \
    }
OPEN(open)
OPEN(open64)

/* The call is made while the lock is held: the order of the log is the order on the disk. */
#define RECORDED(fd, call, happened, kind, offset, length, data)                       \
    pthread_mutex_lock(&guard);                                                        \
    uint32_t file = fd >= 0 && fd < MOST_FILES ? file_of[fd] : 0;                      \
    __typeof__(call) result = call;                                                    \
    if (file && (happened)) record(kind, file, (uint64_t)(offset), (uint64_t)(length), data); \
    pthread_mutex_unlock(&guard);                                                      \
    return result

#define PWRITE(name, offset_type)                                                       \
    ssize_t name(int fd, const void *data, size_t length, offset_type at) {             \
        static ssize_t (*next)(int, const void *, size_t, offset_type);                 \
        if (!next) next = real(#name);                                                  \
        RECORDED(fd, next(fd, data, length, at), result > 0, WRITTEN, at, result, data); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = real("write");
    if (fd < 0 || fd >= MOST_FILES || !file_of[fd]) return next(fd, data, length);
    off_t at = lseek(fd, 0, SEEK_CUR);
    RECORDED(fd, next(fd, data, length), result > 0, WRITTEN, at, result, data);
}

#define TRUNCATE(name, offset_type)                                                  \
    int name(int fd, offset_type length) {                                           \
        static int (*next)(int, offset_type);                                        \
        if (!next) next = real(#name);                                               \
        RECORDED(fd, next(fd, length), result == 0, TRUNCATED, length, 0, NULL);     \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                          \
    int name(int fd) {                                                      \
        static int (*next)(int);                                            \
        if (!next) next = real(#name);                                      \
        RECORDED(fd, next(fd), result == 0, SYNCED, 0, 0, NULL);            \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    static int (*next)(const char *);
    if (!next) next = real("unlink");
    pthread_mutex_lock(&guard);
    int result = next(path);
    if (result == 0 && wanted(path)) record(REMOVED, 0, 0, strlen(path), path);
    pthread_mutex_unlock(&guard);
    return result;
}
