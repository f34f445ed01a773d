/* hash.h - the digests of the format: XXH3-128 in canonical form, BLAKE2b-256, and XXH64's low half
 * as Zstandard uses it. */
#ifndef PO_ARCHIVE_HASH_H
#define PO_ARCHIVE_HASH_H

#include "archive/format.h"
#include "base/err.h"

void po_xxh3(const void *bytes, size_t size, uint8_t out[PO_HASH_SIZE]);
void po_blake2b(const void *bytes, size_t size, uint8_t out[PO_DIGEST_SIZE]);
/* The low 32 bits of XXH64 with seed 0: a Zstandard frame's Content_Checksum. */
uint32_t po_xxh64_low(const void *bytes, size_t size);

/* Both digests over bytes that come in pieces. */
struct po_hasher;
PO_NODISCARD enum po_status po_hasher_new(struct po_hasher **out, struct po_err *err);
void po_hasher_free(struct po_hasher *hasher);
void po_hasher_reset(struct po_hasher *hasher);
/* XXH3 alone: for contents. */
void po_hasher_add_xxh3(struct po_hasher *hasher, const void *bytes, size_t size);
/* BLAKE2b alone: for the index. */
void po_hasher_add_blake2b(struct po_hasher *hasher, const void *bytes, size_t size);
void po_hasher_xxh3(const struct po_hasher *hasher, uint8_t out[PO_HASH_SIZE]);
/* Ends the BLAKE2b: reset before adding more. */
void po_hasher_blake2b(struct po_hasher *hasher, uint8_t out[PO_DIGEST_SIZE]);

#endif
