/* What the trees hold, and what of it cannot be read. */
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "engine/doctor_checks.h"
#include "engine/problems.h"
#include "port/file.h"
#include "source/walk.h"

#include <inttypes.h>
#include <string.h>

struct counts {
    uint64_t files;
    uint64_t directories;
    uint64_t links;
    uint64_t bytes;
};

struct trees {
    struct po_doctor *doctor;
    struct counts all;
    struct po_problems unreadable;
    struct po_problems special;
    struct po_dir *dir; /* of the tree being looked at */
    size_t member_size;
};

/* "12 files (3.4 MiB), 2 directories, 1 symbolic links" */
static void
put_counts(struct po_buf *out, const struct counts *counts)
{
    po_buf_printf(out, "%" PRIu64 " files (", counts->files);
    po_text_put_size(out, counts->bytes);
    po_buf_printf(out, "), %" PRIu64 " directories", counts->directories);
    if (counts->links > 0)
        po_buf_printf(out, ", %" PRIu64 " symbolic links", counts->links);
}

/* The path below the tree's root, "" for itself. */
static const char *
relative(const struct trees *trees, const char *path, size_t path_size, size_t *size)
{
    if (path_size <= trees->member_size) {
        *size = 0;
        return "";
    }
    *size = path_size - trees->member_size - 1;
    return path + trees->member_size + 1;
}

/* The walk tells of two kinds: what has no content, and what cannot be looked at. */
static enum po_status
add_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *err)
{
    struct trees *trees = ctx;
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;
    size_t size;
    const char *below = relative(trees, path, path_size, &size);
    bool is_special = po_dir_stat(trees->dir, below, size, &info, &exists, &ignored) == PO_OK &&
                      exists && info.type != PO_NODE_FILE && info.type != PO_NODE_DIRECTORY &&
                      info.type != PO_NODE_SYMLINK;

    return po_problems_add(is_special ? &trees->special : &trees->unreadable, path, path_size,
                           reason, err);
}

/* That a file can be opened is the only proof; what vanished meanwhile is no problem. */
static enum po_status
try_open(struct trees *trees, const char *path, size_t path_size, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info;
    struct po_err failure;
    struct po_err ignored;
    bool exists = true;
    size_t size;
    const char *below = relative(trees, path, path_size, &size);

    if (po_file_open(&file, trees->dir, below, size, PO_FILE_READ, 0, &failure) == PO_OK) {
        po_file_free(file);
        return PO_OK;
    }
    if (failure.status == PO_E_NOMEM) {
        *err = failure;
        return PO_E_NOMEM;
    }
    if (po_dir_stat(trees->dir, below, size, &info, &exists, &ignored) == PO_OK && !exists)
        return PO_OK;
    return po_problems_add(&trees->unreadable, path, path_size, failure.text, err);
}

static enum po_status
count_entry(struct trees *trees, const struct po_entry_list *list, const struct po_entry *entry,
            struct counts *counts, struct po_err *err)
{
    struct po_doctor *doctor = trees->doctor;
    const char *path = po_entry_path(list, entry);

    if (entry->type == POBACKUP_DIRECTORY)
        counts->directories++;
    else if (entry->type == POBACKUP_SYMLINK)
        counts->links++;
    if (entry->type != POBACKUP_FILE)
        return PO_OK;
    counts->files++;
    counts->bytes += entry->size;
    if (entry->write_time > doctor->newest) {
        doctor->newest = entry->write_time;
        po_buf_clear(&doctor->newest_path);
        po_buf_put(&doctor->newest_path, path, entry->path_size);
    }
    return try_open(trees, path, entry->path_size, err);
}

static enum po_status
walk_tree(struct trees *trees, enum po_part part, const char *place, struct po_err *err)
{
    struct po_entry_list list = { 0 };
    struct po_walk walk = { .list = &list, .problem = add_problem, .ctx = trees };
    struct counts counts = { 0 };
    struct po_buf text = { 0 };
    enum po_status st;

    trees->member_size = strlen(po_part_member(part));
    st = po_walk_tree(&walk, trees->dir, po_part_member(part), err);
    for (size_t i = 0; i < list.count && st == PO_OK; i++)
        st = count_entry(trees, &list, &list.entries[i], &counts, err);
    if (st == PO_OK) {
        put_counts(&text, &counts);
        po_doctor_say(trees->doctor, PO_CHECK_GOOD, "trees", "%s: %s: %s", po_part_name(part),
                      place, po_buf_text(&text));
        trees->doctor->tree_bytes[part] = counts.bytes;
        trees->all.files += counts.files;
        trees->all.directories += counts.directories;
        trees->all.links += counts.links;
        trees->all.bytes += counts.bytes;
        st = po_buf_check(&text, err);
    }
    po_buf_deinit(&text);
    po_walk_deinit(&walk);
    po_entry_list_deinit(&list);
    return st;
}

/* req: B4, B5, B6 */
static enum po_status
check_tree(struct trees *trees, enum po_part part, struct po_err *err)
{
    struct po_doctor *doctor = trees->doctor;
    const char *place = doctor->host->ops->place(doctor->host, part);
    struct po_node_info info;
    struct po_err why;
    bool exists = false;
    enum po_status st;

    if (place == NULL) {
        po_doctor_say(doctor, PO_CHECK_NOTE, "trees", "%s: the site has none", po_part_name(part));
        return PO_OK;
    }
    st = po_os_stat(place, &info, &exists, &why);
    if (st == PO_OK && !exists)
        st = po_fail(&why, PO_E_IO, "%s: no such directory", place);
    else if (st == PO_OK && info.type != PO_NODE_DIRECTORY)
        st = po_fail(&why, PO_E_IO, "%s: not a directory", place);
    if (st == PO_OK)
        st = po_dir_open(&trees->dir, place, &why);
    if (st == PO_OK)
        st = walk_tree(trees, part, place, &why);
    po_dir_free(trees->dir);
    trees->dir = NULL;
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "trees", "%s: %s", po_part_name(part), why.text);
    return st == PO_E_NOMEM ? st : PO_OK;
}

static enum po_status
tell_problems(struct po_doctor *doctor, const struct po_problems *problems,
              enum po_check_state state, const char *id, struct po_err *err)
{
    struct po_buf name = { 0 };
    enum po_status st = PO_OK;

    for (size_t i = 0; i < problems->count && i < PO_DOCTOR_NAMED_MAX && st == PO_OK; i++) {
        po_buf_clear(&name);
        po_text_put_name(&name, problems->items[i].path, problems->items[i].path_size);
        st = po_buf_check(&name, err);
        po_doctor_say(doctor, state, id, "%s: %s", po_buf_text(&name), problems->items[i].reason);
    }
    if (problems->count > PO_DOCTOR_NAMED_MAX)
        po_doctor_say(doctor, state, id, "and %zu more", problems->count - PO_DOCTOR_NAMED_MAX);
    po_buf_deinit(&name);
    return st;
}

enum po_status
po_doctor_trees(struct po_doctor *doctor, struct po_err *err)
{
    struct trees trees = { .doctor = doctor };
    struct po_buf text = { 0 };
    enum po_status st = PO_OK;

    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        st = check_tree(&trees, (enum po_part)part, err);
    if (st != PO_OK)
        goto done;
    put_counts(&text, &trees.all);
    st = po_buf_check(&text, err);
    if (st != PO_OK)
        goto done;
    doctor->bytes = trees.all.bytes;
    po_doctor_say(doctor, PO_CHECK_GOOD, "sizes", "%s in all", po_buf_text(&text));
    st = tell_problems(doctor, &trees.unreadable, PO_CHECK_BAD, "unreadable", err); /* req: B8 */
    if (st == PO_OK)
        st = tell_problems(doctor, &trees.special, PO_CHECK_NOTE, "special", err);
    if (st == PO_OK)
        st = po_buf_check(&doctor->newest_path, err);
done:
    po_buf_deinit(&text);
    po_problems_deinit(&trees.unreadable);
    po_problems_deinit(&trees.special);
    return st;
}

/* ---- what earlier restores left ---- */

struct leftovers {
    struct po_doctor *doctor;
    const char *place; /* of the directory being listed */
    uint64_t seen[2 * PO_PART_COUNT][2];
    size_t seen_count;
};

/* Whether the last restore, done or taken back, keeps it on purpose: undo, or the user, may want it. */
static enum po_status
is_kept(const struct leftovers *leftovers, const char *name, bool *is_it, struct po_err *err)
{
    const struct po_recovery *last = &leftovers->doctor->recovery;
    bool is_over = last->state == PO_RECOVERY_DONE || last->state == PO_RECOVERY_TAKEN_BACK;
    const struct po_buf *kept = &last->kept;
    char *path = po_os_path_join(leftovers->place, name);
    enum po_status st = path == NULL ? po_fail_nomem(err, strlen(name)) : PO_OK;

    *is_it = false;
    for (size_t at = 0; st == PO_OK && is_over && !*is_it && at < kept->size;) {
        const char *folder = (const char *)kept->bytes + at;

        st = po_os_path_is_inside(is_it, folder, path, err);
        at += strlen(folder) + 1;
    }
    po_mem_free(path);
    return st;
}

/* What was set aside is kept on purpose; anything else is of a run that did not end. */
static enum po_status
note_leftover(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
              const struct po_err *failure, struct po_err *err)
{
    struct leftovers *leftovers = ctx;
    struct po_buf text = { 0 };
    bool is_set_aside = strncmp(name, PO_NAME_SET_ASIDE, sizeof PO_NAME_SET_ASIDE - 1) == 0;
    bool is_of_last = false;
    enum po_status st;

    (void)info;
    (void)failure;
    if (!po_name_is_ours(name, name_size))
        return PO_OK;
    po_text_put_name(&text, name, name_size);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = is_kept(leftovers, name, &is_of_last, err);
    if (st == PO_OK)
        po_doctor_say(leftovers->doctor,
                      is_set_aside || is_of_last ? PO_CHECK_NOTE : PO_CHECK_WARNING, "leftovers",
                      "%s in %s: %s; it takes space, and is not backed up", po_buf_text(&text),
                      leftovers->place,
                      is_of_last     ? "kept of the last restore until pobackup status --forget"
                      : is_set_aside ? "what an earlier restore replaced"
                                     : "of a restore that did not come to its end");
    po_buf_deinit(&text);
    return st;
}

/* Each directory once: the trees of a folder site all lie in one. */
static enum po_status
list_leftovers(struct leftovers *leftovers, const char *place, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_node_info info;
    struct po_err why;
    bool exists = false;
    enum po_status st = po_os_stat(place, &info, &exists, &why);

    if (st != PO_OK || !exists || info.type != PO_NODE_DIRECTORY)
        return PO_OK; /* told by the check of the trees */
    for (size_t i = 0; i < leftovers->seen_count; i++)
        if (info.file_id != 0 && leftovers->seen[i][0] == info.device &&
            leftovers->seen[i][1] == info.file_id)
            return PO_OK;
    leftovers->seen[leftovers->seen_count][0] = info.device;
    leftovers->seen[leftovers->seen_count++][1] = info.file_id;
    leftovers->place = place;
    st = po_dir_open(&dir, place, &why);
    if (st == PO_OK)
        st = po_dir_list(dir, "", 0, note_leftover, leftovers, &why);
    po_dir_free(dir);
    if (st == PO_E_NOMEM)
        *err = why;
    return st == PO_E_NOMEM ? st : PO_OK;
}

enum po_status
po_doctor_leftovers(struct po_doctor *doctor, struct po_err *err)
{
    struct leftovers leftovers = { .doctor = doctor };
    enum po_status st = PO_OK;

    /* Beside a tree, or in its root where that is a volume of its own. */
    for (int part = 0; part < PO_PART_COUNT && st == PO_OK; part++) {
        const char *place = doctor->host->ops->place(doctor->host, (enum po_part)part);
        char *above;
        size_t dir_size;
        size_t name_start;

        if (!po_doctor_has_path(doctor->host, (enum po_part)part))
            continue;
        po_path_split(place, strlen(place), &dir_size, &name_start);
        above = po_mem_copy(place, dir_size > 0 ? dir_size : name_start);
        if (above == NULL)
            return po_fail_nomem(err, dir_size);
        st = list_leftovers(&leftovers, above, err);
        po_mem_free(above);
        if (st == PO_OK)
            st = list_leftovers(&leftovers, place, err);
    }
    return st;
}
