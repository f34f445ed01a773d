/*
 * host_folder_file.h - whole small files of a folder site: read, and replaced without a moment of
 * none.
 */
#ifndef PO_HOST_HOST_FOLDER_FILE_H
#define PO_HOST_HOST_FOLDER_FILE_H

#include "base/buf.h"
#include "port/file.h"

/*
 * Appends the content of a regular file of at most `size_max` bytes. *exists = false (and PO_OK,
 * nothing appended) when there is none. `info` may be NULL.
 */
PO_NODISCARD enum po_status po_host_folder_file_read(const char *os_path, uint64_t size_max,
                                                     struct po_buf *out, bool *exists,
                                                     struct po_node_info *info, struct po_err *err);

/*
 * Writes the file anew: beside it (as PO_NAME_NEW "file"), synced, renamed over it, directory
 * synced. Owner and mode are those of `former`, what stands there now; NULL: there is nothing, and
 * `mode` counts. After a failure the old content stands (or, when only the last sync failed, perhaps
 * the new one), never a mixture; where there was nothing, there is nothing. Missing directories are
 * made. `write_time` POBACKUP_TIME_UNKNOWN: as it comes.
 */
PO_NODISCARD enum po_status po_host_folder_file_replace(const char *os_path, const void *bytes,
                                                        size_t size,
                                                        const struct po_node_info *former,
                                                        uint32_t mode, int64_t write_time,
                                                        struct po_err *err);
/* Removes the file, durably; nothing there is PO_OK. */
PO_NODISCARD enum po_status po_host_folder_file_remove(const char *os_path, struct po_err *err);

#endif
