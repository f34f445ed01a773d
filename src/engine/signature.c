#include "engine/signature.h"

#include "archive/format.h"
#include "archive/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/watch.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

#define PART_SIZE (1u << 20)

const char *
po_signature_state_name(enum po_signature_state state)
{
    static const char *const names[] = { "unchecked", "good", "missing", "foreign", "bad" };

    return names[state];
}

/* ---- the bytes ---- */

/* The trailer, as it stood in the bytes that were hashed. */
struct anchor {
    uint64_t at;
    uint8_t bytes[PO_TRAILER_SIZE];
};

static uint64_t
trailer_at(const struct po_reader *reader)
{
    return reader->offsets[reader->frame_count - 1] + PO_TRAILER_AT;
}

/* What of it lies in these bytes, which stand at `offset`. */
static void
anchor_take(struct anchor *anchor, uint64_t offset, const uint8_t *bytes, size_t size)
{
    uint64_t start = anchor->at > offset ? anchor->at : offset;
    uint64_t end = anchor->at + sizeof anchor->bytes;

    if (offset + size < end)
        end = offset + size;
    if (start < end)
        memcpy(anchor->bytes + (start - anchor->at), bytes + (start - offset),
               (size_t)(end - start));
}

/* The archive's digest vouches for its index, and that for every frame. */
static enum po_status
anchor_check(const struct anchor *anchor, const struct po_reader *reader, struct po_err *err)
{
    uint8_t digest[PO_DIGEST_SIZE];

    po_blake2b(anchor->bytes, sizeof anchor->bytes, digest);
    return memcmp(digest, reader->digest, sizeof digest) == 0
               ? PO_OK
               : po_fail(err, PO_E_FORMAT, "it was changed after it had been opened");
}

static enum po_status
hash_all(struct po_minisign_hasher *hasher, struct anchor *anchor, const struct pobackup_blob *blob,
         const struct po_watch *watch, struct po_err *err)
{
    uint8_t *bytes = po_mem_new(PART_SIZE, 1);
    enum po_status st = bytes == NULL ? po_fail_nomem(err, PART_SIZE) : PO_OK;
    uint64_t at = 0;

    while (st == PO_OK && at < blob->size) {
        size_t part = blob->size - at < PART_SIZE ? (size_t)(blob->size - at) : PART_SIZE;

        st = po_watch_check(watch, err);
        if (st == PO_OK)
            st = blob->read_at(blob->ctx, at, bytes, part, err);
        if (st != PO_OK)
            break;
        po_minisign_hasher_add(hasher, bytes, part);
        anchor_take(anchor, at, bytes, part);
        at += part;
        po_watch_progress(watch, at, blob->size, 0, 0);
    }
    po_mem_free(bytes);
    return st;
}

enum po_status
po_signature_hash(uint8_t hash[PO_MINISIGN_HASH_SIZE], const struct pobackup_blob *blob,
                  const struct po_reader *reader, const struct po_watch *watch, struct po_err *err)
{
    struct anchor anchor = { .at = reader == NULL ? UINT64_MAX - PO_TRAILER_SIZE
                                                  : trailer_at(reader) };
    struct po_minisign_hasher *hasher = NULL;
    enum po_status st = po_minisign_hasher_new(&hasher, err);

    po_watch_phase(watch, "hashing for the signature");
    if (st == PO_OK)
        st = hash_all(hasher, &anchor, blob, watch, err);
    if (st == PO_OK && reader != NULL)
        st = anchor_check(&anchor, reader, err);
    if (st == PO_OK)
        po_minisign_hasher_end(hasher, hash);
    po_minisign_hasher_free(hasher);
    return st;
}

/* All of them, for a legacy signature. */
static enum po_status
read_all(uint8_t **out, const struct pobackup_blob *blob, const struct po_reader *reader,
         struct po_err *err)
{
    size_t size = (size_t)blob->size;
    struct anchor anchor = { .at = reader == NULL ? UINT64_MAX - PO_TRAILER_SIZE
                                                  : trailer_at(reader) };
    uint8_t *bytes = po_mem_new(size, 1);
    enum po_status st =
        bytes == NULL ? po_fail_nomem(err, size) : blob->read_at(blob->ctx, 0, bytes, size, err);

    if (st == PO_OK && reader != NULL) {
        anchor_take(&anchor, 0, bytes, size);
        st = anchor_check(&anchor, reader, err);
    }
    if (st == PO_OK) {
        *out = bytes;
        bytes = NULL;
    }
    po_mem_free(bytes);
    return st;
}

/* ---- the sidecar ---- */

/* *is_there = false: none. */
static enum po_status
read_sidecar(const char *os_path, struct po_buf *text, bool *is_there, struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct pobackup_blob blob = { 0 };
    struct po_buf path = { 0 };
    enum po_status st;

    po_buf_put_text(&path, os_path);
    po_buf_put_text(&path, PO_SIGNATURE_ENDING);
    st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_os_stat(po_buf_text(&path), &info, is_there, err);
    if (st == PO_OK && *is_there && info.type != PO_NODE_FILE)
        st = po_fail(err, PO_E_IO, "%s: not a regular file", po_buf_text(&path));
    if (st != PO_OK || !*is_there)
        goto done;
    st = po_store_file_open(&blob, po_buf_text(&path), err);
    if (st != PO_OK)
        goto done;
    /* One byte more than is allowed is enough to see that there are too many. */
    if (blob.size > PO_MINISIGN_TEXT_MAX)
        blob.size = PO_MINISIGN_TEXT_MAX + 1;
    if (!po_buf_reserve(text, (size_t)blob.size))
        st = po_fail_nomem(err, (size_t)blob.size);
    if (st == PO_OK)
        st = blob.read_at(blob.ctx, 0, text->bytes, (size_t)blob.size, err);
    if (st == PO_OK)
        text->size = (size_t)blob.size;
done:
    po_store_blob_free(&blob);
    po_buf_deinit(&path);
    return st;
}

static enum po_status
parse_sidecar(struct po_minisign_signature *parsed, const struct po_buf *text, struct po_err *err)
{
    if (text->size > PO_MINISIGN_TEXT_MAX)
        return po_fail(err, PO_E_FORMAT, "not a signature: too large (minisign)");
    return po_minisign_signature_parse(parsed, text->size == 0 ? (const uint8_t *)"" : text->bytes,
                                       text->size, err);
}

/* ---- the check ---- */

struct check {
    struct po_signature *signature;
    const struct po_minisign_signature *parsed;
    const struct pobackup_blob *blob;
    const struct po_reader *reader;
    const struct po_minisign_public *keys;
    size_t key_count;
};

static void
put_key_id(const uint8_t key_id[PO_MINISIGN_ID_SIZE], char text[2 * PO_MINISIGN_ID_SIZE + 1])
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < PO_MINISIGN_ID_SIZE; i++) {
        uint8_t byte = key_id[PO_MINISIGN_ID_SIZE - 1 - i];

        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    text[2 * PO_MINISIGN_ID_SIZE] = '\0';
}

static bool
has_key(const struct check *check)
{
    for (size_t i = 0; i < check->key_count; i++)
        if (memcmp(check->keys[i].key_id, check->parsed->key_id, PO_MINISIGN_ID_SIZE) == 0)
            return true;
    return false;
}

/* Ids are chosen by whoever makes the key: several keys may have the same. */
static bool
is_good(const struct check *check, const void *message, size_t size)
{
    for (size_t i = 0; i < check->key_count; i++)
        if (memcmp(check->keys[i].key_id, check->parsed->key_id, PO_MINISIGN_ID_SIZE) == 0 &&
            po_minisign_is_good(check->parsed, &check->keys[i], message, size))
            return true;
    return false;
}

static void
judge(const struct check *check, const void *message, size_t size)
{
    struct po_signature *signature = check->signature;
    size_t comment_size = strlen(check->parsed->comment);

    if (is_good(check, message, size)) {
        signature->state = PO_SIGNATURE_GOOD;
        memcpy(signature->comment, check->parsed->comment, comment_size + 1);
    } else {
        signature->state = PO_SIGNATURE_BAD;
        (void)po_fail(&signature->why, PO_E_FORMAT,
                      "the signature is not of these bytes: one of the two was altered or damaged");
    }
}

static enum po_status
check_parsed(const struct check *check, const struct po_watch *watch, struct po_err *err)
{
    struct po_signature *signature = check->signature;
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    char id[2 * PO_MINISIGN_ID_SIZE + 1];
    uint8_t *bytes = NULL;
    enum po_status st;

    signature->has_key_id = true;
    memcpy(signature->key_id, check->parsed->key_id, PO_MINISIGN_ID_SIZE);
    put_key_id(signature->key_id, id);
    if (check->key_count == 0) {
        signature->state = PO_SIGNATURE_UNCHECKED;
        return PO_OK;
    }
    signature->state = PO_SIGNATURE_FOREIGN;
    if (!has_key(check)) {
        (void)po_fail(&signature->why, PO_E_AUTH, "signed by key %s, which is not trusted", id);
        return PO_OK;
    }
    if (!check->parsed->is_hashed && check->blob->size > PO_SIGNATURE_WHOLE_MAX) {
        (void)po_fail(
            &signature->why, PO_E_AUTH,
            "a legacy signature (minisign -l), which is checked up to %u MiB only: sign it "
            "again",
            PO_SIGNATURE_WHOLE_MAX >> 20);
        return PO_OK;
    }
    if (check->parsed->is_hashed) {
        st = po_signature_hash(hash, check->blob, check->reader, watch, err);
        if (st == PO_OK)
            judge(check, hash, sizeof hash);
    } else {
        st = read_all(&bytes, check->blob, check->reader, err);
        if (st == PO_OK)
            judge(check, bytes, (size_t)check->blob->size);
        po_mem_free(bytes);
    }
    return st;
}

enum po_status
po_signature_check(struct po_signature *signature, const char *os_path,
                   const struct pobackup_blob *blob, const struct po_reader *reader,
                   const struct po_minisign_public *keys, size_t key_count,
                   const struct po_watch *watch, struct po_err *err)
{
    struct po_minisign_signature *parsed = NULL;
    struct po_buf text = { 0 };
    bool is_there = false;
    enum po_status st = read_sidecar(os_path, &text, &is_there, err);

    *signature = (struct po_signature){ .state = PO_SIGNATURE_MISSING };
    if (st == PO_OK && !is_there)
        (void)po_fail(&signature->why, PO_E_AUTH,
                      "not signed: there is no " PO_SIGNATURE_ENDING " beside it");
    if (st != PO_OK || !is_there)
        goto done;
    parsed = po_mem_new(1, sizeof *parsed);
    if (parsed == NULL) {
        st = po_fail_nomem(err, sizeof *parsed);
    } else if (parse_sidecar(parsed, &text, &signature->why) != PO_OK) {
        signature->state = PO_SIGNATURE_BAD;
        (void)po_err_prefix(&signature->why, "its " PO_SIGNATURE_ENDING);
    } else {
        const struct check check = { signature, parsed, blob, reader, keys, key_count };

        st = check_parsed(&check, watch, err);
    }
done:
    po_mem_free(parsed);
    po_buf_deinit(&text);
    return st;
}

enum po_status
po_signature_require(const struct po_signature *signature, struct po_err *err)
{
    if (signature->state == PO_SIGNATURE_GOOD)
        return PO_OK;
    if (signature->state == PO_SIGNATURE_UNCHECKED)
        return po_fail(err, PO_E_AUTH, "no key was given to check its signature");
    *err = signature->why;
    return err->status;
}

/* ---- signing ---- */

enum po_status
po_signature_put(struct po_buf *out, const struct po_minisign_secret *secret,
                 const uint8_t hash[PO_MINISIGN_HASH_SIZE], const char *os_path,
                 const uint8_t archive_id[PO_ID_SIZE], int64_t time, struct po_err *err)
{
    struct po_buf comment = { 0 };
    size_t dir_size = 0;
    size_t name_start = 0;
    enum po_status st;

    po_path_split(os_path, strlen(os_path), &dir_size, &name_start);
    po_buf_printf(&comment, "timestamp:%lld\tfile:", (long long)(time / PO_TICKS_PER_SECOND));
    /* Control characters would end the line. */
    po_text_put_name(&comment, os_path + name_start, strlen(os_path + name_start));
    po_buf_put_text(&comment, "\thashed\tarchive:");
    po_text_put_hex(&comment, archive_id, PO_ID_SIZE);
    st = po_buf_check(&comment, err);
    if (st == PO_OK)
        st = po_minisign_sign(out, secret, hash, po_buf_text(&comment), err);
    po_buf_deinit(&comment);
    return st;
}
