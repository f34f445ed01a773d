#include "port/guardian.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct po_guardian {
    int socket;
    pid_t child;
};

/* A descriptor that is not one of the standard ones, which are about to be replaced. */
static int
lift(int descriptor)
{
    return descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

/* In the child: only what may be called after fork. */
static _Noreturn void
become(int socket, const char *program, char *const *arguments, const char *log_path)
{
    sigset_t none;
    int input = lift(socket);
    int null = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
    int log = log_path == NULL
                  ? null
                  : lift(open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));

    if (log < 0)
        log = null;
    (void)sigemptyset(&none);
    /* A session of its own: no signal of the terminal or the group reaches it. */
    if (setsid() >= 0 && dup2(input, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        (void)execv(program, arguments);
    _exit(127);
}

enum po_status
po_guardian_start(struct po_guardian **out, const char *program, const char *const *arguments,
                  const char *log_path, struct po_err *err)
{
    struct po_guardian *guardian = po_mem_new(1, sizeof(*guardian));
    size_t count = 0;
    char **copy = NULL;
    int ends[2] = { -1, -1 };
    enum po_status st = PO_OK;

    while (arguments[count] != NULL)
        count++;
    copy = po_mem_new(count + 2, sizeof(*copy));
    if (guardian == NULL || copy == NULL) {
        st = po_fail_nomem(err, count * sizeof(*copy));
        goto done;
    }
    /* execv promises to change nothing. */
    copy[0] = (char *)(uintptr_t)program;
    for (size_t i = 0; i < count; i++)
        copy[i + 1] = (char *)(uintptr_t)arguments[i];
    /* A socket: writing to one that nobody reads can be told not to raise a signal. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        st = po_fail_errno(err, errno, "socketpair");
        goto done;
    }
    guardian->socket = ends[0];
    guardian->child = fork();
    if (guardian->child == 0)
        become(ends[1], program, copy, log_path);
    if (guardian->child < 0)
        st = po_fail_errno(err, errno, "fork");
    (void)close(ends[1]);
    if (st != PO_OK) {
        (void)close(ends[0]);
        goto done;
    }
    *out = guardian;
    guardian = NULL;
done:
    po_mem_free(copy);
    po_mem_free(guardian);
    return st;
}

enum po_status
po_guardian_send(struct po_guardian *guardian, const void *bytes, size_t size, struct po_err *err)
{
    ssize_t sent;

    do
        sent = send(guardian->socket, bytes, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size
               ? PO_OK
               : po_fail_errno(err, sent < 0 ? errno : EIO, "the guardian is gone");
}

void
po_guardian_free(struct po_guardian *guardian)
{
    if (guardian == NULL)
        return;
    (void)close(guardian->socket);
    while (waitpid(guardian->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    po_mem_free(guardian);
}
