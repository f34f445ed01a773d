/* tar.h - one tar member's header blocks: pax extended header (when needed) and ustar header
 * (format.md, section 3). */
#ifndef PO_ARCHIVE_TAR_H
#define PO_ARCHIVE_TAR_H

#include "archive/format.h"
#include "base/buf.h"

struct po_tar_member {
    const char *path; /* without the '/' that ends a directory's name in the tar */
    size_t path_size;
    const char *link;
    size_t link_size;
    uint64_t size;      /* of the content that follows the header blocks; 0 unless a file */
    int64_t write_time; /* 100 ns steps since 1970 */
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    const char *user;
    size_t user_size;
    const char *group;
    size_t group_size;
    uint8_t type;     /* enum pobackup_type: file, directory, symlink or hardlink */
    char joined[256]; /* where a parsed prefix and name were put together */
};

/* Appends the header blocks; a multiple of 512 bytes. User and group names that do not fit ustar's
 * fields are left out. */
void po_tar_put_header(struct po_buf *out, const struct po_tar_member *member);

/*
 * Takes the header blocks at the start of `bytes` apart. The member's strings point into `bytes` or
 * into the member itself (so it must not be copied). *header_size is the size of the header blocks.
 * PO_E_FORMAT when broken or cut, PO_E_UNSUPPORTED for a typeflag of TAR-2.
 */
PO_NODISCARD enum po_status po_tar_parse_header(struct po_tar_member *member, size_t *header_size,
                                                const uint8_t *bytes, size_t size,
                                                struct po_err *err);

#endif
