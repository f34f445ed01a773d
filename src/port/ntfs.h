/*
 * ntfs.h - what NTFS says in bytes: alternate streams and reparse points. Text in, text out, no
 * system is asked: the same on every system, and safe on bytes that make no sense.
 */
#ifndef PO_PORT_NTFS_H
#define PO_PORT_NTFS_H

#include "port/stream.h"

/* The most bytes that a link's text may have as UTF-16: what a reparse point holds, less its heads. */
#define PO_NTFS_LINK_SIZE_MAX ((size_t)(16384 - 64))

#define PO_NTFS_TAG_SYMLINK 0xA000000Cu
#define PO_NTFS_TAG_MOUNT_POINT 0xA0000003u

/*
 * A list of FILE_STREAM_INFORMATION: appends every stream but the nameless one, which is the file's
 * content. PO_E_IO when the bytes or a name make no sense; what stands before that was appended.
 */
PO_NODISCARD enum po_status po_ntfs_put_streams(struct po_stream_list *out, const void *bytes,
                                                size_t size, struct po_err *err);

/*
 * A REPARSE_DATA_BUFFER of a symbolic link or a junction: appends where it leads. A junction's
 * target keeps the system's own form ("\??\C:\x"), a symbolic link's has the form that users type
 * ("C:\x", "\\server\share", "\\?\Volume{...}", "..\x"): so the two are told apart later.
 * PO_E_IO for other kinds, and for bytes that make no sense.
 */
PO_NODISCARD enum po_status po_ntfs_put_link_target(struct po_buf *out, const void *bytes,
                                                    size_t size, struct po_err *err);
/* Whether such a target is a junction's. */
bool po_ntfs_is_junction(const char *target, size_t size);
/* Appends the REPARSE_DATA_BUFFER of a link to `target`. */
void po_ntfs_put_reparse(struct po_buf *out, const char *target, size_t size);

#endif
