#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "pipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static const struct {
    uint32_t baud;
    speed_t speed;
} rates[] = {{9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},     {115200, B115200},
             {230400, B230400},   {460800, B460800},   {921600, B921600},   {1000000, B1000000}, {1500000, B1500000},
             {2000000, B2000000}, {3000000, B3000000}, {4000000, B4000000}};

static int make_raw(int fd)
{
    struct termios settings;
    if (tcgetattr(fd, &settings))
        return -1;
    cfmakeraw(&settings);
    return tcsetattr(fd, TCSANOW, &settings);
}

int pipe_open_pty(byte_pipe *pipe)
{
    memset(pipe, 0, sizeof *pipe);
    pipe->listener = -1;
    pipe->fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (pipe->fd < 0 || grantpt(pipe->fd) || unlockpt(pipe->fd))
        return -1;
    snprintf(pipe->place, sizeof pipe->place, "%s", ptsname(pipe->fd));
    pipe->far_end = open(pipe->place, O_RDWR | O_NOCTTY);
    if (pipe->far_end < 0 || make_raw(pipe->far_end))
        return -1;
    return fcntl(pipe->fd, F_SETFL, O_NONBLOCK);
}

int pipe_open_tcp(byte_pipe *pipe, uint16_t port)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    int yes = 1;
    memset(pipe, 0, sizeof *pipe);
    pipe->fd = pipe->far_end = -1;
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pipe->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (pipe->listener < 0 || setsockopt(pipe->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
        || bind(pipe->listener, (struct sockaddr *)&address, sizeof address) || listen(pipe->listener, 1)
        || getsockname(pipe->listener, (struct sockaddr *)&address, &size))
        return -1;
    snprintf(pipe->place, sizeof pipe->place, "socket://127.0.0.1:%u", ntohs(address.sin_port));
    return fcntl(pipe->listener, F_SETFL, O_NONBLOCK);
}

int pipe_open_tty(byte_pipe *pipe, const char *path, uint32_t baud)
{
    memset(pipe, 0, sizeof *pipe);
    pipe->listener = pipe->far_end = -1;
    pipe->is_tty = 1;
    snprintf(pipe->place, sizeof pipe->place, "%s", path);
    pipe->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    return pipe->fd < 0 || make_raw(pipe->fd) || pipe_set_rate(pipe, baud) ? -1 : 0;
}

int pipe_set_rate(byte_pipe *pipe, uint32_t baud)
{
    struct termios settings;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (rates[i].baud == baud) {
            if (tcgetattr(pipe->fd, &settings) || cfsetispeed(&settings, rates[i].speed) || cfsetospeed(&settings, rates[i].speed))
                return -1;
            return tcsetattr(pipe->fd, TCSANOW, &settings);
        }
    errno = EINVAL;
    return -1;
}

static void hang_up(byte_pipe *pipe)
{
    if (pipe->listener >= 0) {
        close(pipe->fd);
        pipe->fd = -1;
    }
}

static void answer_call(byte_pipe *pipe)
{
    int yes = 1;
    pipe->fd = accept(pipe->listener, NULL, NULL);
    if (pipe->fd < 0)
        return;
    setsockopt(pipe->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(pipe->fd, F_SETFL, O_NONBLOCK);
}

void pipe_wait(byte_pipe *pipe, int writing, int milliseconds)
{
    struct pollfd watched = {pipe->fd >= 0 ? pipe->fd : pipe->listener, (short)(POLLIN | (writing ? POLLOUT : 0)), 0};
    poll(&watched, 1, milliseconds);
    if (pipe->fd < 0)
        answer_call(pipe);
}

size_t pipe_read(byte_pipe *pipe, uint8_t *data, size_t n)
{
    ssize_t count = pipe->fd < 0 ? -1 : read(pipe->fd, data, n);
    if (pipe->fd >= 0 && (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)))
        hang_up(pipe);
    return count > 0 ? (size_t)count : 0;
}

size_t pipe_write(byte_pipe *pipe, const uint8_t *data, size_t n)
{
    ssize_t count;
    if (pipe->fd < 0)
        return n; /* nobody is there: as on a wire that ends nowhere */
    count = pipe->listener >= 0 ? send(pipe->fd, data, n, MSG_NOSIGNAL) : write(pipe->fd, data, n);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        hang_up(pipe);
    return count > 0 ? (size_t)count : 0;
}

int pipe_is_empty(const byte_pipe *pipe)
{
    int waiting = 0;
    return ioctl(pipe->fd, TIOCOUTQ, &waiting) || !waiting;
}
