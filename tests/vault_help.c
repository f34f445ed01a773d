#include "vault_help.h"

#include "archive/writer.h"
#include "base/mem.h"

#define FRAME_SIZE (64u << 10)

struct maker {
    struct po_writer writer;
    struct po_writer_end end;
};

static void
must(enum po_status st, const struct po_err *err)
{
    ck_assert_msg(st == PO_OK, "%s", err->text);
}

static enum po_status
take_bytes(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    po_buf_put(ctx, bytes, size);
    return po_buf_check(ctx, err);
}

static enum po_status
flush(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct maker *maker = ctx;
    struct po_frame_info info;

    must(po_frame_encode(maker->end.encoder, frame->bytes, frame->used, maker->end.compressed,
                         maker->end.compressed_capacity, &info, err),
         err);
    frame->used = 0;
    return po_writer_put_frame(&maker->writer, maker->end.compressed, &info, err);
}

/* As a writer of the key would put it. */
static void
put_manifest(struct po_buf *json, const struct po_manifest *manifest, const char *purpose)
{
    struct po_buf plain = { 0 };
    struct po_err err;

    must(po_manifest_put(&plain, manifest, &err), &err);
    if (purpose != NULL)
        po_buf_printf(json, "{\"purpose\": \"%s\",", purpose);
    po_buf_put(json, plain.bytes + (purpose != NULL), plain.size - (purpose != NULL));
    po_buf_deinit(&plain);
}

static void
add_entries(struct po_entry_list *list, const struct help_snapshot *snapshot)
{
    struct po_err err;

    for (uint32_t i = 0; i < snapshot->entries; i++) {
        struct po_entry *entry;
        char path[32];
        int size = snprintf(path, sizeof path, "f/%08u", i);

        must(po_entry_list_add(list, path, (size_t)size, &entry, &err), &err);
        entry->type = POBACKUP_FILE;
        entry->state = PO_ENTRY_SAVED;
        entry->write_time = 0;
        entry->size = i == 0 ? snapshot->bytes : 0;
    }
}

static void
make(struct maker *maker, const struct help_snapshot *snapshot, const struct po_buf *manifest,
     uint8_t digest[PO_DIGEST_SIZE])
{
    static const char summary_text[] = "{}";
    struct po_buf summary = { 0 };
    struct po_packer packer;
    struct po_err err;

    po_buf_put_text(&summary, summary_text);
    maker->end.summary = &summary;
    po_packer_init(&packer, maker->end.content, flush, maker);
    must(po_writer_pack_manifest(&maker->writer, &packer, maker->end.list, manifest, &err), &err);
    add_entries(maker->end.list, snapshot);
    must(po_writer_finish(&maker->writer, &maker->end, digest, &err), &err);
    po_packer_deinit(&packer);
    po_buf_deinit(&summary);
}

void
help_snapshot_put(struct po_buf *out, const struct help_snapshot *snapshot, struct po_parent *made)
{
    struct pobackup_sink sink = { .ctx = out, .write = take_bytes };
    struct po_entry_list list = { 0 };
    struct po_manifest manifest = { .created = snapshot->created,
                                    .parents = snapshot->parents,
                                    .parent_count = snapshot->parent_count,
                                    .host_name = snapshot->host == NULL ? "mail" : snapshot->host,
                                    .host_kind = "folder",
                                    .mailbox = snapshot->mailbox };
    struct maker maker = { .end = { .list = &list,
                                    .parents = snapshot->parents,
                                    .parent_count = snapshot->parent_count,
                                    .content = { .bytes = po_mem_new(1, FRAME_SIZE),
                                                 .capacity = FRAME_SIZE },
                                    .compressed = po_mem_new(1, po_frame_encoded_bound(FRAME_SIZE)),
                                    .compressed_capacity = po_frame_encoded_bound(FRAME_SIZE) } };
    static uint8_t number;
    struct po_buf json = { 0 };
    struct po_err err;
    struct po_parent ignored;

    made = made == NULL ? &ignored : made;
    *made = (struct po_parent){ .archive_id = { ++number, 1 }, .created = snapshot->created };
    memcpy(manifest.archive_id, made->archive_id, PO_ID_SIZE);
    must(po_frame_encoder_new(&maker.end.encoder, 1, FRAME_SIZE, false, &err), &err);
    put_manifest(&json, &manifest, snapshot->purpose);
    po_writer_init(&maker.writer, &sink, made->archive_id, snapshot->created);
    make(&maker, snapshot, &json, made->digest);
    po_writer_deinit(&maker.writer);
    po_frame_encoder_free(maker.end.encoder);
    po_mem_free(maker.end.content.bytes);
    po_mem_free(maker.end.compressed);
    po_entry_list_deinit(&list);
    po_buf_deinit(&json);
}

void
help_snapshot_write(const char *path, const struct help_snapshot *snapshot, struct po_parent *made)
{
    struct po_buf bytes = { 0 };

    help_snapshot_put(&bytes, snapshot, made);
    os_write(path, bytes.bytes, bytes.size);
    po_buf_deinit(&bytes);
}
