/*
 * host_win32_regapi.h - between the files that know the registry: host_win32_registry.c (reading),
 * host_win32_registry_write.c and host_win32_regapi.c.
 *
 * All calls of Windows' registry go through one table of functions, so that a test can count them
 * and make any of them fail.
 */
#ifndef PO_HOST_HOST_WIN32_REGAPI_H
#define PO_HOST_HOST_WIN32_REGAPI_H

#include "host/host_win32.h"

/*
 * As Windows has them; those below the line are ours. They are of the native interface, which does
 * to the letter what it is told: RegSetValueEx lengthens a string by the NUL that happens to stand
 * behind it, and RegDeleteKey finds another key in another view.
 */
struct po_win32_regapi {
    LSTATUS(WINAPI *open_key)
    (HKEY parent, LPCWSTR name, DWORD options, REGSAM access, PHKEY out);
    LSTATUS(WINAPI *create_key)
    (HKEY parent, LPCWSTR name, DWORD reserved, LPWSTR class_name, DWORD options, REGSAM access,
     LPSECURITY_ATTRIBUTES security, PHKEY out, LPDWORD disposition);
    LSTATUS(WINAPI *close_key)(HKEY key);
    LSTATUS(WINAPI *query_info)
    (HKEY key, LPWSTR class_name, LPDWORD class_length, LPDWORD reserved, LPDWORD subkeys,
     LPDWORD subkey_length_max, LPDWORD class_length_max, LPDWORD values, LPDWORD name_length_max,
     LPDWORD data_size_max, LPDWORD security_size, PFILETIME write_time);
    LSTATUS(WINAPI *enum_key)
    (HKEY key, DWORD index, LPWSTR name, LPDWORD length, LPDWORD reserved, LPWSTR class_name,
     LPDWORD class_length, PFILETIME write_time);
    LSTATUS(WINAPI *enum_value)
    (HKEY key, DWORD index, LPWSTR name, LPDWORD length, LPDWORD reserved, LPDWORD type,
     LPBYTE data, LPDWORD size);
    LSTATUS(WINAPI *query_value)
    (HKEY key, LPCWSTR name, LPDWORD reserved, LPDWORD type, LPBYTE data, LPDWORD size);
    LSTATUS(WINAPI *delete_value)(HKEY key, LPCWSTR name);
    LSTATUS(WINAPI *flush_key)(HKEY key);

    LSTATUS (*set_value)(HKEY key, LPCWSTR name, DWORD type, const void *data, DWORD size);
    /* The key must have been opened with DELETE, and have no subkeys. */
    LSTATUS (*delete_key)(HKEY key);
    /* PO_WIN32_KEY_*; 0 where Windows does not tell (before Vista). */
    ULONG (*key_flags)(HKEY key);
    /* Whether the system has two views, for a 32-bit program too. */
    bool (*has_views)(void);
};

#define PO_WIN32_KEY_VOLATILE 1u

/* Windows' own. */
extern const struct po_win32_regapi po_win32_regapi;

/* host_win32.h, with another table. */
PO_NODISCARD enum po_status po_win32_registry_read_with(const struct po_win32_regapi *api,
                                                        struct po_reg **out, const char *key,
                                                        po_win32_problem_fn problem, void *ctx,
                                                        struct po_err *err);
PO_NODISCARD enum po_status po_win32_registry_write_with(const struct po_win32_regapi *api,
                                                         const struct po_reg *reg, const char *key,
                                                         bool is_exact, struct po_err *err);

/* ---- keys (host_win32_regapi.c) ---- */

/* A key of this machine by its names. { 0 } is none. */
struct po_win32_registry_key {
    /*
     * As regedit shows it here, from "HKEY_LOCAL_MACHINE" on: with the node where there are views,
     * and each component as it was first written ("post.office").
     */
    char *path;
    wchar_t *below; /* HKEY_LOCAL_MACHINE, in `view` */
    REGSAM view;    /* for all access to it and below it: KEY_WOW64_32KEY where there are views */
};
/* From the name that a user gives, with or without the root key and the node. */
PO_NODISCARD enum po_status po_win32_registry_key_init(struct po_win32_registry_key *out,
                                                       const struct po_win32_regapi *api,
                                                       const char *name, struct po_err *err);
void po_win32_registry_key_deinit(struct po_win32_registry_key *key);
/* What Windows says when it cannot tell, else ERROR_SUCCESS. */
LSTATUS po_win32_registry_is_link(const struct po_win32_regapi *api, HKEY key, bool *is_link);
/*
 * Appends "path", or 'path: value "name"' unless value is NULL, for a message: on one line, and of
 * long ones both ends.
 */
void po_win32_registry_put_place(struct po_buf *out, const char *path, size_t path_size,
                                 const struct po_reg_value *value);
/* "place: what Windows says (error N)". */
enum po_status po_win32_registry_fail(struct po_err *err, LSTATUS code, const char *path,
                                      size_t path_size, const struct po_reg_value *value);

/* ---- reading (host_win32_registry.c) ---- */

/*
 * The whole key as a document. *exists = false, and an empty document, when there is none. `gaps`: the paths of the keys that were passed over in
 * whole or in part, each with a NUL behind.
 */
PO_NODISCARD enum po_status po_win32_registry_load(const struct po_win32_regapi *api,
                                                   const struct po_win32_registry_key *key,
                                                   po_win32_problem_fn problem, void *ctx,
                                                   struct po_reg **out, bool *exists,
                                                   struct po_buf *gaps, struct po_err *err);

/* ---- changing (host_win32_registry_edit.c) ---- */

/* What is different, in the order of the keys; of documents that must outlive it. { 0 } is none. */
struct po_win32_registry_changes {
    struct po_reg_difference *items;
    size_t count;
    size_t capacity;
};
PO_NODISCARD enum po_status
po_win32_registry_changes_find(struct po_win32_registry_changes *changes, const struct po_reg *from,
                               const struct po_reg *to, struct po_err *err);
void po_win32_registry_changes_deinit(struct po_win32_registry_changes *changes);

struct po_win32_registry_editor;
/* The key is lent. */
PO_NODISCARD enum po_status po_win32_registry_editor_new(struct po_win32_registry_editor **out,
                                                         const struct po_win32_regapi *api,
                                                         const struct po_win32_registry_key *key,
                                                         struct po_err *err);
void po_win32_registry_editor_free(struct po_win32_registry_editor *editor);
/*
 * Makes the changes. What is to go and is not there is fine, and so is what is to be there and is:
 * so the changes back can be made wherever those forward have stopped. `goes_on`: behind a failure
 * too, which is still told (the first one).
 */
PO_NODISCARD enum po_status po_win32_registry_apply(struct po_win32_registry_editor *editor,
                                                    const struct po_win32_registry_changes *changes,
                                                    bool goes_on, struct po_err *err);
/* Whether anything was changed, or may have been. */
bool po_win32_registry_is_changed(const struct po_win32_registry_editor *editor);
/* Deletes what apply had to make above the key. */
PO_NODISCARD enum po_status po_win32_registry_remove_made(struct po_win32_registry_editor *editor,
                                                          struct po_err *err);
/* To the disk: the key, or what is left above it. */
PO_NODISCARD enum po_status po_win32_registry_flush(struct po_win32_registry_editor *editor,
                                                    struct po_err *err);

#endif
