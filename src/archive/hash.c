#include "archive/hash.h"

#include "base/mem.h"

#include <sodium.h>
#if defined(POBACKUP_XXHASH_DISPATCH)
#include <xxh_x86dispatch.h> /* as xxhash.h, with the widest vectors that the processor has */
#else
#include <xxhash.h>
#endif

struct po_hasher {
    XXH3_state_t *xxh3; /* needs 64-byte alignment: its own allocator gives it */
    crypto_generichash_state *blake2b;
    void *blake2b_block;
};

void
po_xxh3(const void *bytes, size_t size, uint8_t out[PO_HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(size == 0 ? "" : bytes, size));
    for (size_t i = 0; i < PO_HASH_SIZE; i++)
        out[i] = canonical.digest[i];
}

void
po_blake2b(const void *bytes, size_t size, uint8_t out[PO_DIGEST_SIZE])
{
    crypto_generichash(out, PO_DIGEST_SIZE, bytes, size, NULL, 0);
}

uint32_t
po_xxh64_low(const void *bytes, size_t size)
{
    return (uint32_t)XXH64(bytes, size, 0);
}

enum po_status
po_hasher_new(struct po_hasher **out, struct po_err *err)
{
    struct po_hasher *hasher = po_mem_new(1, sizeof *hasher);

    /* Picks the fast BLAKE2b; may be called any number of times from any thread. */
    if (sodium_init() < 0) {
        po_mem_free(hasher);
        return po_fail(err, PO_E_IO, "libsodium cannot be initialised");
    }
    if (hasher == NULL)
        return po_fail_nomem(err, sizeof *hasher);
    hasher->xxh3 = XXH3_createState();
    /* The state wants 64-byte alignment, which the heap does not promise. */
    hasher->blake2b_block = po_mem_new(1, crypto_generichash_statebytes() + 64);
    if (hasher->xxh3 == NULL || hasher->blake2b_block == NULL) {
        po_hasher_free(hasher);
        return po_fail_nomem(err, crypto_generichash_statebytes());
    }
    hasher->blake2b = (void *)(((uintptr_t)hasher->blake2b_block + 63) & ~(uintptr_t)63);
    po_hasher_reset(hasher);
    *out = hasher;
    return PO_OK;
}

void
po_hasher_free(struct po_hasher *hasher)
{
    if (hasher == NULL)
        return;
    XXH3_freeState(hasher->xxh3);
    po_mem_free(hasher->blake2b_block);
    po_mem_free(hasher);
}

void
po_hasher_reset(struct po_hasher *hasher)
{
    XXH3_128bits_reset(hasher->xxh3);
    crypto_generichash_init(hasher->blake2b, NULL, 0, PO_DIGEST_SIZE);
}

void
po_hasher_add_xxh3(struct po_hasher *hasher, const void *bytes, size_t size)
{
    if (size > 0)
        XXH3_128bits_update(hasher->xxh3, bytes, size);
}

void
po_hasher_add_blake2b(struct po_hasher *hasher, const void *bytes, size_t size)
{
    if (size > 0)
        crypto_generichash_update(hasher->blake2b, bytes, size);
}

void
po_hasher_xxh3(const struct po_hasher *hasher, uint8_t out[PO_HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hasher->xxh3));
    for (size_t i = 0; i < PO_HASH_SIZE; i++)
        out[i] = canonical.digest[i];
}

void
po_hasher_blake2b(struct po_hasher *hasher, uint8_t out[PO_DIGEST_SIZE])
{
    crypto_generichash_final(hasher->blake2b, out, PO_DIGEST_SIZE);
}
