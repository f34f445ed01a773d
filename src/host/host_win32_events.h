/*
 * host_win32_events.h - the event log of Windows: one event a run, so that what watches a server
 * sees a backup that failed. Where that cannot be, a line in a file.
 */
#ifndef PO_HOST_HOST_WIN32_EVENTS_H
#define PO_HOST_HOST_WIN32_EVENTS_H

#include "base/buf.h"
#include "port/err_win32.h"

#define PO_WIN32_EVENT_SOURCE "pobackup"
/* The message table (src/cli/pobackup_messages.rc) has ids 1 to this; all say "%1". */
#define PO_WIN32_EVENT_ID_MAX 32u

enum po_win32_event_kind { PO_WIN32_EVENT_DONE, PO_WIN32_EVENT_WARNING, PO_WIN32_EVENT_ERROR };

struct po_win32_event {
    enum po_win32_event_kind kind;
    unsigned id;      /* 1 to PO_WIN32_EVENT_ID_MAX: what people filter by */
    const char *text; /* any number of lines; at most 31,000 characters are kept */
};

/* The calls below it, so that they can fail. Each returns 0 or a code of GetLastError(). */
struct po_win32_event_calls {
    /*
     * Tells Windows which program has the texts of the source; ERROR_RESOURCE_TYPE_NOT_FOUND when
     * ours has none. Done already is 0.
     */
    DWORD (*register_source)(const wchar_t *source);
    DWORD (*report)(const wchar_t *source, WORD type, DWORD id, const wchar_t *text);
};
extern const struct po_win32_event_calls po_win32_event_calls;

/*
 * Writes one event. When the log does not take it, a line is appended to the file `log_path` (NULL:
 * none), which is made where missing, and *is_in_file is true: time, kind, id, text on one line.
 * That the source could not be registered is no failure: the event log then shows the text with a
 * remark of its own.
 */
PO_NODISCARD enum po_status po_win32_event_write(const struct po_win32_event_calls *calls,
                                                 const struct po_win32_event *event,
                                                 const char *log_path, bool *is_in_file,
                                                 struct po_err *err);

#endif
