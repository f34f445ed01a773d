#include "archive/tar.h"

#include "archive/tar_format.h"
#include "base/text.h"

#include <string.h>

#define DECIMAL_MAX 20    /* digits of a uint64_t */
#define FRACTION_DIGITS 7 /* of a second */

static void
put_octal(uint8_t *field, size_t width, uint64_t value)
{
    field[width - 1] = 0;
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (uint8_t)('0' + (value & 7));
}

/* Puts the digits so that they end before `end`; where they begin. */
static char *
put_decimal_before(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    return end;
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

/* Six digits, a NUL and a space. */
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
    size_t key_size = strlen(key);
    size_t rest = 1 + key_size + 1 + size + 1;
    size_t digits = 1;
    size_t limit = 10;
    char *at;

    while (rest + digits >= limit) {
        digits++;
        limit *= 10;
    }
    if (!po_buf_reserve(out, digits + rest))
        return;
    at = (char *)out->bytes + out->size;
    (void)put_decimal_before(at + digits, digits + rest);
    at += digits;
    *at++ = ' ';
    memcpy(at, key, key_size);
    at += key_size;
    *at++ = '=';
    memcpy(at, value, size);
    at[size] = '\n';
    out->size += digits + rest;
}

static void
put_number_record(struct po_buf *out, const char *key, uint64_t value)
{
    char digits[DECIMAL_MAX];
    const char *at = put_decimal_before(digits + sizeof digits, value);

    put_record(out, key, at, (size_t)(digits + sizeof digits - at));
}

static void
put_name_record(struct po_buf *out, const char *key, const char *name, size_t size)
{
    if (!po_text_is_utf8(name, size))
        put_record(out, "hdrcharset", "BINARY", 6);
    put_record(out, key, name, size);
}

/* Seconds, and of their fraction what is left without the zeros at its end. spec: TAR-6 */
static void
put_time_record(struct po_buf *out, int64_t time)
{
    uint64_t ticks = time < 0 ? 0 - (uint64_t)time : (uint64_t)time;
    uint32_t fraction = (uint32_t)(ticks % PO_TICKS_PER_SECOND);
    char text[1 + DECIMAL_MAX + 1 + FRACTION_DIGITS];
    char *point = text + 1 + DECIMAL_MAX;
    char *end = point;
    char *start;

    if (fraction != 0) {
        *point = '.';
        for (end = point + 1 + FRACTION_DIGITS; end > point + 1; fraction /= 10)
            *--end = (char)('0' + fraction % 10);
        end = point + 1 + FRACTION_DIGITS;
        while (end[-1] == '0')
            end--;
    }
    start = put_decimal_before(point, ticks / PO_TICKS_PER_SECOND);
    if (time < 0)
        *--start = '-';
    put_record(out, "mtime", start, (size_t)(end - start));
}

/* The extended header's own header block, for records of this size: its name is for people with
 * very old tars only. */
static void
make_extended_header(uint8_t *header, size_t size)
{
    init_header(header, 0644, 0, 0);
    memcpy(header + PO_TAR_NAME_AT, "PaxHeader", 9);
    put_octal(header + PO_TAR_SIZE_AT, 12, size);
    put_octal(header + PO_TAR_MTIME_AT, 12, 0);
    header[PO_TAR_TYPE_AT] = 'x';
    put_checksum(header);
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

/* Appends the records to `out` as it is and puts the rest into `header`. */
static void
put_fields(uint8_t *header, struct po_buf *out, const struct po_tar_member *member)
{
    int64_t seconds = member->write_time / PO_TICKS_PER_SECOND;
    bool is_octal_time = seconds >= 0 && seconds <= PO_TAR_MTIME_OCTAL_MAX;

    init_header(header, member->mode, member->uid, member->gid);
    put_path(header, out, member);
    put_link(header, out, member);
    if (member->size > PO_TAR_SIZE_OCTAL_MAX)
        put_number_record(out, "size", member->size);
    put_octal(header + PO_TAR_SIZE_AT, 12,
              member->size <= PO_TAR_SIZE_OCTAL_MAX ? member->size : 0);
    if (!is_octal_time || member->write_time % PO_TICKS_PER_SECOND != 0)
        put_time_record(out, member->write_time);
    put_octal(header + PO_TAR_MTIME_AT, 12, is_octal_time ? (uint64_t)seconds : 0);
    put_owner(header, out, member);
    header[PO_TAR_TYPE_AT] = typeflag_of(member->type);
    put_checksum(header);
}

/*
 * The records are put where they stay, behind room for the header block that tells their size. No
 * more is reserved than is used: a caller may lend a buffer that holds just this.
 */
void
po_tar_put_header(struct po_buf *out, const struct po_tar_member *member)
{
    uint8_t header[PO_TAR_BLOCK];
    size_t start = out->size;
    size_t size;

    if (!po_buf_reserve(out, PO_TAR_BLOCK))
        return;
    out->size += PO_TAR_BLOCK;
    put_fields(header, out, member);
    size = out->size - start - PO_TAR_BLOCK;
    if (size == 0) {
        out->size = start;
    } else {
        make_extended_header(out->bytes + start, size);
        po_buf_put_zeros(out, (size_t)(po_tar_padded(size) - size));
    }
    po_buf_put(out, header, sizeof header);
}
