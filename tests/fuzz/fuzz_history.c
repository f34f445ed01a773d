/* A line of the history: what is read of it is written so that the same is read again. */
#include "engine/history_line.h"
#include "fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_history_line line;
    struct po_history_line again;
    struct po_buf first = { 0 };
    struct po_buf second = { 0 };
    struct po_err err;
    enum po_status st = po_history_line_parse(&line, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st != PO_OK)
        return 0;
    po_history_line_put(&first, &line.run);
    FUZZ_CHECK(!first.failed &&
               memchr(first.bytes, '\n', first.size) == first.bytes + first.size - 1);
    FUZZ_CHECK(po_history_line_parse(&again, first.bytes, first.size - 1, &err) == PO_OK);
    po_history_line_put(&second, &again.run);
    FUZZ_CHECK(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    po_history_line_deinit(&line);
    po_history_line_deinit(&again);
    po_buf_deinit(&first);
    po_buf_deinit(&second);
    return 0;
}
