/* host_folder_registry.h - what a .reg file becomes where another one stands already (req: R3). */
#ifndef PO_HOST_HOST_FOLDER_REGISTRY_H
#define PO_HOST_HOST_FOLDER_REGISTRY_H

#include "host/host.h"

/*
 * Appends to `out` what is to be written in the place of `former` (empty: there is nothing);
 * nothing, when that is the new file byte for byte. Merged: both must be .reg files, else
 * PO_E_FORMAT or PO_E_UNSUPPORTED. Keys come into the view of 64-bit Windows that `former` has.
 */
PO_NODISCARD enum po_status
po_host_folder_registry_join(struct po_buf *out, const struct po_buf *former, const void *bytes,
                             size_t size, enum po_registry_how how, struct po_err *err);

#endif
