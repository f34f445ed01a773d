/* A Zstandard frame behind the content size that the seek table claims, four bytes. */
#include "archive/frame.h"

#include "archive/hash.h"
#include "base/cursor.h"
#include "fuzz.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct po_frame_decoder *decoder;
    uint8_t start[512];
    uint8_t *content;
    struct po_err err;
    uint32_t content_size;
    uint32_t checksum = 0;
    size_t got = 0;
    enum po_status st;

    if (size < 4)
        return 0;
    if (decoder == NULL)
        FUZZ_CHECK(po_frame_decoder_new(&decoder, &err) == PO_OK);
    content_size = po_load_u32le(bytes);
    st = po_frame_glance(bytes + 4, size - 4, true, start, sizeof start, &got, &err);
    FUZZ_CHECK((st == PO_OK || st == PO_E_FORMAT) && got <= sizeof start);
    /* As the reader does: nothing of that size is allocated before. spec-test: READ-1 */
    if (!po_frame_sizes_are_possible(content_size, size - 4))
        return 0;
    content = malloc(content_size);
    FUZZ_CHECK(content != NULL);
    st = po_frame_decode(decoder, bytes + 4, size - 4, content, content_size, &checksum, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st == PO_OK)
        FUZZ_CHECK(checksum == po_xxh64_low(content, content_size));
    free(content);
    return 0;
}
