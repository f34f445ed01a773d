/* The reboot of this machine, what runs after it (req: R8, R9), and its event log. */
#include "host/host_win32.h"
#include "host/host_win32_events.h"
#include "host/host_win32_reboot.h"

static enum po_status
windows_reboot(struct po_host *host, const char *message, unsigned delay_s, struct po_err *err)
{
    const struct po_win32_reboot how = { .message = message, .delay_s = delay_s };

    (void)host;
    return po_win32_reboot(&po_win32_reboot_calls, &how, err);
}

static enum po_status
windows_cancel(struct po_host *host, bool *was_pending, struct po_err *err)
{
    (void)host;
    return po_win32_reboot_cancel(&po_win32_reboot_calls, was_pending, err);
}

static enum po_status
windows_after(struct po_host *host, const char *program, const char *arguments, struct po_buf *note,
              struct po_err *err)
{
    unsigned how = 0;

    (void)host;
    return po_win32_after_reboot_register(&po_win32_reboot_calls, program, arguments, &how, note,
                                          err);
}

static enum po_status
windows_forget_after(struct po_host *host, struct po_err *err)
{
    (void)host;
    return po_win32_after_reboot_remove(&po_win32_reboot_calls, err);
}

const struct po_host_reboot_ops po_win32_reboot_ops = {
    .reboot = windows_reboot,
    .cancel = windows_cancel,
    .after = windows_after,
    .forget_after = windows_forget_after,
};

enum po_status
po_host_report(const struct po_host_event *event, const char *log_path, bool *is_in_file,
               struct po_err *err)
{
    static const enum po_win32_event_kind kinds[] = {
        [PO_HOST_EVENT_DONE] = PO_WIN32_EVENT_DONE,
        [PO_HOST_EVENT_WARNING] = PO_WIN32_EVENT_WARNING,
        [PO_HOST_EVENT_ERROR] = PO_WIN32_EVENT_ERROR,
    };
    const struct po_win32_event what = { .kind = kinds[event->kind],
                                         .id = event->id,
                                         .text = event->text };

    return po_win32_event_write(&po_win32_event_calls, &what, log_path, is_in_file, err);
}

enum po_status
po_win32_host_report(struct po_host *host, const struct po_host_event *event, const char *log_path,
                     bool *is_in_file, struct po_err *err)
{
    (void)host;
    return po_host_report(event, log_path, is_in_file, err);
}
