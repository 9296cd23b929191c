/* The serial line of the process: a pty or a TCP port. Nothing in here waits. */
#include "pb_pty.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int listener = -1;
static int line = -1;
static int far_end = -1; /* our own hold on the pty's other side: without it a host that leaves looks like an error */
static char name[128];
static char link_path[4096];

static bool unblock(int descriptor)
{
    const int flags = fcntl(descriptor, F_GETFL);
    return (flags >= 0) && (fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0);
}

/* The link is made beside and renamed, so that it is never there without leading somewhere. */
static bool make_link(const char *path)
{
    char partial[4096 + 16];
    (void)snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    (void)snprintf(link_path, sizeof link_path, "%s", path);
    return (symlink(name, partial) == 0) && (rename(partial, path) == 0);
}

bool pb_wire_open_pty(const char *link)
{
    struct termios raw;
    line = posix_openpt(O_RDWR | O_NOCTTY);
    bool good = (line >= 0) && (grantpt(line) == 0) && (unlockpt(line) == 0)
        && (ptsname_r(line, name, sizeof name) == 0);
    if (good) {
        far_end = open(name, O_RDWR | O_NOCTTY);
        good = (far_end >= 0) && (tcgetattr(far_end, &raw) == 0);
    }
    if (good) {
        cfmakeraw(&raw);
        good = (tcsetattr(far_end, TCSANOW, &raw) == 0) && unblock(line);
    }
    if (good && (link != NULL)) {
        good = make_link(link);
    }
    return good;
}

bool pb_wire_open_tcp(uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    const bool good = (listener >= 0) && (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0)
        && (bind(listener, (struct sockaddr *)&address, size) == 0) && (listen(listener, 1) == 0)
        && (getsockname(listener, (struct sockaddr *)&address, &size) == 0) && unblock(listener);
    (void)snprintf(name, sizeof name, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return good;
}

const char *pb_wire_name(void)
{
    return name;
}

/* A newer host takes the line over: the older one may be a connection that died without a word. */
static void accept_host(void)
{
    const int host = (listener >= 0) ? accept(listener, NULL, NULL) : -1;
    if (host >= 0) {
        const int on = 1;
        if (line >= 0) {
            (void)close(line);
        }
        line = host;
        (void)setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)unblock(line);
    }
}

static void hang_up(void)
{
    if ((listener >= 0) && (line >= 0)) {
        (void)close(line);
        line = -1;
    }
}

size_t pb_port_receive(uint8_t *bytes, size_t room)
{
    size_t count = 0u;
    accept_host();
    if (line >= 0) {
        const ssize_t got = read(line, bytes, room);
        if (got > 0) {
            count = (size_t)got;
        } else if ((got == 0) || ((errno != EAGAIN) && (errno != EINTR))) {
            hang_up();
        } else {
            /* nothing there */
        }
    }
    return count;
}

/* A host that reads nothing loses answers, as on a serial line. */
void pb_port_send(const uint8_t *bytes, size_t length)
{
    if ((line >= 0) && (length > 0u)) {
        const ssize_t sent = (listener >= 0) ? send(line, bytes, length, MSG_NOSIGNAL) : write(line, bytes, length);
        if ((sent < 0) && (errno != EAGAIN) && (errno != EINTR)) {
            hang_up();
        }
    }
}

void pb_wire_close(void)
{
    if (link_path[0] != '\0') {
        char target[sizeof name];
        const ssize_t size = readlink(link_path, target, sizeof target);
        if ((size > 0) && ((size_t)size == strlen(name)) && (memcmp(target, name, (size_t)size) == 0)) {
            (void)unlink(link_path); /* only when nobody else has taken the name since */
        }
    }
}
