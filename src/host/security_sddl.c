#include "host/security_sddl.h"

#include "base/cursor.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ACL_REVISION 2u
#define NO_LIST "NO_ACCESS_CONTROL"

/* ---- words ---- */

struct word {
    const char *text;
    uint32_t value;
};

/* In the order in which Windows writes them. */
static const struct word ace_types[] = { { "A", PO_ACE_ALLOW },
                                         { "D", PO_ACE_DENY },
                                         { "AU", PO_ACE_AUDIT } };

static const struct word ace_flags[] = { { "OI", 0x01 }, { "CI", 0x02 }, { "NP", 0x04 },
                                         { "IO", 0x08 }, { "ID", 0x10 }, { "SA", 0x40 },
                                         { "FA", 0x80 } };

/* Whole sets first: a mask that is one of them is written by its name. */
static const struct word rights_sets[] = { { "FA", 0x1f01ff },   { "FR", 0x120089 },
                                           { "FW", 0x120116 },   { "FX", 0x1200a0 },
                                           { "GA", 0x10000000 }, { "GR", 0x80000000 },
                                           { "GW", 0x40000000 }, { "GX", 0x20000000 } };

static const struct word rights_bits[] = { { "RC", 0x20000 }, { "SD", 0x10000 }, { "WD", 0x40000 },
                                           { "WO", 0x80000 }, { "CC", 0x1 },     { "DC", 0x2 },
                                           { "LC", 0x4 },     { "SW", 0x8 },     { "RP", 0x10 },
                                           { "WP", 0x20 },    { "DT", 0x40 },    { "LO", 0x80 },
                                           { "CR", 0x100 } };

/* Those of SDDL that are in Server 2003 and the same everywhere. */
static const struct {
    char text[3];
    const char *sid;
} aliases[] = {
    { "WD", "S-1-1-0" },      { "CO", "S-1-3-0" },      { "CG", "S-1-3-1" },
    { "NU", "S-1-5-2" },      { "IU", "S-1-5-4" },      { "SU", "S-1-5-6" },
    { "AN", "S-1-5-7" },      { "ED", "S-1-5-9" },      { "PS", "S-1-5-10" },
    { "AU", "S-1-5-11" },     { "RC", "S-1-5-12" },     { "SY", "S-1-5-18" },
    { "LS", "S-1-5-19" },     { "NS", "S-1-5-20" },     { "BA", "S-1-5-32-544" },
    { "BU", "S-1-5-32-545" }, { "BG", "S-1-5-32-546" }, { "PU", "S-1-5-32-547" },
    { "AO", "S-1-5-32-548" }, { "SO", "S-1-5-32-549" }, { "PO", "S-1-5-32-550" },
    { "BO", "S-1-5-32-551" }, { "RE", "S-1-5-32-552" },
};

/* ---- printing ---- */

static void
put_sid(struct po_buf *out, const struct po_sid *sid)
{
    for (size_t i = 0; i < COUNT(aliases); i++) {
        struct po_sid known;

        if (po_sid_parse(&known, aliases[i].sid) && po_sid_is_equal(&known, sid)) {
            po_buf_put_text(out, aliases[i].text);
            return;
        }
    }
    po_sid_put(out, sid);
}

static void
put_mask(struct po_buf *out, uint32_t mask)
{
    for (size_t i = 0; i < COUNT(rights_sets); i++) {
        if (rights_sets[i].value == mask) {
            po_buf_put_text(out, rights_sets[i].text);
            return;
        }
    }
    po_buf_printf(out, "0x%" PRIx32, mask);
}

static void
put_ace(struct po_buf *out, const struct po_ace *ace)
{
    const char *type = NULL;

    for (size_t i = 0; i < COUNT(ace_types); i++)
        if (ace_types[i].value == ace->type)
            type = ace_types[i].text;
    po_buf_put_text(out, "(");
    if (type != NULL)
        po_buf_put_text(out, type);
    else
        po_buf_printf(out, "0x%02x", (unsigned)ace->type);
    po_buf_put_text(out, ";");
    for (size_t i = 0; i < COUNT(ace_flags); i++)
        if ((ace->flags & ace_flags[i].value) != 0)
            po_buf_put_text(out, ace_flags[i].text);
    po_buf_put_text(out, ";");
    put_mask(out, ace->mask);
    po_buf_put_text(out, ";;;");
    if (ace->sid_offset != 0)
        put_sid(out, &ace->sid);
    po_buf_put_text(out, ")");
}

/* `shift` is 0 for the DACL's control bits and 1 for the SACL's, which lie beside them. */
static void
put_acl(struct po_buf *out, const char *name, const struct po_acl *acl, unsigned control,
        unsigned shift)
{
    size_t offset = 0;
    struct po_ace ace;

    if ((control & PO_SECURITY_DACL_PRESENT << (2 * shift)) == 0)
        return;
    po_buf_put_text(out, name);
    if ((control & PO_SECURITY_DACL_PROTECTED << shift) != 0)
        po_buf_put_text(out, "P");
    if ((control & PO_SECURITY_DACL_REQUEST << shift) != 0)
        po_buf_put_text(out, "AR");
    if ((control & PO_SECURITY_DACL_INHERITED << shift) != 0)
        po_buf_put_text(out, "AI");
    if (acl->bytes == NULL)
        po_buf_put_text(out, NO_LIST);
    while (po_acl_next(acl, &offset, &ace))
        put_ace(out, &ace);
}

void
po_sddl_put(struct po_buf *out, const struct po_security *security)
{
    if (security->owner.size != 0) {
        po_buf_put_text(out, "O:");
        put_sid(out, &security->owner);
    }
    if (security->group.size != 0) {
        po_buf_put_text(out, "G:");
        put_sid(out, &security->group);
    }
    put_acl(out, "D:", &security->dacl, security->control, 0);
    put_acl(out, "S:", &security->sacl, security->control, 1);
}

/* ---- parsing ---- */

struct input {
    const char *start;
    const char *at;
    struct po_err *err;
};

/* A descriptor that is being put together. */
struct made {
    struct po_security security;
    struct po_buf lists[2]; /* DACL, SACL: whole ACLs */
};

static enum po_status
wrong(const struct input *in, const char *what)
{
    return po_fail(in->err, PO_E_USAGE, "SDDL, character %zu: %s", (size_t)(in->at - in->start) + 1,
                   what);
}

static bool
take(struct input *in, const char *text)
{
    size_t size = strlen(text);

    if (strncmp(in->at, text, size) != 0)
        return false;
    in->at += size;
    return true;
}

/* Takes words until there is none; false when what follows is none and not one of `ends`. */
static bool
take_words(struct input *in, const struct word *words, size_t count, const char *ends,
           uint32_t *bits)
{
    for (;;) {
        size_t i = 0;

        while (i < count && !take(in, words[i].text))
            i++;
        if (i == count)
            return *in->at != '\0' && strchr(ends, *in->at) != NULL;
        *bits |= words[i].value;
    }
}

static enum po_status
take_mask(struct input *in, uint32_t *mask)
{
    *mask = 0;
    if (take(in, "0x")) {
        unsigned digits = 0;

        for (; isxdigit((unsigned char)*in->at) && digits <= 8; in->at++, digits++) {
            unsigned c = (unsigned char)*in->at;

            *mask = *mask << 4 | (c <= '9' ? c - '0' : (c | 0x20u) - 'a' + 10);
        }
        return digits == 0 || digits > 8 || *in->at != ';' ? wrong(in, "not a mask") : PO_OK;
    }
    /* One set may stand beside others ("FRFW"), and single bits too. */
    while (*in->at != ';') {
        const char *before = in->at;

        (void)take_words(in, rights_sets, COUNT(rights_sets), ";", mask);
        (void)take_words(in, rights_bits, COUNT(rights_bits), ";", mask);
        if (in->at == before)
            return wrong(in, "not a right");
    }
    return PO_OK;
}

static enum po_status
take_sid(struct input *in, struct po_sid *out)
{
    char text[256];
    size_t size = 0;

    if (in->at[0] != 'S' || in->at[1] != '-') {
        for (size_t i = 0; i < COUNT(aliases); i++)
            if (take(in, aliases[i].text))
                return po_sid_parse(out, aliases[i].sid) ? PO_OK : wrong(in, "not an account");
        return wrong(in, "not an account that is the same on every machine");
    }
    /* "S-1-5-..." ends at anything else; of the letters behind it "x" and digits are its own. */
    while (size < sizeof(text) - 1 &&
           (size == 0 || in->at[size] == '-' || in->at[size] == 'x' ||
            isxdigit((unsigned char)in->at[size])) &&
           in->at[size] != '\0' && in->at[size + 1] != ':') {
        text[size] = in->at[size];
        size++;
    }
    text[size] = '\0';
    if (!po_sid_parse(out, text))
        return wrong(in, "not a SID");
    in->at += size;
    return PO_OK;
}

static enum po_status
take_ace(struct input *in, struct po_buf *list)
{
    uint32_t type = 0;
    uint32_t flags = 0;
    uint32_t mask = 0;
    struct po_sid sid = { 0 };
    enum po_status st;
    size_t i = COUNT(ace_types);

    while (i > 0 && !take(in, ace_types[i - 1].text))
        i--;
    if (i == 0)
        return wrong(in, "not a type of entry that is understood");
    type = ace_types[i - 1].value;
    if (!take(in, ";") || !take_words(in, ace_flags, COUNT(ace_flags), ";", &flags))
        return wrong(in, "not a flag of an entry");
    in->at++;
    st = take_mask(in, &mask);
    if (st != PO_OK)
        return st;
    if (!take(in, ";;;"))
        return wrong(in, "entries about objects are not understood");
    st = take_sid(in, &sid);
    if (st != PO_OK)
        return st;
    if (!take(in, ")"))
        return wrong(in, "the entry does not end");
    po_buf_put_u8(list, (uint8_t)type);
    po_buf_put_u8(list, (uint8_t)flags);
    po_buf_put_u16le(list, (uint16_t)(8 + sid.size));
    po_buf_put_u32le(list, mask);
    po_buf_put(list, sid.bytes, sid.size);
    return PO_OK;
}

static enum po_status
take_acl(struct input *in, struct made *made, unsigned shift)
{
    struct po_security *security = &made->security;
    struct po_acl *acl = shift == 0 ? &security->dacl : &security->sacl;
    struct po_buf *list = &made->lists[shift];
    unsigned control = PO_SECURITY_DACL_PRESENT << (2 * shift);
    size_t count = 0;
    enum po_status st = PO_OK;

    if ((security->control & control) != 0)
        return wrong(in, "a second list of this kind");
    for (bool is_flag = true; is_flag;) {
        is_flag = false;
        if (take(in, NO_LIST)) {
            security->control = (uint16_t)(security->control | control);
            return PO_OK;
        }
        if (take(in, "AR")) {
            control |= PO_SECURITY_DACL_REQUEST << shift;
            is_flag = true;
        } else if (take(in, "AI")) {
            control |= PO_SECURITY_DACL_INHERITED << shift;
            is_flag = true;
        } else if (take(in, "P")) {
            control |= PO_SECURITY_DACL_PROTECTED << shift;
            is_flag = true;
        }
    }
    po_buf_put_zeros(list, PO_ACL_HEADER_SIZE);
    for (; st == PO_OK && take(in, "("); count++)
        st = take_ace(in, list);
    if (st == PO_OK && list->size > PO_ACL_SIZE_MAX)
        st = wrong(in, "the list is too long");
    if (st == PO_OK)
        st = po_buf_check(list, in->err);
    if (st != PO_OK)
        return st;
    *acl = (struct po_acl){
        .bytes = list->bytes, .size = list->size, .count = (uint16_t)count, .revision = ACL_REVISION
    };
    security->control = (uint16_t)(security->control | control);
    return PO_OK;
}

static enum po_status
take_part(struct input *in, struct made *made)
{
    if (take(in, "O:"))
        return take_sid(in, &made->security.owner);
    if (take(in, "G:"))
        return take_sid(in, &made->security.group);
    if (take(in, "D:"))
        return take_acl(in, made, 0);
    if (take(in, "S:"))
        return take_acl(in, made, 1);
    return wrong(in, "none of O:, G:, D:, S:");
}

enum po_status
po_sddl_parse(struct po_buf *out, const char *text, struct po_err *err)
{
    struct input in = { .start = text, .at = text, .err = err };
    struct made made = { 0 };
    enum po_status st = PO_OK;

    while (st == PO_OK && *in.at != '\0')
        st = take_part(&in, &made);
    if (st == PO_OK)
        st = po_security_build(out, &made.security, NULL, NULL, err);
    po_buf_deinit(&made.lists[0]);
    po_buf_deinit(&made.lists[1]);
    return st;
}
