/* Junctions and symbolic links: reparse points, which no call of Windows Server 2003 makes. */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"
#include "port/ntfs.h"

#include <string.h>
#include <winioctl.h>

enum po_status
po_dir_read_link(struct po_dir *dir, const char *path, size_t path_size, char **target,
                 size_t *target_size, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_place place;
    uint8_t *reparse = po_mem_new(MAXIMUM_REPARSE_DATA_BUFFER_SIZE, 1);
    struct po_buf text = { 0 };
    HANDLE handle = NULL;
    DWORD got = 0;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK && reparse == NULL)
        st = po_fail_nomem(err, MAXIMUM_REPARSE_DATA_BUFFER_SIZE);
    if (st == PO_OK) {
        LONG status = po_place_open_node(&place, &handle, &how);

        if (status < 0)
            st = po_beneath_fail(err, status, "read the link", path, path_size);
    }
    if (st == PO_OK && !DeviceIoControl(handle, FSCTL_GET_REPARSE_POINT, NULL, 0, reparse,
                                        MAXIMUM_REPARSE_DATA_BUFFER_SIZE, &got, NULL))
        st = po_beneath_fail_win32(err, GetLastError(), "read the link", path, path_size);
    if (st == PO_OK)
        st = po_ntfs_put_link_target(&text, reparse, got, err);
    if (st == PO_OK) {
        *target = po_mem_copy(text.bytes, text.size);
        *target_size = text.size;
        if (*target == NULL)
            st = po_fail_nomem(err, text.size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    po_buf_deinit(&text);
    po_mem_free(reparse);
    return st;
}

static enum po_status
make_link(const struct po_place *place, const struct po_buf *reparse, bool is_directory,
          const char *path, size_t path_size, struct po_err *err)
{
    const struct po_nt_open how = { .access = GENERIC_WRITE | DELETE,
                                    .disposition = FILE_CREATE,
                                    .options = is_directory ? FILE_DIRECTORY_FILE
                                                            : FILE_NON_DIRECTORY_FILE };
    HANDLE handle = NULL;
    DWORD got = 0;
    LONG status = po_place_open_node(place, &handle, &how);
    enum po_status st = PO_OK;

    if (status < 0)
        return po_beneath_fail(err, status, "make the link", path, path_size);
    if (!DeviceIoControl(handle, FSCTL_SET_REPARSE_POINT, reparse->bytes, (DWORD)reparse->size,
                         NULL, 0, &got, NULL)) {
        FILE_DISPOSITION_INFORMATION gone = { .DoDeleteFile = TRUE };
        IO_STATUS_BLOCK io = { 0 };

        st = po_beneath_fail_win32(err, GetLastError(), "make the link", path, path_size);
        (void)NtSetInformationFile(handle, &io, &gone, sizeof(gone), FileDispositionInformation);
    }
    po_nt_close(&handle);
    return st;
}

enum po_status
po_dir_make_symlink(struct po_dir *dir, const char *path, size_t path_size, const char *target,
                    size_t target_size, bool is_directory, struct po_err *err)
{
    struct po_place place;
    struct po_buf reparse = { 0 };
    struct po_wide wide = { 0 };
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK)
        st = po_wide_from_text(&wide, target, target_size, err);
    if (st == PO_OK && wide.length * sizeof(wchar_t) > PO_NTFS_LINK_SIZE_MAX)
        st = po_beneath_fail_win32(err, ERROR_FILENAME_EXCED_RANGE, "make the link", path,
                                   path_size);
    if (st == PO_OK) {
        po_ntfs_put_reparse(&reparse, target, target_size);
        st = po_buf_check(&reparse, err);
    }
    if (st == PO_OK)
        st = make_link(&place, &reparse, is_directory || po_ntfs_is_junction(target, target_size),
                       path, path_size, err);
    po_wide_free(&wide);
    po_buf_deinit(&reparse);
    po_place_close(&place);
    return st;
}
