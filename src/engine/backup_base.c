/*
 * What is as it was when the base was made: type, size, write time, change time and file id are the
 * same, and it had been left alone for a while by then. No content is asked; a share of the files is
 * read all the same (po_backup_recheck), for disks that rot and programs that put times back.
 */
#include "engine/backup_base.h"

#include "base/mem.h"
#include "base/pages.h"
#include "engine/backup_run.h"
#include "engine/watch.h"
#include "source/readahead.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SHARE 30u
#define PIECE_SIZE ((size_t)1 << 20)
#define READERS 4
#define TICKS_PER_DAY (INT64_C(86400) * PO_TICKS_PER_SECOND)

/* ---- the parents of the new archive: the base, and the base's own ---- */

enum po_status
po_backup_base_parents(struct po_backup_run *run, struct po_err *err)
{
    const struct po_backup_base *base = run->options->base;
    uint32_t count = base == NULL ? 0 : base->index->parent_count + 1;

    if (count == 0)
        return PO_OK;
    if (count > PO_PARENTS_MAX)
        return po_fail(err, PO_E_USAGE, "the chain of differentials is too long: make a full");
    run->parents = po_mem_new(count, sizeof *run->parents);
    if (run->parents == NULL)
        return po_fail_nomem(err, count * sizeof *run->parents);
    run->parent_count = count;
    memcpy(run->parents[0].archive_id, base->index->archive_id, PO_ID_SIZE);
    memcpy(run->parents[0].digest, base->digest, PO_DIGEST_SIZE);
    run->parents[0].created = base->created;
    run->parents[0].name = po_mem_strdup(base->name);
    for (uint32_t i = 1; i < count; i++) {
        const char *name;
        size_t size;

        po_index_parent(base->index, i - 1, &run->parents[i], &name, &size);
        run->parents[i].name = po_mem_copy(name, size);
    }
    for (uint32_t i = 0; i < count; i++)
        if (run->parents[i].name == NULL)
            return po_fail_nomem(err, 1);
    return PO_OK;
}

void
po_backup_base_free(struct po_backup_run *run)
{
    for (uint32_t i = 0; i < run->parent_count; i++)
        po_mem_free(run->parents[i].name);
    po_mem_free(run->parents);
    po_mem_free(run->recheck);
    run->parents = NULL;
    run->recheck = NULL;
    run->parent_count = 0;
}

/* ---- what is as it was ---- */

static int64_t
trusted_time(const struct po_backup_base *base)
{
    unsigned margin = base->margin_ms == 0 ? PO_BACKUP_MARGIN_MS : base->margin_ms;

    return base->created - (int64_t)margin * (PO_TICKS_PER_SECOND / 1000);
}

/* The base's entry of this path with these stamps, or PO_NONE. */
static uint32_t
find_same(const struct po_backup_run *run, const struct po_entry *entry)
{
    const struct po_index *index = run->options->base->index;
    uint32_t there = po_index_find(index, po_entry_path(&run->list, entry), entry->path_size);
    int64_t last =
        entry->change_time == POBACKUP_TIME_UNKNOWN ? entry->write_time : entry->change_time;

    return there != PO_NONE && entry->file_id != 0 && last != POBACKUP_TIME_UNKNOWN &&
                   last < trusted_time(run->options->base) &&
                   po_index_write_time(index, there) == entry->write_time &&
                   po_index_change_time(index, there) == entry->change_time &&
                   po_index_file_id(index, there) == entry->file_id
               ? there
               : PO_NONE;
}

/* It lies where the base has it. */
static void
refer(const struct po_backup_run *run, struct po_entry *entry, uint32_t there)
{
    const struct po_index *index = run->options->base->index;

    entry->source = (uint16_t)(po_index_source(index, there) + 1);
    entry->frame = po_index_frame(index, there);
    entry->offset = po_index_offset(index, there);
    memcpy(entry->hash, po_index_hash(index, there), PO_HASH_SIZE);
    entry->state = PO_ENTRY_SAVED;
}

/* Another share each day, of any store. */
static bool
is_share(const struct po_backup_run *run, const struct po_entry *entry)
{
    unsigned share = run->options->base->share == 0 ? SHARE : run->options->base->share;
    uint8_t hash[PO_HASH_SIZE];
    uint32_t number;

    po_xxh3(po_entry_path(&run->list, entry), entry->path_size, hash);
    memcpy(&number, hash, sizeof number);
    return number % share == (uint64_t)(run->created / TICKS_PER_DAY) % share;
}

static enum po_status
add_recheck(struct po_backup_run *run, uint32_t number, struct po_err *err)
{
    if (!is_share(run, &run->list.entries[number]))
        return PO_OK;
    if (run->recheck_count == run->recheck_capacity) {
        uint32_t capacity = run->recheck_capacity == 0 ? 256 : run->recheck_capacity * 2;
        uint32_t *numbers = po_mem_resize(run->recheck, capacity, sizeof *numbers);

        if (numbers == NULL)
            return po_fail_nomem(err, capacity * sizeof *numbers);
        run->recheck = numbers;
        run->recheck_capacity = capacity;
    }
    run->recheck[run->recheck_count++] = number;
    return PO_OK;
}

static bool
is_link_same(const struct po_backup_run *run, const struct po_entry *entry, uint32_t there)
{
    size_t size;
    size_t base_size;
    const uint8_t *target = po_rows_at(&run->list.links, entry->link, &size);
    const char *base_target = po_index_link(run->options->base->index, there, &base_size);

    return base_target != NULL && size == base_size && memcmp(target, base_target, size) == 0;
}

/* One that is no name among several of a file. */
static enum po_status
match_entry(struct po_backup_run *run, uint32_t number, struct po_err *err)
{
    const struct po_index *index = run->options->base->index;
    struct po_entry *entry = &run->list.entries[number];
    uint32_t there = find_same(run, entry);

    if (there == PO_NONE || po_index_type(index, there) != entry->type ||
        po_index_size(index, there) != entry->size ||
        (entry->type == POBACKUP_SYMLINK && !is_link_same(run, entry, there)))
        return PO_OK;
    refer(run, entry, there);
    return entry->type == POBACKUP_FILE ? add_recheck(run, number, err) : PO_OK;
}

/* ---- files with several names ---- */

/*
 * The entry of the group that is the file in the base, when each name is one of it there; else
 * PO_NONE.
 */
static uint32_t
find_group_file(const struct po_backup_run *run, const uint32_t *numbers, uint32_t count)
{
    const struct po_index *index = run->options->base->index;
    uint32_t file = PO_NONE;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = run->walk.links[numbers[i]].entry;
        const struct po_entry *entry = &run->list.entries[number];
        uint32_t there = find_same(run, entry);
        uint8_t type = there == PO_NONE ? 0 : po_index_type(index, there);

        if (entry->state != PO_ENTRY_PLANNED ||
            (type != POBACKUP_FILE && type != POBACKUP_HARDLINK) ||
            (type == POBACKUP_FILE &&
             (file != PO_NONE || po_index_size(index, there) != entry->size)))
            return PO_NONE;
        if (type == POBACKUP_FILE)
            file = number;
    }
    return file;
}

/* The other names are links to the file, as in the base: when they were links to it there. */
static enum po_status
refer_group(struct po_backup_run *run, const uint32_t *numbers, uint32_t count, uint32_t file,
            struct po_err *err)
{
    const struct po_index *index = run->options->base->index;
    size_t size = run->list.entries[file].path_size;
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = run->walk.links[numbers[i]].entry;
        size_t link_size;
        const char *link =
            po_index_link(index, find_same(run, &run->list.entries[number]), &link_size);

        if (number != file &&
            (link == NULL || link_size != size ||
             memcmp(link, po_entry_path(&run->list, &run->list.entries[file]), size) != 0))
            return PO_OK;
    }
    for (uint32_t i = 0; i < count && st == PO_OK; i++) {
        uint32_t number = run->walk.links[numbers[i]].entry;
        struct po_entry *entry = &run->list.entries[number];

        refer(run, entry, find_same(run, entry));
        if (number == file) {
            st = add_recheck(run, number, err);
            continue;
        }
        entry->type = POBACKUP_HARDLINK;
        entry->size = 0;
        st = po_entry_list_set_link(&run->list, entry,
                                    po_entry_path(&run->list, &run->list.entries[file]), size, err);
    }
    return st;
}

/* A po_plan_group_fn. */
static enum po_status
match_group(void *ctx, const uint32_t *numbers, uint32_t count, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    uint32_t file = find_group_file(run, numbers, count);

    return file == PO_NONE ? PO_OK : refer_group(run, numbers, count, file, err);
}

enum po_status
po_backup_base_match(struct po_backup_run *run, size_t first, struct po_err *err)
{
    enum po_status st = PO_OK;
    uint8_t *is_name = NULL; /* of the entries from `first` on: one of a file's names */
    size_t count = run->list.count - first;

    if (run->options->base == NULL || count == 0)
        return PO_OK;
    is_name = po_mem_new(count, 1);
    if (is_name == NULL)
        return po_fail_nomem(err, count);
    for (size_t i = 0; i < run->walk.link_count; i++)
        if (run->walk.links[i].entry >= first)
            is_name[run->walk.links[i].entry - first] = 1;
    for (size_t i = 0; i < count && st == PO_OK; i++)
        if (is_name[i] == 0 && first + i != run->registry_entry &&
            run->list.entries[first + i].state == PO_ENTRY_PLANNED)
            st = match_entry(run, (uint32_t)(first + i), err);
    po_mem_free(is_name);
    if (st == PO_OK && run->walk.link_count > 0)
        st = po_plan_each_group(run->walk.links, run->walk.link_count, match_group, run, err);
    return st;
}

bool
po_backup_base_stream(struct po_backup_run *run, const struct po_entry *owner,
                      struct po_entry *entry, uint64_t size)
{
    const struct po_index *index;
    uint32_t there;

    if (run->options->base == NULL || owner->source == 0)
        return false;
    index = run->options->base->index;
    there = po_index_find(index, po_entry_path(&run->list, entry), entry->path_size);
    if (there == PO_NONE || po_index_type(index, there) != POBACKUP_FILE ||
        po_index_size(index, there) != size)
        return false;
    entry->size = size;
    entry->write_time = po_index_write_time(index, there);
    refer(run, entry, there);
    return true;
}

/* ---- reading a share all the same ---- */

static bool
has_stamps(const struct po_entry *entry, const struct po_node_info *info)
{
    return info->size == entry->size && info->write_time == entry->write_time &&
           info->change_time == entry->change_time && info->file_id == entry->file_id;
}

struct recheck {
    struct po_backup_run *run;
    uint8_t *piece;  /* of a large file */
    uint32_t *wrong; /* entries whose content is another */
    uint32_t wrong_count;
};

/* Of a larger file, which the readahead has passed on. *is_same is true for one that has changed its
 * stamps since: then that is another matter. */
static enum po_status
hash_large(const struct recheck *recheck, const struct po_entry *entry, bool *is_same,
           struct po_err *failure)
{
    struct po_backup_run *run = recheck->run;
    struct po_file *file = NULL;
    struct po_node_info info = { 0 };
    struct po_dir *root;
    const char *path;
    size_t path_size;
    uint8_t hash[PO_HASH_SIZE];
    size_t got = 1;
    enum po_status st;

    *is_same = true;
    if (!po_backup_locate(run, entry, &root, &path, &path_size))
        return PO_OK;
    st = po_file_open(&file, root, path, path_size, PO_FILE_READ, 0, failure);
    po_hasher_reset(run->hasher);
    for (uint64_t at = 0; st == PO_OK && at < entry->size && got > 0; at += got) {
        st = po_watch_check(run->watch, failure);
        if (st == PO_OK)
            st = po_file_read_at(file, at, recheck->piece, PIECE_SIZE, &got, failure);
        if (st == PO_OK)
            po_hasher_add_xxh3(run->hasher, recheck->piece, got);
    }
    if (st == PO_OK)
        st = po_file_info(file, &info, failure);
    po_hasher_xxh3(run->hasher, hash);
    *is_same =
        st != PO_OK || !has_stamps(entry, &info) || memcmp(hash, entry->hash, PO_HASH_SIZE) == 0;
    po_file_free(file);
    return st;
}

static enum po_status
note(struct po_backup_run *run, const struct po_entry *entry, const char *reason,
     struct po_err *err)
{
    return po_problems_add(&run->result->silent, po_entry_path(&run->list, entry), entry->path_size,
                           reason, err);
}

/* The services may run again, and mail is fetched: that is no problem, and the entry stays. */
static bool
is_gone(uint32_t os_code)
{
    return os_code == ENOENT || os_code == ENOTDIR;
}

/* One of the share. */
static enum po_status
recheck_item(struct recheck *recheck, const struct po_read_item *item, struct po_err *err)
{
    struct po_backup_run *run = recheck->run;
    const struct po_entry *entry = &run->list.entries[item->entry];
    struct po_err failure = { 0 };
    bool is_same = true;
    bool is_failed = item->is_failed && !is_gone(item->os_code);
    const char *reason = item->reason;
    char text[sizeof failure.text + 128];

    run->result->rechecked++;
    if (item->is_read) {
        is_same = item->is_changed || !has_stamps(entry, &item->info) ||
                  memcmp(item->hash, entry->hash, PO_HASH_SIZE) == 0;
    } else if (!item->is_failed) {
        enum po_status st = hash_large(recheck, entry, &is_same, &failure);

        if (st == PO_E_NOMEM || st == PO_E_CANCELLED) {
            *err = failure;
            return st;
        }
        is_failed = st != PO_OK && !is_gone(failure.os_code);
        reason = failure.text;
    }
    if (!is_same)
        recheck->wrong[recheck->wrong_count++] = item->entry;
    if (!is_failed)
        return PO_OK;
    (void)snprintf(text, sizeof text,
                   "it cannot be read any more; what the archive that this one builds on has of it "
                   "stays: %.400s",
                   reason);
    return note(run, entry, text, err);
}

/* What has been confirmed until now, and lies in an earlier archive. */
static uint32_t
keep_valid(struct po_backup_run *run)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < run->recheck_count; i++) {
        const struct po_entry *entry = &run->list.entries[run->recheck[i]];

        if (entry->state == PO_ENTRY_SAVED && entry->source != 0)
            run->recheck[kept++] = run->recheck[i];
    }
    return kept;
}

enum po_status
po_backup_recheck(struct po_backup_run *run, struct po_err *err)
{
    struct po_readahead *ahead = NULL;
    struct recheck recheck = { .run = run };
    uint32_t count = keep_valid(run);
    enum po_status st = PO_OK;

    if (count == 0)
        return PO_OK;
    recheck.wrong = po_mem_new(count, sizeof *recheck.wrong);
    recheck.piece = po_pages_new(PIECE_SIZE);
    if (recheck.wrong == NULL || recheck.piece == NULL)
        st = po_fail_nomem(err, count * sizeof *recheck.wrong + PIECE_SIZE);
    if (st == PO_OK)
        st = po_readahead_new(&ahead, &run->list, run->recheck, count, po_backup_locate, run,
                              READERS, err);
    while (st == PO_OK) {
        const struct po_read_item *item = NULL;

        st = po_watch_check(run->watch, err);
        if (st == PO_OK)
            st = po_readahead_next(ahead, &item, err);
        if (st != PO_OK || item == NULL)
            break;
        st = recheck_item(&recheck, item, err);
    }
    po_readahead_free(ahead);
    for (uint32_t i = 0; i < recheck.wrong_count && st == PO_OK; i++) {
        st = note(run, &run->list.entries[recheck.wrong[i]],
                  "its content has changed, and its size, times and file number have not: a disk "
                  "that fails, or a program that puts times back; it is saved anew",
                  err);
        if (st == PO_OK)
            st = po_backup_pack_again(run, recheck.wrong[i], err);
    }
    po_pages_free(recheck.piece, PIECE_SIZE);
    po_mem_free(recheck.wrong);
    return st;
}
