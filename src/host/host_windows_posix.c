/* What other systems have of the host "windows", and of Windows' event log. */
#include "host/host.h"

enum po_status
po_host_windows_open(struct po_host **out, const struct po_host_windows_options *options,
                     struct po_err *err)
{
    (void)out;
    (void)options;
    return po_fail(err, PO_E_UNSUPPORTED, "this machine is no Windows host");
}

enum po_status
po_host_report(const struct po_host_event *event, const char *log_path, bool *is_in_file,
               struct po_err *err)
{
    (void)event;
    (void)log_path;
    (void)err;
    *is_in_file = false;
    return PO_OK;
}
