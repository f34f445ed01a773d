/* The end of a file, as ours and as somebody else's. */
#include "archive/seek_table.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void
parse(const uint8_t *bytes, size_t size, bool foreign)
{
    struct po_seek_entry *entries;
    struct po_buf again = { 0 };
    struct po_err err;
    uint64_t table_size;
    uint64_t sum = 0;
    uint32_t count;
    unsigned entry_size;

    if (po_seek_footer_parse(bytes + size - PO_SEEK_FOOTER_SIZE, size, foreign, &table_size, &count,
                             &entry_size, &err) != PO_OK)
        return;
    FUZZ_CHECK(table_size <= size);
    entries = malloc(((size_t)count + 1) * sizeof *entries);
    FUZZ_CHECK(entries != NULL);
    for (int is_right = 0; is_right < 2; is_right++) {
        enum po_status st =
            po_seek_table_parse(entries, count, entry_size, bytes + size - table_size,
                                (size_t)table_size, is_right != 0 ? sum : size - table_size, &err);

        if (st == PO_OK && !foreign) {
            /* What is accepted is exactly what is written. */
            po_seek_table_put(&again, entries, count);
            FUZZ_CHECK(!again.failed && again.size == table_size &&
                       memcmp(again.bytes, bytes + size - table_size, again.size) == 0);
            po_buf_clear(&again);
        }
        /* Once more as the end of a file that the sizes add up to. */
        sum = 0;
        for (uint32_t i = 0; st == PO_OK && i < count; i++)
            sum += entries[i].compressed_size;
    }
    po_buf_deinit(&again);
    free(entries);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < PO_SEEK_FOOTER_SIZE)
        return 0;
    parse(bytes, size, false);
    parse(bytes, size, true);
    return 0;
}
