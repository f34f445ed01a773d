/* The last data frame, as it stands and with its hashes set right. */
#include "archive/trailer.h"

#include "archive/hash.h"
#include "base/cursor.h"
#include "fuzz.h"

#include <string.h>

static enum po_status
parse(const uint8_t *frame)
{
    uint8_t again[PO_LAST_FRAME_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    uint8_t digest_again[PO_DIGEST_SIZE];
    struct po_trailer trailer;
    struct po_err err;
    enum po_status st = po_last_frame_parse(&trailer, digest, frame, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    if (st != PO_OK)
        return st;
    /* What is accepted is exactly what is written. */
    po_last_frame_put(again, &trailer, digest_again);
    FUZZ_CHECK(memcmp(again, frame, sizeof again) == 0);
    FUZZ_CHECK(memcmp(digest, digest_again, sizeof digest) == 0);
    return st;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct po_trailer none;
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint8_t *trailer = frame + 10 + 512;

    if (size == sizeof frame)
        (void)parse(bytes);
    if (size > 496)
        return 0;
    po_last_frame_put(frame, &none, NULL);
    memcpy(trailer, bytes, size);
    po_xxh3(trailer, 496, trailer + 496);
    po_store_u32le(frame + sizeof frame - 4, po_xxh64_low(frame + 10, 2048));
    (void)parse(frame);
    return 0;
}
