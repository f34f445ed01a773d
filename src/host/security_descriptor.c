#include "host/security_descriptor.h"

#include "base/cursor.h"

#include <inttypes.h>
#include <string.h>

#define SID_HEADER_SIZE 8u
#define SID_REVISION 1u
#define SID_LOCAL_PARTS 5u /* 21, three of the machine's, and the account's own */
#define ACE_HEADER_SIZE 4u
#define ACE_MASK_END 8u
#define ACL_REVISION_MIN 2u
#define ACL_REVISION_MAX 4u
#define GUID_SIZE 16u

/* ---- SIDs ---- */

static unsigned
part_count(const struct po_sid *sid)
{
    return sid->size < SID_HEADER_SIZE ? 0 : (sid->size - SID_HEADER_SIZE) / 4u;
}

static uint32_t
part(const struct po_sid *sid, unsigned number)
{
    return po_load_u32le(sid->bytes + SID_HEADER_SIZE + 4 * (size_t)number);
}

bool
po_sid_read(struct po_sid *out, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    size_t needed;

    if (size < SID_HEADER_SIZE || from[0] != SID_REVISION || from[1] > PO_SID_PARTS_MAX)
        return false;
    needed = SID_HEADER_SIZE + 4 * (size_t)from[1];
    if (needed > size)
        return false;
    *out = (struct po_sid){ .size = (uint8_t)needed };
    memcpy(out->bytes, from, needed);
    return true;
}

/* The authority: six bytes, the highest first. */
static uint64_t
authority_of(const struct po_sid *sid)
{
    uint64_t value = 0;

    for (unsigned i = 2; i < SID_HEADER_SIZE; i++)
        value = value << 8 | sid->bytes[i];
    return value;
}

/* A number of `base` 10 or 16, at least one digit, at most `max`; moves *text behind it. */
static bool
take_number(const char **text, unsigned base, uint64_t max, uint64_t *out)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = *text;
    uint64_t value = 0;

    for (; *at != '\0'; at++) {
        const char *digit = strchr(digits, *at);
        unsigned number = digit == NULL ? base : (unsigned)(digit - digits);

        if (number >= 16 && digit != NULL)
            number -= 6;
        if (number >= base)
            break;
        if (value > (max - number) / base)
            return false;
        value = value * base + number;
    }
    if (at == *text)
        return false;
    *text = at;
    *out = value;
    return true;
}

bool
po_sid_parse(struct po_sid *out, const char *text)
{
    struct po_sid sid = { .size = SID_HEADER_SIZE, .bytes = { SID_REVISION } };
    const char *at = text;
    uint64_t value = 0;
    bool is_hex;

    if (strncmp(at, "S-1-", 4) != 0 && strncmp(at, "s-1-", 4) != 0)
        return false;
    at += 4;
    is_hex = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    at += is_hex ? 2 : 0;
    if (!take_number(&at, is_hex ? 16 : 10, UINT64_C(0xFFFFFFFFFFFF), &value))
        return false;
    for (unsigned i = 0; i < 6; i++)
        sid.bytes[7 - i] = (uint8_t)(value >> (8 * i));
    while (*at == '-') {
        at++;
        if (sid.bytes[1] == PO_SID_PARTS_MAX || !take_number(&at, 10, UINT32_MAX, &value))
            return false;
        po_store_u32le(sid.bytes + sid.size, (uint32_t)value);
        sid.bytes[1]++;
        sid.size = (uint8_t)(sid.size + 4);
    }
    if (*at != '\0')
        return false;
    *out = sid;
    return true;
}

void
po_sid_put(struct po_buf *out, const struct po_sid *sid)
{
    uint64_t authority = authority_of(sid);

    if (authority <= UINT32_MAX)
        po_buf_printf(out, "S-1-%" PRIu64, authority);
    else
        po_buf_printf(out, "S-1-0x%012" PRIX64, authority);
    for (unsigned i = 0; i < part_count(sid); i++)
        po_buf_printf(out, "-%" PRIu32, part(sid, i));
}

bool
po_sid_is_equal(const struct po_sid *a, const struct po_sid *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool
po_sid_is_local(const struct po_sid *sid)
{
    return part_count(sid) == SID_LOCAL_PARTS && authority_of(sid) == 5 && part(sid, 0) == 21;
}

uint32_t
po_sid_rid(const struct po_sid *sid)
{
    unsigned count = part_count(sid);

    return count == 0 ? 0 : part(sid, count - 1);
}

bool
po_sid_add_rid(struct po_sid *out, const struct po_sid *machine, uint32_t rid)
{
    struct po_sid sid = *machine;

    if (sid.size < SID_HEADER_SIZE || sid.size > PO_SID_SIZE_MAX - 4)
        return false;
    po_store_u32le(sid.bytes + sid.size, rid);
    sid.bytes[1]++;
    sid.size = (uint8_t)(sid.size + 4);
    *out = sid;
    return true;
}

/* ---- entries ---- */

/*
 * Where the SID of an entry of this type and size is, and what must be there at least; false when
 * the type is not known. Entries about objects have two optional GUIDs before the SID.
 */
static bool
find_sid(uint8_t type, const uint8_t *bytes, size_t size, size_t *offset)
{
    switch (type) {
    case PO_ACE_ALLOW:
    case PO_ACE_DENY:
    case PO_ACE_AUDIT:
    case 3: /* alarm */
    case 9: /* allowed, denied, audit, alarm: on a condition, which is behind the SID */
    case 10:
    case 13:
    case 14:
    case 0x11: /* mandatory label */
    case 0x12: /* resource attribute, which is behind the SID */
    case 0x13: /* scoped policy */
    case 0x14: /* trust label */
    case 0x15: /* access filter */
        *offset = ACE_MASK_END;
        return true;
    case 5: /* allowed, denied, audit, alarm: of an object */
    case 6:
    case 7:
    case 8:
    case 11: /* and on a condition */
    case 12:
    case 15:
    case 16:
        *offset = ACE_MASK_END + 4;
        if (size >= *offset) {
            uint32_t there = po_load_u32le(bytes + ACE_MASK_END);

            *offset += (there & 1 ? GUID_SIZE : 0) + (there & 2 ? GUID_SIZE : 0);
        }
        return true;
    default:
        return false;
    }
}

/* Takes the entry at the front; false when it does not hold what its type has. */
static bool
read_ace(struct po_ace *out, const uint8_t *bytes, size_t size)
{
    struct po_ace ace = { .bytes = bytes };
    size_t offset = 0;

    if (size < ACE_HEADER_SIZE)
        return false;
    ace.type = bytes[0];
    ace.flags = bytes[1];
    ace.size = po_load_u16le(bytes + 2);
    if (ace.size < ACE_HEADER_SIZE || ace.size > size || ace.size % 4 != 0)
        return false;
    if (find_sid(ace.type, bytes, ace.size, &offset)) {
        if (offset > ace.size || !po_sid_read(&ace.sid, bytes + offset, ace.size - offset))
            return false;
        ace.sid_offset = offset;
        ace.mask = po_load_u32le(bytes + ACE_HEADER_SIZE);
    }
    *out = ace;
    return true;
}

bool
po_acl_next(const struct po_acl *acl, size_t *offset, struct po_ace *out)
{
    if (acl->bytes == NULL)
        return false;
    if (*offset == 0)
        *offset = PO_ACL_HEADER_SIZE;
    if (*offset >= acl->size || !read_ace(out, acl->bytes + *offset, acl->size - *offset))
        return false;
    *offset += out->size;
    return true;
}

/* ---- parsing ---- */

struct input {
    const uint8_t *bytes;
    size_t size;
    struct po_err *err;
};

/* What an offset in the header leads to; PO_E_FORMAT when that cannot be. */
static enum po_status
go_to(const struct input *in, const char *what, uint32_t offset, size_t *left)
{
    if (offset < PO_SECURITY_HEADER_SIZE || offset > in->size || offset % 4 != 0)
        return po_fail(in->err, PO_E_FORMAT, "security descriptor: %s at %" PRIu32 " of %zu bytes",
                       what, offset, in->size);
    *left = in->size - offset;
    return PO_OK;
}

static enum po_status
parse_sid(const struct input *in, const char *what, uint32_t offset, struct po_sid *out)
{
    size_t left = 0;
    enum po_status st;

    if (offset == 0)
        return PO_OK;
    st = go_to(in, what, offset, &left);
    if (st == PO_OK && !po_sid_read(out, in->bytes + offset, left))
        st = po_fail(in->err, PO_E_FORMAT, "security descriptor: %s at %" PRIu32 " is no SID", what,
                     offset);
    return st;
}

/* Finds where the entries end; each was looked at then. */
static enum po_status
parse_entries(const struct input *in, const char *what, struct po_acl *acl)
{
    size_t at = PO_ACL_HEADER_SIZE;

    for (unsigned i = 0; i < acl->count; i++) {
        struct po_ace ace;

        if (!read_ace(&ace, acl->bytes + at, acl->size - at))
            return po_fail(in->err, PO_E_FORMAT,
                           "security descriptor: entry %u of %u of the %s is damaged", i + 1,
                           (unsigned)acl->count, what);
        at += ace.size;
    }
    acl->size = at;
    return PO_OK;
}

static enum po_status
parse_acl(const struct input *in, const char *what, uint32_t offset, struct po_acl *out)
{
    struct po_acl acl = { 0 };
    size_t left = 0;
    enum po_status st;

    if (offset == 0)
        return PO_OK;
    st = go_to(in, what, offset, &left);
    if (st != PO_OK)
        return st;
    if (left < PO_ACL_HEADER_SIZE)
        return po_fail(in->err, PO_E_FORMAT, "security descriptor: %s cut short", what);
    acl.bytes = in->bytes + offset;
    acl.revision = acl.bytes[0];
    acl.size = po_load_u16le(acl.bytes + 2);
    acl.count = po_load_u16le(acl.bytes + 4);
    if (acl.revision < ACL_REVISION_MIN || acl.revision > ACL_REVISION_MAX)
        return po_fail(in->err, PO_E_FORMAT, "security descriptor: %s of revision %u", what,
                       (unsigned)acl.revision);
    if (acl.size < PO_ACL_HEADER_SIZE || acl.size > left)
        return po_fail(in->err, PO_E_FORMAT, "security descriptor: %s of %zu bytes; %zu are there",
                       what, acl.size, left);
    st = parse_entries(in, what, &acl);
    if (st == PO_OK)
        *out = acl;
    return st;
}

enum po_status
po_security_parse(struct po_security *out, const void *bytes, size_t size, struct po_err *err)
{
    struct input in = { .bytes = bytes, .size = size, .err = err };
    struct po_security security = { 0 };
    struct po_cursor cursor = po_cursor_over(bytes, size);
    uint8_t revision = po_cursor_u8(&cursor);
    uint32_t offsets[4];
    enum po_status st;

    security.resource_control = po_cursor_u8(&cursor);
    security.control = po_cursor_u16(&cursor);
    for (unsigned i = 0; i < 4; i++)
        offsets[i] = po_cursor_u32(&cursor);
    if (cursor.overrun)
        return po_fail(err, PO_E_FORMAT, "security descriptor: %zu bytes", size);
    if (revision != 1 || (security.control & PO_SECURITY_RELATIVE) == 0)
        return po_fail(err, PO_E_FORMAT, "security descriptor: revision %u, control 0x%04x",
                       (unsigned)revision, (unsigned)security.control);
    /* What is not said to be there is not: its offset means nothing. */
    if ((security.control & PO_SECURITY_SACL_PRESENT) == 0)
        offsets[2] = 0;
    if ((security.control & PO_SECURITY_DACL_PRESENT) == 0)
        offsets[3] = 0;
    st = parse_sid(&in, "owner", offsets[0], &security.owner);
    if (st == PO_OK)
        st = parse_sid(&in, "group", offsets[1], &security.group);
    if (st == PO_OK)
        st = parse_acl(&in, "SACL", offsets[2], &security.sacl);
    if (st == PO_OK)
        st = parse_acl(&in, "DACL", offsets[3], &security.dacl);
    if (st == PO_OK)
        *out = security;
    return st;
}

/* ---- SIDs of a descriptor ---- */

static enum po_status
each_in_acl(const struct po_acl *acl, po_sid_fn each, void *ctx, struct po_err *err)
{
    enum po_status st = PO_OK;
    size_t offset = 0;
    struct po_ace ace;

    while (st == PO_OK && po_acl_next(acl, &offset, &ace))
        if (ace.sid_offset != 0)
            st = each(ctx, &ace.sid, err);
    return st;
}

enum po_status
po_security_each_sid(const struct po_security *security, po_sid_fn each, void *ctx,
                     struct po_err *err)
{
    enum po_status st = PO_OK;

    if (security->owner.size != 0)
        st = each(ctx, &security->owner, err);
    if (st == PO_OK && security->group.size != 0)
        st = each(ctx, &security->group, err);
    if (st == PO_OK)
        st = each_in_acl(&security->sacl, each, ctx, err);
    return st == PO_OK ? each_in_acl(&security->dacl, each, ctx, err) : st;
}

/* ---- building ---- */

struct build {
    struct po_buf *out;
    po_sid_map_fn map;
    const void *ctx;
    size_t start; /* of the descriptor in `out` */
};

static const struct po_sid *
map_sid(const struct build *build, const struct po_sid *sid)
{
    return build->map == NULL ? sid : build->map(build->ctx, sid);
}

/* Where the next part begins, as the header says it. */
static uint32_t
offset_now(const struct build *build)
{
    return (uint32_t)(build->out->size - build->start);
}

static uint32_t
put_sid(const struct build *build, const struct po_sid *sid)
{
    uint32_t offset = offset_now(build);
    const struct po_sid *to;

    if (sid->size == 0)
        return 0;
    to = map_sid(build, sid);
    po_buf_put(build->out, to->bytes, to->size);
    return offset;
}

/* The entry with its new SID; all before and behind the SID stays. */
static void
put_ace(const struct build *build, const struct po_ace *ace)
{
    const struct po_sid *to;
    size_t behind;

    if (ace->sid_offset == 0) {
        po_buf_put(build->out, ace->bytes, ace->size);
        return;
    }
    to = map_sid(build, &ace->sid);
    behind = ace->sid_offset + ace->sid.size;
    po_buf_put(build->out, ace->bytes, 2);
    po_buf_put_u16le(build->out, (uint16_t)(ace->size - ace->sid.size + to->size));
    po_buf_put(build->out, ace->bytes + 4, ace->sid_offset - 4);
    po_buf_put(build->out, to->bytes, to->size);
    po_buf_put(build->out, ace->bytes + behind, ace->size - behind);
}

/* What the entries need with their new SIDs. */
static size_t
acl_size(const struct build *build, const struct po_acl *acl)
{
    size_t size = PO_ACL_HEADER_SIZE;
    size_t offset = 0;
    struct po_ace ace;

    while (po_acl_next(acl, &offset, &ace)) {
        size += ace.size;
        if (ace.sid_offset != 0)
            size = size - ace.sid.size + map_sid(build, &ace.sid)->size;
    }
    return size;
}

/* Lists are at most 65,535 bytes, so an entry's new size fits its field too. */
static enum po_status
put_acl(const struct build *build, const char *what, const struct po_acl *acl, uint32_t *at,
        struct po_err *err)
{
    size_t size = acl_size(build, acl);
    size_t offset = 0;
    struct po_ace ace;

    *at = 0;
    if (acl->bytes == NULL)
        return PO_OK;
    if (size > PO_ACL_SIZE_MAX)
        return po_fail(err, PO_E_FORMAT,
                       "security descriptor: %s of %zu bytes with the accounts of this machine; "
                       "%u are possible",
                       what, size, PO_ACL_SIZE_MAX);
    *at = offset_now(build);
    po_buf_put_u8(build->out, acl->revision);
    po_buf_put_u8(build->out, 0);
    po_buf_put_u16le(build->out, (uint16_t)size);
    po_buf_put_u16le(build->out, acl->count);
    po_buf_put_u16le(build->out, 0);
    while (po_acl_next(acl, &offset, &ace))
        put_ace(build, &ace);
    return PO_OK;
}

enum po_status
po_security_build(struct po_buf *out, const struct po_security *security, po_sid_map_fn map,
                  const void *ctx, struct po_err *err)
{
    struct build build = { .out = out, .map = map, .ctx = ctx, .start = out->size };
    uint32_t offsets[4] = { 0 };
    enum po_status st;

    po_buf_put_u8(out, 1);
    po_buf_put_u8(out, security->resource_control);
    po_buf_put_u16le(out, (uint16_t)(security->control | PO_SECURITY_RELATIVE));
    po_buf_put_zeros(out, sizeof(offsets));
    offsets[0] = put_sid(&build, &security->owner);
    offsets[1] = put_sid(&build, &security->group);
    st = put_acl(&build, "SACL", &security->sacl, &offsets[2], err);
    if (st == PO_OK)
        st = put_acl(&build, "DACL", &security->dacl, &offsets[3], err);
    if (st == PO_OK)
        st = po_buf_check(out, err);
    if (st != PO_OK) {
        if (out->size > build.start)
            out->size = build.start;
        return st;
    }
    for (unsigned i = 0; i < 4; i++)
        po_store_u32le(out->bytes + build.start + 4 + 4 * (size_t)i, offsets[i]);
    return PO_OK;
}
