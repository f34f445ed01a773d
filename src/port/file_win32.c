#include "port/file.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <errno.h>
#include <string.h>

/* A driver may refuse more in one call. */
#define CALL_SIZE_MAX ((size_t)64 << 20)

#define STATUS_DENIED ((LONG)0xC0000022) /* STATUS_ACCESS_DENIED */

struct po_file {
    HANDLE handle;
    bool is_standard;  /* not ours to close */
    bool is_stream;    /* no offsets: a pipe, a device, standard input or output */
    bool is_alternate; /* an alternate stream of a node: the node's facts, but a size of its own */
    uint64_t device;   /* of a regular file */
    uint64_t position; /* of a stream: bytes read or written so far */
    uint64_t end;      /* of a regular file: where po_file_write goes on */
};

/* ---- opening ---- */

static ACCESS_MASK
access_of(enum po_file_how how)
{
    switch (how) {
    case PO_FILE_CREATE:
    case PO_FILE_UPDATE:
        return GENERIC_READ | GENERIC_WRITE;
    case PO_FILE_REPLACE:
        return GENERIC_WRITE | FILE_READ_ATTRIBUTES;
    case PO_FILE_READ:
    default:
        return GENERIC_READ;
    }
}

static enum po_status
wrap(struct po_file **out, HANDLE handle, bool is_stream, const struct po_node_info *info,
     struct po_err *err)
{
    struct po_file *file = po_mem_new(1, sizeof(*file));

    if (file == NULL) {
        (void)CloseHandle(handle);
        return po_fail_nomem(err, sizeof(*file));
    }
    file->handle = handle;
    file->is_stream = is_stream;
    file->device = info->device;
    file->end = info->size;
    *out = file;
    return PO_OK;
}

enum po_status
po_file_wrap_stream(struct po_file **out, HANDLE handle, uint64_t device, struct po_err *err)
{
    const struct po_node_info info = { .device = device };
    struct po_file *file = NULL;
    enum po_status st = wrap(&file, handle, false, &info, err);

    if (st != PO_OK)
        return st;
    file->is_alternate = true;
    *out = file;
    return PO_OK;
}

/*
 * A node that is stored in a way of its own (deduplicated, compressed) is read through its filter.
 * This one opening follows links: what came must be what was looked at.
 */
static LONG
open_through_filter(const struct po_place *place, HANDLE *handle, ACCESS_MASK access)
{
    struct po_node_info before = { 0 };
    struct po_node_info after = { 0 };
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io = { 0 };
    LONG status;
    HANDLE opened = NULL;

    name.Buffer = (wchar_t *)(uintptr_t)place->name; /* the system does not write to it */
    name.Length = (USHORT)(place->length * sizeof(wchar_t));
    name.MaximumLength = name.Length;
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, place->directory, NULL);
    status = NtCreateFile(&opened, access | SYNCHRONIZE, &attributes, &io, NULL, 0, PO_SHARE_ALL,
                          FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT,
                          NULL, 0);
    if (status < 0)
        return status;
    status = po_nt_info(*handle, &before);
    if (status >= 0)
        status = po_nt_info(opened, &after);
    if (status >= 0 &&
        (before.file_id != after.file_id || po_nt_device(*handle) != po_nt_device(opened)))
        status = PO_STATUS_LINK;
    if (status < 0) {
        po_nt_close(&opened);
        return status;
    }
    po_nt_close(handle);
    *handle = opened;
    return 0;
}

static LONG
open_node(const struct po_place *place, enum po_file_how how, HANDLE *handle,
          struct po_node_info *info)
{
    struct po_nt_open nt = { .access = access_of(how), .disposition = FILE_OPEN };
    LONG status;

    if (how == PO_FILE_CREATE || how == PO_FILE_REPLACE) {
        nt.disposition = how == PO_FILE_CREATE ? FILE_CREATE : FILE_OPEN_IF;
        nt.options = FILE_NON_DIRECTORY_FILE;
    }
    status = po_place_open_node(place, handle, &nt);
    if (status == STATUS_DENIED && how == PO_FILE_REPLACE && po_place_clear_readonly(place) >= 0)
        status = po_place_open_node(place, handle, &nt);
    if (status >= 0)
        status = po_nt_info(*handle, info);
    if (status >= 0 && info->type == PO_NODE_SYMLINK)
        status = PO_STATUS_LINK;
    if (status >= 0 && info->type == PO_NODE_FILE &&
        (info->attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
        status = open_through_filter(place, handle, nt.access);
    return status;
}

enum po_status
po_file_open(struct po_file **out, struct po_dir *dir, const char *path, size_t path_size,
             enum po_file_how how, uint32_t mode, struct po_err *err)
{
    struct po_place place;
    struct po_node_info info = { 0 };
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    (void)mode; /* rights are inherited */
    if (st == PO_OK) {
        LONG status = open_node(&place, how, &handle, &info);

        if (status < 0) {
            st = po_beneath_fail(err, status, "open", path, path_size);
        } else if (info.type == PO_NODE_DIRECTORY) {
            st = po_beneath_fail_win32(err, ERROR_ACCESS_DENIED, "open", path, path_size);
            err->os_code = EISDIR;
        } else if (info.type != PO_NODE_FILE) {
            (void)po_beneath_fail_win32(err, ERROR_INVALID_PARAMETER, "open", path, path_size);
            st = po_err_prefix(err, "not a regular file");
        }
    }
    po_place_close(&place);
    if (st != PO_OK) {
        po_nt_close(&handle);
        return st;
    }
    info.device = dir->device;
    st = wrap(out, handle, false, &info, err);
    if (st == PO_OK && how == PO_FILE_REPLACE && info.size > 0) {
        st = po_file_set_size(*out, 0, err);
        if (st != PO_OK) {
            po_file_free(*out);
            *out = NULL;
        }
    }
    return st;
}

enum po_status
po_os_file_open(struct po_file **out, const char *os_path, enum po_file_how how, struct po_err *err)
{
    static const DWORD dispositions[] = { [PO_FILE_READ] = OPEN_EXISTING,
                                          [PO_FILE_CREATE] = CREATE_NEW,
                                          [PO_FILE_REPLACE] = CREATE_ALWAYS,
                                          [PO_FILE_UPDATE] = OPEN_EXISTING };
    struct po_wide path = { 0 };
    struct po_node_info info = { 0 };
    HANDLE handle;
    bool is_stream;
    enum po_status st = po_wide_from_os_path(&path, os_path, err);

    if (st != PO_OK)
        return st;
    handle = CreateFileW(path.text, access_of(how), PO_SHARE_ALL, NULL, dispositions[how], 0, NULL);
    po_wide_free(&path);
    if (handle == INVALID_HANDLE_VALUE)
        return po_beneath_fail_win32(err, GetLastError(), "open", os_path, strlen(os_path));
    is_stream = GetFileType(handle) != FILE_TYPE_DISK;
    if (!is_stream) {
        (void)po_nt_info(handle, &info);
        info.device = po_nt_device(handle);
    }
    return wrap(out, handle, is_stream, &info, err);
}

enum po_status
po_file_standard(struct po_file **out, int number, struct po_err *err)
{
    struct po_file *file = po_mem_new(1, sizeof(*file));

    if (file == NULL)
        return po_fail_nomem(err, sizeof(*file));
    file->handle = GetStdHandle(number == 0   ? STD_INPUT_HANDLE
                                : number == 1 ? STD_OUTPUT_HANDLE
                                              : STD_ERROR_HANDLE);
    file->is_standard = true;
    /* Even when it is a file: it may be open for appending, or not begin at 0. */
    file->is_stream = true;
    *out = file;
    return PO_OK;
}

/* ---- bytes ---- */

enum po_status
po_file_info(struct po_file *file, struct po_node_info *info, struct po_err *err)
{
    struct po_node_info found = { 0 };
    LONG status;

    if (file->is_stream) {
        *info = (struct po_node_info){ .type = PO_NODE_FIFO };
        return PO_OK;
    }
    status = po_nt_info(file->handle, &found);
    if (status >= 0 && file->is_alternate) {
        found.type = PO_NODE_FILE; /* a directory's too */
        status = po_nt_size(file->handle, &found.size);
    }
    if (status < 0)
        return po_fail_nt(err, status, "examine an open file");
    found.device = file->device;
    *info = found;
    return PO_OK;
}

enum po_status
po_file_info_opened(struct po_file *file, struct po_node_info *info, struct po_err *err)
{
    return po_file_info(file, info, err);
}

/* Offsets are signed: what lies beyond is refused and not wrapped around. */
static enum po_status
check_range(const struct po_file *file, uint64_t offset, size_t size, const char *verb,
            struct po_err *err)
{
    if (offset > (uint64_t)INT64_MAX || size > (uint64_t)INT64_MAX - offset)
        return po_fail_errno(err, EOVERFLOW, "%s at %llu", verb, (unsigned long long)offset);
    if (file->is_stream && offset != file->position)
        return po_fail_errno(err, ESPIPE, "%s a stream at %llu", verb, (unsigned long long)offset);
    return PO_OK;
}

/* Where a call takes place: NULL for streams. */
static OVERLAPPED *
at(const struct po_file *file, uint64_t offset, OVERLAPPED *room)
{
    *room = (OVERLAPPED){ .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
    return file->is_stream ? NULL : room;
}

enum po_status
po_file_read_at(struct po_file *file, uint64_t offset, void *bytes, size_t size, size_t *got,
                struct po_err *err)
{
    unsigned char *to = bytes;
    size_t sum = 0;
    enum po_status st = check_range(file, offset, size, "read", err);

    if (st != PO_OK)
        return st;
    while (sum < size) {
        size_t part = size - sum < CALL_SIZE_MAX ? size - sum : CALL_SIZE_MAX;
        OVERLAPPED where;
        DWORD n = 0;

        if (!ReadFile(file->handle, to + sum, (DWORD)part, &n, at(file, offset + sum, &where))) {
            DWORD code = GetLastError();

            /* The other end of a pipe has gone: that is its end. */
            if (code != ERROR_HANDLE_EOF && code != ERROR_BROKEN_PIPE)
                return po_fail_win32(err, code, "read at %llu", (unsigned long long)(offset + sum));
            n = 0;
        }
        if (n == 0)
            break;
        sum += n;
        if (file->is_stream)
            file->position += n;
    }
    *got = sum;
    return PO_OK;
}

enum po_status
po_file_write_at(struct po_file *file, uint64_t offset, const void *bytes, size_t size,
                 struct po_err *err)
{
    const unsigned char *from = bytes;
    size_t sum = 0;
    enum po_status st = check_range(file, offset, size, "write", err);

    if (st != PO_OK)
        return st;
    while (sum < size) {
        size_t part = size - sum < CALL_SIZE_MAX ? size - sum : CALL_SIZE_MAX;
        OVERLAPPED where;
        DWORD n = 0;

        if (!WriteFile(file->handle, from + sum, (DWORD)part, &n, at(file, offset + sum, &where)))
            return po_fail_win32(err, GetLastError(), "write at %llu",
                                 (unsigned long long)(offset + sum));
        if (n == 0)
            return po_fail_errno(err, EIO, "write at %llu", (unsigned long long)(offset + sum));
        sum += n;
        if (file->is_stream)
            file->position += n;
        else if (offset + sum > file->end)
            file->end = offset + sum;
    }
    return PO_OK;
}

/* A pipe does not say whether it would take something, and a call that waits cannot be called back. */
void
po_file_set_cancel(struct po_file *file, const volatile int *cancel)
{
    (void)file;
    (void)cancel;
}

enum po_status
po_file_write(struct po_file *file, const void *bytes, size_t size, struct po_err *err)
{
    return po_file_write_at(file, file->is_stream ? file->position : file->end, bytes, size, err);
}

enum po_status
po_file_set_size(struct po_file *file, uint64_t size, struct po_err *err)
{
    FILE_END_OF_FILE_INFORMATION end = { .EndOfFile = { .QuadPart = (LONGLONG)size } };
    IO_STATUS_BLOCK io = { 0 };
    LONG status;

    if (size > (uint64_t)INT64_MAX)
        return po_fail_errno(err, EOVERFLOW, "set the size to %llu", (unsigned long long)size);
    status = NtSetInformationFile(file->handle, &io, &end, sizeof(end), FileEndOfFileInformation);
    if (status < 0)
        return po_fail_nt(err, status, "set the size to %llu", (unsigned long long)size);
    file->end = size;
    return PO_OK;
}

/* ---- facts and closing ---- */

enum po_status
po_file_set_owner(struct po_file *file, uint32_t uid, uint32_t gid, struct po_err *err)
{
    (void)file;
    (void)uid;
    (void)gid;
    (void)err;
    return PO_OK;
}

enum po_status
po_file_set_mode(struct po_file *file, uint32_t mode, struct po_err *err)
{
    return po_file_set_owner(file, mode, 0, err);
}

enum po_status
po_file_set_write_time(struct po_file *file, int64_t time, struct po_err *err)
{
    FILE_BASIC_INFORMATION basic = { .LastWriteTime = { .QuadPart = po_time_to_filetime(time) } };
    LONG status = po_nt_set_basic(file->handle, &basic);

    return status < 0 ? po_fail_nt(err, status, "set the time") : PO_OK;
}

enum po_status
po_file_set_windows_facts(struct po_file *file, int64_t create_time, uint32_t attributes,
                          struct po_err *err)
{
    LONG status = po_nt_set_facts(file->handle, create_time, attributes);

    return status < 0 ? po_fail_nt(err, status, "set the attributes") : PO_OK;
}

enum po_status
po_file_sync(struct po_file *file, struct po_err *err)
{
    if (FlushFileBuffers(file->handle))
        return PO_OK;
    /* Pipes and consoles have nothing to sync. */
    return file->is_stream ? PO_OK : po_fail_win32(err, GetLastError(), "sync a file");
}

/* One thing at a time is done with a handle that was not opened for overlapped I/O. */
bool
po_file_syncs_beside_writes(void)
{
    return false;
}

/* The system finds out by itself: the flag could only have been given when it was opened. */
void
po_file_hint_sequential(struct po_file *file)
{
    (void)file;
}

/* It begins by itself within a second. */
void
po_file_hint_write(struct po_file *file)
{
    (void)file;
}

enum po_status
po_file_close(struct po_file *file, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (!file->is_standard && !CloseHandle(file->handle))
        st = po_fail_win32(err, GetLastError(), "close a file");
    po_mem_free(file);
    return st;
}

void
po_file_free(struct po_file *file)
{
    if (file == NULL)
        return;
    if (!file->is_standard)
        (void)CloseHandle(file->handle);
    po_mem_free(file);
}
