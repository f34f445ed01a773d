/* Junctions and symbolic links: reparse points, which no call of Windows Server 2003 makes. */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"

#include <string.h>
#include <winioctl.h>

/* As in the kit for drivers; the SDK has none of it. */
struct reparse {
    ULONG tag;
    USHORT data_size;
    USHORT reserved;
    USHORT target_offset; /* of the names, in bytes behind the header of the kind */
    USHORT target_size;
    USHORT shown_offset;
    USHORT shown_size;
    uint8_t rest[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
};
#define REPARSE_HEADER_SIZE 8u
#define MOUNT_POINT_HEADER_SIZE 8u
#define SYMLINK_FLAGS_SIZE 4u
#define SYMLINK_RELATIVE 1u
/* How the system itself names absolute targets; also how a junction's target is kept by us. */
#define NATIVE_PREFIX "\\??\\"

static enum po_status
put_target(struct po_buf *out, const struct reparse *reparse, struct po_err *err)
{
    bool is_symlink = reparse->tag == IO_REPARSE_TAG_SYMLINK;
    size_t skip = is_symlink ? SYMLINK_FLAGS_SIZE : 0;
    const uint8_t *names = reparse->rest + skip;
    const size_t prefix = sizeof(NATIVE_PREFIX) - 1;
    char *text;

    if (!is_symlink && reparse->tag != IO_REPARSE_TAG_MOUNT_POINT)
        return po_fail(err, PO_E_IO, "a reparse point of kind %08lx: not a link",
                       (unsigned long)reparse->tag);
    if (skip + reparse->target_offset + reparse->target_size > sizeof(reparse->rest))
        return po_fail(err, PO_E_IO, "a reparse point that makes no sense");
    po_wide_put(out, (const wchar_t *)(const void *)(names + reparse->target_offset),
                reparse->target_size / sizeof(wchar_t));
    if (out->failed)
        return po_buf_check(out, err);
    /* A symbolic link's own text has no prefix: that is how the two are told apart later. */
    text = (char *)out->bytes;
    if (is_symlink && out->size >= prefix && memcmp(text, NATIVE_PREFIX, prefix) == 0) {
        memmove(text, text + prefix, out->size - prefix);
        out->size -= prefix;
    }
    return PO_OK;
}

enum po_status
po_dir_read_link(struct po_dir *dir, const char *path, size_t path_size, char **target,
                 size_t *target_size, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_place place;
    struct reparse *reparse = po_mem_new(1, sizeof(*reparse));
    struct po_buf text = { 0 };
    HANDLE handle = NULL;
    DWORD got = 0;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK && reparse == NULL)
        st = po_fail_nomem(err, sizeof(*reparse));
    if (st == PO_OK) {
        LONG status = po_place_open_node(&place, &handle, &how);

        if (status < 0)
            st = po_beneath_fail(err, status, "read the link", path, path_size);
    }
    if (st == PO_OK && !DeviceIoControl(handle, FSCTL_GET_REPARSE_POINT, NULL, 0, reparse,
                                        MAXIMUM_REPARSE_DATA_BUFFER_SIZE, &got, NULL))
        st = po_beneath_fail_win32(err, GetLastError(), "read the link", path, path_size);
    if (st == PO_OK)
        st = put_target(&text, reparse, err);
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

/* The reparse data of a link to `target`, appended. */
static void
put_reparse(struct po_buf *out, const char *target, size_t size, const struct po_wide *wide)
{
    bool is_junction = size > 4 && memcmp(target, NATIVE_PREFIX, 4) == 0;
    bool is_absolute = size > 1 && (target[1] == ':' || target[0] == '\\');
    struct po_buf native = { 0 };
    size_t bytes;

    if (!is_junction && is_absolute)
        for (const char *c = NATIVE_PREFIX; *c != '\0'; c++)
            po_buf_put_u16le(&native, (uint16_t)*c);
    po_buf_put(&native, wide->text, wide->length * sizeof(wchar_t));
    bytes = native.size;
    po_buf_put_u32le(out, is_junction ? IO_REPARSE_TAG_MOUNT_POINT : IO_REPARSE_TAG_SYMLINK);
    /* Both names, the shown one empty, each with a NUL behind. */
    po_buf_put_u16le(out, (uint16_t)(MOUNT_POINT_HEADER_SIZE +
                                     (is_junction ? 0 : SYMLINK_FLAGS_SIZE) + bytes + 4));
    po_buf_put_u16le(out, 0);
    po_buf_put_u16le(out, 0);
    po_buf_put_u16le(out, (uint16_t)bytes);
    po_buf_put_u16le(out, (uint16_t)(bytes + 2));
    po_buf_put_u16le(out, 0);
    if (!is_junction)
        po_buf_put_u32le(out, is_absolute ? 0 : SYMLINK_RELATIVE);
    po_buf_put(out, native.bytes, native.size);
    po_buf_put_u32le(out, 0);
    out->failed = out->failed || native.failed;
    po_buf_deinit(&native);
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
                    size_t target_size, struct po_err *err)
{
    bool is_junction = target_size > 4 && memcmp(target, NATIVE_PREFIX, 4) == 0;
    struct po_place place;
    struct po_buf reparse = { 0 };
    struct po_wide wide = { 0 };
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK)
        st = po_wide_from_text(&wide, target, target_size, err);
    if (st == PO_OK && wide.length * sizeof(wchar_t) > MAXIMUM_REPARSE_DATA_BUFFER_SIZE - 64)
        st = po_beneath_fail_win32(err, ERROR_FILENAME_EXCED_RANGE, "make the link", path,
                                   path_size);
    if (st == PO_OK) {
        put_reparse(&reparse, target, target_size, &wide);
        st = po_buf_check(&reparse, err);
    }
    if (st == PO_OK)
        st = make_link(&place, &reparse, is_junction, path, path_size, err);
    po_wide_free(&wide);
    po_buf_deinit(&reparse);
    po_place_close(&place);
    return st;
}
