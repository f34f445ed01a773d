#include "target/target.h"

#include "base/mem.h"
#include "base/names.h"
#include "target/target_parts.h"

#include <errno.h>
#include <string.h>

/* From this size on the disk begins to write a file when it is whole, and not when all are: so the sync at the
 * end has less to wait for. For smaller ones telling it takes longer than that saves. */
#define EARLY_WRITE_MIN ((size_t)64 << 10)
/* What stock tools give an entry whose owner the archive does not record. */
#define FILE_MODE_DEFAULT 0644u
#define DIRECTORY_MODE_DEFAULT 0755u
/* Until a file has its content and its owner, nobody else may read it. */
#define FILE_MODE_NEW 0600u
#define MODE_SET_ID 06000u

/* ---- life ---- */

enum po_status
po_target_new(struct po_target **out, const struct po_target_options *options, struct po_err *err)
{
    struct po_target *target = po_mem_new(1, sizeof *target);
    enum po_status st;

    if (target == NULL)
        return po_fail_nomem(err, sizeof *target);
    target->options = *options;
    target->states = po_mem_new(options->index->count, 1);
    st = target->states == NULL ? po_fail_nomem(err, options->index->count) : PO_OK;
    if (st == PO_OK)
        st = po_mutex_new(&target->lock, err);
    if (st == PO_OK) {
        *out = target;
        target = NULL;
    }
    po_target_free(target);
    return st;
}

/* Closes and removes the file that came in pieces. */
static void
drop_open_file(struct po_target *target)
{
    struct po_target_place place;
    struct po_err ignored;

    if (target->open_file == NULL)
        return;
    po_file_free(target->open_file);
    target->open_file = NULL;
    if (po_target_find_place(target, target->open_entry, &place))
        (void)!po_dir_remove(place.dir, po_buf_text(&target->open_path), target->open_path.size,
                             &ignored);
}

void
po_target_free(struct po_target *target)
{
    if (target == NULL)
        return;
    drop_open_file(target);
    po_buf_deinit(&target->open_path);
    po_mutex_free(target->lock);
    po_mem_free(target->states);
    po_mem_free(target);
}

bool
po_target_is_written(const struct po_target *target, uint32_t entry)
{
    return target->states[entry] == PO_TARGET_WRITTEN;
}

bool
po_target_find_place(const struct po_target *target, uint32_t entry, struct po_target_place *place)
{
    return target->options.place(target->options.place_ctx, entry, &place->dir, &place->path,
                                 &place->size);
}

/* ---- failures ---- */

void
po_target_tell(struct po_target *target, uint32_t entry, const char *reason)
{
    po_mutex_lock(target->lock);
    target->options.problem(target->options.problem_ctx, entry, reason);
    po_mutex_unlock(target->lock);
}

static bool
ends_the_run(const struct po_err *cause)
{
    if (cause->status == PO_E_NOMEM || cause->status == PO_E_CANCELLED)
        return true;
    switch (cause->os_code) {
    case ENOSPC:
    case EIO:
    case EROFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
#if defined(EDQUOT)
    case EDQUOT:
#endif
        return true;
    default:
        return false;
    }
}

enum po_status
po_target_fail(struct po_target *target, uint32_t entry, const struct po_err *cause,
               struct po_err *err)
{
    if (ends_the_run(cause)) {
        *err = *cause;
        return err->status;
    }
    target->states[entry] = PO_TARGET_FAILED;
    po_target_tell(target, entry, cause->text);
    return PO_OK;
}

void
po_target_reject(struct po_target *target, uint32_t entry, const char *reason)
{
    if (target->states[entry] != PO_TARGET_READY)
        return;
    target->states[entry] = PO_TARGET_FAILED;
    po_target_tell(target, entry, reason);
}

void
po_target_node(struct po_target *target, enum po_target_moment moment, uint32_t entry,
               const struct po_target_place *place)
{
    struct po_err failure;

    if (target->options.node != NULL &&
        target->options.node(target->options.node_ctx, moment, entry, place->dir, place->path,
                             place->size, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
}

/* ---- one file ---- */

bool
po_target_owner(const struct po_target *target, uint32_t entry, struct po_posix_owner *owner,
                uint32_t *mode)
{
    bool is_directory = po_index_type(target->options.index, entry) == POBACKUP_DIRECTORY;
    bool is_known = po_index_owner(target->options.index, entry, owner);

    if (is_known)
        *mode = owner->mode & 07777u;
    else
        *mode = is_directory ? DIRECTORY_MODE_DEFAULT : FILE_MODE_DEFAULT;
    /* A program of somebody else's must not become one that runs with our rights. */
    if (!is_directory && !target->options.sets_owner)
        *mode &= ~MODE_SET_ID;
    return is_known && target->options.sets_owner;
}

void
po_target_file_facts(struct po_target *target, uint32_t entry, struct po_file *file)
{
    int64_t write_time = po_index_write_time(target->options.index, entry);
    struct po_posix_owner owner;
    struct po_err failure;
    uint32_t mode;

    /* In this order: changing the owner may take bits off the mode. */
    if (po_target_owner(target, entry, &owner, &mode) &&
        po_file_set_owner(file, owner.uid, owner.gid, &failure) != PO_OK) {
        po_target_tell(target, entry, failure.text);
        mode &= ~MODE_SET_ID;
    }
    if (mode != FILE_MODE_NEW && po_file_set_mode(file, mode, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
    if (write_time != POBACKUP_TIME_UNKNOWN &&
        po_file_set_write_time(file, write_time, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
    /* Last: one of them may be that it is read-only. */
    if (po_file_set_windows_facts(file, po_index_create_time(target->options.index, entry),
                                  po_index_attributes(target->options.index, entry),
                                  &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
}

/* Content, facts, close. The file is freed in any case. */
static enum po_status
fill(struct po_target *target, uint32_t entry, struct po_file *file, const uint8_t *content,
     size_t size, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (size > 0)
        st = po_file_write_at(file, 0, content, size, err);
    if (st != PO_OK) {
        po_file_free(file);
        return st;
    }
    po_target_file_facts(target, entry, file);
    if (size >= EARLY_WRITE_MIN)
        po_file_hint_write(file);
    return po_file_close(file, err);
}

/* ---- what stands there already ---- */

enum po_status
po_target_new_name(const struct po_target_place *place, uint32_t entry, struct po_buf *out,
                   struct po_err *err)
{
    size_t dir_size;
    size_t name_start;

    po_path_split(place->path, place->size, &dir_size, &name_start);
    po_buf_clear(out);
    po_buf_put(out, place->path, name_start);
    /* By number, so that no two threads want the same. */
    po_buf_printf(out, PO_NAME_NEW "%08x", entry);
    return po_buf_check(out, err);
}

bool
po_target_is_replaceable(const struct po_target *target, const struct po_target_place *place)
{
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;

    return target->options.is_overwriting &&
           po_dir_stat(place->dir, place->path, place->size, &info, &exists, &ignored) == PO_OK &&
           exists && (info.type == PO_NODE_FILE || info.type == PO_NODE_SYMLINK);
}

enum po_status
po_target_open_new(const struct po_target_place *place, const struct po_buf *name,
                   struct po_file **file, struct po_err *err)
{
    const char *path = (const char *)name->bytes;
    struct po_err ignored;
    enum po_status st =
        po_file_open(file, place->dir, path, name->size, PO_FILE_CREATE, FILE_MODE_NEW, err);

    if (st == PO_OK || po_dir_remove(place->dir, path, name->size, &ignored) != PO_OK)
        return st;
    return po_file_open(file, place->dir, path, name->size, PO_FILE_CREATE, FILE_MODE_NEW, err);
}

/*
 * Writes beside the old file and renames over it: whatever happens, one of the two stands there
 * whole, and other names (hard links) of the old one keep their content.
 */
static enum po_status
replace_file(struct po_target *target, uint32_t entry, const struct po_target_place *place,
             const uint8_t *content, size_t size, struct po_err *err)
{
    struct po_buf name = { 0 };
    struct po_file *file = NULL;
    struct po_err ignored;
    enum po_status st = po_target_new_name(place, entry, &name, err);

    if (st == PO_OK)
        st = po_target_open_new(place, &name, &file, err);
    if (st != PO_OK)
        goto done;
    st = fill(target, entry, file, content, size, err);
    if (st == PO_OK)
        st = po_dir_rename(place->dir, po_buf_text(&name), name.size, place->dir, place->path,
                           place->size, true, err);
    if (st != PO_OK)
        (void)!po_dir_remove(place->dir, po_buf_text(&name), name.size, &ignored);
done:
    po_buf_deinit(&name);
    return st;
}

enum po_status
po_target_file(struct po_target *target, uint32_t entry, const uint8_t *content, size_t size,
               struct po_err *err)
{
    struct po_target_place place;
    struct po_file *file = NULL;
    struct po_err failure;
    struct po_err ignored;
    enum po_status st;

    if (target->states[entry] != PO_TARGET_READY || !po_target_find_place(target, entry, &place))
        return PO_OK;
    st = po_file_open(&file, place.dir, place.path, place.size, PO_FILE_CREATE, FILE_MODE_NEW,
                      &failure);
    if (st == PO_OK) {
        st = fill(target, entry, file, content, size, &failure);
        /* Ours since the moment that we made it. */
        if (st != PO_OK)
            (void)!po_dir_remove(place.dir, place.path, place.size, &ignored);
    } else if (po_target_is_replaceable(target, &place)) {
        st = replace_file(target, entry, &place, content, size, &failure);
    }
    if (st != PO_OK)
        return po_target_fail(target, entry, &failure, err);
    po_target_node(target, PO_TARGET_ALL_ELSE, entry, &place);
    target->states[entry] = PO_TARGET_WRITTEN;
    return PO_OK;
}

/* ---- a file in pieces ---- */

/* Better now than after the last piece. */
static enum po_status
check_free(const struct po_target *target, const struct po_target_place *place, struct po_err *err)
{
    struct po_node_info info;
    bool exists = false;
    enum po_status st = po_dir_stat(place->dir, place->path, place->size, &info, &exists, err);

    if (st == PO_OK && exists && !po_target_is_replaceable(target, place))
        st = po_fail(err, PO_E_IO, "something of this name is there already");
    return st;
}

enum po_status
po_target_begin(struct po_target *target, uint32_t entry, struct po_err *err)
{
    struct po_target_place place;
    struct po_err failure;
    enum po_status st;

    drop_open_file(target);
    if (target->states[entry] != PO_TARGET_READY || !po_target_find_place(target, entry, &place))
        return PO_OK;
    st = check_free(target, &place, &failure);
    if (st == PO_OK)
        st = po_target_new_name(&place, entry, &target->open_path, &failure);
    if (st == PO_OK)
        st = po_target_open_new(&place, &target->open_path, &target->open_file, &failure);
    if (st != PO_OK)
        return po_target_fail(target, entry, &failure, err);
    target->open_entry = entry;
    target->open_size = 0;
    return PO_OK;
}

enum po_status
po_target_put(struct po_target *target, const uint8_t *bytes, size_t size, struct po_err *err)
{
    struct po_err failure;

    if (target->open_file == NULL || size == 0)
        return PO_OK;
    if (po_file_write_at(target->open_file, target->open_size, bytes, size, &failure) != PO_OK) {
        drop_open_file(target);
        return po_target_fail(target, target->open_entry, &failure, err);
    }
    target->open_size += size;
    return PO_OK;
}

enum po_status
po_target_end(struct po_target *target, struct po_err *err)
{
    uint32_t entry = target->open_entry;
    struct po_target_place place;
    struct po_err failure;
    struct po_err ignored;
    enum po_status st;

    if (target->open_file == NULL || !po_target_find_place(target, entry, &place))
        return PO_OK;
    po_target_file_facts(target, entry, target->open_file);
    st = po_file_close(target->open_file, &failure);
    target->open_file = NULL;
    if (st == PO_OK)
        st = po_dir_rename(place.dir, po_buf_text(&target->open_path), target->open_path.size,
                           place.dir, place.path, place.size,
                           po_target_is_replaceable(target, &place), &failure);
    if (st != PO_OK) {
        (void)!po_dir_remove(place.dir, po_buf_text(&target->open_path), target->open_path.size,
                             &ignored);
        return po_target_fail(target, entry, &failure, err);
    }
    po_target_node(target, PO_TARGET_ALL_ELSE, entry, &place);
    target->states[entry] = PO_TARGET_WRITTEN;
    return PO_OK;
}

void
po_target_abandon(struct po_target *target, const char *reason)
{
    if (target->open_file == NULL)
        return;
    drop_open_file(target);
    po_target_reject(target, target->open_entry, reason);
}
