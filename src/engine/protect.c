#include "engine/protect.h"

#include "base/mem.h"
#include "engine/columns.h"
#include "engine/watch.h"

#define PAGES_AT_ONCE 64u
#define READ_AT_ONCE (64u << 10)

struct protect {
    const struct pobackup_blob *archive;
    struct po_store_sink *sink;
    struct po_rec_header header;
    uint8_t *entries; /* of all blocks: each is set by the thread that has the block */
};

static uint8_t *
entry_of(const struct protect *protect, uint32_t number)
{
    return protect->entries + (size_t)number * PO_REC_ENTRY_SIZE;
}

static enum po_status
read_some(const struct protect *protect, uint32_t block, uint32_t count, uint8_t *bytes,
          struct po_err *err)
{
    const struct po_rec_layout *layout = &protect->header.layout;
    size_t size = (size_t)count * layout->block_size;
    uint64_t offset = (uint64_t)block * layout->block_size;
    uint64_t left = layout->archive_size - offset;
    size_t part = left < size ? (size_t)left : size;
    enum po_status st = protect->archive->read_at(protect->archive->ctx, offset, bytes, part, err);

    if (st != PO_OK)
        return st;
    memset(bytes + part, 0, size - part);
    for (uint32_t i = 0; i < count; i++)
        po_rec_entry_put(entry_of(protect, block + i), bytes + (size_t)i * layout->block_size,
                         po_rec_block_bytes(layout, block + i));
    return PO_OK;
}

/* Neighbouring blocks, a little at a time: what was read is still in the processor's cache then. */
static enum po_status
read_row(void *ctx, uint32_t block, uint32_t count, uint8_t *bytes, struct po_err *err)
{
    const struct protect *protect = ctx;
    uint32_t block_size = protect->header.layout.block_size;
    uint32_t most = block_size < READ_AT_ONCE ? READ_AT_ONCE / block_size : 1;
    enum po_status st = PO_OK;

    for (uint32_t done = 0; done < count && st == PO_OK; done += most)
        st = read_some(protect, block + done, count - done < most ? count - done : most,
                       bytes + (size_t)done * block_size, err);
    return st;
}

static enum po_status
end_columns(void *ctx, struct po_columns_job *job, struct po_err *err)
{
    const struct protect *protect = ctx;
    const struct po_rec_layout *layout = &protect->header.layout;

    (void)err;
    for (unsigned p = 0; p < layout->parities; p++)
        for (uint32_t i = 0; i < job->count; i++)
            po_rec_entry_put(
                entry_of(protect, layout->blocks + p * layout->groups + job->group + i),
                job->sums[p] + (size_t)i * layout->block_size, layout->block_size);
    return PO_OK;
}

static enum po_status
write_columns(void *ctx, struct po_columns_job *job, struct po_err *err)
{
    struct protect *protect = ctx;
    const struct po_rec_layout *layout = &protect->header.layout;
    enum po_status st = PO_OK;

    for (unsigned p = 0; p < layout->parities && st == PO_OK; p++)
        st = protect->sink->ops->write_at(protect->sink, po_rec_parity_at(layout, p, job->group),
                                          job->sums[p], (size_t)job->count * layout->block_size,
                                          err);
    return st;
}

static enum po_status
write_table(struct protect *protect, unsigned copy, uint8_t *pages, struct po_err *err)
{
    const struct po_rec_layout *layout = &protect->header.layout;
    uint32_t page_count = po_rec_page_count(layout);
    uint32_t entry_count = po_rec_entry_count(layout);
    enum po_status st = PO_OK;

    for (uint32_t page = 0; page < page_count && st == PO_OK; page += PAGES_AT_ONCE) {
        uint32_t count = page_count - page < PAGES_AT_ONCE ? page_count - page : PAGES_AT_ONCE;

        for (uint32_t i = 0; i < count; i++) {
            uint32_t first = (page + i) * PO_REC_PAGE_ENTRIES;
            uint32_t left = entry_count - first;

            po_rec_page_put(pages + (size_t)i * PO_REC_PAGE_SIZE, protect->header.id, page + i,
                            entry_of(protect, first),
                            left < PO_REC_PAGE_ENTRIES ? left : PO_REC_PAGE_ENTRIES);
        }
        st = protect->sink->ops->write_at(protect->sink, po_rec_page_at(layout, copy, page), pages,
                                          (size_t)count * PO_REC_PAGE_SIZE, err);
    }
    return st;
}

/* Both tables and headers: what stands at the beginning is known last. */
static enum po_status
write_tables(struct protect *protect, struct po_err *err)
{
    const struct po_rec_layout *layout = &protect->header.layout;
    uint8_t *pages = po_mem_new(PAGES_AT_ONCE, PO_REC_PAGE_SIZE);
    uint8_t header[PO_REC_HEADER_SIZE];
    enum po_status st = PO_OK;

    if (pages == NULL)
        return po_fail_nomem(err, (size_t)PAGES_AT_ONCE * PO_REC_PAGE_SIZE);
    po_rec_id(protect->header.id, protect->entries, po_rec_entry_count(layout));
    po_rec_header_put(header, &protect->header);
    for (unsigned copy = 0; copy < 2 && st == PO_OK; copy++) {
        st = write_table(protect, copy, pages, err);
        if (st == PO_OK)
            st = protect->sink->ops->write_at(protect->sink, po_rec_header_at(layout, copy), header,
                                              sizeof(header), err);
    }
    po_mem_free(pages);
    return st;
}

enum po_status
po_engine_protect(const struct pobackup_blob *archive, struct po_store_sink *sink,
                  const struct po_protect_options *options, struct po_rec_header *header,
                  struct po_err *err)
{
    struct protect protect = { .archive = archive, .sink = sink };
    struct po_columns_run run = { .layout = &protect.header.layout,
                                  .threads = options->threads,
                                  .watch = options->watch,
                                  .ctx = &protect,
                                  .read = read_row,
                                  .end = end_columns,
                                  .join = write_columns };
    struct po_rs *rs = NULL;
    struct po_rec_layout *layout = &protect.header.layout;
    enum po_status st = PO_OK;

    if (options->layout != NULL && options->layout->archive_size == archive->size)
        *layout = *options->layout;
    else
        st = po_rec_layout_choose(layout, archive->size, options->percent, err);
    if (st != PO_OK)
        return st;
    if (options->digest != NULL)
        memcpy(protect.header.digest, options->digest, PO_DIGEST_SIZE);
    po_watch_phase(options->watch, "making recovery data");
    protect.entries = po_mem_new(po_rec_entry_count(layout), PO_REC_ENTRY_SIZE);
    if (protect.entries == NULL) {
        st = po_fail_nomem(err, (size_t)po_rec_entry_count(layout) * PO_REC_ENTRY_SIZE);
        goto done;
    }
    st = po_rs_new(&rs, layout->rows, layout->parities, err);
    if (st != PO_OK)
        goto done;
    run.rs = rs;
    st = po_columns_run(&run, err);
    if (st == PO_OK)
        st = write_tables(&protect, err);
    if (st == PO_OK && header != NULL)
        *header = protect.header;
done:
    po_rs_free(rs);
    po_mem_free(protect.entries);
    return st;
}
