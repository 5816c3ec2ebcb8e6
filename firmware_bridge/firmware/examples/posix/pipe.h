/* The pipe of bytes of a POSIX device: a pseudo-terminal, a TCP port, or a tty. */
#ifndef PIPE_H
#define PIPE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd;       /* -1: nobody is there */
    int listener; /* of TCP, else -1 */
    int far_end;  /* of a pseudo-terminal, kept open so that it outlives who uses it; else -1 */
    int is_tty;   /* it has a rate, and a queue that empties */
    char place[256];
} byte_pipe;

/* Open; `place` then says where the box finds it. 0, or -1 with errno. */
int pipe_open_pty(byte_pipe *pipe);
int pipe_open_tcp(byte_pipe *pipe, uint16_t port); /* 0: any */
int pipe_open_tty(byte_pipe *pipe, const char *path, uint32_t baud);

/* Wait until there is something to read, to write if `writing`, or so long. */
void pipe_wait(byte_pipe *pipe, int writing, int milliseconds);

/* As many bytes as can be had or taken now. */
size_t pipe_read(byte_pipe *pipe, uint8_t *data, size_t n);
size_t pipe_write(byte_pipe *pipe, const uint8_t *data, size_t n);

/* Whether all that was written has left; and another rate: -1 if the tty has no such rate. */
int pipe_is_empty(const byte_pipe *pipe);
int pipe_set_rate(byte_pipe *pipe, uint32_t baud);

#endif
