/* Alternate streams of NTFS. */
#include "port/stream.h"

#include "base/mem.h"
#include "port/file_win32.h"
#include "port/ntfs.h"

/* Few nodes have any, and then one or two; NTFS cannot keep the names of more than the last size. */
#define LIST_SIZE_FIRST ((size_t)1 << 10)
#define LIST_SIZE_MAX ((size_t)1 << 20)

#define STATUS_MORE ((LONG)0x80000005)       /* STATUS_BUFFER_OVERFLOW */
#define STATUS_MORE_STILL ((LONG)0xC0000004) /* STATUS_INFO_LENGTH_MISMATCH */
#define STATUS_DENIED ((LONG)0xC0000022)     /* STATUS_ACCESS_DENIED */
#define STATUS_LONG_NAME ((LONG)0xC0000106)  /* STATUS_NAME_TOO_LONG */

LONG
po_nt_size(HANDLE handle, uint64_t *size)
{
    FILE_STANDARD_INFORMATION standard = { 0 };
    IO_STATUS_BLOCK io = { 0 };
    LONG status =
        NtQueryInformationFile(handle, &io, &standard, sizeof(standard), FileStandardInformation);

    *size = (uint64_t)standard.EndOfFile.QuadPart;
    return status;
}

bool
po_nt_has_streams(HANDLE directory)
{
    union {
        FILE_FS_ATTRIBUTE_INFORMATION info;
        uint8_t room[sizeof(FILE_FS_ATTRIBUTE_INFORMATION) + 512];
    } volume = { 0 };
    IO_STATUS_BLOCK io = { 0 };

    (void)NtQueryVolumeInformationFile(directory, &io, &volume, sizeof(volume),
                                       FileFsAttributeInformation);
    return (volume.info.FileSystemAttributes & FILE_NAMED_STREAMS) != 0;
}

static bool
are_known(struct po_dir *dir)
{
    return dir->has_streams;
}

/* The query needs no right of its own: any handle of the node will do. */
static enum po_status
list_streams(HANDLE handle, struct po_stream_list *out, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t size = LIST_SIZE_FIRST;; size *= 4) {
        uint8_t *bytes = po_mem_new(size, 1);
        IO_STATUS_BLOCK io = { 0 };
        LONG status;

        if (bytes == NULL)
            return po_fail_nomem(err, size);
        status = NtQueryInformationFile(handle, &io, bytes, (ULONG)size, FileStreamInformation);
        if ((status == STATUS_MORE || status == STATUS_MORE_STILL) && size < LIST_SIZE_MAX) {
            po_mem_free(bytes);
            continue;
        }
        if (status != 0)
            st = po_fail_nt(err, status, "list its alternate streams");
        else
            /* Of a directory without any, there is nothing at all. */
            st =
                po_ntfs_put_streams(out, bytes, io.Information < size ? io.Information : size, err);
        po_mem_free(bytes);
        return st;
    }
}

static enum po_status
read_extras(struct po_dir *dir, const char *path, size_t path_size, struct po_node_extras *extras,
            struct po_err *err)
{
    bool has_system_part = false;
    struct po_place place;
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_security(&place, &handle, &has_system_part);
        DWORD code =
            status < 0 ? 0 : po_nt_put_security(handle, has_system_part, &extras->security);

        if (status < 0)
            st = po_beneath_fail(err, status, "read the rights of", path, path_size);
        else if (code != 0)
            st = po_beneath_fail_win32(err, code, "read the rights of", path, path_size);
    }
    if (handle != NULL)
        extras->link_count = po_nt_link_count(handle);
    if (handle != NULL && dir->has_streams &&
        list_streams(handle, &extras->streams, &extras->streams_failure) == PO_E_NOMEM) {
        *err = extras->streams_failure;
        st = PO_E_NOMEM;
    }
    /* What could not be opened may have some. */
    if (handle == NULL && st == PO_E_IO && dir->has_streams)
        extras->streams_failure = *err;
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

/* ":name:$DATA", relative to an open node. */
static LONG
open_of(HANDLE node, const char *name, size_t name_size, const struct po_nt_open *how, HANDLE *out,
        struct po_err *err)
{
    struct po_buf text = { 0 };
    struct po_wide wide = { 0 };
    LONG status = STATUS_LONG_NAME;
    enum po_status st;

    po_buf_put_u8(&text, ':');
    po_buf_put(&text, name, name_size);
    /* The type is given too: a name may not be taken for one. */
    po_buf_put_text(&text, ":$DATA");
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = po_wide_from_text(&wide, po_buf_text(&text), text.size, err);
    if (st == PO_OK)
        status = po_nt_open_stream(out, node, wide.text, wide.length, how);
    po_wide_free(&wide);
    po_buf_deinit(&text);
    return status;
}

/* Opens the node itself, so that no link is followed: it is asked what it is before its stream is opened. */
static LONG
open_owner(const struct po_place *place, HANDLE *out)
{
    static const struct po_nt_open how = { .access = FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_node_info info = { 0 };
    LONG status = po_place_open_node(place, out, &how);

    if (status >= 0)
        status = po_nt_info(*out, &info);
    if (status >= 0 && info.type != PO_NODE_FILE && info.type != PO_NODE_DIRECTORY)
        status = PO_STATUS_LINK;
    return status;
}

static enum po_status
open_stream(struct po_file **out, struct po_dir *dir, const char *path, size_t path_size,
            const char *name, size_t name_size, enum po_file_how file_how, struct po_err *err)
{
    const bool is_read = file_how == PO_FILE_READ;
    const struct po_nt_open how = { .access = is_read ? GENERIC_READ
                                                      : GENERIC_WRITE | FILE_READ_ATTRIBUTES,
                                    .disposition = is_read ? FILE_OPEN : FILE_OVERWRITE_IF,
                                    .options = FILE_NON_DIRECTORY_FILE };
    struct po_place place;
    HANDLE owner = NULL;
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = open_owner(&place, &owner);

        if (status >= 0)
            status = open_of(owner, name, name_size, &how, &handle, err);
        if (status == STATUS_DENIED && !is_read && po_place_clear_readonly(&place) >= 0)
            status = open_of(owner, name, name_size, &how, &handle, err);
        if (status < 0)
            st = po_beneath_fail(err, status, "open an alternate stream of", path, path_size);
    }
    po_nt_close(&owner);
    po_place_close(&place);
    return st == PO_OK ? po_file_wrap_stream(out, handle, dir->device, err) : st;
}

const struct po_stream_ops po_stream_system = { .are_known = are_known,
                                                .read_extras = read_extras,
                                                .open = open_stream };
