#include "archive/manifest.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_err err;
    enum po_status st = po_summary_check(bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    return 0;
}
