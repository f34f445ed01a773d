/* req: U4: what changed in the registry, key by key and value by value. */
#include "base/mem.h"
#include "engine/contents.h"
#include "engine/diff_sides.h"
#include "engine/watch.h"
#include "registry/reg.h"

#include <string.h>

/* Puts a document together from its pieces. */
static enum po_status
append_piece(void *ctx, uint32_t entry, uint64_t offset, const uint8_t *bytes, size_t size,
             uint8_t *scratch, struct po_err *err)
{
    struct po_buf *out = ctx;

    (void)entry;
    (void)offset;
    (void)scratch;
    po_buf_put(out, bytes, size);
    return po_buf_check(out, err);
}

uint32_t
po_diff_registry_find(const struct po_reader *reader)
{
    const char *member = po_part_member(PO_PART_REGISTRY);
    uint32_t entry = po_index_find(reader->index, member, strlen(member));

    if (entry == PO_NONE || po_index_type(reader->index, entry) != POBACKUP_FILE ||
        po_index_source(reader->index, entry) != 0 ||
        po_index_size(reader->index, entry) > PO_REG_SIZE_MAX)
        return PO_NONE;
    return entry;
}

enum po_status
po_diff_registry_read(const struct po_reader *reader, uint32_t entry, const struct po_watch *watch,
                      struct po_buf *out, struct po_err *err)
{
    struct po_contents_run run = {
        .reader = reader, .watch = watch, .ctx = out, .piece = append_piece
    };
    uint8_t *wanted;
    enum po_status st;

    if (po_index_size(reader->index, entry) == 0)
        return PO_OK;
    wanted = po_mem_new(reader->index->count, 1);
    if (wanted == NULL)
        return po_fail_nomem(err, reader->index->count);
    wanted[entry] = 1;
    run.wanted = wanted;
    st = po_contents_run(&run, err);
    po_mem_free(wanted);
    return st;
}

static enum po_status
tell_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    static const enum po_diff_kind kinds[] = { [PO_REG_ADDED] = PO_DIFF_ADDED,
                                               [PO_REG_REMOVED] = PO_DIFF_REMOVED,
                                               [PO_REG_CHANGED] = PO_DIFF_CHANGED };
    const struct po_diff_teller *teller = ctx;
    const struct po_reg_value *value =
        difference->after != NULL ? difference->after : difference->before;
    const char *member = po_part_member(PO_PART_REGISTRY);
    struct po_buf what = { 0 };
    enum po_status st;

    po_buf_put(&what, difference->key->path, difference->key->path_size);
    if (value != NULL) {
        po_buf_put_text(&what, ": ");
        if (value->name_size == 0)
            po_buf_put_text(&what, "@");
        else
            po_buf_put(&what, value->name, value->name_size);
    }
    st = po_buf_check(&what, err);
    if (st == PO_OK)
        st = po_diff_tell(teller, kinds[difference->change], member, strlen(member),
                          po_buf_text(&what), err);
    po_buf_deinit(&what);
    return st;
}

/* *reg stays NULL, and a note says why, when the bytes are no such document. */
static enum po_status
parse(const struct po_diff_teller *teller, struct po_reg **reg, const struct po_buf *bytes,
      const char *whose, struct po_err *err)
{
    struct po_err why;
    struct po_buf text = { 0 };
    enum po_status st = po_reg_parse(reg, bytes->bytes, bytes->size, PO_REG_CODE_PAGE_AUTO, &why);

    if (st == PO_OK)
        return PO_OK;
    if (st != PO_E_FORMAT && st != PO_E_UNSUPPORTED) {
        *err = why;
        return st;
    }
    po_buf_printf(&text, "the registry of the %s cannot be read, so it is compared as bytes: %s",
                  whose, why.text);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        po_watch_note(teller->watch, po_buf_text(&text));
    po_buf_deinit(&text);
    return st;
}

static bool
is_equal(const struct po_buf *a, const struct po_buf *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

enum po_status
po_diff_registry(const struct po_diff_teller *teller, const struct po_buf *a,
                 const struct po_buf *b, struct po_err *err)
{
    const struct po_diff_result *result = teller->result;
    uint64_t before = result->added + result->removed + result->changed;
    const char *member = po_part_member(PO_PART_REGISTRY);
    struct po_diff_teller told = *teller;
    struct po_reg *a_reg = NULL;
    struct po_reg *b_reg = NULL;
    enum po_status st = PO_OK;

    if (is_equal(a, b)) {
        teller->result->same++;
        return PO_OK;
    }
    st = parse(teller, &a_reg, a, "archive", err);
    if (st == PO_OK)
        st = parse(teller, &b_reg, b, "other side", err);
    if (st != PO_OK)
        goto done;
    /* A key of the 32-bit view is the same key on a machine that has no other (req: R3). */
    if (a_reg != NULL && b_reg != NULL)
        st = po_reg_compare(a_reg, b_reg, PO_REG_IGNORE_WOW64, tell_difference, &told, err);
    else
        st = po_diff_tell(teller, PO_DIFF_CHANGED, member, strlen(member), "content", err);
    if (st == PO_OK && result->added + result->removed + result->changed == before)
        teller->result->same++;
done:
    po_reg_free(b_reg);
    po_reg_free(a_reg);
    return st;
}
