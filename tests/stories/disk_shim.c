/* Between a program and its files below one folder: records each operation, or refuses some.

LD_PRELOAD loads it. DISK_FOLDER is the folder; shim_record() and shim_refuse() begin and end. A
record is (op, handle, offset, length) and the bytes of a write or the paths of the others. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { OPEN = 'o', WRITE = 'w', TRUNCATE = 't', SYNC = 's', RENAME = 'r', UNLINK = 'u', MKDIR = 'm', FALLOCATE = 'f' };
enum { HANDLES = 65536, PATH = 4096 };

struct head { int64_t op, handle, offset, length; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int handle_of[HANDLES];          /* 0: not below the folder */
static int handles, recording = -1;
static const char *folder;
static size_t folder_length;
static char refused_kinds[16];
static int refused_errno, is_refusing;
static int64_t counted, refuse_at, refuse_for;

static void *next_of(const char *name) { return dlsym(RTLD_NEXT, name); }
#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) next = (type (*)(__VA_ARGS__))next_of(name)

static int is_below(const char *path) {
    if (!folder) {
        folder = getenv("DISK_FOLDER");
        if (!folder) folder = "/nowhere/at/all";
        folder_length = strlen(folder);
    }
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

void shim_folder(const char *path) { folder = strdup(path); folder_length = strlen(folder); }

void shim_record(const char *path) { recording = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1; }

/* Operations of these kinds are counted; from number `at` on (from 1), `times` are refused. */
void shim_refuse(const char *kinds, int error, int64_t at, int64_t times) {
    pthread_mutex_lock(&lock);
    strncpy(refused_kinds, kinds, sizeof refused_kinds - 1);
    refused_errno = error; refuse_at = at; refuse_for = times; counted = 0; is_refusing = 0;
    pthread_mutex_unlock(&lock);
}

int64_t shim_counted(void) { return counted; }

/* With the lock held: whether this operation is refused, errno set. */
static int refused(char kind) {
    if (!refused_kinds[0] || !strchr(refused_kinds, kind)) return 0;
    counted++;
    is_refusing = counted >= refuse_at && counted < refuse_at + refuse_for;
    if (is_refusing) errno = refused_errno;
    return is_refusing;
}

/* A full disk still takes what needs no more room. */
static int refused_write(int fd, int64_t end) {
    struct stat found;
    if (refused_errno == ENOSPC && !fstat(fd, &found) && end <= found.st_size) return 0;
    return refused(WRITE);
}

static void note(char op, int handle, int64_t offset, const void *data, size_t length, const void *more, size_t more_length) {
    if (recording < 0) return;
    struct head head = {op, handle, offset, (int64_t)(length + more_length)};
    NEXT(ssize_t, "write", int, const void *, size_t);
    int saved = errno;
    if (next(recording, &head, sizeof head) < 0 || next(recording, data, length) < 0) abort();
    if (more_length && next(recording, more, more_length) < 0) abort();
    errno = saved;
}

static int opened(int (*next)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if (!is_below(path)) return next(path, flags, mode);
    pthread_mutex_lock(&lock);
    int makes = (flags & O_CREAT) && access(path, F_OK), writes = (flags & O_ACCMODE) != O_RDONLY;
    int concerns = refused_errno == ENOSPC ? makes : makes || writes;  /* a full disk opens what it has */
    int fd = concerns && refused(OPEN) ? -1 : next(path, flags, mode);
    if (fd >= 0 && fd < HANDLES) {
        handle_of[fd] = ++handles;
        note(OPEN, handles, flags & (O_CREAT | O_TRUNC | O_EXCL), path, strlen(path), 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPENER(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(int, #name, const char *, int, ...); \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(next, path, flags, mode); \
    }
OPENER(open)
OPENER(open64)

int close(int fd) {
    NEXT(int, "close", int);
    if (fd >= 0 && fd < HANDLES) handle_of[fd] = 0;
    return next(fd);
}

static int handle(int fd) { return fd >= 0 && fd < HANDLES ? handle_of[fd] : 0; }

#define POSITIONED(name, off) \
    ssize_t name(int fd, const void *data, size_t length, off at) { \
        NEXT(ssize_t, #name, int, const void *, size_t, off); \
        if (!handle(fd)) return next(fd, data, length, at); \
        pthread_mutex_lock(&lock); \
        ssize_t n = refused_write(fd, at + length) ? -1 : next(fd, data, length, at); \
        if (n > 0) note(WRITE, handle(fd), at, data, n, 0, 0); \
        pthread_mutex_unlock(&lock); \
        return n; \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (!handle(fd)) return next(fd, data, length);
    pthread_mutex_lock(&lock);
    ssize_t n = refused_write(fd, lseek(fd, 0, SEEK_CUR) + length) ? -1 : next(fd, data, length);
    if (n > 0) note(WRITE, handle(fd), lseek(fd, 0, SEEK_CUR) - n, data, n, 0, 0);
    pthread_mutex_unlock(&lock);
    return n;
}

#define TRUNCATER(name, off) \
    int name(int fd, off size) { \
        NEXT(int, #name, int, off); \
        if (!handle(fd)) return next(fd, size); \
        pthread_mutex_lock(&lock); \
        int failed = refused(TRUNCATE) ? -1 : next(fd, size); \
        if (!failed) note(TRUNCATE, handle(fd), size, "", 0, 0, 0); \
        pthread_mutex_unlock(&lock); \
        return failed; \
    }
TRUNCATER(ftruncate, off_t)
TRUNCATER(ftruncate64, off64_t)

#define FALLOCATER(name, off) \
    int name(int fd, off at, off length) { \
        NEXT(int, #name, int, off, off); \
        if (!handle(fd)) return next(fd, at, length); \
        pthread_mutex_lock(&lock); \
        int failed = refused(FALLOCATE) ? refused_errno : next(fd, at, length); \
        if (!failed) note(FALLOCATE, handle(fd), at + length, "", 0, 0, 0); \
        pthread_mutex_unlock(&lock); \
        return failed; \
    }
FALLOCATER(posix_fallocate, off_t)
FALLOCATER(posix_fallocate64, off64_t)

#define SYNCER(name) \
    int name(int fd) { \
        NEXT(int, #name, int); \
        if (!handle(fd)) return next(fd); \
        pthread_mutex_lock(&lock); \
        int failed = refused(SYNC) ? -1 : 0;  /* a record needs no real disk to wait for */ \
        if (!failed) note(SYNC, handle(fd), 0, "", 0, 0, 0); \
        pthread_mutex_unlock(&lock); \
        return failed; \
    }
SYNCER(fsync)
SYNCER(fdatasync)

int rename(const char *from, const char *to) {
    NEXT(int, "rename", const char *, const char *);
    if (!is_below(from)) return next(from, to);
    pthread_mutex_lock(&lock);
    int failed = refused(RENAME) ? -1 : next(from, to);
    if (!failed) note(RENAME, 0, 0, from, strlen(from) + 1, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return failed;
}

#define OF_PATH(kind, ...) \
    { \
        if (!is_below(path)) return next(__VA_ARGS__); \
        pthread_mutex_lock(&lock); \
        int failed = refused(kind) ? -1 : next(__VA_ARGS__); \
        if (!failed) note(kind, 0, 0, path, strlen(path), 0, 0); \
        pthread_mutex_unlock(&lock); \
        return failed; \
    }
int unlink(const char *path) { NEXT(int, "unlink", const char *); OF_PATH(UNLINK, path) }
int rmdir(const char *path) { NEXT(int, "rmdir", const char *); OF_PATH(UNLINK, path) }
int mkdir(const char *path, mode_t mode) { NEXT(int, "mkdir", const char *, mode_t); OF_PATH(MKDIR, path, mode) }

/* A disk that has no room says so when it is asked, too. */
#define ASKED(name, type) \
    int name(const char *path, struct type *found) { \
        NEXT(int, #name, const char *, struct type *); \
        int failed = next(path, found); \
        if (!failed && is_refusing && refused_errno == ENOSPC && is_below(path)) found->f_bavail = found->f_bfree = 0; \
        return failed; \
    }
ASKED(statvfs, statvfs)
ASKED(statvfs64, statvfs64)
