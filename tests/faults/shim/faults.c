/* Faults for a process whose memory we do not touch: preloaded (LD_PRELOAD), it stands between a program and the C library.
 *
 *   FAULTS_FOLDER   the data folder; files below it are recorded and may fail, all other files are left alone
 *   FAULTS_CONTROL  a file of 4 KiB (struct control below) that the test maps too: faults are armed while the program runs
 *   FAULTS_LOG      every change of a file in the folder in the order in which it took effect; absent: nothing is recorded
 *
 * A rule names classes of calls and counts them down; the n-th call dies, fails, is cut short, or reads a flipped bit. Sockets have
 * classes too, told by what came in on them first, so that a process can be killed while it accepts, acknowledges, relays or delivers.
 * One lock is held over each change and its record: the order of the records is the order of the changes.
 * Not seen: fopen(), memory maps (SQLite's -shm file, which no crash preserves), and descriptors made by dup(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x746c6166, RULES = 8, DESCRIPTORS = 65536, LOG_DESCRIPTOR = 900 };

enum call_class { /* bits; faults/control.py names them in the same order */
    CREATE = 1 << 0, LOG_WRITE = 1 << 1, FILE_WRITE = 1 << 2, LOG_SYNC = 1 << 3, FILE_SYNC = 1 << 4, RENAME = 1 << 5,
    UNLINK = 1 << 6, TRUNCATE = 1 << 7, FILE_READ = 1 << 8,
    ACCEPT = 1 << 9, ANSWER = 1 << 10, HAND_OVER = 1 << 11, HEAR_BACK = 1 << 12, DELIVER = 1 << 13,
};

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL, SHORT, TEAR, FLIP, DELAY };

struct rule {
    uint32_t classes, action;
    _Atomic int64_t countdown; /* the call that finds 1 here is the first that is struck */
    int64_t times;             /* so many calls from then on; below zero: all of them */
    int32_t pid;               /* of one process only; 0: of any */
    uint32_t argument;         /* errno of FAIL, microseconds of DELAY, bytes kept by SHORT and TEAR, bit of FLIP */
    _Atomic int64_t hits;
};

struct control {
    uint32_t magic, reserved;
    _Atomic int64_t clock_offset_ns; /* added to the wall clock of the process */
    struct rule rules[RULES];
};

enum operation { OP_CREATE = 1, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_SYNC_FOLDER, OP_RENAME, OP_UNLINK, OP_SYNC_FAILED };

struct record { /* then the name, relative to the folder, and the data */
    uint32_t bytes;
    uint8_t operation, reserved;
    uint16_t name_bytes;
    int32_t pid;
    uint32_t data_bytes;
    int64_t offset;
};

enum descriptor { UNKNOWN = 0, OURS, FOLDER, PUBLISHER, SUBSCRIBER, CHILD, FOREIGN };

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;
static int log_descriptor = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned char kinds[DESCRIPTORS];
static char *names[DESCRIPTORS]; /* of files of the folder; changed under `order` */
static int owed[DESCRIPTORS];    /* errno of a sync that failed through another descriptor of the same file; under `order` */

/* The C library's own functions. */
#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, read, int, void *, size_t);
REAL(ssize_t, pread64, int, void *, size_t, off64_t);
REAL(ssize_t, recv, int, void *, size_t, int);
REAL(ssize_t, recvmsg, int, struct msghdr *, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, send, int, const void *, size_t, int);
REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
REAL(int, ftruncate64, int, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, renameat, int, const char *, int, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
REAL(int, socket, int, int, int);
REAL(int, socketpair, int, int, int, int[2]);
REAL(int, clock_gettime, clockid_t, struct timespec *);

static void give_up(const char *why) {
    static const char who[] = "faults: ";
    (void)!syscall(SYS_write, 2, who, sizeof who - 1);
    (void)!syscall(SYS_write, 2, why, strlen(why));
    (void)!syscall(SYS_write, 2, "\n", 1);
    _exit(97);
}

static void *find(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) give_up(name);
    return found;
}

#define FIND(name) *(void **)&real_##name = find(#name)

static void hold(void) { pthread_mutex_lock(&order); }
static void let_go(void) { pthread_mutex_unlock(&order); }

static void begin(void) {
    pthread_atfork(hold, let_go, let_go); /* no child begins with a lock that nobody holds */
    FIND(open64); FIND(openat64); FIND(close); FIND(read); FIND(pread64); FIND(recv); FIND(recvmsg); FIND(write);
    FIND(pwrite64); FIND(writev); FIND(send); FIND(sendmsg); FIND(ftruncate64); FIND(fsync); FIND(fdatasync);
    FIND(renameat); FIND(unlinkat); FIND(accept4); FIND(socket); FIND(socketpair); FIND(clock_gettime);
    const char *below = getenv("FAULTS_FOLDER"), *orders = getenv("FAULTS_CONTROL"), *log = getenv("FAULTS_LOG");
    if (below == NULL || orders == NULL || realpath(below, folder) == NULL) give_up("FAULTS_FOLDER or FAULTS_CONTROL is missing");
    folder_length = strlen(folder);
    int descriptor = real_open64(orders, O_RDWR | O_CLOEXEC);
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (descriptor < 0 || mapped == MAP_FAILED || ((struct control *)mapped)->magic != MAGIC) give_up("FAULTS_CONTROL is no control file");
    real_close(descriptor);
    if (log != NULL) {
        descriptor = real_open64(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        log_descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, LOG_DESCRIPTOR); /* out of the way of the program's own */
        if (log_descriptor < 0) give_up("FAULTS_LOG cannot be written");
        real_close(descriptor);
    }
    control = mapped;
}

static void ready(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin);
}

__attribute__((constructor)) static void load(void) { ready(); }

/* Rules */

static struct rule *struck(uint32_t call_class) {
    if (control == NULL) return NULL;
    for (int i = 0; i < RULES; i++) {
        struct rule *rule = &control->rules[i];
        if (!(rule->classes & call_class) || (rule->pid != 0 && rule->pid != getpid())) continue;
        int64_t left = atomic_fetch_sub(&rule->countdown, 1);
        if (left > 1 || (rule->times >= 0 && 1 - left >= rule->times)) continue;
        atomic_fetch_add(&rule->hits, 1);
        if (rule->action == KILL_BEFORE) kill(getpid(), SIGKILL);
        if (rule->action == DELAY) usleep(rule->argument);
        return rule;
    }
    return NULL;
}

static int fails(const struct rule *rule) {
    if (rule == NULL || rule->action != FAIL) return 0;
    errno = (int)rule->argument;
    return 1;
}

static void survive(const struct rule *rule) {
    if (rule != NULL && (rule->action == KILL_AFTER || rule->action == TEAR)) kill(getpid(), SIGKILL);
}

static size_t allowed(const struct rule *rule, size_t bytes) {
    if (rule == NULL || (rule->action != SHORT && rule->action != TEAR)) return bytes;
    return rule->argument < bytes ? rule->argument : bytes;
}

/* The record; called under `order`. */

static void note(enum operation operation, const char *name, int64_t offset, const void *data, size_t data_bytes) {
    if (log_descriptor < 0) return;
    struct record head = {.operation = (uint8_t)operation, .name_bytes = (uint16_t)strlen(name), .pid = getpid(),
                          .data_bytes = (uint32_t)data_bytes, .offset = offset};
    head.bytes = (uint32_t)(sizeof head + head.name_bytes + data_bytes);
    struct iovec pieces[3] = {{&head, sizeof head}, {(void *)name, head.name_bytes}, {(void *)data, data_bytes}};
    if (real_writev(log_descriptor, pieces, 3) != (ssize_t)head.bytes) give_up("the log cannot be written");
}

/* Descriptors */

static int is_in(int descriptor, enum descriptor kind) {
    return descriptor >= 0 && descriptor < DESCRIPTORS && kinds[descriptor] == kind;
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int is_log(int descriptor) { return names[descriptor] != NULL && ends_with(names[descriptor], "-wal"); }

static void forget(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS || kinds[descriptor] == UNKNOWN) return;
    pthread_mutex_lock(&order);
    free(names[descriptor]);
    names[descriptor] = NULL;
    owed[descriptor] = 0;
    kinds[descriptor] = UNKNOWN;
    pthread_mutex_unlock(&order);
}

/* Where a new descriptor leads, relative to the folder: NULL elsewhere, "" for the folder itself. */
static const char *place_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    if (strncmp(path, folder, folder_length) != 0) return NULL;
    if (path[folder_length] == 0) return "";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int opened(int descriptor, int flags, int existed) {
    if (descriptor < 0 || control == NULL) return descriptor;
    forget(descriptor);
    char path[PATH_MAX];
    const char *place = place_of(descriptor, path);
    if (place == NULL || ends_with(place, "-shm") || descriptor >= DESCRIPTORS) return descriptor;
    pthread_mutex_lock(&order);
    names[descriptor] = strdup(place);
    kinds[descriptor] = *place == 0 ? FOLDER : OURS;
    if ((flags & O_CREAT) && !existed) note(OP_CREATE, place, 0, NULL, 0);
    else if (flags & O_TRUNC) note(OP_TRUNCATE, place, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return descriptor;
}

static int below_folder(int at, const char *path) {
    char full[PATH_MAX];
    if (control == NULL || path == NULL) return 0;
    if (*path != '/') {
        char here[64], base[PATH_MAX];
        snprintf(here, sizeof here, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        ssize_t length = readlink(here, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
        if (snprintf(full, sizeof full, "%s/%s", base, path) >= (int)sizeof full) return 0;
        path = full;
    }
    return strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
}

static int open_as(int at, const char *path, int flags, mode_t mode) {
    ready();
    int existed = 1;
    if ((flags & O_CREAT) && below_folder(at, path)) {
        struct stat found;
        existed = fstatat(at, path, &found, 0) == 0;
        if (!existed) {
            struct rule *rule = struck(CREATE);
            if (fails(rule)) return -1;
        }
    }
    return opened(real_openat64(at, path, flags, mode), flags, existed);
}

#define MODE(flags, last)                                \
    mode_t mode = 0;                                     \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {             \
        va_list rest;                                    \
        va_start(rest, last);                            \
        mode = (mode_t)va_arg(rest, int);                \
        va_end(rest);                                    \
    }

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_as(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_as(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, flags) return open_as(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, flags) return open_as(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int descriptor) {
    ready();
    forget(descriptor);
    return real_close(descriptor);
}

/* Changes of files */

static ssize_t write_to_file(int descriptor, const void *data, size_t bytes, int64_t offset) {
    struct rule *rule = struck(is_log(descriptor) ? LOG_WRITE : FILE_WRITE);
    if (fails(rule)) return -1;
    bytes = allowed(rule, bytes);
    pthread_mutex_lock(&order);
    struct stat found;
    int64_t place = offset;
    if (offset < 0) {
        int appends = fcntl(descriptor, F_GETFL) & O_APPEND;
        place = appends && fstat(descriptor, &found) == 0 ? found.st_size : lseek(descriptor, 0, SEEK_CUR);
    }
    ssize_t written = offset < 0 ? real_write(descriptor, data, bytes) : real_pwrite64(descriptor, data, bytes, offset);
    if (written > 0) note(OP_WRITE, names[descriptor], place, data, (size_t)written);
    pthread_mutex_unlock(&order);
    survive(rule);
    return written;
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off64_t offset) {
    ready();
    if (is_in(descriptor, OURS)) return write_to_file(descriptor, data, bytes, offset);
    return real_pwrite64(descriptor, data, bytes, offset);
}
ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset) { return pwrite64(descriptor, data, bytes, offset); }

int ftruncate64(int descriptor, off64_t bytes) {
    ready();
    if (!is_in(descriptor, OURS)) return real_ftruncate64(descriptor, bytes);
    struct rule *rule = struck(TRUNCATE);
    if (fails(rule)) return -1;
    pthread_mutex_lock(&order);
    int result = real_ftruncate64(descriptor, bytes);
    if (result == 0) note(OP_TRUNCATE, names[descriptor], bytes, NULL, 0);
    pthread_mutex_unlock(&order);
    survive(rule);
    return result;
}
int ftruncate(int descriptor, off_t bytes) { return ftruncate64(descriptor, bytes); }

/* Linux tells a failed write-back once to every descriptor that was open then: no other thread's sync passes over it. */
static void tell_all(int descriptor, int error) {
    for (int other = 0; other < LOG_DESCRIPTOR; other++)
        if (other != descriptor && names[other] != NULL && strcmp(names[other], names[descriptor]) == 0) owed[other] = error;
}

static int pay(int descriptor) {
    int error = owed[descriptor];
    owed[descriptor] = 0;
    errno = error;
    return error;
}

static int sync_file(int descriptor, int (*sync)(int)) {
    if (!is_in(descriptor, OURS) && !is_in(descriptor, FOLDER)) return sync(descriptor);
    struct rule *rule = struck(is_log(descriptor) ? LOG_SYNC : FILE_SYNC);
    pthread_mutex_lock(&order);
    if (pay(descriptor)) {
        int error = errno;
        pthread_mutex_unlock(&order);
        errno = error;
        return -1;
    }
    int result = fails(rule) ? -1 : sync(descriptor);
    int saved = errno;
    if (result != 0) tell_all(descriptor, saved), note(OP_SYNC_FAILED, names[descriptor], 0, NULL, 0);
    else if (kinds[descriptor] == FOLDER) note(OP_SYNC_FOLDER, "", 0, NULL, 0);
    else note(OP_SYNC, names[descriptor], 0, NULL, 0);
    pthread_mutex_unlock(&order);
    errno = saved;
    survive(rule);
    return result;
}
int fsync(int descriptor) { ready(); return sync_file(descriptor, real_fsync); }
int fdatasync(int descriptor) { ready(); return sync_file(descriptor, real_fdatasync); }

static const char *relative(const char *path) { return path + folder_length + 1; }

int renameat(int old_at, const char *old, int new_at, const char *new) {
    ready();
    char from[PATH_MAX], to[PATH_MAX];
    if (!below_folder(old_at, old) || realpath(old, from) == NULL) return real_renameat(old_at, old, new_at, new);
    struct rule *rule = struck(RENAME);
    if (fails(rule)) return -1;
    pthread_mutex_lock(&order);
    int result = real_renameat(old_at, old, new_at, new);
    if (result == 0 && realpath(new, to) != NULL) note(OP_RENAME, relative(from), 0, relative(to), strlen(relative(to)));
    pthread_mutex_unlock(&order);
    survive(rule);
    return result;
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int unlinkat(int at, const char *path, int flags) {
    ready();
    char full[PATH_MAX];
    if ((flags & AT_REMOVEDIR) || !below_folder(at, path) || realpath(path, full) == NULL || ends_with(full, "-shm"))
        return real_unlinkat(at, path, flags);
    struct rule *rule = struck(UNLINK);
    if (fails(rule)) return -1;
    pthread_mutex_lock(&order);
    int result = real_unlinkat(at, path, flags);
    if (result == 0) note(OP_UNLINK, relative(full), 0, NULL, 0);
    pthread_mutex_unlock(&order);
    survive(rule);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

/* Reads of files, and words on sockets */

static ssize_t read_from_file(const struct rule *rule, void *data, ssize_t got) {
    if (got > 0 && rule != NULL && rule->action == FLIP) {
        uint64_t bit = rule->argument % ((uint64_t)got * 8);
        ((unsigned char *)data)[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    }
    return got;
}

ssize_t pread64(int descriptor, void *data, size_t bytes, off64_t offset) {
    ready();
    if (!is_in(descriptor, OURS)) return real_pread64(descriptor, data, bytes, offset);
    struct rule *rule = struck(FILE_READ);
    if (fails(rule)) return -1;
    return read_from_file(rule, data, real_pread64(descriptor, data, bytes, offset));
}
ssize_t pread(int descriptor, void *data, size_t bytes, off_t offset) { return pread64(descriptor, data, bytes, offset); }

static int begins(const char *data, size_t bytes, const char *head) {
    return bytes >= strlen(head) && memcmp(data, head, strlen(head)) == 0;
}

/* Who is at the other end; a connection of a client is known by its first request, and again by each further one. */
static void recognise(int descriptor, const void *data, ssize_t got) {
    if (control == NULL || descriptor < 0 || descriptor >= DESCRIPTORS || kinds[descriptor] == OURS) return;
    if (kinds[descriptor] == UNKNOWN) {
        struct sockaddr_storage name;
        socklen_t length = sizeof name;
        kinds[descriptor] = getsockname(descriptor, (struct sockaddr *)&name, &length) == 0 && name.ss_family == AF_UNIX ? CHILD : FOREIGN;
    }
    if (kinds[descriptor] == CHILD || got <= 0) return;
    size_t bytes = (size_t)got;
    if (begins(data, bytes, "POST /v1/publish") || begins(data, bytes, "GET /v1/publish")) kinds[descriptor] = PUBLISHER;
    else if (begins(data, bytes, "GET /v1/stream") || begins(data, bytes, "GET /v1/inbox") || begins(data, bytes, "GET /v1/events"))
        kinds[descriptor] = SUBSCRIBER;
    else if (begins(data, bytes, "GET ") || begins(data, bytes, "POST ")) kinds[descriptor] = FOREIGN;
}

static void heard(int descriptor, const void *data, ssize_t got) {
    recognise(descriptor, data, got);
    if (got <= 0) return;
    if (is_in(descriptor, PUBLISHER)) survive(struck(ACCEPT));
    else if (is_in(descriptor, CHILD)) survive(struck(HEAR_BACK));
}

static struct rule *speaks(int descriptor) {
    recognise(descriptor, NULL, 0);
    if (is_in(descriptor, PUBLISHER)) return struck(ANSWER);
    if (is_in(descriptor, SUBSCRIBER)) return struck(DELIVER);
    if (is_in(descriptor, CHILD)) return struck(HAND_OVER);
    return NULL;
}

ssize_t read(int descriptor, void *data, size_t bytes) {
    ready();
    if (is_in(descriptor, OURS)) {
        struct rule *rule = struck(FILE_READ);
        return fails(rule) ? -1 : read_from_file(rule, data, real_read(descriptor, data, bytes));
    }
    ssize_t got = real_read(descriptor, data, bytes);
    int saved = errno;
    heard(descriptor, data, got);
    errno = saved;
    return got;
}

ssize_t recv(int descriptor, void *data, size_t bytes, int flags) {
    ready();
    ssize_t got = real_recv(descriptor, data, bytes, flags);
    int saved = errno;
    heard(descriptor, data, got);
    errno = saved;
    return got;
}

ssize_t recvmsg(int descriptor, struct msghdr *message, int flags) {
    ready();
    ssize_t got = real_recvmsg(descriptor, message, flags);
    int saved = errno;
    if (got > 0 && message->msg_iovlen > 0) {
        size_t first = message->msg_iov[0].iov_len;
        heard(descriptor, message->msg_iov[0].iov_base, (size_t)got < first ? got : (ssize_t)first);
    }
    errno = saved;
    return got;
}

ssize_t write(int descriptor, const void *data, size_t bytes) {
    ready();
    if (is_in(descriptor, OURS)) return write_to_file(descriptor, data, bytes, -1);
    struct rule *rule = speaks(descriptor);
    ssize_t written = real_write(descriptor, data, bytes);
    int saved = errno;
    survive(rule);
    errno = saved;
    return written;
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    ready();
    if (is_in(descriptor, OURS)) { /* one piece after the other: a short count is a legal answer */
        ssize_t total = 0;
        for (int i = 0; i < count; i++) {
            ssize_t written = write_to_file(descriptor, pieces[i].iov_base, pieces[i].iov_len, -1);
            if (written < 0) return total > 0 ? total : -1;
            total += written;
            if ((size_t)written < pieces[i].iov_len) break;
        }
        return total;
    }
    struct rule *rule = speaks(descriptor);
    ssize_t written = real_writev(descriptor, pieces, count);
    int saved = errno;
    survive(rule);
    errno = saved;
    return written;
}

ssize_t send(int descriptor, const void *data, size_t bytes, int flags) {
    ready();
    struct rule *rule = speaks(descriptor);
    ssize_t written = real_send(descriptor, data, bytes, flags);
    int saved = errno;
    survive(rule);
    errno = saved;
    return written;
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    ready();
    struct rule *rule = speaks(descriptor);
    ssize_t written = real_sendmsg(descriptor, message, flags);
    int saved = errno;
    survive(rule);
    errno = saved;
    return written;
}

/* A number that is given again leads elsewhere: libuv closes by a system call of its own, which nobody can stand before. */
int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    ready();
    int descriptor = real_accept4(listener, address, length, flags);
    forget(descriptor);
    return descriptor;
}
int accept(int listener, struct sockaddr *address, socklen_t *length) { return accept4(listener, address, length, 0); }

int socket(int domain, int type, int protocol) {
    ready();
    int descriptor = real_socket(domain, type, protocol);
    forget(descriptor);
    return descriptor;
}

int socketpair(int domain, int type, int protocol, int both[2]) {
    ready();
    int result = real_socketpair(domain, type, protocol, both);
    if (result == 0) forget(both[0]), forget(both[1]);
    return result;
}

/* The wall clock */

int clock_gettime(clockid_t clock, struct timespec *now) {
    ready();
    int result = real_clock_gettime(clock, now);
    if (result == 0 && control != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + control->clock_offset_ns;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone; /* obsolete, always null in new programs */
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now != NULL) *now = exact.tv_sec;
    return exact.tv_sec;
}
