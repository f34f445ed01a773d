/*
 * host_win32_scm.h - between the files that know services: host_win32_services.c (stopping and
 * starting), host_win32_scm.c (the manager, finding) and host_win32_processes.c.
 *
 * All they want of the service control manager, of processes and of the clock goes through one
 * table of functions, so that a test can put a machine of its own in its place and make any call
 * fail: Wine neither knows dependencies nor refuses as Windows does, and waiting takes no time there.
 */
#ifndef PO_HOST_HOST_WIN32_SCM_H
#define PO_HOST_HOST_WIN32_SCM_H

#include "host/host_win32.h"

/* As Windows has them; those below the line are ours. */
struct po_win32_scm {
    SC_HANDLE(WINAPI *open_manager)(LPCWSTR machine, LPCWSTR database, DWORD access);
    SC_HANDLE(WINAPI *open_service)(SC_HANDLE manager, LPCWSTR key, DWORD access);
    BOOL(WINAPI *close)(SC_HANDLE handle);
    BOOL(WINAPI *key_name)(SC_HANDLE manager, LPCWSTR display_name, LPWSTR key, LPDWORD length);
    BOOL(WINAPI *list)
    (SC_HANDLE manager, SC_ENUM_TYPE level, DWORD types, DWORD states, LPBYTE out, DWORD size,
     LPDWORD needed, LPDWORD count, LPDWORD resume, LPCWSTR group);
    BOOL(WINAPI *config)
    (SC_HANDLE service, LPQUERY_SERVICE_CONFIGW out, DWORD size, LPDWORD needed);
    BOOL(WINAPI *status)
    (SC_HANDLE service, SC_STATUS_TYPE level, LPBYTE out, DWORD size, LPDWORD needed);
    BOOL(WINAPI *dependents)
    (SC_HANDLE service, DWORD states, LPENUM_SERVICE_STATUSW out, DWORD size, LPDWORD needed,
     LPDWORD count);
    BOOL(WINAPI *control)(SC_HANDLE service, DWORD control, LPSERVICE_STATUS status);
    BOOL(WINAPI *start)(SC_HANDLE service, DWORD count, LPCWSTR *arguments);

    /* po_win32_process_open */
    HANDLE(WINAPI *open_process)(DWORD access, DWORD id);
    DWORD(WINAPI *wait)(HANDLE process, DWORD timeout_ms);
    BOOL(WINAPI *close_process)(HANDLE process);
    /* Whether there is a process of this number: for those that may not be opened. */
    bool (*is_process)(DWORD id);
    double (*now)(void);
    void (*sleep_ms)(unsigned ms);
};

/* What is in use. */
const struct po_win32_scm *po_win32_scm(void);
/* For tests, while nobody uses services. NULL = Windows' own again. */
void po_win32_scm_replace(const struct po_win32_scm *scm);

/* ---- the manager (host_win32_scm.c) ---- */

/* An open service. { 0 } is none. */
struct po_win32_scm_service {
    SC_HANDLE manager;
    SC_HANDLE handle;
};
/* By key name (UTF-8). A service that is not there is PO_E_IO. */
PO_NODISCARD enum po_status po_win32_scm_open(struct po_win32_scm_service *out, const char *key,
                                              DWORD access, struct po_err *err);
void po_win32_scm_close(struct po_win32_scm_service *service);
/* "doing: what it means and what to do: what Windows says (error N)". */
enum po_status po_win32_scm_fail(struct po_err *err, DWORD code, const char *doing);

/* All services of programs (no drivers), one after the other, until the function does not say PO_OK. */
typedef enum po_status (*po_win32_scm_each_fn)(void *ctx,
                                               const ENUM_SERVICE_STATUS_PROCESSW *service,
                                               struct po_err *err);
PO_NODISCARD enum po_status po_win32_scm_list(DWORD states, po_win32_scm_each_fn each, void *ctx,
                                              struct po_err *err);

/*
 * The executable of an ImagePath: with or without quotation marks, arguments, environment strings,
 * "\??\". Without quotation marks it is the shortest beginning that is a file, as for Windows when
 * it starts the service; when there is none, all to the first ".exe", or the first space.
 * *program is NULL when it is not absolute.
 */
PO_NODISCARD enum po_status po_win32_scm_program(char **program, const wchar_t *image_path,
                                                 struct po_err *err);
/* Without regard to case, as Windows compares names of files and services. */
bool po_win32_is_equal_nocase(const wchar_t *a, size_t a_length, const wchar_t *b, size_t b_length);

/* ---- dependents (host_win32_services.c) ---- */

/*
 * Appends the key names (each with a NUL behind) of the services that run and need this one, directly
 * or through others, in the order in which to start them: what po_win32_service_stop would stop.
 */
PO_NODISCARD enum po_status po_win32_service_dependents(const struct po_win32_service *service,
                                                        struct po_buf *out, struct po_err *err);
/* The number of its process, 0 when it has none. */
PO_NODISCARD enum po_status po_win32_service_process(const struct po_win32_service *service,
                                                     uint32_t *id, struct po_err *err);

/* ---- processes (host_win32_processes.c) ---- */

/*
 * As OpenProcess, with the debug privilege while it lasts when this account has it: Administrators
 * have no right to the processes of a service that logs on as a user of its own.
 */
HANDLE WINAPI po_win32_process_open(DWORD access, DWORD id);
bool po_win32_process_exists(DWORD id);

#endif
