/*
 * Finding a path below a root without ever following a link, whoever changes the tree meanwhile:
 * each component is opened by the handle of the one before, as itself, and looked at.
 */
#include "port/file_win32.h"

#include "base/mem.h"
#include "port/path.h"

#include <errno.h>
#include <string.h>

#define EPOCH_DIFFERENCE INT64_C(116444736000000000)
#define LIST_BUFFER_SIZE ((size_t)64 << 10)

#define STATUS_NO_MORE ((LONG)0x80000006)      /* STATUS_NO_MORE_FILES */
#define STATUS_NO_SUCH ((LONG)0xC000000F)      /* STATUS_NO_SUCH_FILE: an empty directory of FAT */
#define STATUS_LONG_NAME ((LONG)0xC0000106)    /* STATUS_NAME_TOO_LONG */
#define STATUS_SMALL_BUFFER ((LONG)0x80000005) /* STATUS_BUFFER_OVERFLOW: a warning, data came */
#define STATUS_SHARING ((LONG)0xC0000043)      /* STATUS_SHARING_VIOLATION */
#define NAME_LENGTH_MAX 255
#define STREAM_LENGTH_MAX (NAME_LENGTH_MAX + 7) /* ":" and ":$DATA" */
#define SHARING_TRIES 10
#define SHARING_PAUSE_MS 50

/* In every ntdll.dll, but not in every winternl.h. */
NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE directory, HANDLE event, PIO_APC_ROUTINE routine,
                                    void *ctx, IO_STATUS_BLOCK *io, void *buffer, ULONG size,
                                    FILE_INFORMATION_CLASS info_class, BOOLEAN is_single,
                                    UNICODE_STRING *pattern, BOOLEAN is_restart);

/* ---- messages ---- */

enum po_status
po_beneath_fail(struct po_err *err, LONG status, const char *doing, const char *path,
                size_t path_size)
{
    struct po_buf name = { 0 };
    enum po_status st;

    po_path_put_for_message(&name, path, path_size);
    st = po_fail_nt(err, status, "%s %s", doing, po_buf_text(&name));
    po_buf_deinit(&name);
    return st;
}

enum po_status
po_beneath_fail_win32(struct po_err *err, DWORD code, const char *doing, const char *path,
                      size_t path_size)
{
    struct po_buf name = { 0 };
    enum po_status st;

    po_path_put_for_message(&name, path, path_size);
    st = po_fail_win32(err, code, "%s %s", doing, po_buf_text(&name));
    po_buf_deinit(&name);
    return st;
}

/* ---- time ---- */

int64_t
po_time_from_filetime(int64_t filetime)
{
    return filetime - EPOCH_DIFFERENCE;
}

int64_t
po_time_to_filetime(int64_t time)
{
    /* 0 and negative numbers have a meaning of their own for the system. */
    if (time > INT64_MAX - EPOCH_DIFFERENCE)
        return INT64_MAX;
    return time <= -EPOCH_DIFFERENCE ? 1 : time + EPOCH_DIFFERENCE;
}

/* ---- handles ---- */

void
po_nt_close(HANDLE *handle)
{
    if (*handle != NULL)
        (void)CloseHandle(*handle);
    *handle = NULL;
}

static LONG
open_once(HANDLE *out, HANDLE directory, UNICODE_STRING *name, const struct po_nt_open *how)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io = { 0 };

    InitializeObjectAttributes(&attributes, name, OBJ_CASE_INSENSITIVE, directory, NULL);
    return NtCreateFile(out, how->access | SYNCHRONIZE, &attributes, &io, NULL,
                        how->attributes != 0 ? how->attributes : FILE_ATTRIBUTE_NORMAL,
                        how->share != 0 ? how->share : PO_SHARE_ALL, how->disposition,
                        how->options | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_REPARSE_POINT |
                            FILE_OPEN_FOR_BACKUP_INTENT,
                        NULL, 0);
}

static LONG
open_bounded(HANDLE *out, HANDLE directory, const wchar_t *name, size_t length, size_t length_max,
             const struct po_nt_open *how)
{
    UNICODE_STRING text;
    HANDLE handle = NULL;
    LONG status = STATUS_LONG_NAME;

    /* No file system has more; each refuses it in words of its own. */
    if (length > length_max)
        return status;
    text.Buffer = (wchar_t *)(uintptr_t)name; /* the system does not write to it */
    text.Length = (USHORT)(length * sizeof(wchar_t));
    text.MaximumLength = text.Length;
    /* Virus scanners and indexers hold new files for a moment. */
    for (int i = 0; i < SHARING_TRIES; i++) {
        if (i > 0)
            Sleep(SHARING_PAUSE_MS);
        status = open_once(&handle, directory, &text, how);
        if (status != STATUS_SHARING)
            break;
    }
    if (status >= 0)
        *out = handle;
    return status;
}

LONG
po_nt_open_child(HANDLE *out, HANDLE directory, const wchar_t *name, size_t length,
                 const struct po_nt_open *how)
{
    return open_bounded(out, directory, name, length, NAME_LENGTH_MAX, how);
}

LONG
po_nt_open_stream(HANDLE *out, HANDLE node, const wchar_t *name, size_t length,
                  const struct po_nt_open *how)
{
    return open_bounded(out, node, name, length, STREAM_LENGTH_MAX, how);
}

bool
po_nt_is_link(ULONG attributes, ULONG tag)
{
    /* Tags without the bit are stored otherwise (deduplicated, compressed), but are no other node. */
    if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
        return false;
    /* A tag of 0 is none: of a file system that does not say what it is, nothing is followed. */
    return tag == 0 || IsReparseTagNameSurrogate(tag);
}

static LONG
query(HANDLE handle, FILE_INFORMATION_CLASS info_class, void *out, size_t size)
{
    IO_STATUS_BLOCK io = { 0 };
    LONG status = NtQueryInformationFile(handle, &io, out, (ULONG)size, info_class);

    return status == STATUS_SMALL_BUFFER ? 0 : status;
}

static enum po_node_type
type_of(ULONG attributes, ULONG tag)
{
    if (po_nt_is_link(attributes, tag))
        return tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT ? PO_NODE_SYMLINK
                                                                                  : PO_NODE_OTHER;
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
        return PO_NODE_DIRECTORY;
    return (attributes & FILE_ATTRIBUTE_DEVICE) != 0 ? PO_NODE_DEVICE : PO_NODE_FILE;
}

LONG
po_nt_info(HANDLE handle, struct po_node_info *info)
{
    FILE_BASIC_INFORMATION basic = { 0 };
    FILE_STANDARD_INFORMATION standard = { 0 };
    FILE_INTERNAL_INFORMATION internal = { 0 };
    FILE_ATTRIBUTE_TAG_INFORMATION tag = { 0 };
    LONG status = query(handle, FileBasicInformation, &basic, sizeof(basic));

    if (status >= 0)
        status = query(handle, FileStandardInformation, &standard, sizeof(standard));
    if (status < 0)
        return status;
    /* Some network file systems have no file id. */
    if (query(handle, FileInternalInformation, &internal, sizeof(internal)) < 0)
        internal.IndexNumber.QuadPart = 0;
    if ((basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
        status = query(handle, FileAttributeTagInformation, &tag, sizeof(tag));
    if (status < 0)
        return status;
    *info = (struct po_node_info){ 0 };
    info->type = type_of(basic.FileAttributes, tag.ReparseTag);
    info->size = info->type == PO_NODE_FILE ? (uint64_t)standard.EndOfFile.QuadPart : 0;
    info->write_time = po_time_from_filetime(basic.LastWriteTime.QuadPart);
    info->create_time = po_time_from_filetime(basic.CreationTime.QuadPart);
    /* FAT has none. */
    info->change_time = basic.ChangeTime.QuadPart == 0
                            ? POBACKUP_TIME_UNKNOWN
                            : po_time_from_filetime(basic.ChangeTime.QuadPart);
    info->file_id = (uint64_t)internal.IndexNumber.QuadPart;
    info->link_count = standard.NumberOfLinks;
    info->attributes = basic.FileAttributes;
    info->tag = tag.ReparseTag;
    return 0;
}

uint32_t
po_nt_link_count(HANDLE handle)
{
    FILE_STANDARD_INFORMATION standard = { 0 };

    return query(handle, FileStandardInformation, &standard, sizeof(standard)) < 0
               ? 0
               : standard.NumberOfLinks;
}

LONG
po_nt_set_basic(HANDLE handle, const FILE_BASIC_INFORMATION *basic)
{
    FILE_BASIC_INFORMATION copy = *basic;
    IO_STATUS_BLOCK io = { 0 };

    return NtSetInformationFile(handle, &io, &copy, sizeof(copy), FileBasicInformation);
}

/* ---- places ---- */

LONG
po_nt_go_down(HANDLE *out, HANDLE directory, const wchar_t *name, size_t length)
{
    static const struct po_nt_open how = { .access = FILE_TRAVERSE | FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN,
                                           .options = FILE_DIRECTORY_FILE };
    FILE_ATTRIBUTE_TAG_INFORMATION tag = { 0 };
    HANDLE handle = NULL;
    LONG status = po_nt_open_child(&handle, directory, name, length, &how);

    if (status < 0)
        return status;
    status = query(handle, FileAttributeTagInformation, &tag, sizeof(tag));
    if (status >= 0 && po_nt_is_link(tag.FileAttributes, tag.ReparseTag))
        status = PO_STATUS_LINK;
    if (status < 0)
        po_nt_close(&handle);
    else
        *out = handle;
    return status;
}

enum po_status
po_place_open(struct po_place *place, const struct po_dir *dir, const char *path, size_t path_size,
              struct po_err *err)
{
    const wchar_t *at;
    const wchar_t *slash;
    enum po_status st;

    *place = (struct po_place){ .directory = dir->handle };
    st = po_path_check(path, path_size, err);
    if (st == PO_OK)
        st = po_wide_from_name(&place->path, path, path_size, err);
    if (st != PO_OK)
        return st;
    at = place->path.text;
    while ((slash = wcschr(at, L'\\')) != NULL) {
        HANDLE next = NULL;
        LONG status = po_nt_go_down(&next, place->directory, at, (size_t)(slash - at));

        if (place->is_own)
            po_nt_close(&place->directory);
        place->directory = next;
        place->is_own = true;
        if (status < 0)
            return po_beneath_fail(err, status, "find", path, path_size);
        at = slash + 1;
    }
    place->name = at;
    place->length = wcslen(at);
    return PO_OK;
}

void
po_place_close(struct po_place *place)
{
    if (place->is_own)
        po_nt_close(&place->directory);
    place->is_own = false;
    po_wide_free(&place->path);
}

LONG
po_place_open_node(const struct po_place *place, HANDLE *out, const struct po_nt_open *how)
{
    return po_nt_open_child(out, place->directory, place->name, place->length, how);
}

LONG
po_place_clear_readonly(const struct po_place *place)
{
    static const struct po_nt_open how = { .access = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    FILE_BASIC_INFORMATION basic = { 0 };
    HANDLE handle = NULL;
    LONG status = po_place_open_node(place, &handle, &how);

    if (status < 0)
        return status;
    status = query(handle, FileBasicInformation, &basic, sizeof(basic));
    if (status >= 0 && (basic.FileAttributes & FILE_ATTRIBUTE_READONLY) != 0) {
        FILE_BASIC_INFORMATION changed = { .FileAttributes = basic.FileAttributes &
                                                             ~(ULONG)FILE_ATTRIBUTE_READONLY };

        if (changed.FileAttributes == 0)
            changed.FileAttributes = FILE_ATTRIBUTE_NORMAL;
        status = po_nt_set_basic(handle, &changed);
    }
    po_nt_close(&handle);
    return status;
}

/* ---- listing ---- */

static void
info_from_entry(const FILE_ID_BOTH_DIR_INFORMATION *entry, uint64_t device,
                struct po_node_info *info)
{
    ULONG attributes = entry->FileAttributes;

    *info = (struct po_node_info){ 0 };
    /* For a reparse point the size of the extended attributes is its tag. */
    info->type = type_of(attributes, entry->EaSize);
    info->size = info->type == PO_NODE_FILE ? (uint64_t)entry->EndOfFile.QuadPart : 0;
    info->write_time = po_time_from_filetime(entry->LastWriteTime.QuadPart);
    info->create_time = po_time_from_filetime(entry->CreationTime.QuadPart);
    info->change_time = entry->ChangeTime.QuadPart == 0
                            ? POBACKUP_TIME_UNKNOWN
                            : po_time_from_filetime(entry->ChangeTime.QuadPart);
    info->file_id = (uint64_t)entry->FileId.QuadPart;
    info->device = device;
    info->attributes = attributes;
    info->tag = (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 ? entry->EaSize : 0;
}

static bool
is_dots(const wchar_t *name, size_t length)
{
    return (length == 1 && name[0] == L'.') || (length == 2 && name[0] == L'.' && name[1] == L'.');
}

static LONG
each_in_buffer(const uint8_t *bytes, uint64_t device, po_nt_list_fn each, void *ctx)
{
    LONG status = 0;

    for (;;) {
        const FILE_ID_BOTH_DIR_INFORMATION *entry = (const void *)bytes;
        size_t length = entry->FileNameLength / sizeof(wchar_t);
        struct po_node_info info;

        if (!is_dots(entry->FileName, length)) {
            info_from_entry(entry, device, &info);
            status = each(ctx, entry->FileName, length, &info);
        }
        if (status != 0 || entry->NextEntryOffset == 0)
            return status;
        bytes += entry->NextEntryOffset;
    }
}

LONG
po_nt_list(HANDLE directory, uint64_t device, po_nt_list_fn each, void *ctx)
{
    uint8_t *buffer = po_mem_new(LIST_BUFFER_SIZE, 1);
    LONG status = 0;
    bool is_first = true;

    if (buffer == NULL)
        return (LONG)0xC0000017; /* STATUS_NO_MEMORY */
    while (status == 0) {
        IO_STATUS_BLOCK io = { 0 };

        status =
            NtQueryDirectoryFile(directory, NULL, NULL, NULL, &io, buffer, (ULONG)LIST_BUFFER_SIZE,
                                 FileIdBothDirectoryInformation, FALSE, NULL, is_first);
        is_first = false;
        if (status == 0 && io.Information > 0)
            status = each_in_buffer(buffer, device, each, ctx);
        else if (status == 0)
            break;
    }
    po_mem_free(buffer);
    return status == STATUS_NO_MORE || status == STATUS_NO_SUCH ? 0 : status;
}
