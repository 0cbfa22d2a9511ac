/* The wall clock, moved by MOVED_S seconds (given to the compiler); every other clock stays as it is.
 *
 * at-another-time names it in a private /etc/ld.so.preload, so that every process below has it, those
 * too that are started with their environment cut down. The monotonic clock must not move: waits
 * are measured on it. Times of files come from the kernel and do not move.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

typedef int Clock(clockid_t, struct timespec *);

int clock_gettime(clockid_t id, struct timespec *now) {
  static Clock *unmoved;
  if (!unmoved) unmoved = (Clock *)dlsym(RTLD_NEXT, "clock_gettime");
  int failed = unmoved(id, now);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += MOVED_S;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec moved;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &moved)) return -1;
  now->tv_sec = moved.tv_sec;
  now->tv_usec = moved.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec moved;
  if (clock_gettime(CLOCK_REALTIME, &moved)) return -1;
  if (now) *now = moved.tv_sec;
  return moved.tv_sec;
}
