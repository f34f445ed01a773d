/*
 * Archive against site. The trees are walked, the walk is merged with the index, and every file
 * whose size agrees is compared byte by byte with what the archive's frames decode to: no digest is
 * asked, and each frame is decoded once, whatever number of files lies in it. Then the merge is
 * made again and everything told in the order of the paths.
 */
#include "engine/diff.h"

#include "archive/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/contents.h"
#include "engine/diff_sides.h"
#include "engine/problems.h"
#include "engine/watch.h"
#include "port/file.h"
#include "port/thread.h"
#include "source/walk.h"

#include <stdlib.h>
#include <string.h>

enum finding {
    FOUND_SAME,
    FOUND_OTHER,
    FOUND_UNREADABLE, /* told as a problem */
    FOUND_GONE,       /* since the walk */
    FOUND_HASH,       /* same by XXH3 alone */
};

/* A file of the site beside the content that it should have. */
struct pair {
    uint32_t content; /* entry of the archive */
    uint32_t file;    /* number in the site's order */
    uint32_t next;    /* of the same content (hard links), or PO_NONE */
    uint8_t found;    /* enum finding; written by the thread that has the content's frame */
};

struct diff {
    struct po_diff_teller teller;
    struct po_host *host;
    struct po_diff_side sides[2]; /* archive, site */
    struct po_dir *dirs[PO_PART_COUNT];
    struct po_entry_list list;
    uint32_t *order;
    struct pair *pairs; /* in the order of the merge */
    size_t pair_count;
    size_t pair_capacity;
    size_t pair_told;
    uint32_t *first; /* for each entry of the archive its first pair, or PO_NONE */
    uint8_t *wanted; /* one byte an entry: its content is to be decoded */
    struct po_problems problems;
    struct po_mutex *mutex; /* for problems, while workers compare */
};

static enum po_status
add_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *err)
{
    struct diff *diff = ctx;
    enum po_status st;

    po_mutex_lock(diff->mutex);
    st = po_problems_add(&diff->problems, path, path_size, reason, err);
    po_mutex_unlock(diff->mutex);
    return st;
}

/* ---- the walk ---- */

static enum po_status
walk_part(struct diff *diff, struct po_walk *walk, enum po_part part, struct po_err *err)
{
    const char *place = diff->host->ops->place(diff->host, part);
    const char *member = po_part_member(part);
    struct po_node_info info;
    struct po_err failure;
    bool exists = false;
    enum po_status st;

    if (place == NULL)
        return PO_OK;
    st = po_os_stat(place, &info, &exists, &failure);
    if (st == PO_OK && !exists)
        return PO_OK;
    if (st == PO_OK)
        st = po_dir_open(&diff->dirs[part], place, &failure);
    if (st == PO_E_IO)
        return add_problem(diff, member, strlen(member), failure.text, err);
    if (st != PO_OK) {
        *err = failure;
        return st;
    }
    return po_walk_tree(walk, diff->dirs[part], member, err);
}

static enum po_status
walk_site(struct diff *diff, struct po_err *err)
{
    const struct po_watch *watch = diff->teller.watch;
    struct po_walk walk = { .list = &diff->list,
                            .problem = add_problem,
                            .ctx = diff,
                            .cancel = watch != NULL ? watch->cancel : NULL };
    enum po_status st = PO_OK;

    po_watch_phase(watch, "listing the site");
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        st = walk_part(diff, &walk, (enum po_part)part, err);
    po_walk_deinit(&walk);
    if (st != PO_OK)
        return st;
    for (size_t i = 0; i < diff->list.count; i++)
        if (diff->list.entries[i].state == PO_ENTRY_PLANNED)
            diff->list.entries[i].state = PO_ENTRY_SAVED; /* what po_index_sort takes */
    st = po_index_sort(&diff->list, &diff->order, &diff->sides[1].count, err);
    diff->sides[1].list = &diff->list;
    diff->sides[1].order = diff->order;
    return st;
}

/* ---- comparing ---- */

/* Opens the site's file; what became of it when that fails is *found. */
static enum po_status
open_file(struct diff *diff, uint32_t number, struct po_file **file, uint8_t *found,
          struct po_err *err)
{
    const struct po_entry *entry = &diff->list.entries[diff->order[number]];
    const char *path = po_entry_path(&diff->list, entry);
    struct po_node_info info;
    struct po_err failure;
    struct po_err ignored;
    bool exists = true;
    enum po_status st = PO_E_IO;

    *found = FOUND_SAME;
    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++) {
        size_t root_size = strlen(po_part_member((enum po_part)part)) + 1;

        if (entry->path_size <= root_size || path[root_size - 1] != '/' ||
            memcmp(path, po_part_member((enum po_part)part), root_size - 1) != 0)
            continue;
        st = po_file_open(file, diff->dirs[part], path + root_size, entry->path_size - root_size,
                          PO_FILE_READ, 0, &failure);
        if (st == PO_E_IO &&
            po_dir_stat(diff->dirs[part], path + root_size, entry->path_size - root_size, &info,
                        &exists, &ignored) == PO_OK &&
            !exists) {
            *found = FOUND_GONE;
            return PO_OK;
        }
        break;
    }
    if (st == PO_E_IO) {
        *found = FOUND_UNREADABLE;
        return add_problem(diff, path, entry->path_size, failure.text, err);
    }
    if (st != PO_OK)
        *err = failure;
    return st;
}

/* A file that cannot be read to its end is unreadable, not different. */
static enum po_status
note_read_failure(struct diff *diff, struct pair *pair, const struct po_err *failure,
                  struct po_err *err)
{
    const struct po_entry *entry = &diff->list.entries[diff->order[pair->file]];

    pair->found = FOUND_UNREADABLE;
    return add_problem(diff, po_entry_path(&diff->list, entry), entry->path_size, failure->text,
                       err);
}

/* Compares a piece with the same place of the file; the last one also with where the file ends. */
static enum po_status
compare_file(struct diff *diff, struct pair *pair, uint64_t offset, const uint8_t *bytes,
             size_t size, uint8_t *scratch, struct po_err *err)
{
    uint64_t whole = po_index_size(diff->sides[0].reader->index, pair->content);
    struct po_file *file = NULL;
    struct po_err failure;
    enum po_status st = open_file(diff, pair->file, &file, &pair->found, err);

    if (st != PO_OK || file == NULL)
        return st;
    for (size_t done = 0; done < size && st == PO_OK && pair->found == FOUND_SAME;) {
        size_t part = size - done < PO_CONTENTS_SCRATCH ? size - done : PO_CONTENTS_SCRATCH;
        size_t got = 0;

        st = po_file_read_at(file, offset + done, scratch, part, &got, &failure);
        if (st == PO_OK && (got != part || memcmp(scratch, bytes + done, part) != 0))
            pair->found = FOUND_OTHER;
        done += part;
    }
    if (st == PO_OK && pair->found == FOUND_SAME && offset + size == whole) {
        size_t got = 0;

        st = po_file_read_at(file, whole, scratch, 1, &got, &failure);
        if (st == PO_OK && got != 0)
            pair->found = FOUND_OTHER;
    }
    po_file_free(file);
    return st == PO_OK ? PO_OK : note_read_failure(diff, pair, &failure, err);
}

static enum po_status
compare_piece(void *ctx, uint32_t entry, uint64_t offset, const uint8_t *bytes, size_t size,
              uint8_t *scratch, struct po_err *err)
{
    struct diff *diff = ctx;
    enum po_status st = PO_OK;

    for (uint32_t i = diff->first[entry]; i != PO_NONE && st == PO_OK; i = diff->pairs[i].next)
        if (diff->pairs[i].found == FOUND_SAME)
            st = compare_file(diff, &diff->pairs[i], offset, bytes, size, scratch, err);
    return st;
}

/* The content lies in a parent: its XXH3 is all there is. */
static enum po_status
compare_hash(struct diff *diff, struct pair *pair, struct po_hasher *hasher, uint8_t *scratch,
             struct po_err *err)
{
    const struct po_index *index = diff->sides[0].reader->index;
    struct po_file *file = NULL;
    uint8_t hash[PO_HASH_SIZE];
    uint64_t offset = 0;
    size_t got = 0;
    struct po_err failure;
    enum po_status st = open_file(diff, pair->file, &file, &pair->found, err);

    if (st != PO_OK || file == NULL)
        return st;
    po_hasher_reset(hasher);
    do {
        st = po_file_read_at(file, offset, scratch, PO_CONTENTS_SCRATCH, &got, &failure);
        if (st == PO_OK)
            po_hasher_add_xxh3(hasher, scratch, got);
        offset += got;
    } while (st == PO_OK && got > 0 && offset <= po_index_size(index, pair->content));
    po_file_free(file);
    if (st != PO_OK)
        return note_read_failure(diff, pair, &failure, err);
    po_hasher_xxh3(hasher, hash);
    pair->found = offset == po_index_size(index, pair->content) &&
                          memcmp(hash, po_index_hash(index, pair->content), sizeof hash) == 0
                      ? FOUND_HASH
                      : FOUND_OTHER;
    return PO_OK;
}

static enum po_status
compare_parents(struct diff *diff, struct po_err *err)
{
    const struct po_index *index = diff->sides[0].reader->index;
    struct po_hasher *hasher = NULL;
    uint8_t *scratch = po_mem_new(1, PO_CONTENTS_SCRATCH);
    enum po_status st =
        scratch == NULL ? po_fail_nomem(err, PO_CONTENTS_SCRATCH) : po_hasher_new(&hasher, err);

    for (size_t i = 0; i < diff->pair_count && st == PO_OK; i++) {
        if (po_index_source(index, diff->pairs[i].content) == 0)
            continue;
        st = po_watch_check(diff->teller.watch, err);
        if (st == PO_OK)
            st = compare_hash(diff, &diff->pairs[i], hasher, scratch, err);
    }
    po_hasher_free(hasher);
    po_mem_free(scratch);
    return st;
}

static enum po_status
add_pair(struct diff *diff, uint32_t content, uint32_t file, struct po_err *err)
{
    if (diff->pair_count == diff->pair_capacity) {
        size_t capacity = diff->pair_capacity == 0 ? 1024 : diff->pair_capacity * 2;
        struct pair *pairs = po_mem_resize(diff->pairs, capacity, sizeof *pairs);

        if (pairs == NULL)
            return po_fail_nomem(err, capacity * sizeof *pairs);
        diff->pairs = pairs;
        diff->pair_capacity = capacity;
    }
    diff->pairs[diff->pair_count] =
        (struct pair){ .content = content, .file = file, .next = diff->first[content] };
    diff->first[content] = (uint32_t)diff->pair_count++;
    if (po_index_source(diff->sides[0].reader->index, content) == 0)
        diff->wanted[content] = 1;
    return PO_OK;
}

static enum po_status
collect(void *ctx, uint32_t a, uint32_t b, struct po_err *err)
{
    struct diff *diff = ctx;
    struct po_diff_item items[2];

    if (a == PO_NONE || b == PO_NONE)
        return PO_OK;
    po_diff_side_item(&diff->sides[0], a, &items[0]);
    po_diff_side_item(&diff->sides[1], b, &items[1]);
    if (po_diff_at_once(&items[0], &items[1]) != NULL || !po_diff_has_content(&items[0], &items[1]))
        return PO_OK;
    return add_pair(diff, items[0].content, b, err);
}

static enum po_status
compare_contents(struct diff *diff, struct po_err *err)
{
    const struct po_reader *reader = diff->sides[0].reader;
    struct po_contents_run run = {
        .reader = reader, .watch = diff->teller.watch, .ctx = diff, .piece = compare_piece
    };
    enum po_status st;

    diff->first = po_mem_new(reader->index->count, sizeof *diff->first);
    diff->wanted = po_mem_new(reader->index->count, 1);
    if (diff->first == NULL || diff->wanted == NULL)
        return po_fail_nomem(err, reader->index->count * sizeof *diff->first);
    for (uint32_t i = 0; i < reader->index->count; i++)
        diff->first[i] = PO_NONE;
    st = po_diff_merge(&diff->sides[0], &diff->sides[1], true, collect, diff, err);
    if (st != PO_OK)
        return st;
    run.wanted = diff->wanted;
    po_watch_phase(diff->teller.watch, "comparing contents");
    st = po_contents_run(&run, err);
    return st == PO_OK ? compare_parents(diff, err) : st;
}

/* ---- telling ---- */

static int
compare_problems(const void *a, const void *b)
{
    const struct po_problem *left = a;
    const struct po_problem *right = b;

    return po_text_compare(left->path, left->path_size, right->path, right->path_size);
}

static void
tell_problems(struct diff *diff)
{
    if (diff->problems.count > 0)
        qsort(diff->problems.items, diff->problems.count, sizeof *diff->problems.items,
              compare_problems);
    for (size_t i = 0; i < diff->problems.count; i++) {
        const struct po_problem *problem = &diff->problems.items[i];

        diff->teller.result->unreadable++;
        po_watch_item(diff->teller.watch, problem->path, problem->path_size, problem->reason);
    }
}

static bool
has_problem(const struct diff *diff, const char *path, size_t path_size)
{
    size_t first = 0;
    size_t count = diff->problems.count;

    while (count > 0) {
        size_t half = count / 2;
        const struct po_problem *problem = &diff->problems.items[first + half];
        int order = po_text_compare(problem->path, problem->path_size, path, path_size);

        if (order == 0)
            return true;
        if (order < 0) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

/* The path itself or a directory that it lies in could not be looked at. */
static bool
is_out_of_sight(const struct diff *diff, const char *path, size_t path_size)
{
    for (size_t size = 1; size <= path_size; size++)
        if ((size == path_size || path[size] == '/') && has_problem(diff, path, size))
            return true;
    return false;
}

static enum po_status
tell_pair(struct diff *diff, const struct po_diff_item *a, const struct po_diff_item *b,
          struct po_err *err)
{
    const char *what = po_diff_at_once(a, b);
    uint8_t found = FOUND_SAME;

    if (what == NULL && po_diff_has_content(a, b)) {
        found = diff->pairs[diff->pair_told++].found;
        if (found == FOUND_UNREADABLE)
            return PO_OK;
        if (found == FOUND_GONE)
            return po_diff_tell(&diff->teller, PO_DIFF_REMOVED, a->path, a->path_size,
                                po_diff_type_name(a->type), err);
        if (found == FOUND_OTHER)
            what = "content";
    }
    if (what == NULL &&
        (po_diff_write_time(a, b) || (found == FOUND_HASH && a->write_time != b->write_time)))
        what = "write time";
    if (what != NULL)
        return po_diff_tell(&diff->teller, PO_DIFF_CHANGED, a->path, a->path_size, what, err);
    diff->teller.result->same++;
    diff->teller.result->unproven += found == FOUND_HASH ? 1 : 0;
    return PO_OK;
}

static enum po_status
tell(void *ctx, uint32_t a, uint32_t b, struct po_err *err)
{
    struct diff *diff = ctx;
    struct po_diff_item items[2] = { { 0 } };

    if (a != PO_NONE)
        po_diff_side_item(&diff->sides[0], a, &items[0]);
    if (b != PO_NONE)
        po_diff_side_item(&diff->sides[1], b, &items[1]);
    if (a == PO_NONE)
        return po_diff_tell(&diff->teller, PO_DIFF_ADDED, items[1].path, items[1].path_size,
                            po_diff_type_name(items[1].type), err);
    if (b != PO_NONE)
        return tell_pair(diff, &items[0], &items[1], err);
    if (is_out_of_sight(diff, items[0].path, items[0].path_size))
        return PO_OK;
    return po_diff_tell(&diff->teller, PO_DIFF_REMOVED, items[0].path, items[0].path_size,
                        po_diff_type_name(items[0].type), err);
}

/* ---- the registry ---- */

/* *is_there = false: the site has none. What cannot be exported though it is there is a problem. */
static enum po_status
export_registry(struct diff *diff, struct po_buf *out, bool *is_there, bool *is_problem,
                struct po_err *err)
{
    const char *member = po_part_member(PO_PART_REGISTRY);
    const char *place = diff->host->ops->place(diff->host, PO_PART_REGISTRY);
    struct po_node_info info;
    struct po_err failure;
    int64_t write_time = 0;
    enum po_status st;

    *is_there = place != NULL;
    *is_problem = false;
    if (place == NULL)
        return PO_OK;
    /* A machine's key is no path of the file system; a folder's document is. */
    if (strcmp(diff->host->ops->kind, "folder") == 0) {
        st = po_os_stat(place, &info, is_there, &failure);
        if (st == PO_OK && !*is_there)
            return PO_OK;
    }
    st = diff->host->ops->registry_export(diff->host, out, &write_time, &failure);
    if (st == PO_E_IO) {
        *is_problem = true;
        return add_problem(diff, member, strlen(member), failure.text, err);
    }
    if (st != PO_OK)
        *err = failure;
    return st;
}

/* The archive's document cannot be read here: it lies in a parent, or is no document at all. */
static enum po_status
compare_unread_registry(struct diff *diff, uint32_t entry, const struct po_buf *site,
                        struct po_err *err)
{
    const struct po_index *index = diff->sides[0].reader->index;
    const char *member = po_part_member(PO_PART_REGISTRY);
    uint8_t hash[PO_HASH_SIZE];
    struct po_diff_item item;

    po_diff_side_item(&diff->sides[0], entry, &item);
    if (item.type != POBACKUP_FILE)
        return po_diff_tell(&diff->teller, PO_DIFF_CHANGED, member, strlen(member), "type", err);
    po_xxh3(site->bytes, site->size, hash);
    if (item.size != site->size || memcmp(hash, item.hash, sizeof hash) != 0)
        return po_diff_tell(&diff->teller, PO_DIFF_CHANGED, member, strlen(member), "content", err);
    diff->teller.result->same++;
    diff->teller.result->unproven += po_index_source(index, item.content) != 0 ? 1 : 0;
    return PO_OK;
}

static enum po_status
compare_registry(struct diff *diff, struct po_err *err)
{
    const struct po_reader *reader = diff->sides[0].reader;
    const char *member = po_part_member(PO_PART_REGISTRY);
    uint32_t entry = po_index_find(reader->index, member, strlen(member));
    uint32_t readable = po_diff_registry_find(reader);
    struct po_buf archive = { 0 };
    struct po_buf site = { 0 };
    bool is_there = false;
    bool is_problem = false;
    enum po_status st = export_registry(diff, &site, &is_there, &is_problem, err);

    if (st != PO_OK || is_problem || (entry == PO_NONE && !is_there))
        goto done;
    if (entry == PO_NONE) {
        st = po_diff_tell(&diff->teller, PO_DIFF_ADDED, member, strlen(member), "file", err);
    } else if (!is_there) {
        st = po_diff_tell(&diff->teller, PO_DIFF_REMOVED, member, strlen(member), "file", err);
    } else if (readable == PO_NONE) {
        st = compare_unread_registry(diff, entry, &site, err);
    } else {
        st = po_diff_registry_read(reader, readable, diff->teller.watch, &archive, err);
        if (st == PO_OK)
            st = po_diff_registry(&diff->teller, &archive, &site, err);
    }
done:
    po_buf_deinit(&site);
    po_buf_deinit(&archive);
    return st;
}

static void
deinit(struct diff *diff)
{
    for (int part = 0; part < PO_PART_COUNT; part++)
        po_dir_free(diff->dirs[part]);
    po_entry_list_deinit(&diff->list);
    po_problems_deinit(&diff->problems);
    po_mutex_free(diff->mutex);
    po_mem_free(diff->order);
    po_mem_free(diff->pairs);
    po_mem_free(diff->first);
    po_mem_free(diff->wanted);
}

enum po_status
po_diff_site(const struct po_reader *archive, struct po_host *host, po_diff_fn each, void *ctx,
             const struct po_watch *watch, struct po_diff_result *result, struct po_err *err)
{
    struct diff diff = {
        .teller = { .each = each, .ctx = ctx, .watch = watch, .result = result },
        .host = host,
        .sides = { { .reader = archive, .count = archive->index->count } },
    };
    enum po_status st = po_mutex_new(&diff.mutex, err);

    *result = (struct po_diff_result){ 0 };
    if (st == PO_OK)
        st = walk_site(&diff, err);
    if (st == PO_OK)
        st = compare_registry(&diff, err);
    if (st == PO_OK)
        st = compare_contents(&diff, err);
    if (st == PO_OK) {
        tell_problems(&diff);
        st = po_diff_merge(&diff.sides[0], &diff.sides[1], true, tell, &diff, err);
    }
    if (st == PO_OK)
        po_diff_warn_unproven(&diff.teller);
    deinit(&diff);
    return st;
}
