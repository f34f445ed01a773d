/* Running other programs: po_sys_run_command of sys.h. */
#include "port/sys.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_KEPT_MAX ((size_t)64 * 1024)
/* A command that says more than this while it is waited for loses what it said first. */
#define OUTPUT_FILE_MAX ((off_t)4 << 20)
/* How long the killed command is waited for. One that hangs in the kernel is left behind. */
#define KILLED_WAIT_SECONDS 5.0
#define POLL_MAX_MS 32u

struct run {
    pid_t child;
    int null; /* /dev/null */
    /*
     * A file without a name too, and no pipe that would have to be fed while the command may wait
     * for us. It is one opening for both of us: its offset tells how much was read. -1 = no input.
     */
    int input;
    const char **environment; /* owned; the strings are not */
    /*
     * A file without a name, and no pipe: a daemon that the command leaves behind may write to it
     * for years, and must not be ended by SIGPIPE when we are gone.
     */
    int output;
};

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* -1 when there is no place for it: then nothing is kept of what the command says. */
static int
open_nameless_file(void)
{
    char names[][32] = { "/tmp/pobackup-XXXXXX", "/var/tmp/pobackup-XXXXXX" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = mkostemp(names[i], O_APPEND | O_CLOEXEC);

        if (fd < 0)
            continue;
        (void)unlink(names[i]);
        return fd;
    }
    return -1;
}

static enum po_status
open_input(struct run *run, const struct po_command *command, struct po_err *err)
{
    const uint8_t *at = command->input;
    size_t left = command->input_size;

    if (command->input == NULL)
        return PO_OK;
    run->input = open_nameless_file();
    if (run->input < 0)
        return po_fail_errno(err, errno, "make a file for a command's input");
    while (left > 0) {
        ssize_t put = write(run->input, at, left);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return po_fail_errno(err, errno, "write a command's input");
        at += put;
        left -= (size_t)put;
    }
    if (lseek(run->input, 0, SEEK_SET) != 0)
        return po_fail_errno(err, errno, "write a command's input");
    return PO_OK;
}

static bool
is_same_variable(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");

    return strcspn(b, "=") == size && memcmp(a, b, size) == 0;
}

/* Ours, but for those that are given. */
static enum po_status
make_environment(struct run *run, const char *const *given, struct po_err *err)
{
    size_t ours = 0;
    size_t given_count = 0;
    size_t count = 0;

    while (environ != NULL && environ[ours] != NULL)
        ours++;
    while (given != NULL && given[given_count] != NULL)
        given_count++;
    run->environment = po_mem_new(ours + given_count + 1, sizeof(*run->environment));
    if (run->environment == NULL)
        return po_fail_nomem(err, (ours + given_count + 1) * sizeof(*run->environment));
    for (size_t i = 0; i < ours; i++) {
        bool is_given = false;

        for (size_t j = 0; j < given_count; j++)
            is_given = is_given || is_same_variable(environ[i], given[j]);
        if (!is_given)
            run->environment[count++] = environ[i];
    }
    for (size_t j = 0; j < given_count; j++)
        run->environment[count++] = given[j];
    return PO_OK;
}

/* Above 2, where the standard descriptors of the child would be in each other's way: ours may have been closed. */
static enum po_status
lift(int *fd, struct po_err *err)
{
    int lifted;

    if (*fd < 0 || *fd > 2)
        return PO_OK;
    lifted = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (lifted < 0)
        return po_fail_errno(err, errno, "open a command's input and output");
    close_fd(fd);
    *fd = lifted;
    return PO_OK;
}

static enum po_status
open_all(struct run *run, const struct po_command *command, struct po_err *err)
{
    enum po_status st = open_input(run, command, err);

    if (st == PO_OK)
        st = make_environment(run, command->variables, err);
    if (st != PO_OK)
        return st;
    /* O_CLOEXEC in the same call: another thread may be starting a program at this moment. */
    run->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (run->null < 0)
        return po_fail_errno(err, errno, "open /dev/null");
    run->output = open_nameless_file();
    st = lift(&run->input, err);
    if (st == PO_OK)
        st = lift(&run->output, err);
    return st == PO_OK ? lift(&run->null, err) : st;
}

/*
 * A session of its own; signal dispositions and mask as a program expects them at its start: ours would
 * be inherited.
 */
static int
set_attributes(posix_spawnattr_t *attributes)
{
    static const int numbers[] = { SIGINT,  SIGTERM, SIGHUP,  SIGPIPE,
                                   SIGQUIT, SIGXCPU, SIGXFSZ, SIGCHLD };
    sigset_t signals;
    int code;

    (void)sigemptyset(&signals);
    code = posix_spawnattr_setsigmask(attributes, &signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigaddset(&signals, numbers[i]);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(attributes, &signals);
    if (code == 0)
        code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
    return code;
}

static int
add_actions(posix_spawn_file_actions_t *actions, const struct run *run,
            const struct po_command *command)
{
    int input = run->input >= 0 ? run->input : run->null;
    int output = run->output >= 0 ? run->output : run->null;
    int code = posix_spawn_file_actions_adddup2(actions, input, 0);

    if (code == 0)
        code = posix_spawn_file_actions_adddup2(actions, output, 1);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(actions, output, 2);
    if (code == 0 && command->directory != NULL)
        code = posix_spawn_file_actions_addchdir_np(actions, command->directory);
    return code;
}

/*
 * Not by fork: a copy of this process takes longer the more memory it has, and what it writes to afterwards
 * is copied page by page, large ones in small pieces. When it returns the shell runs, as the leader of its group.
 */
static enum po_status
start_child(struct run *run, const struct po_command *command, struct po_err *err)
{
    const char *const arguments[] = { "sh", "-c", command->line, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&actions);

    if (code != 0)
        return po_fail_errno(err, code, "start %s", command->line);
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        code = set_attributes(&attributes);
        if (code == 0)
            code = add_actions(&actions, run, command);
        /* Neither of the two is changed; the type is older than const. */
        if (code == 0)
            code = posix_spawn(&run->child, "/bin/sh", &actions, &attributes,
                               (char *const *)(uintptr_t)arguments,
                               (char *const *)(uintptr_t)run->environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? PO_OK : po_fail_errno(err, code, "start %s", command->line);
}

/* The end of what the command said. */
static void
read_output(const struct run *run, struct po_buf *output)
{
    struct stat info;
    off_t at;
    ssize_t got;

    if (run->output < 0 || fstat(run->output, &info) != 0)
        return;
    at = info.st_size > (off_t)OUTPUT_KEPT_MAX ? info.st_size - (off_t)OUTPUT_KEPT_MAX : 0;
    if (!po_buf_reserve(output, OUTPUT_KEPT_MAX))
        return;
    do
        got = pread(run->output, output->bytes + output->size, OUTPUT_KEPT_MAX, at);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        output->size += (size_t)got;
}

/* It is opened for appending: what comes next stands at the front. */
static void
bound_output(const struct run *run)
{
    struct stat info;

    if (run->output >= 0 && fstat(run->output, &info) == 0 && info.st_size > OUTPUT_FILE_MAX &&
        ftruncate(run->output, 0) != 0)
        return; /* a full disk is somebody else's matter */
}

/* So long, or until the child has ended where the system can tell (Linux 5.3). */
static void
wait_ms(int child_fd, unsigned ms)
{
    struct pollfd ended = { .fd = child_fd, .events = POLLIN };

    if (child_fd < 0 || poll(&ended, 1, (int)ms) < 0)
        po_sys_sleep_ms(ms);
}

static int
open_child(const struct run *run)
{
#if defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, run->child, 0); /* it is closed on exec */
#else
    (void)run;
    return -1;
#endif
}

/*
 * Until the command itself has ended. Asking every few milliseconds does without SIGCHLD, which
 * belongs to the whole process.
 */
static void
wait_for_child(const struct run *run, double deadline, struct po_command_result *result)
{
    int child_fd = open_child(run);
    unsigned pause_ms = 1;
    int status;

    for (;;) {
        pid_t got = waitpid(run->child, &status, WNOHANG);

        if (got == run->child) {
            if (WIFEXITED(status) && !result->timed_out)
                result->exit_code = WEXITSTATUS(status);
            break;
        }
        if (got < 0 && errno != EINTR)
            break;
        if (po_sys_monotonic() >= deadline) {
            if (result->timed_out)
                break;
            result->timed_out = true;
            deadline = po_sys_monotonic() + KILLED_WAIT_SECONDS;
            /* Not yet waited for, so the number is still this group's. */
            (void)kill(-run->child, SIGKILL);
            pause_ms = 1;
        }
        wait_ms(child_fd, pause_ms);
        bound_output(run);
        if (pause_ms < POLL_MAX_MS)
            pause_ms *= 2;
    }
    close_fd(&child_fd);
}

/* All of it when there was none. */
static size_t
input_taken(const struct run *run, const struct po_command *command)
{
    off_t at = run->input >= 0 ? lseek(run->input, 0, SEEK_CUR) : -1;

    return at < 0 ? command->input_size : (size_t)at;
}

enum po_status
po_sys_run_command(const struct po_command *command, struct po_command_result *result,
                   struct po_buf *output, struct po_err *err)
{
    struct run run = { .null = -1, .input = -1, .output = -1 };
    double deadline = po_sys_monotonic() + command->timeout_ms / 1000.0;
    enum po_status st = open_all(&run, command, err);

    if (st != PO_OK)
        goto done;
    st = start_child(&run, command, err);
    if (st != PO_OK)
        goto done;
    *result = (struct po_command_result){ .exit_code = -1 };
    wait_for_child(&run, deadline, result);
    result->input_taken = input_taken(&run, command);
    read_output(&run, output);
done:
    close_fd(&run.null);
    close_fd(&run.input);
    close_fd(&run.output);
    po_mem_free(run.environment);
    return st;
}

enum po_status
po_sys_run(const char *command, const char *directory, unsigned timeout_ms,
           struct po_command_result *result, struct po_buf *output, struct po_err *err)
{
    struct po_command what = { .line = command, .directory = directory, .timeout_ms = timeout_ms };

    return po_sys_run_command(&what, result, output, err);
}
