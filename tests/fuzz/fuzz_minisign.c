#include "archive/minisign.h"

#include "fuzz.h"

#include <string.h>

/* What is read as a key is written as it was read; a key that is encrypted is not opened: scrypt's cost
 * is bounded, and too dear for this. */
static void
read_secret(const uint8_t *bytes, size_t size)
{
    static const uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_minisign_secret secret;
    struct po_minisign_secret again;
    struct po_minisign_public key;
    struct po_minisign_signature signature;
    struct po_buf text = { 0 };
    struct po_err err;
    enum po_status st = po_minisign_secret_parse(&secret, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    if (st != PO_OK)
        return;
    FUZZ_CHECK(secret.ops <= PO_MINISIGN_OPS_MAX && secret.memory <= PO_MINISIGN_MEMORY_MAX);
    if (secret.is_encrypted)
        return;
    FUZZ_CHECK(po_minisign_secret_print(&text, &secret, NULL, &err) == PO_OK);
    FUZZ_CHECK(po_minisign_secret_parse(&again, text.bytes, text.size, &err) == PO_OK);
    FUZZ_CHECK(memcmp(again.key, secret.key, sizeof again.key) == 0);
    /* It signs what its public half accepts. */
    memcpy(key.key_id, secret.key_id, sizeof key.key_id);
    memcpy(key.key, secret.key + PO_MINISIGN_SECRET_SIZE - PO_MINISIGN_KEY_SIZE, sizeof key.key);
    po_buf_clear(&text);
    FUZZ_CHECK(po_minisign_sign(&text, &secret, hash, "x", &err) == PO_OK);
    FUZZ_CHECK(po_minisign_signature_parse(&signature, text.bytes, text.size, &err) == PO_OK);
    FUZZ_CHECK(po_minisign_is_good(&signature, &key, hash, sizeof hash));
    po_buf_deinit(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint8_t hash[PO_MINISIGN_HASH_SIZE];
    static const struct po_minisign_public nobody = { .key_id = { 1 } };
    struct po_minisign_signature signature;
    struct po_minisign_public key;
    struct po_buf text = { 0 };
    struct po_err err;
    enum po_status st = po_minisign_public_parse(&key, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st == PO_OK) {
        struct po_minisign_public again;

        FUZZ_CHECK(po_minisign_public_print(&text, &key, &err) == PO_OK);
        FUZZ_CHECK(po_minisign_public_parse(&again, text.bytes, text.size, &err) == PO_OK);
        FUZZ_CHECK(memcmp(&again, &key, sizeof key) == 0);
        po_buf_deinit(&text);
    }
    read_secret(bytes, size);
    st = po_minisign_signature_parse(&signature, bytes, size, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st == PO_OK) {
        FUZZ_CHECK(strlen(signature.comment) <= PO_MINISIGN_COMMENT_MAX);
        FUZZ_CHECK(!po_minisign_is_good(&signature, &nobody, hash, sizeof hash));
    }
    return 0;
}
