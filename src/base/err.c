#include "base/err.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef POBACKUP_VERSION
#define POBACKUP_VERSION "0.0.0"
#endif

static const char *const status_names[] = {
    [PO_OK] = "success",
    [PO_E_CANCELLED] = "cancelled",
    [PO_E_NOMEM] = "out of memory",
    [PO_E_IO] = "input or output error",
    [PO_E_FORMAT] = "damaged",
    [PO_E_UNSUPPORTED] = "not supported",
    [PO_E_AUTH] = "wrong key or tampered with",
    [PO_E_USAGE] = "wrong use",
};

const char *
po_status_name(enum po_status status)
{
    size_t number = (size_t)status;

    if (number >= sizeof(status_names) / sizeof(status_names[0]))
        return "unknown status";
    return status_names[number];
}

const char *
pobackup_version(void)
{
    return POBACKUP_VERSION;
}

/*
 * Makes `text` one line of UTF-8: names from a disk or an archive come in through %s. Control
 * characters and bytes that are not UTF-8 become '?'. A character that was cut at the end
 * (`is_cut`) is dropped whole.
 */
static void
clean_text(char *text, bool is_cut)
{
    size_t size = strlen(text);
    size_t at = 0;

    while (at < size) {
        size_t step = po_text_utf8_step(text + at, size - at);

        if (step == 0 && is_cut && size - at < 4 && (unsigned char)text[at] >= 0xC0) {
            text[at] = '\0';
            return;
        }
        if (step == 0 || (step == 1 && ((unsigned char)text[at] < 0x20 || text[at] == 0x7F)))
            text[at] = '?';
        at += step > 0 ? step : 1;
    }
}

/* Formats first and stores then, so that err->text may be among the arguments. */
PO_PRINTF(2, 0)
static void
set_text(struct po_err *err, const char *format, va_list args)
{
    char text[sizeof(err->text)];
    int length = vsnprintf(text, sizeof(text), format, args);

    if (length < 0)
        text[0] = '\0';
    clean_text(text, length >= (int)sizeof(text));
    memcpy(err->text, text, sizeof(text));
}

enum po_status(po_fail)(struct po_err *err, enum po_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    err->status = status;
    err->os_code = 0;
    return status;
}

/*
 * Puts ": tail" behind the text, at the cost of the text's end when both do not fit: the cause
 * matters more.
 */
static void
append_cause(struct po_err *err, const char *tail)
{
    size_t tail_size = strlen(tail);
    size_t at = strlen(err->text);

    if (tail_size > sizeof(err->text) / 4)
        tail_size = sizeof(err->text) / 4;
    if (at > sizeof(err->text) - tail_size - 3)
        at = sizeof(err->text) - tail_size - 3;
    err->text[at] = '\0';
    clean_text(err->text, true);
    at = strlen(err->text);
    memcpy(err->text + at, ": ", 2);
    memcpy(err->text + at + 2, tail, tail_size);
    err->text[at + 2 + tail_size] = '\0';
    clean_text(err->text, true);
}

enum po_status(po_fail_errno)(struct po_err *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    /*
     * strerror and not strerror_r, which has two incompatible forms and is not in the C standard.
     * For every known code strerror gives a constant string in all C libraries in use; for unknown
     * ones glibc since 2.32 and Microsoft's use a buffer of the thread, and musl a constant.
     * The messages' locale is never changed.
     */
    append_cause(err, strerror(code)); /* NOLINT(concurrency-mt-unsafe) */
    err->status = PO_E_IO;
    err->os_code = (uint32_t)code;
    return PO_E_IO;
}

enum po_status(po_fail_nomem)(struct po_err *err, size_t size)
{
    return po_fail(err, PO_E_NOMEM, "out of memory for %zu bytes", size);
}

enum po_status
po_err_prefix(struct po_err *err, const char *format, ...)
{
    char old[sizeof(err->text)];
    size_t old_size;
    size_t at;
    va_list args;

    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    at = strlen(err->text);
    old_size = strlen(old);
    /* Of two long texts the cause, which is the old one, keeps at least half of the room. */
    if (at > sizeof(old) / 2 && at + old_size + 3 > sizeof(old)) {
        at = old_size + 3 < sizeof(old) / 2 ? sizeof(old) - old_size - 3 : sizeof(old) / 2;
        err->text[at] = '\0';
        clean_text(err->text, true);
        at = strlen(err->text);
    }
    if (old_size > sizeof(old) - at - 3)
        old_size = sizeof(old) - at - 3;
    memcpy(err->text + at, ": ", 2);
    memcpy(err->text + at + 2, old, old_size);
    err->text[at + 2 + old_size] = '\0';
    clean_text(err->text, true);
    return err->status;
}
