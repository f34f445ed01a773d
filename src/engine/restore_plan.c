/* What is wanted of the archive, and everything that speaks against it. Nothing is changed here. */
#include "archive/layout.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/sort.h"
#include "base/text.h"
#include "engine/extract.h"
#include "engine/restore_parts.h"
#include "engine/services.h"
#include "engine/watch.h"
#include "registry/reg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a file may cost beyond its bytes: the rest of its last block, its name and its inode. */
#define BLOCK_SIZE UINT64_C(4096)
#define ENTRY_COST UINT64_C(512)
#define SPACE_SLACK (UINT64_C(16) << 20)

/* ---- reasons and problems ---- */

enum po_status
po_restore_reason(struct po_restore *r, struct po_err *err, enum po_status status,
                  const char *format, ...)
{
    struct po_err reason = { 0 };
    char text[sizeof reason.text];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)po_fail(&reason, status, "%s", text);
    if (r->reason_count++ == 0)
        r->reason = reason;
    po_watch_item(r->watch, "", 0, reason.text);
    return po_problems_add(&r->result->problems, "", 0, reason.text, err);
}

enum po_status
po_restore_problem(struct po_restore *r, const char *path, size_t size, const char *reason,
                   struct po_err *err)
{
    po_watch_item(r->watch, path, size, reason);
    return po_problems_add(&r->result->problems, path, size, reason, err);
}

/* ---- what is wanted ---- */

static bool
is_in_member(const char *path, size_t size, const char *member)
{
    size_t length = strlen(member);

    return size >= length && memcmp(path, member, length) == 0 &&
           (size == length || path[length] == '/');
}

/* The part that an archive path belongs to; false for what is none's (our own documents). */
static bool
part_of(const char *path, size_t size, enum po_part *part)
{
    for (int i = 0; i < PO_PART_COUNT; i++) {
        if (is_in_member(path, size, po_part_member((enum po_part)i))) {
            *part = (enum po_part)i;
            return true;
        }
    }
    return false;
}

/* Why an entry cannot be restored though the rest can, or NULL. */
static const char *
refusal(const struct po_restore *r, uint32_t entry, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    bool is_windows = po_restore_has_windows_names(r);
    size_t size;
    const char *path = po_index_path(index, entry, &size);

    /* spec: NAME-1 */
    if (po_name_check(path, size, is_windows, err) != PO_OK)
        return err->text;
    if (po_name_has_ours(path, size))
        return "a name that this program uses itself";
    return NULL;
}

static enum po_status
select_entries(struct po_restore *r, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    enum po_status st = PO_OK;

    (void)po_extract_select(index, r->options->patterns, r->options->pattern_count, r->wanted);
    for (uint32_t i = 0; i < index->count; i++) {
        enum po_part part = PO_PART_REGISTRY;
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (r->wanted[i] != 0 &&
            (!part_of(path, size, &part) || !r->options->parts[part] || part == PO_PART_REGISTRY)) {
            if (part == PO_PART_REGISTRY && r->options->parts[part] &&
                size == strlen(po_part_member(part)) &&
                is_in_member(path, size, po_part_member(part)))
                r->registry_entry = i;
            r->wanted[i] = 0;
        }
    }
    for (uint32_t i = 0; i < index->count && st == PO_OK; i++) {
        struct po_err failure;
        const char *reason = r->wanted[i] == 0 ? NULL : refusal(r, i, &failure);
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (reason == NULL)
            continue;
        st = po_restore_problem(r, path, size, reason, err);
        r->wanted[i] = 0;
    }
    return st;
}

/* ---- the order in which trees are merged ---- */

int
po_restore_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    for (size_t i = 0; i < a_size && i < b_size; i++) {
        if (a[i] == b[i])
            continue;
        if (a[i] == '/' || b[i] == '/')
            return a[i] == '/' ? -1 : 1;
        return (unsigned char)a[i] - (unsigned char)b[i];
    }
    return (a_size > b_size) - (a_size < b_size);
}

static int
compare_entries(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_index *index = ctx;
    size_t a_size;
    size_t b_size;
    const char *a_path = po_index_path(index, a, &a_size);
    const char *b_path = po_index_path(index, b, &b_size);

    return po_restore_compare(a_path, a_size, b_path, b_size);
}

static enum po_status
sort_entries(struct po_restore *r, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    uint32_t *spare = po_mem_new(index->count, sizeof *spare);

    r->order = po_mem_new(index->count, sizeof *r->order);
    if (spare == NULL || r->order == NULL) {
        po_mem_free(spare);
        return po_fail_nomem(err, index->count * sizeof *spare);
    }
    for (uint32_t i = 0; i < index->count; i++)
        if (r->wanted[i] == 1)
            r->order[r->order_count++] = i;
    po_sort_numbers(r->order, spare, r->order_count, compare_entries, index);
    po_mem_free(spare);
    return PO_OK;
}

/* ---- one part ---- */

/* Whether the archive has anything of the part. */
static bool
has_part(const struct po_index *index, enum po_part part)
{
    const char *member = po_part_member(part);

    for (uint32_t i = po_index_lower_bound(index, member, strlen(member)); i < index->count; i++) {
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (is_in_member(path, size, member))
            return true;
        if (size < strlen(member) || memcmp(path, member, strlen(member)) != 0)
            return false;
    }
    return false;
}

/* The part's entries in the order, and what they come to. */
static enum po_status
count_tree(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    struct po_restore_part *part = &r->result->parts[tree->part];
    uint32_t foreign = 0;

    for (uint32_t i = 0; i < r->order_count; i++) {
        uint32_t entry = r->order[i];
        size_t size;
        const char *path = po_index_path(index, entry, &size);

        if (!is_in_member(path, size, tree->member))
            continue;
        if (tree->end == 0)
            tree->first = i;
        tree->end = i + 1;
        if (size == tree->member_size && po_index_type(index, entry) != POBACKUP_DIRECTORY)
            return po_restore_reason(r, err, PO_E_USAGE, "%s: %s is no directory in the archive",
                                     po_part_name(tree->part), tree->member);
        if (po_index_type(index, entry) == POBACKUP_DIRECTORY)
            continue;
        part->files++;
        part->bytes += po_index_size(index, entry);
        foreign +=
            po_index_type(index, entry) == POBACKUP_FILE && po_index_source(index, entry) != 0;
    }
    if (foreign > 0)
        return po_restore_reason(r, err, PO_E_USAGE,
                                 "%s: %u files lie in a parent archive, which is needed too",
                                 po_part_name(tree->part), foreign);
    return PO_OK;
}

static enum po_status
plan_tree(struct po_restore *r, enum po_part part, struct po_err *err)
{
    struct po_restore_tree *tree = &r->trees[r->tree_count];
    const char *place = r->host->ops->place(r->host, part);
    enum po_status st;

    *tree = (struct po_restore_tree){ .part = part, .member = po_part_member(part) };
    tree->member_size = strlen(tree->member);
    r->result->parts[part].is_wanted = true;
    r->result->parts[part].place = place;
    if (r->options->pattern_count == 0 && !has_part(r->reader->index, part)) {
        st = po_restore_reason(r, err, PO_E_USAGE, "%s: the archive has no %s", po_part_name(part),
                               tree->member);
        if (st != PO_OK)
            return st;
    }
    st = count_tree(r, tree, err);
    if (st == PO_OK && tree->end == 0 && part == PO_PART_SPOOL && r->held_count > 0)
        return po_restore_reason(
            r, err, PO_E_USAGE, "--queue=hold: nothing but queued messages is wanted of the spool");
    if (st != PO_OK || tree->end == 0)
        return st;
    r->tree_count++;
    if (place == NULL)
        return po_restore_reason(r, err, PO_E_USAGE, "%s: the site has no place for it",
                                 po_part_name(part));
    return po_restore_place(r, tree, place, err);
}

static enum po_status
plan_registry(struct po_restore *r, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    struct po_restore_part *part = &r->result->parts[PO_PART_REGISTRY];
    uint32_t entry = r->registry_entry;
    struct po_node_info info;
    struct po_err failure;
    bool exists = false;
    enum po_status st;

    part->is_wanted = true;
    part->place = r->host->ops->place(r->host, PO_PART_REGISTRY);
    if (entry == PO_NONE && r->options->pattern_count > 0)
        return PO_OK;
    if (entry == PO_NONE)
        return po_restore_reason(r, err, PO_E_USAGE, "registry: the archive has no %s",
                                 po_part_member(PO_PART_REGISTRY));
    if (po_index_type(index, entry) != POBACKUP_FILE)
        return po_restore_reason(r, err, PO_E_USAGE, "registry: it is no file in the archive");
    if (po_index_source(index, entry) != 0)
        return po_restore_reason(r, err, PO_E_USAGE, "registry: it lies in a parent archive");
    if (po_index_size(index, entry) > PO_REG_SIZE_MAX)
        return po_restore_reason(r, err, PO_E_USAGE, "registry: it is too large to be a registry");
    part->files = 1;
    part->bytes = po_index_size(index, entry);
    if (part->place == NULL)
        return po_restore_reason(r, err, PO_E_USAGE, "registry: the site has no place for it");
    if (po_os_stat(part->place, &info, &exists, &failure) == PO_OK && exists &&
        info.type != PO_NODE_FILE)
        return po_restore_reason(r, err, PO_E_USAGE, "registry at %s: it is no file", part->place);
    st = po_restore_registry_place(r, part->place, err);
    return st == PO_OK ? po_restore_registry_plan(r, err) : st;
}

/* ---- all of it ---- */

/* Two trees of which one lies in the other would be merged into each other. */
static enum po_status
check_nesting(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->tree_count; i++) {
        for (size_t j = 0; j < r->tree_count && st == PO_OK; j++) {
            const char *outer = r->trees[i].path;
            const char *inner = r->trees[j].path;
            bool is_inside = false;
            bool is_same = false;

            if (i == j || outer == NULL || inner == NULL)
                continue;
            st = po_os_path_is_inside(&is_inside, inner, outer, err);
            if (st == PO_OK && is_inside)
                st = po_os_path_is_inside(&is_same, outer, inner, err);
            /* The same place twice is told once. */
            if (st == PO_OK && is_inside && (!is_same || i < j))
                st = po_restore_reason(r, err, PO_E_USAGE, "%s at %s: it lies in that of %s, %s",
                                       po_part_name(r->trees[j].part), inner,
                                       po_part_name(r->trees[i].part), outer);
        }
    }
    return st;
}

/* A hard link to a file that is not restored may have to become that file. */
static uint64_t
content_size(const struct po_restore *r, uint32_t entry)
{
    const struct po_index *index = r->reader->index;
    size_t size;
    const char *link = po_index_link(index, entry, &size);

    if (po_index_type(index, entry) == POBACKUP_HARDLINK) {
        uint32_t original = po_index_find(index, link, size);

        if (original != PO_NONE && r->wanted[original] == 0)
            return po_index_size(index, original);
    }
    return po_index_size(index, entry);
}

uint64_t
po_restore_space(uint64_t size)
{
    return (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE + ENTRY_COST;
}

static uint64_t
space_needed(const struct po_restore *r, const struct po_restore_tree *tree)
{
    uint64_t sum = 0;

    for (uint32_t i = tree->first; i < tree->end; i++)
        sum += po_restore_space(content_size(r, r->order[i]));
    return sum + (tree->part == PO_PART_SPOOL ? r->held_bytes : 0);
}

/* What the trees of one volume come to. */
struct volume {
    uint64_t needed;
    uint64_t freed; /* when old files go first */
    uint64_t space;
};

/* Old and new files do not fit at once. */
static enum po_status
tell_space(struct po_restore *r, const struct po_restore_tree *tree, const struct volume *volume,
           struct po_err *err)
{
    bool would_fit = volume->space + volume->freed >= volume->needed;
    struct po_buf text = { 0 };
    enum po_status st;

    if (would_fit && r->options->no_safety_copy) {
        r->result->makes_room = true;
        return PO_OK;
    }
    po_text_put_size(&text, volume->needed);
    po_buf_put_text(&text, " needed on the volume of ");
    po_buf_put_text(&text, tree->path);
    po_buf_put_text(&text, ", but free are ");
    po_text_put_size(&text, volume->space);
    if (would_fit)
        po_buf_put_text(&text, "; with --no-safety-copy the old files go first, and it fits: but "
                               "then mail is down while all is written, and there is no way back");
    else if (volume->freed > 0)
        po_buf_put_text(&text, ", also not enough if the old files went first");
    st = po_restore_reason(r, err, PO_E_IO, "%s", po_buf_text(&text));
    po_buf_deinit(&text);
    return st;
}

/* Old and new files are there at once; each volume is asked once for all its trees. */
static enum po_status
check_space(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++) {
        struct po_restore_tree *tree = &r->trees[i];
        struct po_restore_part *part = &r->result->parts[tree->part];
        uint64_t device = tree->base == NULL ? 0 : po_dir_device(tree->base->dir);
        struct volume volume = { .needed = SPACE_SLACK + r->stream_bytes };
        uint64_t total = 0;
        bool is_first = true;

        if (tree->base == NULL)
            continue;
        for (size_t j = 0; j < r->tree_count; j++) {
            if (r->trees[j].base == NULL || po_dir_device(r->trees[j].base->dir) != device)
                continue;
            volume.needed += space_needed(r, &r->trees[j]);
            volume.freed += r->trees[j].freed;
            is_first = is_first && j >= i;
        }
        st = po_dir_space(tree->base->dir, &volume.space, &total, err);
        part->space_free = volume.space;
        part->space_needed = space_needed(r, tree);
        if (st == PO_OK && is_first && volume.needed > volume.space)
            st = tell_space(r, tree, &volume, err);
    }
    return st;
}

static enum po_status
check_services(struct po_restore *r, struct po_err *err)
{
    struct po_services services = { 0 };
    struct po_err failure;
    enum po_status st = po_services_check_admin(r->host, r->watch, &failure);

    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    if (st != PO_OK)
        st = po_restore_reason(r, err, st, "%s", failure.text);
    if (st != PO_OK)
        return st;
    if (r->options->no_services)
        return PO_OK;
    st = po_services_init(&services, r->host, &failure);
    if (st != PO_OK)
        return po_restore_reason(r, err, st, "%s", failure.text);
    po_services_deinit(&services);
    return PO_OK;
}

static enum po_status
plan_parts(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (int i = 0; i < PO_PART_COUNT && st == PO_OK; i++)
        if (r->options->parts[i] && i != PO_PART_REGISTRY)
            st = plan_tree(r, (enum po_part)i, err);
    /* After the trees: the former registry is kept with their files. */
    if (st == PO_OK && r->options->parts[PO_PART_REGISTRY])
        st = plan_registry(r, err);
    if (st == PO_OK && r->reason_count == 0 && r->tree_count == 0 && r->registry_entry == PO_NONE)
        st = po_restore_reason(r, err, PO_E_USAGE, "nothing in the archive is to be restored");
    return st;
}

/* What the archive lacks, so that nobody takes it for whole. */
static enum po_status
tell_omissions(struct po_restore *r, struct po_err *err)
{
    char text[256];
    enum po_status st = po_omissions_load(&r->omissions, r->reader, err);

    if (st != PO_OK)
        return st;
    if (r->omissions.item_count > 0) {
        (void)snprintf(text, sizeof text,
                       "the archive lacks %llu items that could not be read when it was made "
                       "(pobackup show names them)%s",
                       (unsigned long long)r->omissions.item_count,
                       r->options->is_exact && po_omissions_are_cut(&r->omissions)
                           ? "; not all are listed, so that nothing is removed"
                           : "");
        po_watch_warning(r->plan_watch, text);
    }
    for (size_t i = 0; i < r->omissions.pattern_count; i++) {
        (void)snprintf(text, sizeof text, "the archive was made with --exclude %.180s",
                       r->omissions.patterns[i]);
        po_watch_warning(r->plan_watch, text);
    }
    return PO_OK;
}

/* While the mailbox is in use, nothing of it may go or change: what comes in is nobody's to move. */
static enum po_status
check_live(struct po_restore *r, struct po_err *err)
{
    const struct po_restore_part *mailbox = &r->result->parts[PO_PART_MAILBOX];
    enum po_status st = PO_OK;

    for (int i = 0; i < PO_PART_COUNT && st == PO_OK; i++)
        if (r->options->parts[i] && i != PO_PART_MAILBOX)
            st = po_restore_reason(r, err, PO_E_USAGE,
                                   "--live: %s cannot be restored while the "
                                   "services run",
                                   po_part_name((enum po_part)i));
    if (st == PO_OK && mailbox->replaced + mailbox->removed > 0)
        st = po_restore_reason(r, err, PO_E_USAGE,
                               "--live: files can be added only, but %llu would be replaced and "
                               "%llu removed",
                               (unsigned long long)mailbox->replaced,
                               (unsigned long long)mailbox->removed);
    return st;
}

enum po_status
po_restore_prepare(struct po_restore *r, struct po_err *err)
{
    enum po_status st;

    po_watch_phase(r->watch, "checking archive and site");
    r->registry_entry = PO_NONE;
    r->wanted = po_mem_new(r->reader->index->count, 1);
    if (r->wanted == NULL)
        return po_fail_nomem(err, r->reader->index->count);
    st = po_origin_load(&r->origin, r->reader, err);
    if (st == PO_OK)
        st = tell_omissions(r, err);
    if (st == PO_OK && !r->options->rights_only)
        st = po_restore_check_machine(r, err);
    if (st == PO_OK)
        st = select_entries(r, err);
    if (st == PO_OK && !r->options->rights_only)
        st = po_restore_queue_plan(r, err);
    if (st == PO_OK && !r->options->rights_only)
        st = sort_entries(r, err);
    if (st == PO_OK && !r->options->rights_only)
        st = plan_parts(r, err);
    if (st == PO_OK)
        st = check_nesting(r, err);
    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++)
        if (r->trees[i].base != NULL)
            st = po_restore_survey(r, &r->trees[i], err);
    if (st == PO_OK && r->options->is_live)
        st = check_live(r, err);
    if (st == PO_OK)
        st = po_restore_plan_streams(r, err);
    if (st == PO_OK)
        st = check_space(r, err);
    if (st == PO_OK)
        st = po_restore_rights_plan(r, err);
    return st == PO_OK ? check_services(r, err) : st;
}
