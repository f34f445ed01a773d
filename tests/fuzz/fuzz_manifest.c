#include "archive/manifest.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_manifest_core core;
    struct po_err err;
    enum po_status st = po_manifest_parse(&core, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    if (st == PO_OK)
        FUZZ_CHECK(core.is_diff == (core.parent_count > 0));
    po_manifest_core_deinit(&core);
    return 0;
}
