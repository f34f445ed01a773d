/*
 * What may be wrong with a machine without being a reason against it (req: R1): another version of
 * the product, and a clock that cannot be right.
 */
#include "base/mem.h"
#include "base/text.h"
#include "engine/extract.h"
#include "engine/product.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define DAY (INT64_C(24) * 3600 * 10000000)

/* ---- the clock ---- */

/* Clocks of two machines differ by minutes, not by a day. */
static void
check_clock(const struct po_restore *r)
{
    struct po_buf text = { 0 };

    if (r->origin.created == POBACKUP_TIME_UNKNOWN || r->time >= r->origin.created - DAY)
        return;
    po_buf_put_text(&text, "this machine's clock says ");
    po_sys_put_local_time(&text, r->time);
    po_buf_put_text(&text, ", but the archive was made at ");
    po_sys_put_local_time(&text, r->origin.created);
    po_buf_put_text(&text, ": set the clock first, mail and logs depend on it");
    po_watch_warning(r->plan_watch, po_buf_text(&text));
    po_buf_deinit(&text);
}

/* ---- the product ---- */

/* Names on Windows have no case. */
static uint32_t
find_program(const struct po_index *index)
{
    static const char path[] = "Post.OfficeexeBackup/" PO_PRODUCT_PROGRAM;
    const char *member = po_part_member(PO_PART_BIN);

    for (uint32_t i = po_index_lower_bound(index, member, strlen(member)); i < index->count; i++) {
        size_t size;
        const char *found = po_index_path(index, i, &size);
        char name[sizeof path];

        if (size < strlen(member) || memcmp(found, member, strlen(member)) != 0)
            break;
        if (size != sizeof(path) - 1 || po_index_type(index, i) != POBACKUP_FILE ||
            po_index_source(index, i) != 0 || po_index_size(index, i) > PO_PRODUCT_SIZE_MAX)
            continue;
        memcpy(name, found, size);
        name[size] = '\0';
        if (po_text_is_equal_nocase(name, path))
            return i;
    }
    return PO_NONE;
}

/* Damage is told where the whole archive is verified. */
static enum po_status
look_in_set(struct po_restore *r, struct po_err *err)
{
    uint32_t entry = find_program(r->reader->index);
    struct po_buf bytes = { 0 };
    struct po_err failure;
    enum po_status st = PO_OK;

    if (entry != PO_NONE)
        st = po_cat_to_buf(r->reader, entry, &bytes, &failure);
    if (entry != PO_NONE && st == PO_OK)
        (void)po_product_version(r->result->version_set, bytes.bytes, bytes.size);
    po_buf_deinit(&bytes);
    if (st != PO_E_NOMEM)
        return PO_OK;
    *err = failure;
    return st;
}

static enum po_status
look_here(struct po_restore *r, struct po_err *err)
{
    const char *place = r->host->ops->place(r->host, PO_PART_BIN);
    struct po_dir *dir = NULL;
    struct po_file *file = NULL;
    struct po_node_info info = { 0 };
    struct po_buf bytes = { 0 };
    struct po_err failure;
    size_t got = 0;
    enum po_status st = PO_E_IO;

    if (place == NULL)
        return PO_OK;
    if (po_dir_open(&dir, place, &failure) == PO_OK)
        st = po_file_open(&file, dir, PO_PRODUCT_PROGRAM, strlen(PO_PRODUCT_PROGRAM), PO_FILE_READ,
                          0, &failure);
    if (st == PO_OK)
        st = po_file_info(file, &info, &failure);
    if (st == PO_OK && info.size <= PO_PRODUCT_SIZE_MAX) {
        if (!po_buf_reserve(&bytes, (size_t)info.size + 1))
            st = po_fail_nomem(&failure, (size_t)info.size);
        else
            st = po_file_read_at(file, 0, bytes.bytes, (size_t)info.size, &got, &failure);
    }
    if (st == PO_OK)
        (void)po_product_version(r->result->version_here, bytes.bytes, got);
    po_buf_deinit(&bytes);
    po_file_free(file);
    po_dir_free(dir);
    if (st != PO_E_NOMEM)
        return PO_OK;
    *err = failure;
    return st;
}

static void
compare(const struct po_restore *r)
{
    const struct po_restore_result *result = r->result;
    char text[256];

    if (result->version_set[0] == '\0' || result->version_here[0] == '\0' ||
        strcmp(result->version_set, result->version_here) == 0)
        return;
    (void)snprintf(
        text, sizeof text,
        "the archive is of Post.Office %s, but %s is installed here: install that of the "
        "archive first, restore, and update then",
        result->version_set, result->version_here);
    po_watch_warning(r->plan_watch, text);
}

enum po_status
po_restore_check_machine(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    check_clock(r);
    /* Of one message it does not matter, and a frame would have to be read for it. */
    if (r->options->pattern_count > 0 ||
        !(r->options->parts[PO_PART_REGISTRY] || r->options->parts[PO_PART_SPOOL]))
        return PO_OK;
    st = look_in_set(r, err);
    if (st == PO_OK)
        st = look_here(r, err);
    if (st == PO_OK)
        compare(r);
    return st;
}
