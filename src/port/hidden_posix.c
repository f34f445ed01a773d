/* A line that is typed and not shown. */
#include "port/sys.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Until the end of the line; `stop`: the character that interrupts. */
static enum po_status
read_line(char *line, size_t size, char stop, struct po_err *err)
{
    size_t length = 0;

    for (;;) {
        char c = 0;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        int code = errno;

        if (got < 0 && code == EINTR)
            continue;
        if (got < 0)
            return po_fail_errno(err, code, "terminal");
        if (got == 0 || c == stop)
            return po_fail(err, PO_E_CANCELLED, "interrupted");
        if (c == '\n' || c == '\r')
            break;
        /* The rest is read all the same: it is no input for whoever reads next. */
        if (length < size)
            line[length++] = c;
    }
    if (length == size)
        return po_fail(err, PO_E_USAGE, "longer than %zu bytes", size - 1);
    line[length] = '\0';
    return PO_OK;
}

enum po_status
po_sys_read_hidden(const char *question, char *line, size_t size, struct po_err *err)
{
    struct termios shown;
    struct termios hidden;
    enum po_status st;

    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return po_fail_errno(err, errno, "terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_lflag |= ICANON | ECHONL;
    /* A signal would end the program with the terminal as it is now: Ctrl-C ends the line instead. */
    hidden.c_cc[VEOL] = shown.c_cc[VINTR];
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return po_fail_errno(err, errno, "terminal");
    /* Only now: what is typed before is shown, and taken away. */
    (void)po_sys_write_terminal(STDERR_FILENO, question, strlen(question));
    st = read_line(line, size, (char)shown.c_cc[VINTR], err);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown) != 0 && st == PO_OK)
        return po_fail_errno(err, errno, "terminal");
    return st;
}
