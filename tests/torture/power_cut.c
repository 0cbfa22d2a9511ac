/* A disk that can be replayed: logs every write, sync, truncation and change of names below a folder.
 *
 * LD_PRELOAD it with DISK_FOLDER (absolute) and DISK_LOG set. A record of the log is a line
 *   KIND OFFSET LENGTH PATH [NEW PATH]\n
 * and, for a write (W), LENGTH bytes after it. S is a sync of a file or folder, T a truncation to
 * OFFSET, R a renaming, U a removal. Paths hold no spaces. power_cut.py makes of it what a power cut may
 * leave behind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
  const char *log = getenv("DISK_LOG");
  folder = getenv("DISK_FOLDER");
  if (log && folder) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_below(const char *path) {
  size_t length = log_fd < 0 ? 0 : strlen(folder);
  return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int path_of(int fd, char *path) {
  char link[64];
  if (log_fd < 0 || fd == log_fd) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_below(path);
}

static void record(char kind, off_t offset, const void *data, size_t length, const char *path,
                   const char *path_after) {
  char head[2 * PATH_MAX + 64];
  int size = snprintf(head, sizeof head, "%c %lld %zu %s%s%s\n", kind, (long long)offset, length,
                      path, path_after ? " " : "", path_after ? path_after : "");
  syscall(SYS_write, log_fd, head, (size_t)size);
  if (length) syscall(SYS_write, log_fd, data, length);
}

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define PWRITE(name, offset_type)                                              \
  ssize_t name(int fd, const void *data, size_t length, offset_type offset) {  \
    REAL(ssize_t, #name, int, const void *, size_t, offset_type);              \
    char path[PATH_MAX];                                                       \
    if (!path_of(fd, path)) return real(fd, data, length, offset);             \
    pthread_mutex_lock(&order);                                                \
    ssize_t done = real(fd, data, length, offset);                             \
    if (done > 0) record('W', offset, data, (size_t)done, path, NULL);         \
    pthread_mutex_unlock(&order);                                              \
    return done;                                                               \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
  REAL(ssize_t, "write", int, const void *, size_t);
  char path[PATH_MAX];
  if (!path_of(fd, path)) return real(fd, data, length);
  pthread_mutex_lock(&order);
  ssize_t done = real(fd, data, length);
  if (done > 0) record('W', lseek(fd, 0, SEEK_CUR) - done, data, (size_t)done, path, NULL);
  pthread_mutex_unlock(&order);
  return done;
}

#define ON_FILE(name, kind, offset, parameters, call, ...)      \
  int name parameters {                                         \
    REAL(int, #name, __VA_ARGS__);                              \
    char path[PATH_MAX];                                        \
    if (!path_of(fd, path)) return real call;                   \
    pthread_mutex_lock(&order);                                 \
    int failed = real call;                                     \
    if (!failed) record(kind, offset, NULL, 0, path, NULL);     \
    pthread_mutex_unlock(&order);                               \
    return failed;                                              \
  }
ON_FILE(fsync, 'S', 0, (int fd), (fd), int)
ON_FILE(fdatasync, 'S', 0, (int fd), (fd), int)
ON_FILE(ftruncate, 'T', size, (int fd, off_t size), (fd, size), int, off_t)
ON_FILE(ftruncate64, 'T', size, (int fd, off64_t size), (fd, size), int, off64_t)

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  if (!is_below(from)) return real(from, to);
  pthread_mutex_lock(&order);
  int failed = real(from, to);
  if (!failed) record('R', 0, NULL, 0, from, to);
  pthread_mutex_unlock(&order);
  return failed;
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  if (!is_below(path)) return real(path);
  pthread_mutex_lock(&order);
  int failed = real(path);
  if (!failed) record('U', 0, NULL, 0, path, NULL);
  pthread_mutex_unlock(&order);
  return failed;
}
