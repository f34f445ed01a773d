#include "archive/tar.h"

#include "archive/tar_format.h"
#include "base/text.h"

#include <string.h>

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "tar header: %s", what);
}

/* Octal digits ended by NUL or space. */
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

    if (memcmp(header + PO_TAR_MAGIC_AT, PO_TAR_MAGIC, 8) != 0)
        return broken(err, "no ustar magic" PO_RULE("TAR-1"));
    if (!parse_octal(header + PO_TAR_CHECKSUM_AT, 8, &sum) || sum != po_tar_header_sum(header))
        return broken(err, "wrong checksum" PO_RULE("TAR-1"));
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
    if (!parse_decimal(&at, end, &seconds) || seconds > INT64_MAX / PO_TICKS_PER_SECOND)
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
    ticks += seconds * PO_TICKS_PER_SECOND;
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

static const char no_sense[] = "a pax record that makes no sense" PO_RULE("TAR-3");

/* NULL, or what is wrong. */
static const char *
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
        return parse_whole(value, size, &pax->size) ? NULL : no_sense;
    } else if (is_key(key, key_size, "mtime")) {
        pax->has_time = true;
        return parse_time(value, size, &pax->time) ? NULL
                                                   : "a pax mtime that is no time" PO_RULE("TAR-6");
    } else if (is_key(key, key_size, "hdrcharset")) {
        pax->is_binary = size == 6 && memcmp(value, "BINARY", 6) == 0;
        pax->has_unknown_charset = !pax->is_binary;
    } else if (is_key(key, key_size, "uid")) {
        pax->has_uid = true;
        return parse_whole(value, size, &pax->uid) && pax->uid <= UINT32_MAX ? NULL : no_sense;
    } else if (is_key(key, key_size, "gid")) {
        pax->has_gid = true;
        return parse_whole(value, size, &pax->gid) && pax->gid <= UINT32_MAX ? NULL : no_sense;
    } else if (is_key(key, key_size, "uname")) {
        pax->user = text;
        pax->user_size = size;
    } else if (is_key(key, key_size, "gname")) {
        pax->group = text;
        pax->group_size = size;
    }
    return NULL;
}

static const char *
parse_records(struct pax *pax, const uint8_t *at, size_t size)
{
    const uint8_t *end = at + size;

    while (at < end) {
        const uint8_t *start = at;
        const uint8_t *equals;
        const char *fault;
        uint64_t length;

        if (!parse_decimal(&at, end, &length) || at == end || *at != ' ')
            return no_sense;
        at++;
        if (length > (uint64_t)(end - start) || start + length <= at || start[length - 1] != '\n')
            return no_sense;
        equals = memchr(at, '=', (size_t)(start + length - at));
        if (equals == NULL || equals == at)
            return no_sense;
        fault = parse_record(pax, at, (size_t)(equals - at), equals + 1,
                             (size_t)(start + length - 1 - (equals + 1)));
        if (fault != NULL)
            return fault;
        at = start + length;
    }
    return NULL;
}

/* Reads the extended header at the start, if there is one; *used = 0 if not. */
static enum po_status
parse_extended(struct pax *pax, size_t *used, const uint8_t *bytes, size_t size, struct po_err *err)
{
    const char *fault;
    uint64_t records;

    *used = 0;
    if (bytes[PO_TAR_TYPE_AT] != 'x')
        return PO_OK;
    if (!parse_octal(bytes + PO_TAR_SIZE_AT, 12, &records))
        return broken(err, "a number that is not octal" PO_RULE("TAR-1"));
    if (records == 0 || records > PO_PAX_MAX_SIZE)
        return broken(err, "size of the extended header" PO_RULE("TAR-9"));
    if (po_tar_padded(records) > size - PO_TAR_BLOCK)
        return broken(err, "the extended header is cut off" PO_RULE("FRAME-5"));
    fault = parse_records(pax, bytes + PO_TAR_BLOCK, (size_t)records);
    if (fault != NULL)
        return broken(err, fault);
    for (uint64_t i = records; i < po_tar_padded(records); i++)
        if (bytes[PO_TAR_BLOCK + i] != 0)
            return broken(err, "padding that is not zero" PO_RULE("TAR-9"));
    if (pax->has_unknown_charset)
        return po_fail(err, PO_E_UNSUPPORTED, "tar header: an unknown hdrcharset" PO_RULE("TAR-3"));
    *used = PO_TAR_BLOCK + (size_t)po_tar_padded(records);
    return PO_OK;
}

static enum po_status
check_name(const char *name, size_t size, bool is_pax, bool is_binary, struct po_err *err)
{
    if (is_pax ? !is_binary && !po_text_is_utf8(name, size) : !po_tar_is_portable(name, size))
        return broken(err, "a name with bytes that it must not have there" PO_RULE("TAR-4"));
    if (size > PO_PATH_MAX_SIZE || memchr(name, 0, size) != NULL)
        return broken(err, "a name that is too long or holds a NUL" PO_RULE("TAR-8"));
    return PO_OK;
}

static void
parse_ustar_name(struct po_tar_member *member, const uint8_t *header)
{
    size_t prefix = field_size(header + PO_TAR_PREFIX_AT, PO_TAR_PREFIX_SIZE);
    size_t name = field_size(header + PO_TAR_NAME_AT, PO_TAR_NAME_SIZE);
    size_t at = 0;

    if (prefix > 0) {
        memcpy(member->joined, header + PO_TAR_PREFIX_AT, prefix);
        member->joined[prefix] = '/';
        at = prefix + 1;
    }
    memcpy(member->joined + at, header + PO_TAR_NAME_AT, name);
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
        member->link = (const char *)header + PO_TAR_LINK_AT;
        member->link_size = field_size(header + PO_TAR_LINK_AT, PO_TAR_LINK_SIZE);
    }
    st = check_name(member->link, member->link_size, pax->link != NULL, pax->is_link_binary, err);
    if (st != PO_OK)
        return st;
    if (member->link_size == 0 &&
        (member->type == POBACKUP_SYMLINK || member->type == POBACKUP_HARDLINK))
        return broken(err, "a link without a target" PO_RULE("TAR-8"));
    if (member->path_size > 0 && member->path[member->path_size - 1] == '/') {
        if (member->type != POBACKUP_DIRECTORY)
            return broken(err, "a name that ends with '/'" PO_RULE("TAR-5"));
        member->path_size--;
    } else if (member->type == POBACKUP_DIRECTORY) {
        return broken(err, "a directory's name without '/'" PO_RULE("TAR-5"));
    }
    return member->path_size > 0 ? PO_OK : broken(err, "no name" PO_RULE("TAR-8"));
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
        return po_fail(err, PO_E_UNSUPPORTED, "tar header: typeflag 0x%02x" PO_RULE("TAR-2"), flag);
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

    if (!parse_octal(header + PO_TAR_MODE_AT, 8, &mode) ||
        !parse_octal(header + PO_TAR_UID_AT, 8, &uid) ||
        !parse_octal(header + PO_TAR_GID_AT, 8, &gid) ||
        !parse_octal(header + PO_TAR_SIZE_AT, 12, &member->size) ||
        !parse_octal(header + PO_TAR_MTIME_AT, 12, &time))
        return broken(err, "a number that is not octal" PO_RULE("TAR-1"));
    member->mode = (uint32_t)mode;
    member->uid = (uint32_t)(pax->has_uid ? pax->uid : uid);
    member->gid = (uint32_t)(pax->has_gid ? pax->gid : gid);
    if (pax->has_size)
        member->size = pax->size;
    if (member->size > INT64_MAX)
        return broken(err, "a size that cannot be" PO_RULE("TAR-3"));
    if (member->size != 0 && member->type != POBACKUP_FILE)
        return broken(err, "a size, but no content" PO_RULE("TAR-5"));
    member->write_time = pax->has_time ? pax->time : (int64_t)time * PO_TICKS_PER_SECOND;
    return PO_OK;
}

static void
parse_owner_names(struct po_tar_member *member, const struct pax *pax, const uint8_t *header)
{
    member->user = pax->user != NULL ? pax->user : (const char *)header + PO_TAR_USER_AT;
    member->user_size = pax->user != NULL
                            ? pax->user_size
                            : field_size(header + PO_TAR_USER_AT, PO_TAR_OWNER_NAME_SIZE);
    member->group = pax->group != NULL ? pax->group : (const char *)header + PO_TAR_GROUP_AT;
    member->group_size = pax->group != NULL
                             ? pax->group_size
                             : field_size(header + PO_TAR_GROUP_AT, PO_TAR_OWNER_NAME_SIZE);
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
        return broken(err, "cut off" PO_RULE("FRAME-5"));
    st = check_header(bytes, err);
    if (st != PO_OK)
        return st;
    st = parse_extended(&pax, &used, bytes, size, err);
    if (st != PO_OK)
        return st;
    if (used > 0 && size - used > PO_TAR_TYPE_AT && bytes[used + PO_TAR_TYPE_AT] == 'x')
        return broken(err, "two extended headers" PO_RULE("TAR-2"));
    if (size - used < PO_TAR_BLOCK)
        return broken(err, "cut off behind the extended header" PO_RULE("FRAME-5"));
    header = bytes + used;
    st = used > 0 ? check_header(header, err) : PO_OK;
    if (st == PO_OK)
        st = parse_type(member, header[PO_TAR_TYPE_AT], err);
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
