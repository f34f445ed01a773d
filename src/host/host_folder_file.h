/*
 * host_folder_file.h - whole small files of a folder site: read, and replaced without a moment of
 * none.
 */
#ifndef PO_HOST_HOST_FOLDER_FILE_H
#define PO_HOST_HOST_FOLDER_FILE_H

#include "base/buf.h"

/*
 * Appends the content of a regular file of at most `size_max` bytes. *exists = false (and PO_OK,
 * nothing appended) when there is none. *mode and *write_time may be NULL.
 */
PO_NODISCARD enum po_status po_host_folder_file_read(const char *os_path, uint64_t size_max,
                                                     struct po_buf *out, bool *exists,
                                                     uint32_t *mode, int64_t *write_time,
                                                     struct po_err *err);

/*
 * Writes the file anew: beside it, synced, renamed over it, directory synced. After a failure the
 * old content stands (or, when only the last sync failed, perhaps the new one), never a mixture.
 * Missing directories are made. `write_time` POBACKUP_TIME_UNKNOWN: as it comes.
 */
PO_NODISCARD enum po_status po_host_folder_file_replace(const char *os_path, const void *bytes,
                                                        size_t size, uint32_t mode,
                                                        int64_t write_time, struct po_err *err);

#endif
