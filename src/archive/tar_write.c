#include "archive/tar.h"

#include "archive/tar_format.h"
#include "base/text.h"

#include <string.h>

static void
put_octal(uint8_t *field, size_t width, uint64_t value)
{
    field[width - 1] = 0;
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (uint8_t)('0' + (value & 7));
}

/* All but name, size, time, type and checksum. */
static void
init_header(uint8_t *header, uint32_t mode, uint32_t uid, uint32_t gid)
{
    memset(header, 0, PO_TAR_BLOCK);
    put_octal(header + PO_TAR_MODE_AT, 8, mode & 07777);
    put_octal(header + PO_TAR_UID_AT, 8, uid <= PO_TAR_ID_OCTAL_MAX ? uid : 0);
    put_octal(header + PO_TAR_GID_AT, 8, gid <= PO_TAR_ID_OCTAL_MAX ? gid : 0);
    memcpy(header + PO_TAR_MAGIC_AT, PO_TAR_MAGIC, 8);
}

static void
put_checksum(uint8_t *header)
{
    put_octal(header + PO_TAR_CHECKSUM_AT, 7, po_tar_header_sum(header));
    header[PO_TAR_CHECKSUM_AT + 7] = ' ';
}

/* Puts a name into name and prefix; false if it must go into a pax record. */
static bool
put_name(uint8_t *header, const char *name, size_t size)
{
    size_t cut;

    if (!po_tar_is_portable(name, size))
        return false;
    if (size <= PO_TAR_NAME_SIZE) {
        memcpy(header + PO_TAR_NAME_AT, name, size);
        return true;
    }
    if (size > PO_TAR_NAME_SIZE + 1 + PO_TAR_PREFIX_SIZE)
        return false;
    cut = size - PO_TAR_NAME_SIZE - 1;
    while (cut < size && cut <= PO_TAR_PREFIX_SIZE && name[cut] != '/')
        cut++;
    if (cut == 0 || cut > PO_TAR_PREFIX_SIZE || cut + 1 >= size)
        return false;
    memcpy(header + PO_TAR_PREFIX_AT, name, cut);
    memcpy(header + PO_TAR_NAME_AT, name + cut + 1, size - cut - 1);
    return true;
}

/* One pax record: its own length in decimal, counted in itself. */
static void
put_record(struct po_buf *out, const char *key, const void *value, size_t size)
{
    size_t rest = 1 + strlen(key) + 1 + size + 1;
    size_t digits = 1;
    size_t limit = 10;

    while (rest + digits >= limit) {
        digits++;
        limit *= 10;
    }
    po_buf_printf(out, "%zu %s=", rest + digits, key);
    po_buf_put(out, value, size);
    po_buf_put_u8(out, '\n');
}

static void
put_number_record(struct po_buf *out, const char *key, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    put_record(out, key, digits + at, sizeof digits - at);
}

static void
put_name_record(struct po_buf *out, const char *key, const char *name, size_t size)
{
    if (!po_text_is_utf8(name, size))
        put_record(out, "hdrcharset", "BINARY", 6);
    put_record(out, key, name, size);
}

/* spec: TAR-6 */
static void
put_time_record(struct po_buf *out, int64_t time)
{
    uint64_t ticks = time < 0 ? 0 - (uint64_t)time : (uint64_t)time;
    uint64_t fraction = ticks % PO_TICKS_PER_SECOND;
    struct po_buf text = { 0 };

    po_buf_printf(&text, "%s%llu", time < 0 ? "-" : "",
                  (unsigned long long)(ticks / PO_TICKS_PER_SECOND));
    if (fraction != 0) {
        po_buf_printf(&text, ".%07llu", (unsigned long long)fraction);
        while (text.size > 0 && text.bytes[text.size - 1] == '0')
            text.size--;
    }
    if (text.failed)
        out->failed = true;
    else
        put_record(out, "mtime", text.bytes, text.size);
    po_buf_deinit(&text);
}

/* The extended header's own header block: its name is for people with very old tars only. */
static void
put_extended_header(struct po_buf *out, const uint8_t *records, size_t size)
{
    uint8_t header[PO_TAR_BLOCK];

    init_header(header, 0644, 0, 0);
    memcpy(header + PO_TAR_NAME_AT, "PaxHeader", 9);
    put_octal(header + PO_TAR_SIZE_AT, 12, size);
    put_octal(header + PO_TAR_MTIME_AT, 12, 0);
    header[PO_TAR_TYPE_AT] = 'x';
    put_checksum(header);
    po_buf_put(out, header, sizeof header);
    po_buf_put(out, records, size);
    po_buf_put_zeros(out, (size_t)(po_tar_padded(size) - size));
}

static uint8_t
typeflag_of(uint8_t type)
{
    switch (type) {
    case POBACKUP_DIRECTORY:
        return '5';
    case POBACKUP_SYMLINK:
        return '2';
    case POBACKUP_HARDLINK:
        return '1';
    default:
        return '0';
    }
}

/* Puts the path, with a directory's '/', into the header or a record. */
static void
put_path(uint8_t *header, struct po_buf *records, const struct po_tar_member *member)
{
    struct po_buf name = { 0 };
    const char *path = member->path;
    size_t size = member->path_size;

    if (member->type == POBACKUP_DIRECTORY) { /* spec: TAR-5 */
        po_buf_put(&name, path, size);
        po_buf_put_u8(&name, '/');
        records->failed |= name.failed;
        path = (const char *)name.bytes;
        size = name.size;
    }
    if (path != NULL && !put_name(header, path, size)) {
        put_name_record(records, "path", path, size);
        memcpy(header + PO_TAR_NAME_AT, "pax", 3);
    }
    po_buf_deinit(&name);
}

static void
put_link(uint8_t *header, struct po_buf *records, const struct po_tar_member *member)
{
    if (member->link_size > PO_TAR_LINK_SIZE ||
        !po_tar_is_portable(member->link, member->link_size)) {
        put_name_record(records, "linkpath", member->link, member->link_size);
        /* libarchive (3.6) makes nothing of the record while the field is empty. */
        memcpy(header + PO_TAR_LINK_AT, "pax", 3);
    } else if (member->link_size > 0) {
        memcpy(header + PO_TAR_LINK_AT, member->link, member->link_size);
    }
}

static void
put_owner(uint8_t *header, struct po_buf *records, const struct po_tar_member *member)
{
    if (member->uid > PO_TAR_ID_OCTAL_MAX)
        put_number_record(records, "uid", member->uid);
    if (member->gid > PO_TAR_ID_OCTAL_MAX)
        put_number_record(records, "gid", member->gid);
    if (member->user_size < PO_TAR_OWNER_NAME_SIZE &&
        po_tar_is_portable(member->user, member->user_size) && member->user_size > 0)
        memcpy(header + PO_TAR_USER_AT, member->user, member->user_size);
    if (member->group_size < PO_TAR_OWNER_NAME_SIZE &&
        po_tar_is_portable(member->group, member->group_size) && member->group_size > 0)
        memcpy(header + PO_TAR_GROUP_AT, member->group, member->group_size);
}

void
po_tar_put_header(struct po_buf *out, const struct po_tar_member *member)
{
    uint8_t header[PO_TAR_BLOCK];
    struct po_buf records = { 0 };
    int64_t seconds = member->write_time / PO_TICKS_PER_SECOND;

    init_header(header, member->mode, member->uid, member->gid);
    put_path(header, &records, member);
    put_link(header, &records, member);
    if (member->size > PO_TAR_SIZE_OCTAL_MAX)
        put_number_record(&records, "size", member->size);
    put_octal(header + PO_TAR_SIZE_AT, 12,
              member->size <= PO_TAR_SIZE_OCTAL_MAX ? member->size : 0);
    if (member->write_time % PO_TICKS_PER_SECOND != 0 || seconds < 0 ||
        seconds > PO_TAR_MTIME_OCTAL_MAX)
        put_time_record(&records, member->write_time);
    put_octal(header + PO_TAR_MTIME_AT, 12,
              seconds >= 0 && seconds <= PO_TAR_MTIME_OCTAL_MAX ? (uint64_t)seconds : 0);
    put_owner(header, &records, member);
    header[PO_TAR_TYPE_AT] = typeflag_of(member->type);
    put_checksum(header);
    if (records.failed)
        out->failed = true;
    else if (records.size > 0)
        put_extended_header(out, records.bytes, records.size);
    po_buf_put(out, header, sizeof header);
    po_buf_deinit(&records);
}
