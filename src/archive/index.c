#include "archive/index.h"

#include "archive/index_format.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/text.h"

#include <string.h>

/* The sizes in the header, as the file claims them. */
struct sizes {
    uint64_t count;
    uint64_t paths;
    uint32_t links;
    uint32_t securities;
    uint64_t link_bytes;
    uint64_t security_bytes;
    uint32_t frames;
    uint32_t parents;
    uint64_t parent_bytes;
    uint64_t extension_bytes;
};

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "index: %s", what);
}

static enum po_status
parse_header(uint8_t archive_id[PO_ID_SIZE], struct sizes *sizes, struct po_cursor *cur,
             struct po_err *err)
{
    const uint8_t *magic = po_cursor_bytes(cur, 8);
    uint32_t version = po_cursor_u32(cur);
    uint32_t critical = po_cursor_u32(cur);

    if (magic == NULL || memcmp(magic, PO_INDEX_MAGIC, 8) != 0)
        return broken(err, "wrong magic" PO_RULE("INDEX-1"));
    if (version != PO_FORMAT_VERSION || critical != 0)
        return po_fail(err, PO_E_UNSUPPORTED,
                       "index: version %u, critical features 0x%x; this program reads version "
                       "%u" PO_RULE("INDEX-1"),
                       version, critical, PO_FORMAT_VERSION);
    po_cursor_copy(cur, archive_id, PO_ID_SIZE);
    sizes->count = po_cursor_u64(cur);
    sizes->paths = po_cursor_u64(cur);
    sizes->links = po_cursor_u32(cur);
    sizes->securities = po_cursor_u32(cur);
    sizes->link_bytes = po_cursor_u64(cur);
    sizes->security_bytes = po_cursor_u64(cur);
    sizes->frames = po_cursor_u32(cur);
    sizes->parents = po_cursor_u32(cur);
    sizes->parent_bytes = po_cursor_u64(cur);
    sizes->extension_bytes = po_cursor_u64(cur);
    if (!po_cursor_zeros(cur, PO_INDEX_RESERVED_SIZE))
        return broken(err, "reserved bytes are not zero" PO_RULE("INDEX-1"));
    return PO_OK;
}

/* spec: READ-1. The sum cannot overflow: each term is bounded first. */
static enum po_status
check_sizes(const struct sizes *s, uint64_t size, struct po_err *err)
{
    uint64_t sum;

    if (s->count > PO_ENTRIES_MAX || s->paths > UINT32_MAX || s->link_bytes > UINT32_MAX ||
        s->security_bytes > UINT32_MAX || s->parent_bytes > UINT32_MAX ||
        s->parents > PO_PARENTS_MAX || s->frames > PO_FRAMES_MAX || s->extension_bytes > size)
        return broken(err, "a count beyond the format's limits" PO_RULE("INDEX-2"));
    sum = PO_INDEX_HEADER_SIZE + s->count * PO_INDEX_ENTRY_SIZE + s->paths +
          (uint64_t)s->links * 8 + s->link_bytes + (uint64_t)s->securities * 4 + s->security_bytes +
          (uint64_t)s->frames * PO_INDEX_FRAME_SIZE + (uint64_t)s->parents * PO_INDEX_PARENT_SIZE +
          s->parent_bytes + s->extension_bytes;
    return sum == size ? PO_OK : broken(err, "its counts do not give its size" PO_RULE("INDEX-2"));
}

enum po_status
po_index_check_header(const uint8_t header[PO_INDEX_HEADER_SIZE], uint64_t size,
                      uint64_t content_size, struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(header, PO_INDEX_HEADER_SIZE);
    uint8_t archive_id[PO_ID_SIZE];
    struct sizes sizes = { 0 };
    enum po_status st = parse_header(archive_id, &sizes, &cur, err);

    if (st == PO_OK)
        st = check_sizes(&sizes, size, err);
    if (st == PO_OK && sizes.extension_bytes > po_index_extensions_max(content_size))
        st = broken(err, "extensions beyond the format's limits" PO_RULE("INDEX-2"));
    return st;
}

static void
point_sections(struct po_index *index, const struct sizes *s, struct po_cursor *cur)
{
    size_t n = (size_t)s->count;

    index->count = (uint32_t)s->count;
    index->link_count = s->links;
    index->security_count = s->securities;
    index->frame_count = s->frames;
    index->parent_count = s->parents;
    index->sizes = po_cursor_bytes(cur, n * 8);
    index->write_times = po_cursor_bytes(cur, n * 8);
    index->create_times = po_cursor_bytes(cur, n * 8);
    index->change_times = po_cursor_bytes(cur, n * 8);
    index->file_ids = po_cursor_bytes(cur, n * 8);
    index->hashes = po_cursor_bytes(cur, n * PO_HASH_SIZE);
    index->path_ends = po_cursor_bytes(cur, n * 4);
    index->attributes = po_cursor_bytes(cur, n * 4);
    index->securities = po_cursor_bytes(cur, n * 4);
    index->frames = po_cursor_bytes(cur, n * 4);
    index->offsets = po_cursor_bytes(cur, n * 4);
    index->sources = po_cursor_bytes(cur, n * 2);
    index->types = po_cursor_bytes(cur, n);
    index->paths = (const char *)po_cursor_bytes(cur, (size_t)s->paths);
    index->link_entries = po_cursor_bytes(cur, (size_t)s->links * 4);
    index->link_ends = po_cursor_bytes(cur, (size_t)s->links * 4);
    index->links = (const char *)po_cursor_bytes(cur, (size_t)s->link_bytes);
    index->security_ends = po_cursor_bytes(cur, (size_t)s->securities * 4);
    index->security_bytes = po_cursor_bytes(cur, (size_t)s->security_bytes);
    index->frame_table = po_cursor_bytes(cur, (size_t)s->frames * PO_INDEX_FRAME_SIZE);
    index->parent_table = po_cursor_bytes(cur, (size_t)s->parents * PO_INDEX_PARENT_SIZE);
    index->parent_names = (const char *)po_cursor_bytes(cur, (size_t)s->parent_bytes);
}

/* `stride` is the distance of two ends. */
static bool
are_ends_rising(const uint8_t *ends, size_t stride, uint32_t count, uint64_t total)
{
    uint32_t last = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = po_load_u32le(ends + i * stride);

        if (end < last || end > total)
            return false;
        last = end;
    }
    return last == total;
}

static enum po_status
check_paths(const struct po_index *index, struct po_err *err)
{
    const char *last = NULL;
    size_t last_size = 0;

    for (uint32_t i = 0; i < index->count; i++) {
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (size == 0 || size > PO_PATH_MAX_SIZE || path[size - 1] == '/' ||
            memchr(path, 0, size) != NULL)
            return po_fail(
                err, PO_E_FORMAT,
                "index: entry %u: a path that the format does not allow" PO_RULE("INDEX-3"), i);
        if (i > 0 && po_text_compare(last, last_size, path, size) >= 0)
            return po_fail(err, PO_E_FORMAT,
                           "index: entry %u: paths are not in order" PO_RULE("INDEX-3"), i);
        last = path;
        last_size = size;
    }
    return PO_OK;
}

static enum po_status
check_entry(const struct po_index *index, uint32_t i, bool has_link, struct po_err *err)
{
    static const uint8_t no_hash[PO_HASH_SIZE];
    uint8_t type = index->types[i];
    struct po_frame_info frame;

    if (type < POBACKUP_FILE || type > POBACKUP_HARDLINK)
        return po_fail(err, PO_E_UNSUPPORTED, "index: entry %u: type %u" PO_RULE("INDEX-5"), i,
                       type);
    if (has_link != (type == POBACKUP_SYMLINK || type == POBACKUP_HARDLINK))
        return po_fail(
            err, PO_E_FORMAT,
            "index: entry %u: a link without target, or a target without link" PO_RULE("INDEX-5"),
            i);
    if (po_index_security(index, i) > index->security_count ||
        po_index_source(index, i) > index->parent_count)
        return po_fail(
            err, PO_E_FORMAT,
            "index: entry %u: its descriptor or parent does not exist" PO_RULE("INDEX-5"), i);
    if (type != POBACKUP_FILE && (po_index_size(index, i) != 0 ||
                                  memcmp(po_index_hash(index, i), no_hash, sizeof no_hash) != 0))
        return po_fail(err, PO_E_FORMAT,
                       "index: entry %u: a size or hash, but no content" PO_RULE("INDEX-5"), i);
    if (po_index_offset(index, i) % PO_TAR_BLOCK != 0)
        return po_fail(err, PO_E_FORMAT,
                       po_index_source(index, i) == 0
                           ? "index: entry %u: no member can begin there" PO_RULE("INDEX-6")
                           : "index: entry %u: no member can begin there" PO_RULE("INDEX-9"),
                       i);
    if (po_index_source(index, i) != 0)
        return PO_OK;
    if (po_index_frame(index, i) >= index->frame_count)
        return po_fail(err, PO_E_FORMAT,
                       "index: entry %u: its frame does not exist" PO_RULE("INDEX-6"), i);
    po_index_frame_info(index, po_index_frame(index, i), &frame);
    if (po_index_offset(index, i) >= frame.content_size)
        return po_fail(err, PO_E_FORMAT,
                       "index: entry %u: it lies beyond its frame" PO_RULE("INDEX-6"), i);
    return PO_OK;
}

static uint64_t
place_of(const struct po_index *index, uint32_t number)
{
    return (uint64_t)po_index_frame(index, number) << 32 | po_index_offset(index, number);
}

static enum po_status
check_hardlink(const struct po_index *index, uint32_t i, struct po_err *err)
{
    size_t size;
    const char *target = po_index_link(index, i, &size);
    uint32_t to = po_index_find(index, target, size);

    if (to == PO_NONE || index->types[to] != POBACKUP_FILE)
        return po_fail(err, PO_E_FORMAT,
                       "index: entry %u: a hard link to what is no file" PO_RULE("INDEX-10"), i);
    if (po_index_source(index, i) == 0 && po_index_source(index, to) == 0 &&
        place_of(index, to) > place_of(index, i))
        return po_fail(err, PO_E_FORMAT,
                       "index: entry %u: a hard link to a file that comes later" PO_RULE("TAR-2"),
                       i);
    return PO_OK;
}

static enum po_status
check_entries(const struct po_index *index, struct po_err *err)
{
    enum po_status st = PO_OK;
    uint32_t link = 0;

    for (uint32_t i = 0; i < index->count && st == PO_OK; i++) {
        bool has_link =
            link < index->link_count && po_load_u32le(index->link_entries + (size_t)link * 4) == i;

        st = check_entry(index, i, has_link, err);
        link += has_link ? 1 : 0;
    }
    if (st == PO_OK && link != index->link_count)
        st = broken(err, "links that are not in order, or of no entry" PO_RULE("INDEX-5"));
    for (uint32_t i = 0; i < index->count && st == PO_OK; i++)
        if (index->types[i] == POBACKUP_HARDLINK)
            st = check_hardlink(index, i, err);
    return st;
}

static enum po_status
load_unlisted(struct po_index *index, struct po_cursor *cur, uint32_t flags, uint64_t size,
              struct po_err *err)
{
    uint64_t last = 0;

    if (index->unlisted != NULL || size % 8 != 0 || flags != 0)
        return broken(err, "the extension of unlisted members makes no sense" PO_RULE("INDEX-11"));
    index->unlisted_count = (uint32_t)(size / 8);
    index->unlisted = po_cursor_bytes(cur, (size_t)size);
    for (uint32_t i = 0; i < index->unlisted_count; i++) {
        uint64_t place = po_index_unlisted(index, i);

        if (i > 0 && place <= last)
            return broken(err, "unlisted members are not in order" PO_RULE("INDEX-11"));
        last = place;
    }
    return PO_OK;
}

static enum po_status
check_unlisted(const struct po_index *index, struct po_err *err)
{
    for (uint32_t i = 0; index->unlisted_count > 0 && i < index->count; i++)
        if (po_index_source(index, i) == 0 &&
            po_index_is_unlisted(index, po_index_frame(index, i), po_index_offset(index, i)))
            return po_fail(err, PO_E_FORMAT,
                           "index: entry %u: its member is named as unlisted" PO_RULE("INDEX-11"),
                           i);
    return PO_OK;
}

static enum po_status
check_extensions(struct po_index *index, struct po_cursor *cur, struct po_err *err)
{
    while (po_cursor_left(cur) > 0) {
        uint32_t tag = po_cursor_u32(cur);
        uint32_t flags = po_cursor_u32(cur);
        uint64_t size = po_cursor_u64(cur);

        if (cur->overrun || size > po_cursor_left(cur))
            return broken(err, "an extension that is cut off" PO_RULE("INDEX-2"));
        if (tag == PO_INDEX_UNLISTED_TAG) {
            enum po_status st = load_unlisted(index, cur, flags, size, err);

            if (st != PO_OK)
                return st;
            continue;
        }
        if ((flags & 1) != 0)
            return po_fail(err, PO_E_UNSUPPORTED,
                           "index: critical extension 0x%08x" PO_RULE("INDEX-1"), tag);
        (void)po_cursor_bytes(cur, (size_t)size);
    }
    return check_unlisted(index, err);
}

static enum po_status
check_tables(const struct po_index *index, const struct sizes *s, struct po_err *err)
{
    if (!are_ends_rising(index->path_ends, 4, index->count, s->paths) ||
        !are_ends_rising(index->link_ends, 4, index->link_count, s->link_bytes) ||
        !are_ends_rising(index->security_ends, 4, index->security_count, s->security_bytes) ||
        !are_ends_rising(index->parent_table + PO_INDEX_PARENT_SIZE - 4, PO_INDEX_PARENT_SIZE,
                         index->parent_count, s->parent_bytes))
        return broken(err, "ends that are not in order" PO_RULE("INDEX-4"));
    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(index, i, &info);
        if (po_frame_check_sizes(info.content_size, info.compressed_size, err) != PO_OK)
            return po_err_prefix(err, "index: frame %u", i);
    }
    return PO_OK;
}

enum po_status
po_index_load_take(struct po_index **out, uint8_t *bytes, size_t size, size_t pages,
                   struct po_err *err)
{
    struct po_index *index = po_mem_new(1, sizeof *index);
    struct po_cursor cur = po_cursor_over(bytes, size);
    struct sizes sizes = { 0 };
    enum po_status st;

    if (index == NULL) {
        po_pages_free(bytes, pages);
        return po_fail_nomem(err, sizeof *index);
    }
    index->bytes = bytes;
    index->pages = pages;
    index->size = size;
    st = parse_header(index->archive_id, &sizes, &cur, err);
    if (st == PO_OK)
        st = check_sizes(&sizes, size, err);
    if (st == PO_OK) {
        point_sections(index, &sizes, &cur);
        st = check_tables(index, &sizes, err);
    }
    if (st == PO_OK)
        st = check_paths(index, err);
    if (st == PO_OK)
        st = check_entries(index, err);
    if (st == PO_OK)
        st = check_extensions(index, &cur, err);
    if (st == PO_OK) {
        *out = index;
        index = NULL;
    }
    po_index_free(index);
    return st;
}

void
po_index_free(struct po_index *index)
{
    if (index == NULL)
        return;
    po_pages_free(index->bytes, index->pages);
    po_mem_free(index);
}

/* ---- accessors ---- */

static uint32_t
start_of(const uint8_t *ends, uint32_t number)
{
    return number == 0 ? 0 : po_load_u32le(ends + ((size_t)number - 1) * 4);
}

const char *
po_index_path(const struct po_index *index, uint32_t number, size_t *size)
{
    uint32_t start = start_of(index->path_ends, number);

    *size = po_load_u32le(index->path_ends + (size_t)number * 4) - start;
    return index->paths + start;
}

uint64_t
po_index_size(const struct po_index *index, uint32_t number)
{
    return po_load_u64le(index->sizes + (size_t)number * 8);
}

int64_t
po_index_write_time(const struct po_index *index, uint32_t number)
{
    return (int64_t)po_load_u64le(index->write_times + (size_t)number * 8);
}

int64_t
po_index_create_time(const struct po_index *index, uint32_t number)
{
    return (int64_t)po_load_u64le(index->create_times + (size_t)number * 8);
}

int64_t
po_index_change_time(const struct po_index *index, uint32_t number)
{
    return (int64_t)po_load_u64le(index->change_times + (size_t)number * 8);
}

uint64_t
po_index_file_id(const struct po_index *index, uint32_t number)
{
    return po_load_u64le(index->file_ids + (size_t)number * 8);
}

const uint8_t *
po_index_hash(const struct po_index *index, uint32_t number)
{
    return index->hashes + (size_t)number * PO_HASH_SIZE;
}

uint32_t
po_index_attributes(const struct po_index *index, uint32_t number)
{
    return po_load_u32le(index->attributes + (size_t)number * 4);
}

uint32_t
po_index_security(const struct po_index *index, uint32_t number)
{
    return po_load_u32le(index->securities + (size_t)number * 4);
}

uint32_t
po_index_frame(const struct po_index *index, uint32_t number)
{
    return po_load_u32le(index->frames + (size_t)number * 4);
}

uint32_t
po_index_offset(const struct po_index *index, uint32_t number)
{
    return po_load_u32le(index->offsets + (size_t)number * 4);
}

uint16_t
po_index_source(const struct po_index *index, uint32_t number)
{
    return po_load_u16le(index->sources + (size_t)number * 2);
}

uint8_t
po_index_type(const struct po_index *index, uint32_t number)
{
    return index->types[number];
}

const char *
po_index_link(const struct po_index *index, uint32_t number, size_t *size)
{
    uint32_t low = 0;
    uint32_t high = index->link_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t entry = po_load_u32le(index->link_entries + (size_t)middle * 4);

        if (entry == number) {
            uint32_t start = start_of(index->link_ends, middle);

            *size = po_load_u32le(index->link_ends + (size_t)middle * 4) - start;
            return index->links + start;
        }
        if (entry < number)
            low = middle + 1;
        else
            high = middle;
    }
    *size = 0;
    return NULL;
}

const uint8_t *
po_index_security_bytes(const struct po_index *index, uint32_t number, size_t *size)
{
    uint32_t start = start_of(index->security_ends, number - 1);

    *size = po_load_u32le(index->security_ends + ((size_t)number - 1) * 4) - start;
    return index->security_bytes + start;
}

bool
po_index_owner(const struct po_index *index, uint32_t number, struct po_posix_owner *owner)
{
    uint32_t security = po_index_security(index, number);
    const uint8_t *bytes;
    size_t size;

    if (security == 0)
        return false;
    bytes = po_index_security_bytes(index, security, &size);
    return po_posix_owner_parse(owner, bytes, size);
}

void
po_index_frame_info(const struct po_index *index, uint32_t frame, struct po_frame_info *info)
{
    struct po_cursor cur = po_cursor_over(index->frame_table + (size_t)frame * PO_INDEX_FRAME_SIZE,
                                          PO_INDEX_FRAME_SIZE);

    info->content_size = po_cursor_u32(&cur);
    info->compressed_size = po_cursor_u32(&cur);
    info->checksum = 0;
    po_cursor_copy(&cur, info->xxh3, PO_HASH_SIZE);
    po_cursor_copy(&cur, info->blake2b, PO_DIGEST_SIZE);
}

void
po_index_parent(const struct po_index *index, uint32_t number, struct po_parent *parent,
                const char **name, size_t *name_size)
{
    const uint8_t *row = index->parent_table + (size_t)number * PO_INDEX_PARENT_SIZE;
    struct po_cursor cur = po_cursor_over(row, PO_INDEX_PARENT_SIZE);
    uint32_t start = number == 0 ? 0 : po_load_u32le(row - 4);

    po_cursor_copy(&cur, parent->archive_id, PO_ID_SIZE);
    po_cursor_copy(&cur, parent->digest, PO_DIGEST_SIZE);
    parent->created = (int64_t)po_cursor_u64(&cur);
    parent->name = NULL;
    *name = index->parent_names + start;
    *name_size = po_cursor_u32(&cur) - start;
}

uint64_t
po_index_unlisted(const struct po_index *index, uint32_t number)
{
    const uint8_t *row = index->unlisted + (size_t)number * 8;

    return (uint64_t)po_load_u32le(row) << 32 | po_load_u32le(row + 4);
}

bool
po_index_is_unlisted(const struct po_index *index, uint32_t frame, uint32_t offset)
{
    uint64_t place = (uint64_t)frame << 32 | offset;
    uint32_t low = 0;
    uint32_t high = index->unlisted_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t at = po_index_unlisted(index, middle);

        if (at == place)
            return true;
        if (at < place)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

uint32_t
po_index_lower_bound(const struct po_index *index, const char *path, size_t path_size)
{
    uint32_t low = 0;
    uint32_t high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        size_t size;
        const char *at = po_index_path(index, middle, &size);

        if (po_text_compare(at, size, path, path_size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
po_index_find(const struct po_index *index, const char *path, size_t path_size)
{
    uint32_t at = po_index_lower_bound(index, path, path_size);
    const char *found;
    size_t size;

    if (at == index->count)
        return PO_NONE;
    found = po_index_path(index, at, &size);
    return size == path_size && memcmp(found, path, size) == 0 ? at : PO_NONE;
}
