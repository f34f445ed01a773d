/*
 * file_win32.h - what beneath_win32.c, dir_win32.c, remove_win32.c, path_win32.c and file_win32.c
 * share. Nothing else includes it, but for the tests.
 *
 * Files are opened by the native call, NtCreateFile, because it alone can name a file by a
 * directory's handle and one component: so nobody can put a junction on the way. All of it is in
 * Windows since NT 4.
 */
#ifndef PO_PORT_FILE_WIN32_H
#define PO_PORT_FILE_WIN32_H

#include "base/buf.h"
#include "port/err_win32.h"
#include "port/file.h"

#include <winternl.h>

#define PO_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

struct po_dir {
    HANDLE handle;
    uint64_t device;
    bool has_streams; /* the file system has alternate streams */
    wchar_t *volume;  /* the name of the volume's root as po_dir_open found it, or NULL */
};

/* A path as Windows takes it: UTF-16, NUL-terminated. Empty is { 0 }; freed by po_wide_free. */
struct po_wide {
    wchar_t *text;
    size_t length; /* in characters, without the NUL */
};
void po_wide_free(struct po_wide *wide);

/* Any text, as it is. PO_E_IO (EILSEQ) when it is no WTF-8. */
PO_NODISCARD enum po_status po_wide_from_text(struct po_wide *out, const char *text, size_t size,
                                              struct po_err *err);
/* One component or several, '/' as '\'. PO_E_IO when Windows has no such name. */
PO_NODISCARD enum po_status po_wide_from_name(struct po_wide *out, const char *name, size_t size,
                                              struct po_err *err);
/*
 * A user's path, relative or absolute, as an absolute one that may be of any length (\\?\C:\... or
 * \\?\UNC\...). The names of devices ("NUL", "\\.\x") stay.
 */
PO_NODISCARD enum po_status po_wide_from_os_path(struct po_wide *out, const char *os_path,
                                                 struct po_err *err);
/* Appends UTF-16 as WTF-8. */
void po_wide_put(struct po_buf *out, const wchar_t *text, size_t length);

/* What a handle is opened for. */
struct po_nt_open {
    ACCESS_MASK access; /* SYNCHRONIZE is added */
    ULONG share;        /* 0 = PO_SHARE_ALL */
    ULONG disposition;  /* FILE_OPEN, FILE_CREATE, ... */
    ULONG options;      /* FILE_DIRECTORY_FILE, ... */
    ULONG attributes;   /* of a new file */
};

/*
 * Opens `name` (one component; length 0 = the directory itself) in a directory, never following a
 * link: a handle to the link itself is what comes. An NTSTATUS.
 */
LONG po_nt_open_child(HANDLE *out, HANDLE directory, const wchar_t *name, size_t length,
                      const struct po_nt_open *how);
/* Opens a stream (":name:$DATA") of an open node. An NTSTATUS. */
LONG po_nt_open_stream(HANDLE *out, HANDLE node, const wchar_t *name, size_t length,
                       const struct po_nt_open *how);
/* Opens a directory in another, to go through it; a link is PO_STATUS_LINK. */
LONG po_nt_go_down(HANDLE *out, HANDLE directory, const wchar_t *name, size_t length);
/* Closes unless it is NULL, and sets it to NULL. */
void po_nt_close(HANDLE *handle);
/* What a link on the way is: the status of a reparse point that cannot be resolved (ELOOP). */
#define PO_STATUS_LINK ((LONG)0xC0000280)
/* Whether attributes and reparse tag are those of a junction, a symbolic link or a mount point. */
bool po_nt_is_link(ULONG attributes, ULONG tag);
/* All but info->device. An NTSTATUS. */
LONG po_nt_info(HANDLE handle, struct po_node_info *info);
/* 0 = not known. */
uint32_t po_nt_link_count(HANDLE handle);
/* The size of what the handle is open for, which may be an alternate stream. An NTSTATUS. */
LONG po_nt_size(HANDLE handle, uint64_t *size);
/* Whether the file system that a directory lies on has alternate streams. */
bool po_nt_has_streams(HANDLE directory);
/* A file of ours around an open handle, which is closed on failure: an alternate stream. */
PO_NODISCARD enum po_status po_file_wrap_stream(struct po_file **out, HANDLE handle,
                                                uint64_t device, struct po_err *err);
/* Appends the descriptor of what the handle is open for (READ_CONTROL). A code of GetLastError(). */
DWORD po_nt_put_security(HANDLE handle, bool has_system_part, struct po_buf *out);
/*
 * A descriptor that leaves a new file, or a directory and what is made in it, to the user, the system
 * and administrators, whatever the directory above has; freed by LocalFree. A code of GetLastError().
 */
DWORD po_nt_private_rights(PSECURITY_DESCRIPTOR *out, bool is_directory);
/* Removes what the handle is open for (DELETE); it is gone when the handle is closed. An NTSTATUS. */
LONG po_nt_remove(HANDLE handle);
/* The volume's number, which is the device of all that lies on it. */
uint64_t po_nt_device(HANDLE handle);

/*
 * The directory of a path's last component, and that component (length 0 for the root itself).
 * po_place_close is always allowed after it.
 */
struct po_place {
    HANDLE directory;
    bool is_own;
    struct po_wide path; /* the whole; `name` points into it */
    const wchar_t *name;
    size_t length;
};
PO_NODISCARD enum po_status po_place_open(struct po_place *place, const struct po_dir *dir,
                                          const char *path, size_t path_size, struct po_err *err);
void po_place_close(struct po_place *place);
/* Opens what the place names. An NTSTATUS. */
LONG po_place_open_node(const struct po_place *place, HANDLE *out, const struct po_nt_open *how);
/* Opens a node to read its descriptor; whether the system's part can be read too. An NTSTATUS. */
LONG po_place_open_security(const struct po_place *place, HANDLE *out, bool *has_system_part);

/* "doing path: what the system says", of an NTSTATUS and of a code of GetLastError(). */
enum po_status po_beneath_fail(struct po_err *err, LONG status, const char *doing, const char *path,
                               size_t path_size);
enum po_status po_beneath_fail_win32(struct po_err *err, DWORD code, const char *doing,
                                     const char *path, size_t path_size);

/* 100 ns steps since 1970 from those since 1601, and back; 0 (= leave) is never the result. */
int64_t po_time_from_filetime(int64_t filetime);
int64_t po_time_to_filetime(int64_t time);

/* Sets one or more of the basic facts; those that are 0 stay. An NTSTATUS. */
LONG po_nt_set_basic(HANDLE handle, const FILE_BASIC_INFORMATION *basic);
/* Creation time and attributes, as po_file_set_windows_facts. An NTSTATUS. */
LONG po_nt_set_facts(HANDLE handle, int64_t create_time, uint32_t attributes);
/* Opens a node for the removal of its read-only attribute, which would forbid what comes next. */
LONG po_place_clear_readonly(const struct po_place *place);

/* Called for each child; `info` is right. Stops at the first status that is not 0. */
typedef LONG (*po_nt_list_fn)(void *ctx, const wchar_t *name, size_t length,
                              const struct po_node_info *info);
LONG po_nt_list(HANDLE directory, uint64_t device, po_nt_list_fn each, void *ctx);

#endif
