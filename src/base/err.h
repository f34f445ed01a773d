/*
 * err.h - filling in a struct po_err (pobackup.h). The innermost function names the cause, each
 * outer one adds its place.
 */
#ifndef PO_BASE_ERR_H
#define PO_BASE_ERR_H

#include <pobackup.h>

#if defined(__GNUC__)
/* Of the C standard everywhere: the C library of Windows has a printf of its own, which is not used. */
#if defined(__clang__)
#define PO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PO_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#endif
#else
#define PO_PRINTF(fmt, args)
#endif

/*
 * Sets status and text, os_code 0; returns `status`. Text that does not fit is cut at a character.
 */
PO_PRINTF(3, 4)
enum po_status po_fail(struct po_err *err, enum po_status status, const char *format, ...);

/*
 * As po_fail with PO_E_IO, and ": what the system says" for the given errno. (Windows codes:
 * port/.)
 */
PO_PRINTF(3, 4) enum po_status po_fail_errno(struct po_err *err, int code, const char *format, ...);

/* PO_E_NOMEM. */
enum po_status po_fail_nomem(struct po_err *err, size_t size);

/* Puts "place: " before the text; returns err->status. */
PO_PRINTF(2, 3) enum po_status po_err_prefix(struct po_err *err, const char *format, ...);

/*
 * The same, with the status in sight of the compiler and the static analysers: they cannot know
 * that the functions return what they are given, and would follow paths that do not exist.
 */
static inline enum po_status
po_err_as(enum po_status status)
{
    return status;
}
#define po_fail(err, status, ...) ((void)(po_fail)(err, status, __VA_ARGS__), po_err_as(status))
#define po_fail_errno(err, ...) ((void)(po_fail_errno)(err, __VA_ARGS__), po_err_as(PO_E_IO))
#define po_fail_nomem(err, size) ((void)(po_fail_nomem)(err, size), po_err_as(PO_E_NOMEM))

#endif
