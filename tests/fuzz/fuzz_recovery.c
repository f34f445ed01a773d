/*
 * A recovery sidecar with its archive: a byte that says how much of the input is the archive, that,
 * then the sidecar; as it stands, and with its headers' hashes set right. What is mended has every
 * hash.
 */
#include "archive/hash.h"
#include "archive/recovery.h"
#include "engine/repair.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MENDED_MAX ((uint64_t)1 << 20)

struct memory {
    struct po_store_sink sink; /* first */
    uint8_t *bytes;            /* MENDED_MAX */
    uint64_t size;
};

static enum po_status
read_memory(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const uint8_t *from = ctx;

    (void)err;
    memcpy(bytes, from + offset, size);
    return PO_OK;
}

static enum po_status
write_at(struct po_store_sink *sink, uint64_t offset, const void *bytes, size_t size,
         struct po_err *err)
{
    struct memory *memory = (struct memory *)sink;

    (void)err;
    FUZZ_CHECK(offset <= MENDED_MAX && size <= MENDED_MAX - offset);
    memcpy(memory->bytes + offset, bytes, size);
    if (offset + size > memory->size)
        memory->size = offset + size;
    return PO_OK;
}

static enum po_status
read_back(struct po_store_sink *sink, struct pobackup_blob *blob, struct po_err *err)
{
    struct memory *memory = (struct memory *)sink;

    (void)err;
    *blob = (struct pobackup_blob){ .ctx = memory->bytes,
                                    .size = memory->size,
                                    .read_at = read_memory };
    return PO_OK;
}

static const struct po_store_sink_ops memory_ops = { .write_at = write_at, .read_back = read_back };

static void
mend(const struct po_rec_state *state, const struct pobackup_blob *archive)
{
    struct memory memory = { .sink = { &memory_ops } };
    struct po_err err = { 0 };
    enum po_status st;

    if (state->header.layout.archive_size > MENDED_MAX)
        return;
    memory.bytes = calloc(1, MENDED_MAX);
    FUZZ_CHECK(memory.bytes != NULL);
    st = po_engine_repair(state, archive, &memory.sink, 1, NULL, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    for (uint32_t i = 0; st == PO_OK && i < state->header.layout.blocks; i++)
        FUZZ_CHECK(po_rec_entry_is_of(po_rec_state_entry(state, i),
                                      memory.bytes + (size_t)i * state->header.layout.block_size,
                                      po_rec_block_bytes(&state->header.layout, i)));
    free(memory.bytes);
}

static void
look(const struct pobackup_blob *archive, const struct pobackup_blob *sidecar)
{
    struct po_rec_state state = { 0 };
    struct po_err err = { 0 };
    enum po_status st = po_rec_state_open(&state, sidecar, 1, NULL, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    if (st != PO_OK)
        return;
    st = po_rec_state_locate(&state, archive, 1, NULL, &err);
    FUZZ_CHECK(st == PO_OK);
    if (po_repair_check(&state, &err) == PO_OK)
        mend(&state, archive);
    po_rec_state_deinit(&state);
}

static void
seal(uint8_t *header)
{
    po_xxh3(header, 240, header + 240);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t archive_size;
    struct pobackup_blob archive = { .read_at = read_memory };
    struct pobackup_blob sidecar = { .read_at = read_memory };
    uint8_t *copy;

    if (size < 1)
        return 0;
    archive_size = (size_t)bytes[0] * 8 < size - 1 ? (size_t)bytes[0] * 8 : size - 1;
    copy = malloc(size);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    archive.ctx = copy + 1;
    archive.size = archive_size;
    sidecar.ctx = copy + 1 + archive_size;
    sidecar.size = size - 1 - archive_size;
    look(&archive, &sidecar);
    if (sidecar.size >= PO_REC_HEADER_SIZE) {
        seal(sidecar.ctx);
        seal((uint8_t *)sidecar.ctx + sidecar.size - PO_REC_HEADER_SIZE);
        look(&archive, &sidecar);
    }
    free(copy);
    return 0;
}
