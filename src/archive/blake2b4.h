/*
 * blake2b4.h - BLAKE2b-256 (RFC 7693) of byte strings, four side by side, one in each lane of the processor's
 * vectors: three to four times as fast as one after the other. A lane that is done takes the next string. Where the processor has no such vectors
 * (AVX2), it is libsodium's, one after the other.
 */
#ifndef PO_ARCHIVE_BLAKE2B4_H
#define PO_ARCHIVE_BLAKE2B4_H

#include "archive/hash.h"

#define PO_BLAKE2B_LANES 4u
/* So many at once, and strings of different lengths leave few lanes idle. */
#define PO_BLAKE2B_JOBS 8u

/* One string; of none (bytes NULL) the digest is not set. */
struct po_blake2b_job {
    const uint8_t *bytes;
    size_t size;
    uint8_t digest[PO_DIGEST_SIZE];
};

enum po_blake2b4_way {
    PO_BLAKE2B4_AVX512,
    PO_BLAKE2B4_AVX2,
    PO_BLAKE2B4_ONE_BY_ONE, /* no use then in collecting jobs */
    PO_BLAKE2B4_COUNT
};

/* Whether this processor can. */
bool po_blake2b4_has(enum po_blake2b4_way way);
/* The first that it can. */
enum po_blake2b4_way po_blake2b4_best(void);
/* At most PO_BLAKE2B_JOBS. */
void po_blake2b4(enum po_blake2b4_way way, struct po_blake2b_job *jobs, unsigned count);

#endif
