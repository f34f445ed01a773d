/* What other systems have of the host "windows". */
#include "host/host.h"

enum po_status
po_host_windows_open(struct po_host **out, const struct po_host_windows_options *options,
                     struct po_err *err)
{
    (void)out;
    (void)options;
    return po_fail(err, PO_E_UNSUPPORTED, "this machine is no Windows host");
}
