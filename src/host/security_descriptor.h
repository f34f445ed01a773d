/*
 * security_descriptor.h - Windows' security descriptors as bytes, on any system. They come from
 * archives, so they are hostile: nothing here, and nothing of Windows, trusts an offset, a size or
 * a count in them before it was checked by po_security_parse.
 *
 * A self-relative descriptor is a header of 20 bytes with the offsets of owner, group, SACL and
 * DACL. Owner and group are SIDs; a list is a header of 8 bytes with a size and a count, and that
 * many entries (ACE), each of which has its size and, if its type is known, a SID in it.
 *
 * security_sddl.h has them as text, security_accounts.h which SID becomes which.
 */
#ifndef PO_HOST_SECURITY_DESCRIPTOR_H
#define PO_HOST_SECURITY_DESCRIPTOR_H

#include "base/buf.h"

/* ---- SIDs ---- */

#define PO_SID_PARTS_MAX 15
#define PO_SID_SIZE_MAX 68 /* 8 + 4 * PO_SID_PARTS_MAX */
/* RIDs below it are the same accounts on every machine and in every domain: 500 = Administrator. */
#define PO_RID_USER_MIN 1000u

/* One SID in its binary form; size is 8 + 4 for each part. { 0 } is none. */
struct po_sid {
    uint8_t size;
    uint8_t bytes[PO_SID_SIZE_MAX];
};

/* The SID at the front of these bytes; false when there is no whole and well-formed one. */
bool po_sid_read(struct po_sid *out, const void *bytes, size_t size);
/* "S-1-5-32-544", strict, with decimal parts (the authority may be 0x... as Windows writes it). */
bool po_sid_parse(struct po_sid *out, const char *text);
void po_sid_put(struct po_buf *out, const struct po_sid *sid);
bool po_sid_is_equal(const struct po_sid *a, const struct po_sid *b);
/*
 * Whether it was given out by a machine or a domain (S-1-5-21-a-b-c-rid), and means something only
 * there. All others (Everyone, SYSTEM, BUILTIN\..., services) mean the same on every machine.
 */
bool po_sid_is_local(const struct po_sid *sid);
/* The last part; 0 when it has none. */
uint32_t po_sid_rid(const struct po_sid *sid);
/* `machine` with one more part behind; false when it has 15 already. */
bool po_sid_add_rid(struct po_sid *out, const struct po_sid *machine, uint32_t rid);

/* ---- descriptors ---- */

/* Bits of `control` that matter here (SE_DACL_PRESENT, ...). */
#define PO_SECURITY_DACL_PRESENT 0x0004u
#define PO_SECURITY_SACL_PRESENT 0x0010u
#define PO_SECURITY_DACL_REQUEST 0x0100u /* SE_DACL_AUTO_INHERIT_REQ: never stored */
#define PO_SECURITY_SACL_REQUEST 0x0200u
#define PO_SECURITY_DACL_INHERITED 0x0400u /* SE_DACL_AUTO_INHERITED */
#define PO_SECURITY_SACL_INHERITED 0x0800u
#define PO_SECURITY_DACL_PROTECTED 0x1000u
#define PO_SECURITY_SACL_PROTECTED 0x2000u
#define PO_SECURITY_RELATIVE 0x8000u

#define PO_SECURITY_HEADER_SIZE 20
#define PO_ACL_HEADER_SIZE 8
#define PO_ACL_SIZE_MAX 65535u

/* A list of entries, pointing into the descriptor. bytes NULL: none, or (DACL) everyone may all. */
struct po_acl {
    const uint8_t *bytes;
    size_t size; /* of header and entries, without what may be free behind them */
    uint16_t count;
    uint8_t revision;
};

/* Types of entries (ACCESS_ALLOWED_ACE_TYPE, ...); others are known by number only. */
#define PO_ACE_ALLOW 0u
#define PO_ACE_DENY 1u
#define PO_ACE_AUDIT 2u

/* One entry, pointing into the descriptor. */
struct po_ace {
    const uint8_t *bytes; /* all of it, header too */
    size_t size;
    uint8_t type;
    uint8_t flags;
    uint32_t mask;     /* 0 when the type is not known */
    size_t sid_offset; /* in bytes; 0: a type that is not known, or has no SID */
    struct po_sid sid;
};

/* A descriptor that was checked. What it points to lives as long as the bytes it was read from. */
struct po_security {
    uint8_t resource_control; /* kept as it is */
    uint16_t control;
    struct po_sid owner; /* size 0: none */
    struct po_sid group;
    struct po_acl sacl;
    struct po_acl dacl;
};

/*
 * Checks every part of it. PO_E_FORMAT says what is wrong, with offsets. Entries of a type that is
 * not known are allowed and kept: only their sizes are checked.
 */
PO_NODISCARD enum po_status po_security_parse(struct po_security *out, const void *bytes,
                                              size_t size, struct po_err *err);

/*
 * The entries of a list that po_security_parse has checked: begin with *offset = 0; false when there
 * are no more.
 */
bool po_acl_next(const struct po_acl *acl, size_t *offset, struct po_ace *out);

/*
 * Each SID in it: owner, group, and those of the entries (SACL first), as often as it is there.
 * Stops at the first call that fails and returns its status. (SIDs inside the conditions of
 * conditional entries are not among them; such entries are not for file systems.)
 */
typedef enum po_status (*po_sid_fn)(void *ctx, const struct po_sid *sid, struct po_err *err);
PO_NODISCARD enum po_status po_security_each_sid(const struct po_security *security, po_sid_fn each,
                                                 void *ctx, struct po_err *err);

/* What a SID becomes: another, or itself. Never NULL; lives until the next call. */
typedef const struct po_sid *(*po_sid_map_fn)(const void *ctx, const struct po_sid *sid);
/*
 * Appends the descriptor with other SIDs (map NULL: the same). Always built anew: owner, group,
 * SACL, DACL behind each other, nothing else. All but the SIDs stays, the order of the entries too.
 * PO_E_FORMAT when a list would be longer than lists can be; `out` is then as it was.
 */
PO_NODISCARD enum po_status po_security_build(struct po_buf *out,
                                              const struct po_security *security, po_sid_map_fn map,
                                              const void *ctx, struct po_err *err);

#endif
