/*
 * Writing the registry. What is there is read first, and what will be there is worked out on paper
 * (po_reg_merge); the differences between the two are what is written, and the same differences
 * backwards are what puts it back. Either way the key is read again afterwards and compared. So
 * nothing is touched that does not change, and nothing goes whose return is not known.
 */
#include "host/host_win32_regapi.h"

#include "base/mem.h"

#include <string.h>

struct writer {
    const struct po_win32_regapi *api;
    struct po_win32_registry_key key;
    size_t key_size; /* of its path */
    struct po_reg *former;
    struct po_reg *wanted;
    struct po_buf gaps; /* of `former` */
    bool existed;
    struct po_win32_registry_editor *editor;
    struct po_err *err;
};

/* ---- what could not be read ---- */

/* Whether a key lies at a gap or below it; or around it, if that is asked for. */
static const char *
find_gap(const struct writer *writer, const struct po_reg_key *key, bool or_around)
{
    const struct po_buf *gaps = &writer->gaps;

    for (size_t at = 0; at < gaps->size;) {
        const char *gap = (const char *)gaps->bytes + at;
        size_t size = strlen(gap);

        if (po_reg_path_is_within(key->path, key->path_size, gap, size) ||
            (or_around && po_reg_path_is_within(gap, size, key->path, key->path_size)))
            return gap;
        at += size + 1;
    }
    return NULL;
}

/* What could not be read could not be put back. */
static enum po_status
check_gaps(const struct writer *writer, const struct po_win32_registry_changes *changes,
           bool is_exact)
{
    struct po_buf place = { 0 };
    const char *gap = NULL;

    if (is_exact && writer->gaps.size > 0)
        gap = (const char *)writer->gaps.bytes;
    for (size_t i = 0; gap == NULL && i < changes->count; i++)
        gap = find_gap(writer, changes->items[i].key, changes->items[i].change == PO_REG_REMOVED);
    if (gap == NULL)
        return PO_OK;
    po_win32_registry_put_place(&place, gap, strlen(gap), NULL);
    (void)po_fail(writer->err, PO_E_IO,
                  "%s: cannot be read as a whole, so what is there could not be put back; nothing "
                  "was changed",
                  po_buf_text(&place));
    po_buf_deinit(&place);
    return PO_E_IO;
}

/* ---- reading back ---- */

static enum po_status
refuse_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    static const char *const what[] = { [PO_REG_ADDED] = "still there",
                                        [PO_REG_REMOVED] = "not there",
                                        [PO_REG_CHANGED] = "different" };
    const struct writer *writer = ctx;
    const struct po_reg_value *value =
        difference->after != NULL ? difference->after : difference->before;
    struct po_buf place = { 0 };

    /* What could not be read at first and now can. */
    if (difference->change == PO_REG_ADDED && find_gap(writer, difference->key, false) != NULL)
        return PO_OK;
    po_win32_registry_put_place(&place, difference->key->path, difference->key->path_size, value);
    (void)po_fail(err, PO_E_IO, "%s: %s when read back", po_buf_text(&place),
                  what[difference->change]);
    po_buf_deinit(&place);
    return PO_E_IO;
}

static enum po_status
check(struct writer *writer, const struct po_reg *expected)
{
    struct po_reg *reg = NULL;
    bool exists = false;
    enum po_status st = po_win32_registry_load(writer->api, &writer->key, NULL, NULL, &reg, &exists,
                                               NULL, writer->err);

    if (st == PO_OK)
        st = po_reg_compare(expected, reg, 0, refuse_difference, writer, writer->err);
    po_reg_free(reg);
    return st;
}

/* ---- all of it ---- */

/*
 * From what one document says, or a place on the way, to what the other says. What counts is what is
 * read back: on the way back a change may fail that had never been made.
 */
static enum po_status
become(struct writer *writer, const struct po_win32_registry_changes *changes,
       const struct po_reg *reg, bool is_back)
{
    struct po_err first = { 0 };
    enum po_status st = po_win32_registry_apply(writer->editor, changes, is_back, &first);

    if (st == PO_OK || is_back) {
        enum po_status checked = check(writer, reg);

        if (st == PO_OK || checked == PO_OK)
            return checked;
    }
    *writer->err = first;
    return st;
}

/*
 * Puts what is missing of a document into the key as it is now: for what the changes backwards did
 * not foresee, as that Windows takes two names for one that po_reg_compare takes for two.
 */
static enum po_status
put_missing(struct writer *writer, const struct po_reg *reg)
{
    struct po_win32_registry_changes changes = { 0 };
    struct po_reg *now = NULL;
    size_t kept = 0;
    bool exists = false;
    enum po_status st = po_win32_registry_load(writer->api, &writer->key, NULL, NULL, &now, &exists,
                                               NULL, writer->err);

    if (st == PO_OK)
        st = po_win32_registry_changes_find(&changes, now, reg, writer->err);
    for (size_t i = 0; i < changes.count; i++)
        if (changes.items[i].change != PO_REG_REMOVED)
            changes.items[kept++] = changes.items[i];
    changes.count = kept;
    if (st == PO_OK)
        st = become(writer, &changes, reg, true);
    po_win32_registry_changes_deinit(&changes);
    po_reg_free(now);
    return st;
}

/* Puts the former content back after a failure, which stays in *writer->err. */
static void
undo(struct writer *writer)
{
    struct po_err *cause = writer->err;
    struct po_err first = *cause;
    struct po_err failure = { 0 };
    struct po_win32_registry_changes changes = { 0 };
    enum po_status st;

    writer->err = &failure;
    st = po_win32_registry_changes_find(&changes, writer->wanted, writer->former, &failure);
    if (st == PO_OK)
        st = become(writer, &changes, writer->former, true);
    if (st != PO_OK)
        st = put_missing(writer, writer->former);
    if (st == PO_OK)
        st = po_win32_registry_remove_made(writer->editor, &failure);
    if (st == PO_OK)
        st = po_win32_registry_flush(writer->editor, &failure);
    po_win32_registry_changes_deinit(&changes);
    writer->err = cause;
    if (st == PO_OK)
        return;
    (void)po_fail(cause, first.status, "%s; and the former content could not be put back: %s",
                  first.text, failure.text);
    cause->os_code = first.os_code;
}

static enum po_status
new_top(const struct writer *writer, struct po_reg **out)
{
    struct po_reg *reg = NULL;
    enum po_status st = po_reg_new(&reg, writer->err);

    if (st == PO_OK)
        st = po_reg_add_key(reg, writer->key.path, writer->key_size, false, NULL, writer->err);
    if (st == PO_OK)
        *out = reg;
    else
        po_reg_free(reg);
    return st;
}

/* What there will be, from what there is and the document. */
static enum po_status
plan(struct writer *writer, const struct po_reg *reg, bool is_exact)
{
    enum po_reg_view view = writer->key.view != 0 ? PO_REG_VIEW_32 : PO_REG_VIEW_PLAIN;
    struct po_reg *own = NULL;
    struct po_reg *top = NULL;
    enum po_status st =
        po_win32_registry_load(writer->api, &writer->key, NULL, NULL, &writer->former,
                               &writer->existed, &writer->gaps, writer->err);

    if (st == PO_OK)
        st = po_reg_in_view(&own, reg, view, writer->err);
    if (st == PO_OK && (is_exact || !writer->existed))
        st = new_top(writer, &top);
    if (st == PO_OK)
        st = po_reg_merge(&writer->wanted, top != NULL ? top : writer->former, own, writer->err);
    po_reg_free(own);
    po_reg_free(top);
    return st;
}

static bool
makes_any(const struct po_reg *reg)
{
    for (size_t i = 0; i < reg->key_count; i++)
        if (!reg->keys[i].is_delete)
            return true;
    return false;
}

static enum po_status
check_usage(const struct writer *writer, const struct po_reg *reg, bool is_exact)
{
    const struct po_reg_key *outside = NULL;
    struct po_buf place = { 0 };

    if (wcschr(writer->key.below, L'\\') == NULL)
        return po_fail(writer->err, PO_E_USAGE, "%s: not the key of one program", writer->key.path);
    if (is_exact && !makes_any(reg))
        return po_fail(writer->err, PO_E_USAGE,
                       "%s: the document has no key, so that nothing would be left",
                       writer->key.path);
    if (po_reg_is_within(reg, writer->key.path, writer->key_size, &outside))
        return PO_OK;
    po_win32_registry_put_place(&place, outside->path, outside->path_size, NULL);
    (void)po_fail(writer->err, PO_E_USAGE, "the document has the key %s, which lies outside %s",
                  po_buf_text(&place), writer->key.path);
    po_buf_deinit(&place);
    return PO_E_USAGE;
}

static enum po_status
write_all(struct writer *writer, const struct po_reg *reg, bool is_exact)
{
    struct po_win32_registry_changes changes = { 0 };
    enum po_status st = check_usage(writer, reg, is_exact);

    if (st == PO_OK)
        st = plan(writer, reg, is_exact);
    /* Deletions where nothing is. */
    if (st != PO_OK || (!writer->existed && !makes_any(reg)))
        return st;
    st = po_win32_registry_changes_find(&changes, writer->former, writer->wanted, writer->err);
    if (st == PO_OK)
        st = check_gaps(writer, &changes, is_exact);
    if (st == PO_OK)
        st = become(writer, &changes, writer->wanted, false);
    if (st == PO_OK)
        st = po_win32_registry_flush(writer->editor, writer->err);
    po_win32_registry_changes_deinit(&changes);
    if (st != PO_OK && po_win32_registry_is_changed(writer->editor))
        undo(writer);
    return st;
}

enum po_status
po_win32_registry_write_with(const struct po_win32_regapi *api, const struct po_reg *reg,
                             const char *key, bool is_exact, struct po_err *err)
{
    struct writer writer = { .api = api, .err = err };
    enum po_status st = po_win32_registry_key_init(&writer.key, api, key, err);

    if (st != PO_OK)
        return st;
    writer.key_size = strlen(writer.key.path);
    st = po_win32_registry_editor_new(&writer.editor, api, &writer.key, err);
    if (st == PO_OK)
        st = write_all(&writer, reg, is_exact);
    po_win32_registry_editor_free(writer.editor);
    po_reg_free(writer.former);
    po_reg_free(writer.wanted);
    po_buf_deinit(&writer.gaps);
    po_win32_registry_key_deinit(&writer.key);
    return st;
}

enum po_status
po_win32_registry_write(const struct po_reg *reg, const char *key, bool is_exact,
                        struct po_err *err)
{
    return po_win32_registry_write_with(&po_win32_regapi, reg, key, is_exact, err);
}
