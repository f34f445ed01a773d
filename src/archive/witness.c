#include "archive/witness.h"

#include "base/text.h"
#include "base/utf16.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define NANOSECONDS_PER_TICK 100
/* Of a character, in bytes. */
#define UTF8_LENGTH_MAX 4
#define ASCII_LAST 0x7E /* but for DEL */

static uint8_t
type_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) != NULL)
        return POBACKUP_HARDLINK;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return POBACKUP_FILE;
    case AE_IFDIR:
        return POBACKUP_DIRECTORY;
    case AE_IFLNK:
        return POBACKUP_SYMLINK;
    default:
        return 0;
    }
}

/*
 * Whether a name has characters that Unicode may put together with the one before: libarchive does
 * that to names (NFC), so of two names that differ in this alone it sees one. Ranges, not a table:
 * a witness that is asked a little less often.
 */
static bool
may_compose(const char *path, size_t size)
{
    static const struct {
        uint32_t from;
        uint32_t to;
    } marks[] = { { 0x0300, 0x036F }, { 0x0653, 0x0655 }, { 0x0900, 0x0DFF },   { 0x1000, 0x11FF },
                  { 0x1B00, 0x1B7F }, { 0x3099, 0x309A }, { 0x10000, 0x10FFFF } };

    for (size_t at = 0; at < size;) {
        size_t step = po_text_utf8_step(path + at, size - at);
        uint32_t code = (unsigned char)path[at];

        if (step == 0)
            return false; /* bytes: libarchive leaves them alone */
        if (step > 1)
            code &= 0x7Fu >> step;
        for (size_t i = 1; i < step; i++)
            code = code << 6 | ((unsigned char)path[at + i] & 0x3F);
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (code >= marks[i].from && code <= marks[i].to)
                return true;
        at += step;
    }
    return false;
}

static bool
is_plain(const char *path, size_t path_size)
{
    for (size_t i = 0; i < path_size; i++)
        if ((unsigned char)path[i] > ASCII_LAST || path[i] == '\\')
            return false;
    return true;
}

static bool
is_same(const char *name, const char *path, size_t path_size)
{
    size_t size = strlen(name);

    while (size > 0 && name[size - 1] == '/')
        size--;
    return size == path_size && memcmp(name, path, size) == 0;
}

/* Wide characters are Unicode: UTF-16 on Windows, whole characters elsewhere. */
static bool
is_same_wide(const wchar_t *name, const char *path, size_t path_size)
{
    for (size_t at = 0; at < path_size;) {
        uint32_t code;

        at += po_wtf8_step((const uint8_t *)path + at, path_size - at, &code);
        if (code > 0xFFFF && sizeof(wchar_t) == 2) {
            if ((uint32_t)*name++ != 0xD800 + ((code - 0x10000) >> 10))
                return false;
            code = 0xDC00 + ((code - 0x10000) & 0x3FF);
        }
        if ((uint32_t)*name++ != code)
            return false;
    }
    while (*name == L'/')
        name++;
    return *name == L'\0';
}

/* Whether a name has what some locales lack. */
static bool
has_foreign(const char *name, const wchar_t *wide)
{
    bool has = false;

    if (wide != NULL)
        for (size_t i = 0; wide[i] != L'\0'; i++)
            has = has || (uint32_t)wide[i] > ASCII_LAST;
    else
        has = !is_plain(name, strlen(name));
    return has;
}

/*
 * libarchive shows a name in the locale's characters and in wide ones. In a UTF-8 locale that is the
 * path. What another locale lacks it shows as the bytes that are there, with a warning, but some
 * systems put '?' or '*' instead; on Windows the wide characters are right, and the others not, and
 * '/' stands for each backslash. So without UTF-8 another name counts only when it proves that such
 * characters can be shown here: no witness is better than a false one.
 */
static bool
is_name_same(struct archive_entry *seen, int rc, const char *path, size_t path_size)
{
    const char *name = archive_entry_pathname(seen);
    const wchar_t *wide = NULL;
    bool is_utf8 = MB_CUR_MAX >= UTF8_LENGTH_MAX;

    if (name != NULL && is_same(name, path, path_size))
        return true; /* nearly always; the wide ones have to be made */
    wide = archive_entry_pathname_w(seen);
    if (name == NULL && wide == NULL)
        return true;
    if ((wide != NULL && is_same_wide(wide, path, path_size)) || may_compose(path, path_size))
        return true;
    if (rc != ARCHIVE_WARN && (is_utf8 || is_plain(path, path_size)))
        return false;
    /* Characters of several bytes do not all come back from Unicode as they were. */
    if (MB_CUR_MAX > 1 || !po_text_is_utf8(path, path_size) ||
        memchr(path, '\\', path_size) != NULL)
        return true;
    return !has_foreign(name, wide);
}

static enum po_status
compare(struct archive_entry *seen, int rc, const struct po_index *index, uint32_t entry,
        struct po_err *err)
{
    size_t path_size;
    const char *path = po_index_path(index, entry, &path_size);
    uint8_t type = type_of(seen);
    int64_t time = (int64_t)archive_entry_mtime(seen) * PO_TICKS_PER_SECOND +
                   archive_entry_mtime_nsec(seen) / NANOSECONDS_PER_TICK;

    if (!is_name_same(seen, rc, path, path_size))
        return po_fail(err, PO_E_FORMAT,
                       "libarchive reads another name than the index has" PO_RULE("INDEX-7"));
    if (type != 0 && type != po_index_type(index, entry))
        return po_fail(err, PO_E_FORMAT,
                       "libarchive reads another type than the index has" PO_RULE("INDEX-7"));
    if (type == POBACKUP_FILE && (uint64_t)archive_entry_size(seen) != po_index_size(index, entry))
        return po_fail(err, PO_E_FORMAT,
                       "libarchive reads another size than the index has" PO_RULE("INDEX-7"));
    /* libarchive reads the fraction of a time before 1970 as if it were positive: no witness there.
     */
    if (po_index_write_time(index, entry) >= 0 && time != po_index_write_time(index, entry))
        return po_fail(err, PO_E_FORMAT,
                       "libarchive reads another write time than the index has" PO_RULE("INDEX-7"));
    return PO_OK;
}

static enum po_status
refuse(struct archive *reader, struct po_err *err)
{
    const char *text = archive_error_string(reader);

    if (archive_errno(reader) == ENOMEM)
        return po_fail_nomem(err, 0);
    return po_fail(err, PO_E_FORMAT, "libarchive: %s" PO_RULE("TAR-1"),
                   text != NULL ? text : "cannot read it");
}

static enum po_status
read_members(struct archive *reader, size_t open_start, const struct po_index *index,
             const struct po_layout *layout, uint32_t frame, struct po_err *err)
{
    struct archive_entry *seen;

    for (;;) {
        int rc = archive_read_next_header(reader, &seen);
        int64_t at = archive_read_header_position(reader);
        uint32_t entry;

        if (rc == ARCHIVE_EOF)
            return PO_OK;
        if (rc < ARCHIVE_WARN)
            return refuse(reader, err);
        entry = po_layout_at(layout, frame, (uint32_t)at);
        if (entry != PO_NONE) {
            enum po_status st = compare(seen, rc, index, entry, err);

            if (st != PO_OK)
                return st;
        }
        if ((uint64_t)at == open_start)
            return PO_OK; /* only its beginning is here: libarchive would call it truncated */
    }
}

enum po_status
po_witness_frame(const uint8_t *content, size_t size, size_t open_start,
                 const struct po_index *index, const struct po_layout *layout, uint32_t frame,
                 struct po_err *err)
{
    struct archive *reader = archive_read_new();
    enum po_status st;

    if (reader == NULL)
        return po_fail_nomem(err, 0);
    if (archive_read_support_format_tar(reader) != ARCHIVE_OK ||
        archive_read_open_memory(reader, content, size) != ARCHIVE_OK)
        st = refuse(reader, err);
    else
        st = read_members(reader, open_start, index, layout, frame, err);
    if (st != PO_OK)
        (void)po_err_prefix(err, "frame %u", frame);
    archive_read_free(reader);
    return st;
}
