/* Judging the names of all wanted entries, and making the directories. */
#include "base/mem.h"
#include "base/names.h"
#include "base/sort.h"
#include "target/target_parts.h"

#include <string.h>

/* Theirs until all that lies in them is written. */
#define DIRECTORY_MODE_NEW 0700u

/* ---- names ---- */

static enum po_status
check_entry(const struct po_target *target, uint32_t entry, struct po_err *err)
{
    struct po_target_place place;
    size_t size;
    const char *path = po_index_path(target->options.index, entry, &size);
    uint8_t type = po_index_type(target->options.index, entry);
    enum po_status st = po_name_check(path, size, target->options.windows_names, err);

    if (st != PO_OK)
        return po_err_prefix(err, "the name is refused");
    /* Else it might be taken for the file that is being written, and the wrong content stand. */
    if (po_name_has_ours(path, size))
        return po_fail(err, PO_E_USAGE, "the name is refused: one that this program uses itself");
    if (type > POBACKUP_HARDLINK)
        return po_fail(err, PO_E_UNSUPPORTED, "entries of type %u cannot be made here", type);
    if (!po_target_find_place(target, entry, &place))
        return po_fail(err, PO_E_USAGE, "it belongs to none of the places");
    if (place.size == 0 && type != POBACKUP_DIRECTORY)
        return po_fail(err, PO_E_USAGE, "it would take the place of the directory itself");
    return PO_OK;
}

static unsigned char
folded(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static int
compare_folded(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_index *index = ctx;
    size_t a_size;
    size_t b_size;
    const char *a_path = po_index_path(index, a, &a_size);
    const char *b_path = po_index_path(index, b, &b_size);

    for (size_t i = 0; i < a_size && i < b_size; i++) {
        int difference = folded(a_path[i]) - folded(b_path[i]);

        if (difference != 0)
            return difference;
    }
    return (a_size > b_size) - (a_size < b_size);
}

/* On Windows the second of two names that differ in case alone would take the first one's place. */
static enum po_status
refuse_case_clashes(struct po_target *target, struct po_err *err)
{
    const struct po_index *index = target->options.index;
    uint32_t *numbers = po_mem_new(index->count, sizeof *numbers);
    uint32_t *spare = po_mem_new(index->count, sizeof *spare);
    struct po_err failure;
    uint32_t count = 0;
    enum po_status st = PO_OK;

    if (numbers == NULL || spare == NULL) {
        st = po_fail_nomem(err, index->count * sizeof *numbers);
        goto done;
    }
    for (uint32_t i = 0; i < index->count; i++)
        if (target->states[i] == PO_TARGET_READY)
            numbers[count++] = i;
    po_sort_numbers(numbers, spare, count, compare_folded, index);
    for (uint32_t i = 1; i < count && st == PO_OK; i++) {
        if (compare_folded(index, numbers[i - 1], numbers[i]) != 0)
            continue;
        (void)po_fail(&failure, PO_E_USAGE,
                      "the name is refused: another one differs from it in case alone");
        st = po_target_fail(target, numbers[i], &failure, err);
    }
done:
    po_mem_free(spare);
    po_mem_free(numbers);
    return st;
}

static enum po_status
judge_names(struct po_target *target, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < target->options.index->count && st == PO_OK; i++) {
        struct po_err failure;

        if (target->options.wanted[i] == 0)
            continue;
        target->states[i] = PO_TARGET_READY;
        if (check_entry(target, i, &failure) != PO_OK)
            st = po_target_fail(target, i, &failure, err);
    }
    if (st == PO_OK && target->options.windows_names)
        st = refuse_case_clashes(target, err);
    return st;
}

/* ---- parents ---- */

/* The directory of the last entry and how it stands: neighbours in the index mostly share it. */
struct parent {
    const char *path; /* in the archive; NULL = none yet */
    size_t size;
    enum po_status status;
};

/* How many bytes of `path` are components that `parent` has too. */
static size_t
shared_size(const struct parent *parent, const char *path, size_t size)
{
    size_t n = 0;

    while (n < size && n < parent->size && path[n] == parent->path[n])
        n++;
    if ((n == size || path[n] == '/') && (n == parent->size || parent->path[n] == '/'))
        return n;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n;
}

static enum po_status
make_directory(struct po_target *target, uint32_t entry, const struct po_target_place *place,
               struct po_err *err)
{
    size_t dir_size;
    size_t name_start;
    enum po_status st;

    if (place->size == 0)
        return PO_OK;
    po_path_split(place->path, place->size, &dir_size, &name_start);
    st = po_dir_make_all(place->dir, place->path, dir_size, err);
    if (st == PO_OK)
        st = po_dir_make(place->dir, place->path, place->size, DIRECTORY_MODE_NEW, err);
    if (st == PO_OK)
        po_target_node(target, PO_TARGET_NEW_DIRECTORY, entry, place);
    return st;
}

/*
 * A directory on the way to a wanted entry, as the archive has it. One that is not wanted itself
 * is made where it is missing (and gets its times and mode in the end); one that is there is left
 * alone.
 */
static enum po_status
pass_through(struct po_target *target, const char *path, size_t size, struct po_err *err)
{
    uint32_t entry = po_index_find(target->options.index, path, size);
    struct po_target_place place;
    struct po_node_info info;
    bool exists = false;
    enum po_status st;

    if (entry == PO_NONE)
        return PO_OK;
    /* spec: NAME-2 */
    if (po_index_type(target->options.index, entry) != POBACKUP_DIRECTORY)
        return po_fail(err, PO_E_USAGE,
                       "it is refused: a directory on its way is none in the archive");
    if (target->states[entry] == PO_TARGET_FAILED)
        return po_fail(err, PO_E_USAGE, "a directory on its way could not be made");
    if (target->states[entry] != PO_TARGET_UNWANTED ||
        !po_target_find_place(target, entry, &place) || place.size == 0)
        return PO_OK;
    st = po_dir_stat(place.dir, place.path, place.size, &info, &exists, err);
    if (st != PO_OK || exists)
        return st;
    st = make_directory(target, entry, &place, err);
    if (st == PO_OK)
        target->states[entry] = PO_TARGET_IMPLIED;
    return st;
}

/* Sees to it that the directory of `entry` is there. */
static enum po_status
ensure_parent(struct po_target *target, uint32_t entry, struct parent *parent, struct po_err *err)
{
    struct po_target_place place;
    size_t path_size;
    size_t size;
    size_t start = 0;
    const char *path = po_index_path(target->options.index, entry, &path_size);
    enum po_status st = PO_OK;

    po_path_split(path, path_size, &size, &start);
    start = 0;
    if (parent->path != NULL && parent->status == PO_OK) {
        start = shared_size(parent, path, size);
        if (start == size && size == parent->size)
            return PO_OK;
    }
    for (size_t i = start; i <= size && size > 0 && st == PO_OK; i++)
        if (i > 0 && (i == size || path[i] == '/'))
            st = pass_through(target, path, i, err);
    if (st == PO_OK && po_target_find_place(target, entry, &place)) {
        size_t name_start;
        size_t dir_size;

        /* What the archive does not have. */
        po_path_split(place.path, place.size, &dir_size, &name_start);
        st = po_dir_make_all(place.dir, place.path, dir_size, err);
    }
    parent->path = path;
    parent->size = size;
    parent->status = st;
    return st;
}

enum po_status
po_target_directories(struct po_target *target, struct po_err *err)
{
    const struct po_index *index = target->options.index;
    struct parent parent = { 0 };
    enum po_status st = judge_names(target, err);

    /* The index is sorted by path: a directory stands before what lies in it. */
    for (uint32_t i = 0; i < index->count && st == PO_OK; i++) {
        bool is_directory = po_index_type(index, i) == POBACKUP_DIRECTORY;
        struct po_target_place place;
        struct po_err failure;

        if (target->states[i] != PO_TARGET_READY || !po_target_find_place(target, i, &place))
            continue;
        st = ensure_parent(target, i, &parent, &failure);
        if (st == PO_OK && is_directory)
            st = make_directory(target, i, &place, &failure);
        if (st != PO_OK)
            st = po_target_fail(target, i, &failure, err);
        else if (is_directory)
            target->states[i] = PO_TARGET_WRITTEN;
    }
    return st;
}
