#include "port/ntfs.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/utf16.h"

#include <string.h>

/* FILE_STREAM_INFORMATION before its name: next, size of the name, size, allocated size. */
#define STREAM_HEAD_SIZE 24u
/* What a reparse point's buffer begins with: tag, size of the rest, zero. */
#define REPARSE_HEAD_SIZE 8u
#define NAMES_HEAD_SIZE 8u /* offset and size of the target, and of the text that is shown */
#define SYMLINK_FLAGS_SIZE 4u
#define SYMLINK_RELATIVE 1u

#define STREAM_TYPE ":$DATA"
/* How the system itself names absolute places, and how programs do. */
#define NATIVE "\\??\\"
#define NATIVE_UNC "\\??\\UNC\\"
#define WIN32_NATIVE "\\\\?\\"
#define WIN32_UNC "\\\\"

static bool
begins(const char *text, size_t size, const char *with)
{
    return size >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* ---- streams ---- */

/* ":name:$DATA"; the nameless one is "::$DATA". */
static enum po_status
put_stream(struct po_stream_list *out, const char *text, size_t size, uint64_t stream_size,
           struct po_err *err)
{
    const size_t type = sizeof(STREAM_TYPE) - 1;

    if (size < 1 + type || text[0] != ':' || memcmp(text + size - type, STREAM_TYPE, type) != 0)
        return po_fail(err, PO_E_IO, "an alternate stream that is no data");
    text++;
    size -= 1 + type;
    if (size == 0)
        return PO_OK;
    if (!po_name_is_stream(text, size))
        return po_fail(err, PO_E_IO, "an alternate stream whose name makes no sense");
    if (stream_size > INT64_MAX)
        return po_fail(err, PO_E_IO, "an alternate stream whose size makes no sense");
    po_stream_list_put(out, text, size, stream_size);
    return po_buf_check(&out->rows, err);
}

enum po_status
po_ntfs_put_streams(struct po_stream_list *out, const void *bytes, size_t size, struct po_err *err)
{
    const uint8_t *at = bytes;
    struct po_buf name = { 0 };
    enum po_status st = PO_OK;

    while (size > 0 && st == PO_OK) {
        struct po_cursor cur = po_cursor_over(at, size);
        uint32_t next = po_cursor_u32(&cur);
        uint32_t name_size = po_cursor_u32(&cur);
        uint64_t stream_size = po_cursor_u64(&cur);
        const uint8_t *text;

        (void)po_cursor_u64(&cur);
        text = po_cursor_bytes(&cur, name_size);
        if (cur.overrun || name_size % 2 != 0 ||
            (next != 0 && (next < STREAM_HEAD_SIZE + (uint64_t)name_size || next >= size))) {
            st = po_fail(err, PO_E_IO, "a list of alternate streams that makes no sense");
            break;
        }
        po_buf_clear(&name);
        po_wtf8_put_utf16(&name, text, name_size, false);
        st = po_buf_check(&name, err);
        if (st == PO_OK)
            st = put_stream(out, po_buf_text(&name), name.size, stream_size, err);
        at += next;
        size = next == 0 ? 0 : size - next;
    }
    po_buf_deinit(&name);
    return st;
}

/* ---- links ---- */

bool
po_ntfs_is_junction(const char *target, size_t size)
{
    return size > sizeof(NATIVE) - 1 && begins(target, size, NATIVE);
}

/* The form that users type, of a symbolic link's target. */
static void
put_symlink_text(struct po_buf *out, const char *text, size_t size)
{
    const size_t native = sizeof(NATIVE) - 1;

    if (begins(text, size, NATIVE_UNC)) {
        po_buf_put_text(out, WIN32_UNC);
        po_buf_put(out, text + sizeof(NATIVE_UNC) - 1, size - (sizeof(NATIVE_UNC) - 1));
    } else if (begins(text, size, NATIVE)) {
        if (size < native + 2 || text[native + 1] != ':')
            po_buf_put_text(out, WIN32_NATIVE);
        po_buf_put(out, text + native, size - native);
    } else {
        po_buf_put(out, text, size);
    }
}

enum po_status
po_ntfs_put_link_target(struct po_buf *out, const void *bytes, size_t size, struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(bytes, size);
    uint32_t tag = po_cursor_u32(&cur);
    uint16_t data_size = po_cursor_u16(&cur);
    uint16_t offset;
    uint16_t target_size;
    const uint8_t *names;
    struct po_buf text = { 0 };

    if (!cur.overrun && tag != PO_NTFS_TAG_SYMLINK && tag != PO_NTFS_TAG_MOUNT_POINT)
        return po_fail(err, PO_E_IO, "a reparse point of kind %08x: not a link", (unsigned)tag);
    (void)po_cursor_u16(&cur);
    if (!cur.overrun && data_size <= po_cursor_left(&cur))
        cur = po_cursor_over(cur.at, data_size);
    else
        cur.overrun = true;
    offset = po_cursor_u16(&cur);
    target_size = po_cursor_u16(&cur);
    (void)po_cursor_u32(&cur);
    if (tag == PO_NTFS_TAG_SYMLINK)
        (void)po_cursor_u32(&cur);
    (void)po_cursor_bytes(&cur, offset);
    names = po_cursor_bytes(&cur, target_size);
    if (cur.overrun || target_size == 0 || target_size % 2 != 0)
        return po_fail(err, PO_E_IO, "a reparse point that makes no sense");
    po_wtf8_put_utf16(&text, names, target_size, false);
    if (tag == PO_NTFS_TAG_SYMLINK)
        put_symlink_text(out, po_buf_text(&text), text.size);
    else
        po_buf_put(out, text.bytes, text.size);
    out->failed = out->failed || text.failed;
    po_buf_deinit(&text);
    return po_buf_check(out, err);
}

/* The system's form of a target; whether it is relative. */
static bool
put_native(struct po_buf *out, const char *target, size_t size)
{
    size_t skip = 0;
    bool is_relative = false;

    if (po_ntfs_is_junction(target, size)) {
        /* as it is */
    } else if (begins(target, size, WIN32_NATIVE)) {
        po_buf_put_text(out, NATIVE);
        skip = sizeof(WIN32_NATIVE) - 1;
    } else if (begins(target, size, WIN32_UNC)) {
        po_buf_put_text(out, NATIVE_UNC);
        skip = sizeof(WIN32_UNC) - 1;
    } else if (size > 1 && target[1] == ':') {
        po_buf_put_text(out, NATIVE);
    } else {
        is_relative = true;
    }
    po_buf_put(out, target + skip, size - skip);
    return is_relative;
}

void
po_ntfs_put_reparse(struct po_buf *out, const char *target, size_t size)
{
    bool is_junction = po_ntfs_is_junction(target, size);
    struct po_buf native = { 0 };
    struct po_buf wide = { 0 };
    bool is_relative = put_native(&native, target, size);

    po_utf16_put(&wide, po_buf_text(&native), native.size);
    po_buf_put_u32le(out, is_junction ? PO_NTFS_TAG_MOUNT_POINT : PO_NTFS_TAG_SYMLINK);
    /* Both names, the shown one empty, each with a NUL behind. */
    po_buf_put_u16le(
        out, (uint16_t)(NAMES_HEAD_SIZE + (is_junction ? 0 : SYMLINK_FLAGS_SIZE) + wide.size + 4));
    po_buf_put_u16le(out, 0);
    po_buf_put_u16le(out, 0);
    po_buf_put_u16le(out, (uint16_t)wide.size);
    po_buf_put_u16le(out, (uint16_t)(wide.size + 2));
    po_buf_put_u16le(out, 0);
    if (!is_junction)
        po_buf_put_u32le(out, is_relative ? SYMLINK_RELATIVE : 0);
    po_buf_put(out, wide.bytes, wide.size);
    po_buf_put_u32le(out, 0);
    out->failed = out->failed || native.failed || wide.failed;
    po_buf_deinit(&wide);
    po_buf_deinit(&native);
}
