/*
 * What comes last: links, so that nothing is ever written through one; then the directories'
 * times, modes and owners.
 */
#include "base/mem.h"
#include "target/target_parts.h"

#include <string.h>

#define ATTRIBUTE_DIRECTORY 0x10u /* of Windows: also a link's whose target is one */
#define COPY_SIZE ((size_t)256 * 1024)

/* ---- making a link, or putting it in the place of something ---- */

/* What a link of either kind is made with. */
struct link {
    uint8_t type;
    const char *target; /* of a symbolic link: text; of a hard link: a path in the same directory */
    size_t target_size;
    bool is_directory; /* of a symbolic link, as far as it is recorded: what it leads to */
};

static enum po_status
make_link_at(const struct link *link, struct po_dir *dir, const char *path, size_t size,
             struct po_err *err)
{
    if (link->type == POBACKUP_SYMLINK)
        return po_dir_make_symlink(dir, path, size, link->target, link->target_size,
                                   link->is_directory, err);
    return po_dir_make_hardlink(dir, path, size, link->target, link->target_size, err);
}

static enum po_status
make_link(struct po_target *target, uint32_t entry, const struct po_target_place *place,
          const struct link *link, struct po_err *err)
{
    struct po_buf name = { 0 };
    struct po_err ignored;
    enum po_status st = make_link_at(link, place->dir, place->path, place->size, err);

    if (st == PO_OK || !po_target_is_replaceable(target, place))
        return st;
    st = po_target_new_name(place, entry, &name, err);
    if (st != PO_OK)
        goto done;
    (void)!po_dir_remove(place->dir, po_buf_text(&name), name.size, &ignored);
    st = make_link_at(link, place->dir, po_buf_text(&name), name.size, err);
    if (st == PO_OK)
        st = po_dir_rename(place->dir, po_buf_text(&name), name.size, place->dir, place->path,
                           place->size, true, err);
    if (st != PO_OK)
        (void)!po_dir_remove(place->dir, po_buf_text(&name), name.size, &ignored);
done:
    po_buf_deinit(&name);
    return st;
}

/* The link's own owner and time, where the system has such. */
static void
set_symlink_facts(struct po_target *target, uint32_t entry, const struct po_target_place *place)
{
    int64_t write_time = po_index_write_time(target->options.index, entry);
    struct po_posix_owner owner;
    struct po_err failure;
    uint32_t mode;

    if (po_target_owner(target, entry, &owner, &mode) &&
        po_dir_set_owner(place->dir, place->path, place->size, owner.uid, owner.gid, &failure) !=
            PO_OK)
        po_target_tell(target, entry, failure.text);
    if (write_time != POBACKUP_TIME_UNKNOWN &&
        po_dir_set_write_time(place->dir, place->path, place->size, write_time, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
}

static enum po_status
make_symlink(struct po_target *target, uint32_t entry, const struct po_target_place *place,
             struct po_err *err)
{
    struct link link = { .type = POBACKUP_SYMLINK };
    enum po_status st;

    link.target = po_index_link(target->options.index, entry, &link.target_size);
    link.is_directory =
        (po_index_attributes(target->options.index, entry) & ATTRIBUTE_DIRECTORY) != 0;
    st = make_link(target, entry, place, &link, err);
    if (st == PO_OK)
        set_symlink_facts(target, entry, place);
    return st;
}

/* ---- hard links ---- */

static enum po_status
copy_bytes(struct po_file *from, struct po_file *to, struct po_err *err)
{
    uint8_t *bytes = po_mem_new(COPY_SIZE, 1);
    uint64_t offset = 0;
    size_t got = 0;
    enum po_status st = PO_OK;

    if (bytes == NULL)
        return po_fail_nomem(err, COPY_SIZE);
    do {
        st = po_file_read_at(from, offset, bytes, COPY_SIZE, &got, err);
        if (st == PO_OK && got > 0)
            st = po_file_write_at(to, offset, bytes, got, err);
        offset += got;
    } while (st == PO_OK && got > 0);
    po_mem_free(bytes);
    return st;
}

/* Two places may be two volumes, where no link can lead: the content is what counts. */
static enum po_status
make_copy(struct po_target *target, uint32_t entry, const struct po_target_place *place,
          uint32_t original, const struct po_target_place *from_place, struct po_err *err)
{
    struct po_file *from = NULL;
    struct po_file *to = NULL;
    struct po_buf name = { 0 };
    struct po_err ignored;
    enum po_status st = po_file_open(&from, from_place->dir, from_place->path, from_place->size,
                                     PO_FILE_READ, 0, err);

    if (st == PO_OK)
        st = po_target_new_name(place, entry, &name, err);
    if (st == PO_OK)
        st = po_target_open_new(place, &name, &to, err);
    if (st != PO_OK)
        goto done;
    st = copy_bytes(from, to, err);
    if (st == PO_OK) {
        po_target_file_facts(target, original, to);
        st = po_file_close(to, err);
        to = NULL;
    }
    if (st == PO_OK)
        st = po_dir_rename(place->dir, po_buf_text(&name), name.size, place->dir, place->path,
                           place->size, po_target_is_replaceable(target, place), err);
    if (st != PO_OK)
        (void)!po_dir_remove(place->dir, po_buf_text(&name), name.size, &ignored);
done:
    po_file_free(to);
    po_file_free(from);
    po_buf_deinit(&name);
    return st;
}

static enum po_status
make_hardlink(struct po_target *target, uint32_t entry, const struct po_target_place *place,
              struct po_err *err)
{
    const struct po_index *index = target->options.index;
    struct link link = { .type = POBACKUP_HARDLINK };
    struct po_target_place from;
    size_t name_size;
    const char *name = po_index_link(index, entry, &name_size);
    uint32_t original = po_index_find(index, name, name_size);

    if (original != PO_NONE && target->options.stand_ins != NULL &&
        target->options.stand_ins[original] != PO_NONE)
        original = target->options.stand_ins[original];
    /*
     * Only to what was written here and now: a name that merely stands there may be anything.
     * spec: NAME-2
     */
    if (original == PO_NONE || po_index_type(index, original) == POBACKUP_DIRECTORY ||
        target->states[original] != PO_TARGET_WRITTEN ||
        !po_target_find_place(target, original, &from))
        return po_fail(err, PO_E_USAGE, "it is another name of %.*s, which was not written",
                       (int)(name_size < 200 ? name_size : 200), name);
    if (from.dir != place->dir)
        return make_copy(target, entry, place, original, &from, err);
    link.target = from.path;
    link.target_size = from.size;
    return make_link(target, entry, place, &link, err);
}

static enum po_status
make_links(struct po_target *target, uint8_t type, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < target->options.index->count && st == PO_OK; i++) {
        struct po_target_place place;
        struct po_err failure;

        if (target->states[i] != PO_TARGET_READY ||
            po_index_type(target->options.index, i) != type ||
            !po_target_find_place(target, i, &place))
            continue;
        st = type == POBACKUP_SYMLINK ? make_symlink(target, i, &place, &failure)
                                      : make_hardlink(target, i, &place, &failure);
        if (st != PO_OK) {
            st = po_target_fail(target, i, &failure, err);
        } else {
            po_target_node(target, PO_TARGET_ALL_ELSE, i, &place);
            target->states[i] = PO_TARGET_WRITTEN;
        }
    }
    return st;
}

/* ---- directories ---- */

static void
set_directory_facts(struct po_target *target, uint32_t entry, const struct po_target_place *place)
{
    int64_t write_time = po_index_write_time(target->options.index, entry);
    struct po_posix_owner owner;
    struct po_err failure;
    uint32_t mode;

    if (po_target_owner(target, entry, &owner, &mode) &&
        po_dir_set_owner(place->dir, place->path, place->size, owner.uid, owner.gid, &failure) !=
            PO_OK)
        po_target_tell(target, entry, failure.text);
    if (po_dir_set_mode(place->dir, place->path, place->size, mode, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
    if (write_time != POBACKUP_TIME_UNKNOWN &&
        po_dir_set_write_time(place->dir, place->path, place->size, write_time, &failure) != PO_OK)
        po_target_tell(target, entry, failure.text);
}

enum po_status
po_target_finish(struct po_target *target, struct po_err *err)
{
    const struct po_index *index = target->options.index;
    enum po_status st = make_links(target, POBACKUP_HARDLINK, err);

    if (st == PO_OK)
        st = make_links(target, POBACKUP_SYMLINK, err);
    /* Backwards in the order of paths: a mode that locks us out comes after all below it. */
    for (uint32_t i = index->count; i-- > 0 && st == PO_OK;) {
        struct po_target_place place;

        if (po_index_type(index, i) == POBACKUP_DIRECTORY &&
            (target->states[i] == PO_TARGET_WRITTEN || target->states[i] == PO_TARGET_IMPLIED) &&
            po_target_find_place(target, i, &place)) {
            set_directory_facts(target, i, &place);
            po_target_node(target, PO_TARGET_ALL_ELSE, i, &place);
        }
    }
    return st;
}
