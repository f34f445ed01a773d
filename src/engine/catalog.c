#include "engine/catalog.h"

#include "archive/hash.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

#define MAGIC "pobcatlg"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define END_SIZE 64u
#define ENDING ".catalog"
#define NEW_NAME "new.partial"
#define NAME_BYTES 16u /* of the digest */
#define MODE 0600u     /* names of accounts are in it */
/* Far above what an index of the format's limits on this machine's memory comes to. */
#define SIZE_MAX_LOADED (UINT64_C(1) << 36)

struct po_catalog {
    struct po_dir *dir;
    struct po_file *file;
    struct po_hasher *hasher;
    uint64_t size;
    struct po_err failure; /* the first */
    bool is_committed;
};

static void
put_name(struct po_buf *out, const uint8_t digest[PO_DIGEST_SIZE])
{
    po_text_put_hex(out, digest, NAME_BYTES);
    po_buf_put_text(out, ENDING);
}

/* ---- writing ---- */

enum po_status
po_catalog_create(struct po_catalog **out, const char *dir_path, struct po_err *err)
{
    struct po_catalog *catalog = po_mem_new(1, sizeof(*catalog));
    struct po_err ignored;
    enum po_status st;

    if (catalog == NULL)
        return po_fail_nomem(err, sizeof(*catalog));
    st = po_dir_open_make(&catalog->dir, dir_path, err);
    if (st == PO_OK)
        st = po_hasher_new(&catalog->hasher, err);
    /* What a run that was killed left; the site's lock keeps others away. */
    if (st == PO_OK)
        (void)!po_dir_remove(catalog->dir, NEW_NAME, strlen(NEW_NAME), &ignored);
    if (st == PO_OK)
        st = po_file_open(&catalog->file, catalog->dir, NEW_NAME, strlen(NEW_NAME), PO_FILE_CREATE,
                          MODE, err);
    if (st != PO_OK) {
        po_catalog_free(catalog);
        return po_err_prefix(err, "%s", dir_path);
    }
    po_hasher_reset(catalog->hasher);
    *out = catalog;
    return PO_OK;
}

/* As pobackup_sink wants it. */
static enum po_status
write_index(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_catalog *catalog = ctx;

    (void)err;
    if (catalog->failure.status != PO_OK)
        return PO_OK;
    if (po_file_write_at(catalog->file, catalog->size, bytes, size, &catalog->failure) != PO_OK)
        return PO_OK;
    po_hasher_add_xxh3(catalog->hasher, bytes, size);
    catalog->size += size;
    return PO_OK;
}

struct pobackup_sink
po_catalog_sink(struct po_catalog *catalog)
{
    return (struct pobackup_sink){ .ctx = catalog, .write = write_index };
}

static enum po_status
finish(struct po_catalog *catalog, const uint8_t digest[PO_DIGEST_SIZE], struct po_buf *end,
       struct po_buf *name, struct po_err *err)
{
    uint8_t hash[PO_HASH_SIZE];
    struct po_file *file = catalog->file;
    enum po_status st;

    po_hasher_xxh3(catalog->hasher, hash);
    po_buf_put(end, MAGIC, MAGIC_SIZE);
    po_buf_put_u64le(end, catalog->size);
    po_buf_put(end, hash, PO_HASH_SIZE);
    po_buf_put(end, digest, PO_DIGEST_SIZE);
    put_name(name, digest);
    st = po_buf_check(end, err);
    if (st == PO_OK)
        st = po_buf_check(name, err);
    if (st == PO_OK)
        st = po_file_write_at(file, catalog->size, end->bytes, end->size, err);
    if (st != PO_OK)
        return st;
    catalog->file = NULL;
    st = po_file_close(file, err);
    return st == PO_OK ? po_dir_rename(catalog->dir, NEW_NAME, strlen(NEW_NAME), catalog->dir,
                                       po_buf_text(name), name->size, true, err)
                       : st;
}

enum po_status
po_catalog_commit(struct po_catalog *catalog, const uint8_t digest[PO_DIGEST_SIZE],
                  struct po_err *err)
{
    struct po_buf end = { 0 };
    struct po_buf name = { 0 };
    enum po_status st;

    if (catalog->failure.status != PO_OK) {
        *err = catalog->failure;
        return err->status;
    }
    st = finish(catalog, digest, &end, &name, err);
    catalog->is_committed = st == PO_OK;
    po_buf_deinit(&end);
    po_buf_deinit(&name);
    return st;
}

void
po_catalog_free(struct po_catalog *catalog)
{
    struct po_err ignored;

    if (catalog == NULL)
        return;
    po_file_free(catalog->file);
    if (catalog->dir != NULL && !catalog->is_committed)
        (void)!po_dir_remove(catalog->dir, NEW_NAME, strlen(NEW_NAME), &ignored);
    po_dir_free(catalog->dir);
    po_hasher_free(catalog->hasher);
    po_mem_free(catalog);
}

/* ---- loading ---- */

/* The end must be that of this archive, and the hash that of the index before it. */
static enum po_status
check(const uint8_t *bytes, size_t size, const uint8_t digest[PO_DIGEST_SIZE], struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(bytes + size, END_SIZE);
    uint8_t hash[PO_HASH_SIZE];
    const uint8_t *magic = po_cursor_bytes(&cur, MAGIC_SIZE);
    uint64_t said = po_cursor_u64(&cur);
    const uint8_t *said_hash = po_cursor_bytes(&cur, PO_HASH_SIZE);
    const uint8_t *said_digest = po_cursor_bytes(&cur, PO_DIGEST_SIZE);

    po_xxh3(bytes, size, hash);
    if (memcmp(magic, MAGIC, MAGIC_SIZE) != 0 || said != size ||
        memcmp(said_hash, hash, PO_HASH_SIZE) != 0)
        return po_fail(err, PO_E_FORMAT, "a catalog that is damaged (%s)", "catalog");
    if (memcmp(said_digest, digest, PO_DIGEST_SIZE) != 0)
        return po_fail(err, PO_E_FORMAT, "a catalog of another archive (%s)", "catalog");
    return PO_OK;
}

static enum po_status
read_file(struct po_file *file, uint8_t **bytes, size_t *size, struct po_err *err)
{
    struct po_node_info info;
    size_t got = 0;
    enum po_status st = po_file_info(file, &info, err);

    if (st != PO_OK)
        return st;
    if (info.size < END_SIZE || info.size > SIZE_MAX_LOADED)
        return po_fail(err, PO_E_FORMAT, "%llu bytes are no catalog (%s)",
                       (unsigned long long)info.size, "catalog");
    *size = (size_t)info.size;
    *bytes = po_pages_new(*size);
    if (*bytes == NULL)
        return po_fail_nomem(err, *size);
    st = po_file_read_at(file, 0, *bytes, *size, &got, err);
    if (st == PO_OK && got < *size)
        st = po_fail(err, PO_E_FORMAT, "a catalog that is cut off (%s)", "catalog");
    return st;
}

enum po_status
po_catalog_load(struct po_index **out, const char *dir_path, const uint8_t digest[PO_DIGEST_SIZE],
                struct po_err *err)
{
    struct po_buf name = { 0 };
    struct po_dir *dir = NULL;
    struct po_file *file = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum po_status st;

    put_name(&name, digest);
    st = po_buf_check(&name, err);
    if (st == PO_OK)
        st = po_dir_open(&dir, dir_path, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, po_buf_text(&name), name.size, PO_FILE_READ, 0, err);
    if (st == PO_OK)
        st = read_file(file, &bytes, &size, err);
    if (st == PO_OK)
        st = check(bytes, size - END_SIZE, digest, err);
    if (st == PO_OK) {
        st = po_index_load_take(out, bytes, size - END_SIZE, size, err);
        bytes = NULL;
    }
    po_pages_free(bytes, size);
    po_file_free(file);
    po_dir_free(dir);
    po_buf_deinit(&name);
    return st;
}

/* ---- removing ---- */

struct keep {
    struct po_dir *dir;
    const uint8_t *digests;
    size_t count;
};

static enum po_status
remove_other(void *ctx, const char *name, size_t size, const struct po_node_info *info,
             const struct po_err *failure, struct po_err *err)
{
    const struct keep *keep = ctx;
    struct po_buf wanted = { 0 };
    struct po_err ignored;
    bool is_kept =
        size <= strlen(ENDING) || memcmp(name + size - strlen(ENDING), ENDING, strlen(ENDING)) != 0;

    (void)info;
    (void)failure;
    (void)err;
    for (size_t i = 0; i < keep->count && !is_kept; i++) {
        po_buf_clear(&wanted);
        put_name(&wanted, keep->digests + i * PO_DIGEST_SIZE);
        is_kept = wanted.failed || (wanted.size == size && memcmp(wanted.bytes, name, size) == 0);
    }
    if (!is_kept)
        (void)!po_dir_remove(keep->dir, name, size, &ignored);
    po_buf_deinit(&wanted);
    return PO_OK;
}

void
po_catalog_keep(const char *dir_path, const uint8_t *digests, size_t count)
{
    struct keep keep = { .digests = digests, .count = count };
    struct po_err ignored; /* another one is tried next time */

    if (po_dir_open(&keep.dir, dir_path, &ignored) == PO_OK)
        (void)!po_dir_list(keep.dir, "", 0, remove_other, &keep, &ignored);
    po_dir_free(keep.dir);
}
