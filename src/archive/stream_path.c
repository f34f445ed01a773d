#include "archive/stream_path.h"

#include "base/names.h"

#include <string.h>

#define MARK "/%/" /* between owner and name: no component of either is a lone '%' */
#define OURS "pobackup/"

static const char prefix[] = PO_STREAMS_PREFIX;
static const char digits[] = "0123456789ABCDEF";

bool
po_stream_is_path(const char *path, size_t size)
{
    return size >= sizeof prefix - 1 && memcmp(path, prefix, sizeof prefix - 1) == 0;
}

static void
put_escaped(struct po_buf *out, unsigned char c)
{
    po_buf_put_u8(out, '%');
    po_buf_put_u8(out, (uint8_t)digits[c >> 4]);
    po_buf_put_u8(out, (uint8_t)digits[c & 15]);
}

/* What no file of Windows may be called, though a stream may. */
static bool
is_escaped(const char *name, size_t size, size_t at)
{
    unsigned char c = (unsigned char)name[at];

    if (c < 0x20 || c == 0x7F || strchr("%\"*<>?|", c) != NULL)
        return true;
    return at + 1 == size && (c == '.' || c == ' ');
}

/* spec: STREAM-1 */
void
po_stream_put_path(struct po_buf *out, const char *owner, size_t owner_size, const char *name,
                   size_t name_size)
{
    po_buf_put_text(out, prefix);
    for (size_t i = 0; i < owner_size; i++) {
        if (owner[i] == '%')
            put_escaped(out, '%');
        else
            po_buf_put_u8(out, (uint8_t)owner[i]);
    }
    po_buf_put_text(out, MARK);
    for (size_t i = 0; i < name_size; i++) {
        if (is_escaped(name, name_size, i))
            put_escaped(out, (unsigned char)name[i]);
        else
            po_buf_put_u8(out, (uint8_t)name[i]);
    }
}

/* What is no escape stays as it is: the caller compares. */
static void
put_plain(struct po_buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *high = i + 2 < size ? strchr(digits, text[i + 1]) : NULL;
        const char *low = i + 2 < size ? strchr(digits, text[i + 2]) : NULL;

        if (text[i] == '%' && high != NULL && low != NULL && *high != '\0' && *low != '\0') {
            po_buf_put_u8(out, (uint8_t)((high - digits) * 16 + (low - digits)));
            i += 2;
        } else {
            po_buf_put_u8(out, (uint8_t)text[i]);
        }
    }
}

enum po_status
po_stream_parse_path(struct po_stream_path *out, const char *path, size_t size, struct po_err *err)
{
    const size_t start = sizeof prefix - 1;
    const size_t mark = sizeof MARK - 1;
    struct po_buf again = { 0 };
    size_t name = size;
    enum po_status st;

    while (name > start && path[name - 1] != '/')
        name--;
    if (name < start + mark + 1 || memcmp(path + name - mark, MARK, mark) != 0)
        return po_fail(err, PO_E_FORMAT, "it names no alternate stream" PO_RULE("STREAM-1"));
    po_buf_clear(&out->owner);
    po_buf_clear(&out->name);
    put_plain(&out->owner, path + start, name - mark - start);
    put_plain(&out->name, path + name, size - name);
    po_stream_put_path(&again, po_buf_text(&out->owner), out->owner.size, po_buf_text(&out->name),
                       out->name.size);
    again.failed = again.failed || out->owner.failed || out->name.failed;
    st = po_buf_check(&again, err);
    if (st == PO_OK && (again.size != size || memcmp(again.bytes, path, size) != 0))
        st = po_fail(err, PO_E_FORMAT,
                     "it names an alternate stream in another form" PO_RULE("STREAM-1"));
    if (st == PO_OK && !po_name_is_stream(po_buf_text(&out->name), out->name.size))
        st = po_fail(err, PO_E_FORMAT, "no alternate stream has such a name" PO_RULE("STREAM-2"));
    po_buf_deinit(&again);
    return st;
}

void
po_stream_path_deinit(struct po_stream_path *path)
{
    po_buf_deinit(&path->owner);
    po_buf_deinit(&path->name);
}

void
po_stream_entries(const struct po_index *index, uint32_t *first, uint32_t *end)
{
    static const char behind[] = "pobackup/streams0"; /* '0' is what follows '/' */

    *first = po_index_lower_bound(index, prefix, sizeof prefix - 1);
    *end = po_index_lower_bound(index, behind, sizeof behind - 1);
}

static enum po_status
check_one(const struct po_index *index, uint32_t entry, struct po_stream_path *parts,
          struct po_err *err)
{
    size_t size;
    const char *path = po_index_path(index, entry, &size);
    enum po_status st = po_stream_parse_path(parts, path, size, err);
    uint32_t owner;
    uint8_t type;

    if (st != PO_OK)
        return st;
    if (po_index_type(index, entry) != POBACKUP_FILE)
        return po_fail(err, PO_E_FORMAT, "an alternate stream that is no file" PO_RULE("STREAM-3"));
    owner = po_index_find(index, po_buf_text(&parts->owner), parts->owner.size);
    type = owner == PO_NONE ? 0 : po_index_type(index, owner);
    if ((type != POBACKUP_FILE && type != POBACKUP_DIRECTORY) ||
        strncmp(po_buf_text(&parts->owner), OURS, sizeof OURS - 1) == 0)
        return po_fail(err, PO_E_FORMAT,
                       "an alternate stream of nothing in the snapshot" PO_RULE("STREAM-3"));
    return PO_OK;
}

enum po_status
po_stream_check(const struct po_index *index, struct po_err *err)
{
    struct po_stream_path parts = { 0 };
    uint32_t entry;
    uint32_t end;
    enum po_status st = PO_OK;

    for (po_stream_entries(index, &entry, &end); entry < end && st == PO_OK; entry++) {
        st = check_one(index, entry, &parts, err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "index: entry %u", entry);
    }
    po_stream_path_deinit(&parts);
    return st;
}
