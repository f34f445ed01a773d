#include "archive/tar.h"

#include "base/cursor.h"
#include "base/text.h"

#include <string.h>

/* ustar header fields: offset and size. POSIX.1-2008, pax, "ustar Interchange Format". */
#define NAME_AT 0
#define NAME_SIZE 100
#define MODE_AT 100
#define UID_AT 108
#define GID_AT 116
#define SIZE_AT 124
#define MTIME_AT 136
#define CHECKSUM_AT 148
#define TYPE_AT 156
#define LINK_AT 157
#define LINK_SIZE 100
#define MAGIC_AT 257
#define USER_AT 265
#define GROUP_AT 297
#define OWNER_NAME_SIZE 32
#define DEV_MAJOR_AT 329
#define DEV_MINOR_AT 337
#define PREFIX_AT 345
#define PREFIX_SIZE 155

#define TICKS_PER_SECOND 10000000
#define ID_OCTAL_MAX 07777777u
#define SIZE_OCTAL_MAX 077777777777u /* 8 GiB - 1 */
#define MTIME_OCTAL_MAX 077777777777 /* 2^33 - 1 */

/* ---- printing ---- */

static void
put_octal(uint8_t *field, size_t width, uint64_t value)
{
    field[width - 1] = 0;
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (uint8_t)('0' + (value & 7));
}

static unsigned
header_sum(const uint8_t *header)
{
    unsigned sum = 0;

    for (size_t i = 0; i < PO_TAR_BLOCK; i++)
        sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : header[i];
    return sum;
}

/* All but name, size, time, type and checksum. */
static void
init_header(uint8_t *header, uint32_t mode, uint32_t uid, uint32_t gid)
{
    memset(header, 0, PO_TAR_BLOCK);
    put_octal(header + MODE_AT, 8, mode & 07777);
    put_octal(header + UID_AT, 8, uid <= ID_OCTAL_MAX ? uid : 0);
    put_octal(header + GID_AT, 8, gid <= ID_OCTAL_MAX ? gid : 0);
    memcpy(header + MAGIC_AT, "ustar\00000", 8);
}

static void
put_checksum(uint8_t *header)
{
    put_octal(header + CHECKSUM_AT, 7, header_sum(header));
    header[CHECKSUM_AT + 7] = ' ';
}

/* Only bytes that every tar reads alike. spec: TAR-4 */
static bool
is_portable(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || (unsigned char)name[i] > 0x7E)
            return false;
    return true;
}

/* Puts a name into name and prefix; false if it must go into a pax record. */
static bool
put_name(uint8_t *header, const char *name, size_t size)
{
    size_t cut;

    if (!is_portable(name, size))
        return false;
    if (size <= NAME_SIZE) {
        memcpy(header + NAME_AT, name, size);
        return true;
    }
    if (size > NAME_SIZE + 1 + PREFIX_SIZE)
        return false;
    cut = size - NAME_SIZE - 1;
    while (cut < size && cut <= PREFIX_SIZE && name[cut] != '/')
        cut++;
    if (cut == 0 || cut > PREFIX_SIZE || cut + 1 >= size)
        return false;
    memcpy(header + PREFIX_AT, name, cut);
    memcpy(header + NAME_AT, name + cut + 1, size - cut - 1);
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
    uint64_t fraction = ticks % TICKS_PER_SECOND;
    struct po_buf text = { 0 };

    po_buf_printf(&text, "%s%llu", time < 0 ? "-" : "",
                  (unsigned long long)(ticks / TICKS_PER_SECOND));
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
    memcpy(header + NAME_AT, "PaxHeader", 9);
    put_octal(header + SIZE_AT, 12, size);
    put_octal(header + MTIME_AT, 12, 0);
    header[TYPE_AT] = 'x';
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
        memcpy(header + NAME_AT, "pax", 3);
    }
    po_buf_deinit(&name);
}

static void
put_link(uint8_t *header, struct po_buf *records, const struct po_tar_member *member)
{
    if (member->link_size > LINK_SIZE || !is_portable(member->link, member->link_size)) {
        put_name_record(records, "linkpath", member->link, member->link_size);
        /* libarchive (3.6) makes nothing of the record while the field is empty. */
        memcpy(header + LINK_AT, "pax", 3);
    } else if (member->link_size > 0) {
        memcpy(header + LINK_AT, member->link, member->link_size);
    }
}

static void
put_owner(uint8_t *header, struct po_buf *records, const struct po_tar_member *member)
{
    if (member->uid > ID_OCTAL_MAX)
        put_number_record(records, "uid", member->uid);
    if (member->gid > ID_OCTAL_MAX)
        put_number_record(records, "gid", member->gid);
    if (member->user_size < OWNER_NAME_SIZE && is_portable(member->user, member->user_size) &&
        member->user_size > 0)
        memcpy(header + USER_AT, member->user, member->user_size);
    if (member->group_size < OWNER_NAME_SIZE && is_portable(member->group, member->group_size) &&
        member->group_size > 0)
        memcpy(header + GROUP_AT, member->group, member->group_size);
}

void
po_tar_put_header(struct po_buf *out, const struct po_tar_member *member)
{
    uint8_t header[PO_TAR_BLOCK];
    struct po_buf records = { 0 };
    int64_t seconds = member->write_time / TICKS_PER_SECOND;

    init_header(header, member->mode, member->uid, member->gid);
    put_path(header, &records, member);
    put_link(header, &records, member);
    if (member->size > SIZE_OCTAL_MAX)
        put_number_record(&records, "size", member->size);
    put_octal(header + SIZE_AT, 12, member->size <= SIZE_OCTAL_MAX ? member->size : 0);
    if (member->write_time % TICKS_PER_SECOND != 0 || seconds < 0 || seconds > MTIME_OCTAL_MAX)
        put_time_record(&records, member->write_time);
    put_octal(header + MTIME_AT, 12,
              seconds >= 0 && seconds <= MTIME_OCTAL_MAX ? (uint64_t)seconds : 0);
    put_owner(header, &records, member);
    header[TYPE_AT] = typeflag_of(member->type);
    put_checksum(header);
    if (records.failed)
        out->failed = true;
    else if (records.size > 0)
        put_extended_header(out, records.bytes, records.size);
    po_buf_put(out, header, sizeof header);
    po_buf_deinit(&records);
}

/* ---- parsing ---- */

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "tar header: %s", what);
}

/* Octal digits ended by NUL or space. spec: TAR-1 */
static bool
parse_octal(const uint8_t *field, size_t width, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i > 0 && i < width && (field[i] == 0 || field[i] == ' ');
}

static size_t
field_size(const uint8_t *field, size_t width)
{
    const uint8_t *end = memchr(field, 0, width);

    return end == NULL ? width : (size_t)(end - field);
}

static enum po_status
check_header(const uint8_t *header, struct po_err *err)
{
    uint64_t sum;

    if (memcmp(header + MAGIC_AT, "ustar\00000", 8) != 0) /* spec: TAR-1 */
        return broken(err, "no ustar magic");
    if (!parse_octal(header + CHECKSUM_AT, 8, &sum) || sum != header_sum(header))
        return broken(err, "wrong checksum");
    return PO_OK;
}

struct pax {
    const char *path;
    size_t path_size;
    const char *link;
    size_t link_size;
    bool has_size;
    uint64_t size;
    bool has_time;
    int64_t time;
    bool is_binary; /* the names in the records that follow are bytes, not UTF-8 */
    bool is_path_binary;
    bool is_link_binary;
    bool has_unknown_charset;
    bool has_uid;
    uint64_t uid;
    bool has_gid;
    uint64_t gid;
    const char *user;
    size_t user_size;
    const char *group;
    size_t group_size;
};

static bool
parse_decimal(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *start = *at;

    *value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        if (*value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
    }
    return *at > start;
}

static bool
parse_whole(const uint8_t *value, size_t size, uint64_t *out)
{
    const uint8_t *at = value;

    return parse_decimal(&at, value + size, out) && at == value + size;
}

/* spec: TAR-6 */
static bool
parse_time(const uint8_t *value, size_t size, int64_t *out)
{
    const uint8_t *at = value;
    const uint8_t *end = value + size;
    bool is_negative = size > 0 && *at == '-';
    uint64_t seconds;
    uint64_t ticks = 0;

    at += is_negative ? 1 : 0;
    if (!parse_decimal(&at, end, &seconds) || seconds > INT64_MAX / TICKS_PER_SECOND)
        return false;
    if (at < end && *at == '.') {
        unsigned digits = 0;

        for (at++; at < end && *at >= '0' && *at <= '9' && digits < 7; at++, digits++)
            ticks = ticks * 10 + (uint64_t)(*at - '0');
        if (digits == 0)
            return false;
        for (; digits < 7; digits++)
            ticks *= 10;
    }
    /* At most 2^63 - 1 either way: -2^63 means "not known". */
    ticks += seconds * TICKS_PER_SECOND;
    if (ticks > INT64_MAX)
        return false;
    *out = is_negative ? -(int64_t)ticks : (int64_t)ticks;
    return at == end;
}

static bool
is_key(const uint8_t *key, size_t size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(key, wanted, size) == 0;
}

/* spec: TAR-3 */
static bool
parse_record(struct pax *pax, const uint8_t *key, size_t key_size, const uint8_t *value,
             size_t size)
{
    const char *text = (const char *)value;

    if (is_key(key, key_size, "path")) {
        pax->path = text;
        pax->path_size = size;
        pax->is_path_binary = pax->is_binary;
    } else if (is_key(key, key_size, "linkpath")) {
        pax->link = text;
        pax->link_size = size;
        pax->is_link_binary = pax->is_binary;
    } else if (is_key(key, key_size, "size")) {
        pax->has_size = true;
        return parse_whole(value, size, &pax->size);
    } else if (is_key(key, key_size, "mtime")) {
        pax->has_time = true;
        return parse_time(value, size, &pax->time);
    } else if (is_key(key, key_size, "hdrcharset")) {
        pax->is_binary = size == 6 && memcmp(value, "BINARY", 6) == 0;
        pax->has_unknown_charset = !pax->is_binary;
    } else if (is_key(key, key_size, "uid")) {
        pax->has_uid = true;
        return parse_whole(value, size, &pax->uid) && pax->uid <= UINT32_MAX;
    } else if (is_key(key, key_size, "gid")) {
        pax->has_gid = true;
        return parse_whole(value, size, &pax->gid) && pax->gid <= UINT32_MAX;
    } else if (is_key(key, key_size, "uname")) {
        pax->user = text;
        pax->user_size = size;
    } else if (is_key(key, key_size, "gname")) {
        pax->group = text;
        pax->group_size = size;
    }
    return true;
}

static bool
parse_records(struct pax *pax, const uint8_t *at, size_t size)
{
    const uint8_t *end = at + size;

    while (at < end) {
        const uint8_t *start = at;
        const uint8_t *equals;
        uint64_t length;

        if (!parse_decimal(&at, end, &length) || at == end || *at != ' ')
            return false;
        at++;
        if (length > (uint64_t)(end - start) || start + length <= at || start[length - 1] != '\n')
            return false;
        equals = memchr(at, '=', (size_t)(start + length - at));
        if (equals == NULL || equals == at)
            return false;
        if (!parse_record(pax, at, (size_t)(equals - at), equals + 1,
                          (size_t)(start + length - 1 - (equals + 1))))
            return false;
        at = start + length;
    }
    return true;
}

/* Reads the extended header at the start, if there is one; *used = 0 if not. */
static enum po_status
parse_extended(struct pax *pax, size_t *used, const uint8_t *bytes, size_t size, struct po_err *err)
{
    uint64_t records;

    *used = 0;
    if (bytes[TYPE_AT] != 'x')
        return PO_OK;
    if (!parse_octal(bytes + SIZE_AT, 12, &records) || records == 0 || records > PO_PAX_MAX_SIZE)
        return broken(err, "size of the extended header"); /* spec: TAR-9 */
    if (po_tar_padded(records) > size - PO_TAR_BLOCK)
        return broken(err, "the extended header is cut off"); /* spec: FRAME-5 */
    if (!parse_records(pax, bytes + PO_TAR_BLOCK, (size_t)records))
        return broken(err, "a pax record that makes no sense");
    for (uint64_t i = records; i < po_tar_padded(records); i++)
        if (bytes[PO_TAR_BLOCK + i] != 0) /* spec: TAR-9 */
            return broken(err, "padding that is not zero");
    if (pax->has_unknown_charset)
        return po_fail(err, PO_E_UNSUPPORTED,
                       "tar header: an unknown hdrcharset"); /* spec: TAR-3 */
    *used = PO_TAR_BLOCK + (size_t)po_tar_padded(records);
    return PO_OK;
}

static enum po_status
check_name(const char *name, size_t size, bool is_pax, bool is_binary, struct po_err *err)
{
    if (is_pax ? !is_binary && !po_text_is_utf8(name, size) : !is_portable(name, size))
        return broken(err, "a name with bytes that it must not have there"); /* spec: TAR-4 */
    if (size > PO_PATH_MAX_SIZE || memchr(name, 0, size) != NULL)
        return broken(err, "a name that is too long or holds a NUL"); /* spec: TAR-8 */
    return PO_OK;
}

static void
parse_ustar_name(struct po_tar_member *member, const uint8_t *header)
{
    size_t prefix = field_size(header + PREFIX_AT, PREFIX_SIZE);
    size_t name = field_size(header + NAME_AT, NAME_SIZE);
    size_t at = 0;

    if (prefix > 0) {
        memcpy(member->joined, header + PREFIX_AT, prefix);
        member->joined[prefix] = '/';
        at = prefix + 1;
    }
    memcpy(member->joined + at, header + NAME_AT, name);
    member->path = member->joined;
    member->path_size = at + name;
}

static enum po_status
parse_names(struct po_tar_member *member, const struct pax *pax, const uint8_t *header,
            struct po_err *err)
{
    enum po_status st;

    if (pax->path != NULL) {
        member->path = pax->path;
        member->path_size = pax->path_size;
    } else {
        parse_ustar_name(member, header);
    }
    st = check_name(member->path, member->path_size, pax->path != NULL, pax->is_path_binary, err);
    if (st != PO_OK)
        return st;
    if (pax->link != NULL) {
        member->link = pax->link;
        member->link_size = pax->link_size;
    } else {
        member->link = (const char *)header + LINK_AT;
        member->link_size = field_size(header + LINK_AT, LINK_SIZE);
    }
    st = check_name(member->link, member->link_size, pax->link != NULL, pax->is_link_binary, err);
    if (st != PO_OK)
        return st;
    if (member->link_size == 0 &&
        (member->type == POBACKUP_SYMLINK || member->type == POBACKUP_HARDLINK))
        return broken(err, "a link without a target"); /* spec: TAR-8 */
    if (member->path_size > 0 && member->path[member->path_size - 1] == '/') {
        if (member->type != POBACKUP_DIRECTORY)
            return broken(err, "a name that ends with '/'");
        member->path_size--;
    } else if (member->type == POBACKUP_DIRECTORY) { /* spec: TAR-5 */
        return broken(err, "a directory's name without '/'");
    }
    return member->path_size > 0 ? PO_OK : broken(err, "no name");
}

static enum po_status
parse_type(struct po_tar_member *member, uint8_t flag, struct po_err *err)
{
    switch (flag) {
    case '0':
        member->type = POBACKUP_FILE;
        return PO_OK;
    case '5':
        member->type = POBACKUP_DIRECTORY;
        return PO_OK;
    case '2':
        member->type = POBACKUP_SYMLINK;
        return PO_OK;
    case '1':
        member->type = POBACKUP_HARDLINK;
        return PO_OK;
    default:
        return po_fail(err, PO_E_UNSUPPORTED, "tar header: typeflag 0x%02x",
                       flag); /* spec: TAR-2 */
    }
}

static enum po_status
parse_numbers(struct po_tar_member *member, const struct pax *pax, const uint8_t *header,
              struct po_err *err)
{
    uint64_t mode;
    uint64_t uid;
    uint64_t gid;
    uint64_t time;

    if (!parse_octal(header + MODE_AT, 8, &mode) || !parse_octal(header + UID_AT, 8, &uid) ||
        !parse_octal(header + GID_AT, 8, &gid) ||
        !parse_octal(header + SIZE_AT, 12, &member->size) ||
        !parse_octal(header + MTIME_AT, 12, &time))
        return broken(err, "a number that is not octal");
    member->mode = (uint32_t)mode;
    member->uid = (uint32_t)(pax->has_uid ? pax->uid : uid);
    member->gid = (uint32_t)(pax->has_gid ? pax->gid : gid);
    if (pax->has_size)
        member->size = pax->size;
    if (member->size > INT64_MAX || (member->size != 0 && member->type != POBACKUP_FILE))
        return broken(err, "a size that cannot be");
    member->write_time = pax->has_time ? pax->time : (int64_t)time * TICKS_PER_SECOND;
    return PO_OK;
}

static void
parse_owner_names(struct po_tar_member *member, const struct pax *pax, const uint8_t *header)
{
    member->user = pax->user != NULL ? pax->user : (const char *)header + USER_AT;
    member->user_size =
        pax->user != NULL ? pax->user_size : field_size(header + USER_AT, OWNER_NAME_SIZE);
    member->group = pax->group != NULL ? pax->group : (const char *)header + GROUP_AT;
    member->group_size =
        pax->group != NULL ? pax->group_size : field_size(header + GROUP_AT, OWNER_NAME_SIZE);
}

enum po_status
po_tar_parse_header(struct po_tar_member *member, size_t *header_size, const uint8_t *bytes,
                    size_t size, struct po_err *err)
{
    struct pax pax = { 0 };
    const uint8_t *header;
    enum po_status st;
    size_t used;

    if (size < PO_TAR_BLOCK)
        return broken(err, "cut off");
    st = check_header(bytes, err);
    if (st != PO_OK)
        return st;
    st = parse_extended(&pax, &used, bytes, size, err);
    if (st != PO_OK)
        return st;
    if (used > 0 && size - used > TYPE_AT && bytes[used + TYPE_AT] == 'x')
        return broken(err, "two extended headers");
    if (size - used < PO_TAR_BLOCK)
        return broken(err, "cut off behind the extended header"); /* spec: FRAME-5 */
    header = bytes + used;
    st = used > 0 ? check_header(header, err) : PO_OK;
    if (st == PO_OK)
        st = parse_type(member, header[TYPE_AT], err);
    if (st == PO_OK)
        st = parse_numbers(member, &pax, header, err);
    if (st == PO_OK)
        st = parse_names(member, &pax, header, err);
    if (st != PO_OK)
        return st;
    parse_owner_names(member, &pax, header);
    *header_size = used + PO_TAR_BLOCK;
    return PO_OK;
}
