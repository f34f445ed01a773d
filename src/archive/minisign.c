#include "archive/minisign.h"

#include "archive/format.h"
#include "base/cursor.h"
#include "base/mem.h"

#include <sodium.h>
#include <string.h>

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "

#define PUBLIC_SIZE (2 + PO_MINISIGN_ID_SIZE + PO_MINISIGN_KEY_SIZE)
#define SECRET_SIZE (6 + PO_MINISIGN_SALT_SIZE + 16 + PO_MINISIGN_SEALED_SIZE)
#define FIRST_SIZE (2 + PO_MINISIGN_ID_SIZE + PO_MINISIGN_SIGNATURE_SIZE)
#define CHECKSUM_SIZE 32u
#define CHECKSUM_AT (PO_MINISIGN_ID_SIZE + PO_MINISIGN_SECRET_SIZE)
#define GLOBAL_MAX (PO_MINISIGN_SIGNATURE_SIZE + PO_MINISIGN_COMMENT_MAX)
#define BASE64_MAX 256u /* of the longest */

static const uint8_t algorithm_whole[2] = { 'E', 'd' }; /* also that of keys */
static const uint8_t algorithm_hashed[2] = { 'E', 'D' };
static const uint8_t kdf_scrypt[2] = { 'S', 'c' };
static const uint8_t kdf_none[2] = { 0, 0 };
static const uint8_t checksum_blake2b[2] = { 'B', '2' };

/* It is shown as a little-endian number. */
void
po_minisign_put_id(struct po_buf *out, const uint8_t key_id[PO_MINISIGN_ID_SIZE])
{
    for (size_t i = PO_MINISIGN_ID_SIZE; i > 0; i--)
        po_buf_printf(out, "%02X", key_id[i - 1]);
}

/* Picks the fast implementations; may be called any number of times from any thread. */
static enum po_status
begin(struct po_err *err)
{
    return sodium_init() < 0 ? po_fail(err, PO_E_IO, "libsodium cannot be initialised") : PO_OK;
}

/* ---- lines ---- */

struct line {
    const char *text;
    size_t size;
};

struct lines {
    const char *at;
    size_t left;
};

/* Without its end, "\n" or "\r\n", which the last line may lack. Behind the end: empty. */
static struct line
take_line(struct lines *lines)
{
    struct line line = { .text = lines->at, .size = lines->left };
    const char *end = lines->left == 0 ? NULL : memchr(lines->at, '\n', lines->left);
    size_t taken = lines->left;

    if (end != NULL) {
        line.size = (size_t)(end - lines->at);
        taken = line.size + 1;
    }
    lines->at = taken == 0 ? lines->at : lines->at + taken;
    lines->left -= taken;
    if (line.size > 0 && line.text[line.size - 1] == '\r')
        line.size--;
    return line;
}

/* What stands behind the prefix; false when it does not begin so. */
static bool
cut_prefix(struct line *line, const char *prefix)
{
    size_t size = strlen(prefix);

    if (line->size < size || memcmp(line->text, prefix, size) != 0)
        return false;
    line->text += size;
    line->size -= size;
    return true;
}

/* Exactly so many bytes. libsodium takes some characters above 127 for digits: they are none. */
static bool
decode(const struct line *line, uint8_t *out, size_t size)
{
    size_t got = 0;

    for (size_t i = 0; i < line->size; i++)
        if ((unsigned char)line->text[i] > 127)
            return false;
    return sodium_base642bin(out, size, line->text, line->size, NULL, &got, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == size;
}

static void
put_base64(struct po_buf *out, const uint8_t *bytes, size_t size)
{
    char text[BASE64_MAX];

    (void)sodium_bin2base64(text, sizeof text, bytes, size, sodium_base64_VARIANT_ORIGINAL);
    po_buf_put_text(out, text);
    po_buf_put_u8(out, '\n');
    sodium_memzero(text, sizeof text);
}

/* ---- public keys ---- */

enum po_status
po_minisign_public_parse(struct po_minisign_public *out, const void *text, size_t size,
                         struct po_err *err)
{
    struct lines lines = { .at = text, .left = size };
    struct line line = take_line(&lines);
    uint8_t bytes[PUBLIC_SIZE];

    if (cut_prefix(&line, UNTRUSTED))
        line = take_line(&lines);
    if (lines.left > 0 || !decode(&line, bytes, sizeof bytes) ||
        memcmp(bytes, algorithm_whole, 2) != 0)
        return po_fail(err, PO_E_FORMAT, "not a public key" PO_RULE("minisign"));
    memcpy(out->key_id, bytes + 2, PO_MINISIGN_ID_SIZE);
    memcpy(out->key, bytes + 2 + PO_MINISIGN_ID_SIZE, PO_MINISIGN_KEY_SIZE);
    return PO_OK;
}

enum po_status
po_minisign_public_print(struct po_buf *out, const struct po_minisign_public *key,
                         struct po_err *err)
{
    uint8_t bytes[PUBLIC_SIZE];

    memcpy(bytes, algorithm_whole, 2);
    memcpy(bytes + 2, key->key_id, PO_MINISIGN_ID_SIZE);
    memcpy(bytes + 2 + PO_MINISIGN_ID_SIZE, key->key, PO_MINISIGN_KEY_SIZE);
    po_buf_put_text(out, UNTRUSTED "minisign public key ");
    po_minisign_put_id(out, key->key_id);
    po_buf_put_u8(out, '\n');
    put_base64(out, bytes, sizeof bytes);
    return po_buf_check(out, err);
}

/* ---- secret keys ---- */

enum po_status
po_minisign_make(struct po_minisign_secret *secret, struct po_minisign_public *public_key,
                 const uint8_t random[PO_MINISIGN_RANDOM_SIZE], struct po_err *err)
{
    enum po_status st = begin(err);

    if (st != PO_OK)
        return st;
    *secret = (struct po_minisign_secret){ .is_encrypted = false };
    memcpy(secret->key_id, random, PO_MINISIGN_ID_SIZE);
    memcpy(public_key->key_id, random, PO_MINISIGN_ID_SIZE);
    (void)crypto_sign_seed_keypair(public_key->key, secret->key, random + PO_MINISIGN_ID_SIZE);
    return PO_OK;
}

static void
put_checksum(uint8_t out[CHECKSUM_SIZE], const uint8_t sealed[PO_MINISIGN_SEALED_SIZE])
{
    uint8_t bytes[2 + CHECKSUM_AT];

    memcpy(bytes, algorithm_whole, 2);
    memcpy(bytes + 2, sealed, CHECKSUM_AT);
    (void)crypto_generichash(out, CHECKSUM_SIZE, bytes, sizeof bytes, NULL, 0);
    sodium_memzero(bytes, sizeof bytes);
}

/* A key whose halves do not belong together would give its secret away with what it signs. */
static bool
take_sealed(struct po_minisign_secret *secret, const uint8_t sealed[PO_MINISIGN_SEALED_SIZE])
{
    uint8_t public_key[PO_MINISIGN_KEY_SIZE];
    uint8_t key[PO_MINISIGN_SECRET_SIZE];
    bool is_whole;

    memcpy(secret->key_id, sealed, PO_MINISIGN_ID_SIZE);
    memcpy(secret->key, sealed + PO_MINISIGN_ID_SIZE, PO_MINISIGN_SECRET_SIZE);
    (void)crypto_sign_seed_keypair(public_key, key, secret->key);
    is_whole = sodium_memcmp(key, secret->key, sizeof key) == 0;
    sodium_memzero(key, sizeof key);
    return is_whole;
}

/* What is in no lock has no checksum (0.11 writes zeros), or one that is right. */
static bool
take_unlocked(struct po_minisign_secret *secret)
{
    uint8_t checksum[CHECKSUM_SIZE];
    const uint8_t *stored = secret->sealed + CHECKSUM_AT;

    put_checksum(checksum, secret->sealed);
    return (sodium_is_zero(stored, CHECKSUM_SIZE) == 1 ||
            sodium_memcmp(stored, checksum, CHECKSUM_SIZE) == 0) &&
           take_sealed(secret, secret->sealed);
}

static enum po_status
parse_secret(struct po_minisign_secret *out, const uint8_t bytes[SECRET_SIZE], struct po_err *err)
{
    struct po_cursor cursor = po_cursor_over(bytes + 6, SECRET_SIZE - 6);

    *out = (struct po_minisign_secret){ .is_encrypted = memcmp(bytes + 2, kdf_scrypt, 2) == 0 };
    if (memcmp(bytes, algorithm_whole, 2) != 0 || memcmp(bytes + 4, checksum_blake2b, 2) != 0 ||
        (!out->is_encrypted && memcmp(bytes + 2, kdf_none, 2) != 0))
        return po_fail(err, PO_E_UNSUPPORTED, "a secret key of another kind" PO_RULE("minisign"));
    po_cursor_copy(&cursor, out->salt, sizeof out->salt);
    out->ops = po_cursor_u64(&cursor);
    out->memory = po_cursor_u64(&cursor);
    po_cursor_copy(&cursor, out->sealed, sizeof out->sealed);
    /* Before anything is spent: the numbers are still a stranger's. */
    if (out->ops > PO_MINISIGN_OPS_MAX || out->memory > PO_MINISIGN_MEMORY_MAX)
        return po_fail(err, PO_E_UNSUPPORTED,
                       "scrypt would take more than is allowed, 1 GiB" PO_RULE("minisign"));
    if (!out->is_encrypted && !take_unlocked(out))
        return po_fail(err, PO_E_FORMAT, "the secret key is damaged" PO_RULE("minisign"));
    return PO_OK;
}

enum po_status
po_minisign_secret_parse(struct po_minisign_secret *out, const void *text, size_t size,
                         struct po_err *err)
{
    struct lines lines = { .at = text, .left = size };
    struct line first = take_line(&lines);
    struct line second = take_line(&lines);
    uint8_t bytes[SECRET_SIZE] = { 0 };
    enum po_status st = begin(err);

    if (st == PO_OK &&
        (!cut_prefix(&first, UNTRUSTED) || lines.left > 0 || !decode(&second, bytes, sizeof bytes)))
        st = po_fail(err, PO_E_FORMAT, "not a secret key" PO_RULE("minisign"));
    if (st == PO_OK)
        st = parse_secret(out, bytes, err);
    sodium_memzero(bytes, sizeof bytes);
    if (st != PO_OK)
        sodium_memzero(out, sizeof *out);
    return st;
}

/* The file has the key XOR what scrypt makes of the passphrase. */
static enum po_status
turn(uint8_t sealed[PO_MINISIGN_SEALED_SIZE], const struct po_minisign_lock *lock,
     struct po_err *err)
{
    uint8_t stream[PO_MINISIGN_SEALED_SIZE];

    if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof stream, lock->passphrase,
                                           lock->passphrase_size, lock->salt, lock->ops,
                                           (size_t)lock->memory) != 0)
        return po_fail(err, PO_E_NOMEM, "not enough memory for scrypt, which wants %llu MiB",
                       (unsigned long long)(lock->memory >> 20));
    for (size_t i = 0; i < sizeof stream; i++)
        sealed[i] ^= stream[i];
    sodium_memzero(stream, sizeof stream);
    return PO_OK;
}

enum po_status
po_minisign_secret_open(struct po_minisign_secret *secret, const char *passphrase,
                        size_t passphrase_size, struct po_err *err)
{
    struct po_minisign_lock lock = { .passphrase = passphrase,
                                     .passphrase_size = passphrase_size,
                                     .ops = secret->ops,
                                     .memory = secret->memory };
    uint8_t sealed[PO_MINISIGN_SEALED_SIZE];
    uint8_t checksum[CHECKSUM_SIZE];
    enum po_status st;

    if (!secret->is_encrypted)
        return PO_OK;
    memcpy(lock.salt, secret->salt, sizeof lock.salt);
    memcpy(sealed, secret->sealed, sizeof sealed);
    st = turn(sealed, &lock, err);
    if (st == PO_OK) {
        put_checksum(checksum, sealed);
        if (sodium_memcmp(checksum, sealed + CHECKSUM_AT, CHECKSUM_SIZE) != 0 ||
            !take_sealed(secret, sealed)) {
            sodium_memzero(secret->key, sizeof secret->key);
            st = po_fail(err, PO_E_AUTH, "wrong passphrase, or the key's file is damaged");
        } else {
            secret->is_encrypted = false;
        }
    }
    sodium_memzero(sealed, sizeof sealed);
    return st;
}

enum po_status
po_minisign_secret_print(struct po_buf *out, const struct po_minisign_secret *secret,
                         const struct po_minisign_lock *lock, struct po_err *err)
{
    uint8_t bytes[SECRET_SIZE] = { 0 };
    uint8_t *sealed = bytes + SECRET_SIZE - PO_MINISIGN_SEALED_SIZE;
    enum po_status st = begin(err);

    memcpy(bytes, algorithm_whole, 2);
    memcpy(bytes + 4, checksum_blake2b, 2);
    memcpy(sealed, secret->key_id, PO_MINISIGN_ID_SIZE);
    memcpy(sealed + PO_MINISIGN_ID_SIZE, secret->key, PO_MINISIGN_SECRET_SIZE);
    if (st == PO_OK && lock != NULL) {
        memcpy(bytes + 2, kdf_scrypt, 2);
        memcpy(bytes + 6, lock->salt, PO_MINISIGN_SALT_SIZE);
        po_store_u64le(bytes + 6 + PO_MINISIGN_SALT_SIZE, lock->ops);
        po_store_u64le(bytes + 6 + PO_MINISIGN_SALT_SIZE + 8, lock->memory);
        put_checksum(sealed + CHECKSUM_AT, sealed);
        st = turn(sealed, lock, err);
    }
    if (st == PO_OK) {
        po_buf_put_text(out, lock != NULL ? UNTRUSTED "minisign encrypted secret key\n"
                                          : UNTRUSTED "minisign secret key, not encrypted\n");
        put_base64(out, bytes, sizeof bytes);
        st = po_buf_check(out, err);
    }
    sodium_memzero(bytes, sizeof bytes);
    return st;
}

/* ---- the hash ---- */

struct po_minisign_hasher {
    crypto_generichash_state *blake2b;
    void *block; /* the state wants 64-byte alignment, which the heap does not promise */
};

enum po_status
po_minisign_hasher_new(struct po_minisign_hasher **out, struct po_err *err)
{
    struct po_minisign_hasher *hasher = NULL;
    enum po_status st = begin(err);

    if (st != PO_OK)
        return st;
    hasher = po_mem_new(1, sizeof *hasher);
    if (hasher != NULL)
        hasher->block = po_mem_new(1, crypto_generichash_statebytes() + 64);
    if (hasher == NULL || hasher->block == NULL) {
        po_minisign_hasher_free(hasher);
        return po_fail_nomem(err, crypto_generichash_statebytes());
    }
    hasher->blake2b = (void *)(((uintptr_t)hasher->block + 63) & ~(uintptr_t)63);
    (void)crypto_generichash_init(hasher->blake2b, NULL, 0, PO_MINISIGN_HASH_SIZE);
    *out = hasher;
    return PO_OK;
}

void
po_minisign_hasher_add(struct po_minisign_hasher *hasher, const void *bytes, size_t size)
{
    if (size > 0)
        (void)crypto_generichash_update(hasher->blake2b, bytes, size);
}

void
po_minisign_hasher_end(struct po_minisign_hasher *hasher, uint8_t hash[PO_MINISIGN_HASH_SIZE])
{
    (void)crypto_generichash_final(hasher->blake2b, hash, PO_MINISIGN_HASH_SIZE);
}

void
po_minisign_hasher_free(struct po_minisign_hasher *hasher)
{
    if (hasher == NULL)
        return;
    po_mem_free(hasher->block);
    po_mem_free(hasher);
}

/* ---- signatures ---- */

/* What the second signature is over: the first, and the comment. How many bytes that are. */
static size_t
put_global(uint8_t bytes[GLOBAL_MAX], const uint8_t signature[PO_MINISIGN_SIGNATURE_SIZE],
           const char *comment)
{
    size_t comment_size = strlen(comment);

    memcpy(bytes, signature, PO_MINISIGN_SIGNATURE_SIZE);
    memcpy(bytes + PO_MINISIGN_SIGNATURE_SIZE, comment, comment_size);
    return PO_MINISIGN_SIGNATURE_SIZE + comment_size;
}

enum po_status
po_minisign_sign(struct po_buf *out, const struct po_minisign_secret *secret,
                 const uint8_t hash[PO_MINISIGN_HASH_SIZE], const char *comment, struct po_err *err)
{
    uint8_t first[FIRST_SIZE];
    uint8_t *signature = first + FIRST_SIZE - PO_MINISIGN_SIGNATURE_SIZE;
    uint8_t second[PO_MINISIGN_SIGNATURE_SIZE];
    uint8_t global[GLOBAL_MAX];
    enum po_status st = begin(err);

    if (st != PO_OK)
        return st;
    if (strlen(comment) > PO_MINISIGN_COMMENT_MAX || strpbrk(comment, "\r\n") != NULL)
        return po_fail(err, PO_E_USAGE, "a trusted comment is one line of at most %u bytes",
                       PO_MINISIGN_COMMENT_MAX);
    memcpy(first, algorithm_hashed, 2);
    memcpy(first + 2, secret->key_id, PO_MINISIGN_ID_SIZE);
    (void)crypto_sign_detached(signature, NULL, hash, PO_MINISIGN_HASH_SIZE, secret->key);
    (void)crypto_sign_detached(second, NULL, global, put_global(global, signature, comment),
                               secret->key);
    po_buf_put_text(out, UNTRUSTED "signature from pobackup\n");
    put_base64(out, first, sizeof first);
    po_buf_put_text(out, TRUSTED);
    po_buf_put_text(out, comment);
    po_buf_put_u8(out, '\n');
    put_base64(out, second, sizeof second);
    return po_buf_check(out, err);
}

enum po_status
po_minisign_signature_parse(struct po_minisign_signature *out, const void *text, size_t size,
                            struct po_err *err)
{
    struct lines lines = { .at = text, .left = size };
    struct line untrusted = take_line(&lines);
    struct line first = take_line(&lines);
    struct line trusted = take_line(&lines);
    struct line second = take_line(&lines);
    uint8_t bytes[FIRST_SIZE];

    if (!cut_prefix(&untrusted, UNTRUSTED) || !cut_prefix(&trusted, TRUSTED) || lines.left > 0)
        return po_fail(err, PO_E_FORMAT, "not a signature" PO_RULE("minisign"));
    if (trusted.size > PO_MINISIGN_COMMENT_MAX || memchr(trusted.text, '\0', trusted.size) != NULL)
        return po_fail(err, PO_E_FORMAT,
                       "the trusted comment is not text, or too long" PO_RULE("minisign"));
    if (!decode(&first, bytes, sizeof bytes) || !decode(&second, out->global, sizeof out->global))
        return po_fail(err, PO_E_FORMAT,
                       "a signature has another size, or is not base64" PO_RULE("minisign"));
    out->is_hashed = memcmp(bytes, algorithm_hashed, 2) == 0;
    if (!out->is_hashed && memcmp(bytes, algorithm_whole, 2) != 0)
        return po_fail(err, PO_E_FORMAT, "a signature of another kind" PO_RULE("minisign"));
    memcpy(out->key_id, bytes + 2, PO_MINISIGN_ID_SIZE);
    memcpy(out->signature, bytes + 2 + PO_MINISIGN_ID_SIZE, PO_MINISIGN_SIGNATURE_SIZE);
    memcpy(out->comment, trusted.text, trusted.size);
    out->comment[trusted.size] = '\0';
    return PO_OK;
}

bool
po_minisign_is_good(const struct po_minisign_signature *signature,
                    const struct po_minisign_public *key, const void *message, size_t size)
{
    uint8_t global[GLOBAL_MAX];
    size_t global_size = put_global(global, signature->signature, signature->comment);

    return crypto_sign_verify_detached(signature->signature, message, size, key->key) == 0 &&
           crypto_sign_verify_detached(signature->global, global, global_size, key->key) == 0;
}
