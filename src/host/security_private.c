#include "host/security_private.h"

#define INHERIT_ONLY 0x08u /* an entry for what is made below */
/* FILE_READ_DATA, GENERIC_READ, GENERIC_ALL; WRITE_DAC and WRITE_OWNER lead to them. */
#define READS (0x00000001u | 0x80000000u | 0x10000000u | 0x00040000u | 0x00080000u)

/* SYSTEM, Administrators, and the owner under another name. */
static const char *const masters[] = { "S-1-5-18", "S-1-5-32-544", "S-1-3-4" };

static bool
may_read(const struct po_security *security, const struct po_sid *sid)
{
    struct po_sid master;

    if (po_sid_is_equal(sid, &security->owner))
        return true;
    for (size_t i = 0; i < sizeof(masters) / sizeof(masters[0]); i++)
        if (po_sid_parse(&master, masters[i]) && po_sid_is_equal(sid, &master))
            return true;
    return false;
}

bool
po_security_is_open(const struct po_security *security, struct po_sid *who)
{
    struct po_ace ace;
    size_t offset = 0;

    if (security->dacl.bytes == NULL)
        return po_sid_parse(who, "S-1-1-0");
    while (po_acl_next(&security->dacl, &offset, &ace)) {
        if (ace.type == PO_ACE_DENY || ace.type == PO_ACE_AUDIT || (ace.flags & INHERIT_ONLY) != 0)
            continue;
        /* What an entry of an unknown type allows is not known. */
        if (ace.sid_offset != 0 && ((ace.mask & READS) == 0 || may_read(security, &ace.sid)))
            continue;
        *who = ace.sid;
        return true;
    }
    return false;
}
