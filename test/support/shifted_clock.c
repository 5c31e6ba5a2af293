/* A clock that can be set: preloaded into a server, it adds the seconds in the file $SHIFTED_CLOCK to what the server takes for now. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    char text[32] = {0};
    const char *path = getenv("SHIFTED_CLOCK");
    int fd = path ? open(path, O_RDONLY) : -1;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &real);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        close(fd);
    }
    now->tv_sec = real.tv_sec + atol(text);
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
