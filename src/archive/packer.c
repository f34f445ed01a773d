#include "archive/packer.h"

#include "archive/tar.h"

#include <string.h>

void
po_packer_init(struct po_packer *packer, struct po_frame_buf frame, po_flush_fn flush, void *ctx)
{
    *packer =
        (struct po_packer){ .frame = frame, .flush = flush, .ctx = ctx, .member_start = SIZE_MAX };
}

void
po_packer_deinit(struct po_packer *packer)
{
    po_buf_deinit(&packer->header);
}

enum po_status
po_packer_cut(struct po_packer *packer, struct po_err *err)
{
    enum po_status st;

    if (packer->frame.used == 0)
        return PO_OK;
    if (packer->frame_number + 1 >= PO_FRAMES_MAX)
        return po_fail(err, PO_E_USAGE, "more than %u frames; take a larger frame size",
                       PO_FRAMES_MAX); /* spec: FRAME-7 */
    st = packer->flush(packer->ctx, &packer->frame, err);
    if (st != PO_OK)
        return st;
    packer->frame_number++;
    packer->member_start = SIZE_MAX;
    return PO_OK;
}

/* spec: FRAME-4, FRAME-5 */
static enum po_status
begin(struct po_packer *packer, const struct po_tar_member *member, struct po_err *err)
{
    enum po_status st;
    uint64_t total;

    po_buf_clear(&packer->header);
    po_tar_put_header(&packer->header, member);
    st = po_buf_check(&packer->header, err);
    if (st != PO_OK)
        return st;
    if (packer->header.size > packer->frame.capacity)
        return po_fail(err, PO_E_USAGE,
                       "a name that does not fit in a frame; take a larger frame size");
    total = packer->header.size + po_tar_padded(member->size);
    if (total > packer->frame.capacity - packer->frame.used) {
        st = po_packer_cut(packer, err);
        if (st != PO_OK)
            return st;
    }
    packer->member_start = packer->frame.used;
    packer->member_size = member->size;
    packer->member_left = member->size;
    memcpy(packer->frame.bytes + packer->frame.used, packer->header.bytes, packer->header.size);
    packer->frame.used += packer->header.size;
    return PO_OK;
}

/* The entry as a member of the tar; its strings are the list's. */
static struct po_tar_member
member_of(const struct po_entry_list *list, const struct po_entry *entry)
{
    struct po_posix_owner owner = { 0 };
    struct po_tar_member member = { .path = po_entry_path(list, entry),
                                    .path_size = entry->path_size,
                                    .type = entry->type,
                                    .size = entry->size,
                                    .write_time = entry->write_time,
                                    .mode = entry->type == POBACKUP_DIRECTORY ? 0755 : 0644 };
    const uint8_t *bytes;
    size_t size;

    if (entry->security != 0) {
        bytes = po_rows_at(&list->securities, entry->security - 1, &size);
        if (po_posix_owner_parse(&owner, bytes, size)) {
            member.mode = owner.mode;
            member.uid = owner.uid;
            member.gid = owner.gid;
            member.user = owner.user;
            member.user_size = owner.user_size;
            member.group = owner.group;
            member.group_size = owner.group_size;
        }
    }
    if (entry->link != PO_NONE) {
        bytes = po_rows_at(&list->links, entry->link, &member.link_size);
        member.link = (const char *)bytes;
    }
    return member;
}

enum po_status
po_packer_begin(struct po_packer *packer, const struct po_entry_list *list, struct po_entry *entry,
                struct po_err *err)
{
    const struct po_tar_member member = member_of(list, entry);
    enum po_status st = begin(packer, &member, err);

    if (st != PO_OK)
        return st;
    entry->frame = packer->frame_number;
    entry->offset = (uint32_t)packer->member_start;
    return PO_OK;
}

enum po_status
po_packer_member_size(struct po_packer *packer, const struct po_entry_list *list,
                      const struct po_entry *entry, uint64_t *size, struct po_err *err)
{
    const struct po_tar_member member = member_of(list, entry);

    po_buf_clear(&packer->header);
    po_tar_put_header(&packer->header, &member);
    *size = packer->header.size + po_tar_padded(member.size);
    return po_buf_check(&packer->header, err);
}

enum po_status
po_packer_begin_plain(struct po_packer *packer, const char *path, uint64_t size, struct po_err *err)
{
    const struct po_tar_member member = {
        .path = path, .path_size = strlen(path), .type = POBACKUP_FILE, .size = size, .mode = 0644
    };

    return begin(packer, &member, err);
}

enum po_status
po_packer_room(struct po_packer *packer, uint8_t **at, size_t *room, struct po_err *err)
{
    size_t left;

    if (packer->frame.used == packer->frame.capacity && packer->member_left > 0) {
        enum po_status st = po_packer_cut(packer, err);

        if (st != PO_OK)
            return st;
    }
    left = packer->frame.capacity - packer->frame.used;
    *at = packer->frame.bytes + packer->frame.used;
    *room = packer->member_left < left ? (size_t)packer->member_left : left;
    return PO_OK;
}

void
po_packer_advance(struct po_packer *packer, size_t size)
{
    packer->frame.used += size;
    packer->member_left -= size;
}

enum po_status
po_packer_put(struct po_packer *packer, const void *bytes, size_t size, struct po_err *err)
{
    const uint8_t *from = bytes;

    while (size > 0) {
        uint8_t *at;
        size_t room;
        enum po_status st = po_packer_room(packer, &at, &room, err);

        if (st != PO_OK)
            return st;
        if (room > size)
            room = size;
        memcpy(at, from, room);
        po_packer_advance(packer, room);
        from += room;
        size -= room;
    }
    return PO_OK;
}

enum po_status
po_packer_end(struct po_packer *packer, struct po_err *err)
{
    size_t padding = (size_t)(po_tar_padded(packer->member_size) - packer->member_size);
    bool is_split = packer->member_start == SIZE_MAX;

    /* Frame sizes are multiples of 512, so padding never needs a frame of its own. */
    memset(packer->frame.bytes + packer->frame.used, 0, padding);
    packer->frame.used += padding;
    packer->member_start = SIZE_MAX;
    /* spec: FRAME-4. A frame that begins inside a member holds nothing else. */
    return is_split ? po_packer_cut(packer, err) : PO_OK;
}

bool
po_packer_can_rewind(const struct po_packer *packer)
{
    return packer->member_start != SIZE_MAX;
}

void
po_packer_rewind(struct po_packer *packer)
{
    packer->frame.used = packer->member_start;
    packer->member_start = SIZE_MAX;
    packer->member_left = 0;
}

enum po_status
po_packer_add(struct po_packer *packer, const struct po_entry_list *list, struct po_entry *entry,
              const void *content, struct po_err *err)
{
    enum po_status st = po_packer_begin(packer, list, entry, err);

    if (st == PO_OK)
        st = po_packer_put(packer, content, (size_t)entry->size, err);
    if (st == PO_OK)
        st = po_packer_end(packer, err);
    return st;
}
