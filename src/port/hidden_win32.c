/* A line that is typed and not shown. */
#include "port/sys.h"

#include "base/utf16.h"
#include "port/err_win32.h"

#include <string.h>
#include <windows.h>

#define LINE_MAX_CHARS 2048u

static void
wipe(void *bytes, size_t size)
{
    volatile char *at = bytes;

    for (size_t i = 0; i < size; i++)
        at[i] = 0;
}

/* Until the end of the line; the rest of a longer one is taken away. */
static enum po_status
read_line(HANDLE console, wchar_t *wide, DWORD *length, struct po_err *err)
{
    DWORD got = 0;

    *length = 0;
    do {
        if (!ReadConsoleW(console, wide + *length, LINE_MAX_CHARS - *length, &got, NULL))
            return po_fail_win32(err, GetLastError(), "console");
        *length += got;
    } while (got > 0 && wide[*length - 1] != L'\n' && *length < LINE_MAX_CHARS);
    /* Nothing: Ctrl-C. Ctrl-Z at the front ends the input. */
    if (*length == 0 || wide[0] == 26)
        return po_fail(err, PO_E_CANCELLED, "interrupted");
    if (wide[*length - 1] != L'\n') {
        (void)FlushConsoleInputBuffer(console);
        return po_fail(err, PO_E_USAGE, "too long");
    }
    while (*length > 0 && (wide[*length - 1] == L'\n' || wide[*length - 1] == L'\r'))
        --*length;
    return PO_OK;
}

enum po_status
po_sys_read_hidden(const char *question, char *line, size_t size, struct po_err *err)
{
    HANDLE console = GetStdHandle(STD_INPUT_HANDLE);
    wchar_t wide[LINE_MAX_CHARS];
    struct po_buf text = { 0 };
    DWORD shown = 0;
    DWORD length = 0;
    enum po_status st;

    if (!GetConsoleMode(console, &shown) ||
        !SetConsoleMode(console, (shown & ~(DWORD)ENABLE_ECHO_INPUT) | ENABLE_LINE_INPUT))
        return po_fail_win32(err, GetLastError(), "console");
    (void)po_sys_write_terminal(2, question, strlen(question));
    st = read_line(console, wide, &length, err);
    (void)SetConsoleMode(console, shown);
    (void)po_sys_write_terminal(2, "\n", 1); /* the one that was typed was not shown */
    if (st == PO_OK) {
        po_wtf8_put_utf16(&text, wide, length * sizeof(*wide), false);
        st = po_buf_check(&text, err);
    }
    if (st == PO_OK && text.size >= size)
        st = po_fail(err, PO_E_USAGE, "longer than %zu bytes", size - 1);
    if (st == PO_OK) {
        memcpy(line, po_buf_text(&text), text.size + 1);
    }
    wipe(wide, sizeof(wide));
    if (text.bytes != NULL)
        wipe(text.bytes, text.size);
    po_buf_deinit(&text);
    return st;
}
