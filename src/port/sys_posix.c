#include "port/sys.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/random.h>
#endif

#define STEPS_A_SECOND 10000000

/* ---- clock ---- */

int64_t
po_sys_now(void)
{
    struct timespec ts = { 0 };

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * STEPS_A_SECOND + ts.tv_nsec / 100;
}

double
po_sys_monotonic(void)
{
    struct timespec ts = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
po_sys_sleep_ms(unsigned ms)
{
    struct timespec rest = { .tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000 };

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

static bool
to_local(int64_t time, struct tm *tm)
{
    time_t seconds = (time_t)(time / STEPS_A_SECOND - (time % STEPS_A_SECOND < 0 ? 1 : 0));

    /* localtime_r need not look at TZ by itself. */
    tzset();
    return localtime_r(&seconds, tm) != NULL || gmtime_r(&seconds, tm) != NULL;
}

void
po_sys_put_local_time(struct po_buf *out, int64_t time)
{
    struct tm tm;
    char text[64];

    if (to_local(time, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm) > 0)
        po_buf_put_text(out, text);
    else
        po_text_put_time(out, time);
}

void
po_sys_local_date(int64_t time, int *year, int *month, int *day)
{
    struct tm tm = { .tm_year = 70, .tm_mday = 1 };

    (void)to_local(time, &tm);
    *year = tm.tm_year + 1900;
    *month = tm.tm_mon + 1;
    *day = tm.tm_mday;
}

/* ---- the machine ---- */

unsigned
po_sys_cpu_count(void)
{
    long count;

#if defined(__linux__)
    /* What the process is bound to may be less than what there is. */
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

static enum po_status
random_from_device(unsigned char *to, size_t size, struct po_err *err)
{
    enum po_status st = PO_OK;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return po_fail_errno(err, errno, "open the source of random bytes");
    while (size > 0) {
        ssize_t n = read(fd, to, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            st = po_fail_errno(err, n < 0 ? errno : EIO, "read random bytes");
            break;
        }
        to += n;
        size -= (size_t)n;
    }
    (void)close(fd);
    return st;
}

enum po_status
po_sys_random(void *bytes, size_t size, struct po_err *err)
{
    unsigned char *to = bytes;

#if defined(__linux__)
    while (size > 0) {
        ssize_t n = getrandom(to, size, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOSYS)
            break;
        if (n <= 0)
            return po_fail_errno(err, n < 0 ? errno : EIO, "get random bytes");
        to += n;
        size -= (size_t)n;
    }
#endif
    return size > 0 ? random_from_device(to, size, err) : PO_OK;
}

void
po_sys_put_host(struct po_buf *out)
{
    struct utsname names;

    if (uname(&names) == 0 && names.nodename[0] != '\0')
        po_buf_put_text(out, names.nodename);
    else
        po_buf_put_text(out, "unknown");
}

void
po_sys_put_addresses(struct po_buf *out)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        struct sockaddr_in address;
        const uint8_t *b = (const uint8_t *)&address.sin_addr;

        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&address, at->ifa_addr, sizeof address);
        if (b[0] == 127 || (b[0] == 169 && b[1] == 254))
            continue;
        po_buf_printf(out, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        po_buf_put_u8(out, 0);
    }
    freeifaddrs(list);
}

void
po_sys_put_system(struct po_buf *out)
{
    struct utsname names;

    if (uname(&names) == 0)
        po_buf_printf(out, "%s %s %s", names.sysname, names.release, names.machine);
    else
        po_buf_put_text(out, "unknown");
}

uint32_t
po_sys_process_id(void)
{
    return (uint32_t)getpid();
}

#if defined(__linux__)
/* The 22nd field: ticks from the start of the system. The second, in parentheses, may have anything. */
static void
put_start_field(struct po_buf *out, const char *stat)
{
    const char *at = strrchr(stat, ')');

    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    if (at != NULL)
        po_buf_put(out, at, strspn(at, "0123456789"));
}

bool
po_sys_put_process_start(struct po_buf *out, uint32_t process_id)
{
    char path[64];
    char stat[1024];
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%u/stat", process_id);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    got = read(fd, stat, sizeof(stat) - 1);
    (void)close(fd);
    if (got < 0)
        return false;
    stat[got] = '\0';
    put_start_field(out, stat);
    return true;
}
#else
bool
po_sys_put_process_start(struct po_buf *out, uint32_t process_id)
{
    (void)out;
    (void)process_id;
    return false;
}
#endif

uint64_t
po_sys_peak_memory(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0)
        return 0;
#if defined(__APPLE__)
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

bool
po_sys_has_windows_names(void)
{
    return false;
}

bool
po_sys_is_terminal(int standard_number)
{
    return isatty(standard_number) == 1;
}

bool
po_sys_write_terminal(int standard_number, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size > 0) {
        ssize_t n = write(standard_number, from, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        from += n;
        size -= (size_t)n;
    }
    return true;
}

enum po_status
po_sys_arguments(int *count, char ***arguments, struct po_err *err)
{
    (void)count;
    (void)arguments;
    (void)err;
    return PO_OK;
}

bool
po_sys_put_environment(struct po_buf *out, const char *name)
{
    /* Nobody sets variables here while threads run. */
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

    if (value != NULL)
        po_buf_put_text(out, value);
    return value != NULL;
}

enum po_status
po_sys_put_data_dir(struct po_buf *out, struct po_err *err)
{
    po_buf_put_text(out, "/var/lib");
    return po_buf_check(out, err);
}

enum po_status
po_sys_put_program(struct po_buf *out, struct po_err *err)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path));

    if (size < 0 || size == sizeof(path))
        return po_fail_errno(err, size < 0 ? errno : ENAMETOOLONG, "/proc/self/exe");
    po_buf_put(out, path, (size_t)size);
    return po_buf_check(out, err);
}

bool
po_sys_put_user_dir(struct po_buf *out)
{
    (void)out;
    return false;
}

bool
po_sys_is_admin(void)
{
    return geteuid() == 0;
}

/* ---- interrupts ---- */

/* The one mutable global: a signal handler is given nothing but its number. */
static volatile int interrupt;

static void
on_interrupt(int number)
{
    /* Read by other threads too. */
    __atomic_store_n(&interrupt, number, __ATOMIC_RELAXED);
}

const volatile int *
po_sys_catch_interrupts(void)
{
    static const int asking[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU };
    /* A write says EPIPE or EFBIG: that is told, and ends the run in order. */
    static const int ignored[] = { SIGPIPE, SIGXFSZ };
    struct sigaction action = { 0 };
    struct sigaction old;

    (void)sigemptyset(&action.sa_mask);
    /* Calls of libraries that do not expect EINTR go on. */
    action.sa_flags = SA_RESTART;
    action.sa_handler = on_interrupt;
    for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
        /*
         * Under nohup, or in the background of a shell without job control, the signal is ignored:
         * so it stays.
         */
        if (sigaction(asking[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            continue;
        (void)sigaction(asking[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        (void)sigaction(ignored[i], &action, NULL);
    return &interrupt;
}
