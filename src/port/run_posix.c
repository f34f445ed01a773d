/* Running other programs: po_sys_run of sys.h. */
#include "port/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_KEPT_MAX ((size_t)64 * 1024)
/*
 * What is read after the end of the command at most: a background process may write faster than we
 * read.
 */
#define REST_MAX ((size_t)1024 * 1024)
/* How long the killed command is waited for. One that hangs in the kernel is left behind. */
#define KILLED_WAIT_SECONDS 5.0

struct run {
    pid_t child;
    int null;     /* /dev/null */
    int read_end; /* of the output */
    int write_end;
    int report_read; /* the child says here why it could not start; closed by a successful exec */
    int report_write;
    size_t kept; /* bytes of output appended */
    bool has_output_ended;
};

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static enum po_status
open_pipes(struct run *run, struct po_err *err)
{
    int ends[2];

    run->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (run->null < 0)
        return po_fail_errno(err, errno, "open /dev/null");
    /* O_CLOEXEC in the same call: another thread may be starting a program at this moment. */
    if (pipe2(ends, O_CLOEXEC) != 0)
        return po_fail_errno(err, errno, "make a pipe");
    run->read_end = ends[0];
    run->write_end = ends[1];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return po_fail_errno(err, errno, "make a pipe");
    run->report_read = ends[0];
    run->report_write = ends[1];
    /*
     * Only our end: as O_NONBLOCK belongs to the open file, the command's end must stay as programs
     * expect it.
     */
    if (fcntl(run->read_end, F_SETFL, O_NONBLOCK) != 0)
        return po_fail_errno(err, errno, "set up a pipe");
    return PO_OK;
}

/* Signal dispositions and mask as a program expects them at its start: ours would be inherited. */
static void
reset_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGCHLD };
    struct sigaction action = { 0 };
    sigset_t none;

    action.sa_handler = SIG_DFL;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigaction(numbers[i], &action, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Runs in the child of a process with threads: only calls that are safe in a signal handler, no
 * heap, no stdio.
 */
static _Noreturn void
run_child(const struct run *run, const char *command, const char *directory)
{
    /*
     * Above 2 first: the standard descriptors may have been closed in us, so that ours are among 0
     * to 2.
     */
    int null = fcntl(run->null, F_DUPFD_CLOEXEC, 3);
    int output = fcntl(run->write_end, F_DUPFD_CLOEXEC, 3);
    int report = fcntl(run->report_write, F_DUPFD_CLOEXEC, 3);
    int code;

    if (null >= 0 && output >= 0 && report >= 0 && setsid() >= 0 && dup2(null, 0) == 0 &&
        dup2(output, 1) == 1 && dup2(output, 2) == 2 &&
        (directory == NULL || chdir(directory) == 0)) {
        reset_signals();
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    }
    code = errno;
    /* A pipe takes these few bytes at once; when even that fails there is nobody left to tell. */
    if (write(report >= 0 ? report : run->report_write, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

static enum po_status
start_child(struct run *run, const char *command, const char *directory, struct po_err *err)
{
    int code = 0;
    ssize_t got;

    run->child = fork();
    if (run->child < 0)
        return po_fail_errno(err, errno, "start %s", command);
    if (run->child == 0)
        run_child(run, command, directory);
    close_fd(&run->null);
    close_fd(&run->write_end);
    close_fd(&run->report_write);
    /* Ends when the shell runs: from here on the process group exists. */
    do
        got = read(run->report_read, &code, sizeof(code));
    while (got < 0 && errno == EINTR);
    close_fd(&run->report_read);
    if (got == (ssize_t)sizeof(code)) {
        while (waitpid(run->child, NULL, 0) < 0 && errno == EINTR)
            continue;
        return po_fail_errno(err, code, "start %s", command);
    }
    return PO_OK;
}

/* Reads what is there, at most REST_MAX bytes. */
static void
read_output(struct run *run, struct po_buf *output)
{
    char bytes[4096];
    size_t sum = 0;

    while (!run->has_output_ended && sum < REST_MAX) {
        ssize_t got = read(run->read_end, bytes, sizeof(bytes));
        size_t keep;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            run->has_output_ended = true;
            return;
        }
        sum += (size_t)got;
        keep =
            OUTPUT_KEPT_MAX - run->kept < (size_t)got ? OUTPUT_KEPT_MAX - run->kept : (size_t)got;
        po_buf_put(output, bytes, keep);
        run->kept += keep;
    }
}

/*
 * Until the command itself has ended: the end of its output says nothing, for a background process
 * may hold that open for years. Asking every few milliseconds does without SIGCHLD, which belongs
 * to the whole process.
 */
static void
wait_for_child(struct run *run, double deadline, struct po_command_result *result,
               struct po_buf *output)
{
    int pause_ms = 1;
    int status;

    for (;;) {
        struct pollfd poll_fd = { .fd = run->has_output_ended ? -1 : run->read_end,
                                  .events = POLLIN };
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
        if (poll(&poll_fd, 1, pause_ms) > 0)
            read_output(run, output);
        else if (pause_ms < 32)
            pause_ms *= 2;
    }
    read_output(run, output);
}

enum po_status
po_sys_run(const char *command, const char *directory, unsigned timeout_ms,
           struct po_command_result *result, struct po_buf *output, struct po_err *err)
{
    struct run run = {
        .null = -1, .read_end = -1, .write_end = -1, .report_read = -1, .report_write = -1
    };
    double deadline = po_sys_monotonic() + timeout_ms / 1000.0;
    enum po_status st = open_pipes(&run, err);

    if (st != PO_OK)
        goto done;
    st = start_child(&run, command, directory, err);
    if (st != PO_OK)
        goto done;
    *result = (struct po_command_result){ .exit_code = -1 };
    wait_for_child(&run, deadline, result, output);
done:
    close_fd(&run.null);
    close_fd(&run.read_end);
    close_fd(&run.write_end);
    close_fd(&run.report_read);
    close_fd(&run.report_write);
    return st;
}
