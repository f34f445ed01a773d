/*
 * host_win32_reboot.h - the reboot that a restore needs (req: R8), and what runs after it (req: R9).
 */
#ifndef PO_HOST_HOST_WIN32_REBOOT_H
#define PO_HOST_HOST_WIN32_REBOOT_H

#include "host/host_win32_admin.h"
#include "host/host_win32_run.h"

/* The calls below it, so that they can fail. Each DWORD is 0 or a code of GetLastError(). */
struct po_win32_reboot_calls {
    const struct po_win32_admin_calls *admin; /* for the privilege */
    /* As InitiateSystemShutdownExW of this machine, with a restart. */
    DWORD (*initiate)(const wchar_t *message, DWORD delay_s, bool is_forced, DWORD reason);
    DWORD (*abort)(void);
    po_win32_run_fn run; /* schtasks.exe */
    /* Values below HKLM\...\RunOnce, of the system's own view. */
    DWORD (*run_once_set)(const wchar_t *name, const wchar_t *command);
    DWORD (*run_once_has)(const wchar_t *name, bool *exists);
    DWORD (*run_once_delete)(const wchar_t *name); /* ERROR_FILE_NOT_FOUND: there is none */
};
extern const struct po_win32_reboot_calls po_win32_reboot_calls;

/* ---- the reboot ---- */

struct po_win32_reboot {
    const char *message; /* people who are logged on see it; at most 500 characters are shown */
    unsigned delay_s;    /* the warning time; 0 = now, which nobody can cancel */
    bool is_forced;      /* programs with unsaved work are ended. (From Vista on a delay forces.) */
};

/*
 * Asks for a planned reboot ("application: maintenance") and returns at once. PO_E_IO when the
 * privilege is missing or a shutdown is on its way already.
 */
PO_NODISCARD enum po_status po_win32_reboot(const struct po_win32_reboot_calls *calls,
                                            const struct po_win32_reboot *how, struct po_err *err);
/* Calls it off. *was_pending false (and PO_OK) when there was none. */
PO_NODISCARD enum po_status po_win32_reboot_cancel(const struct po_win32_reboot_calls *calls,
                                                   bool *was_pending, struct po_err *err);

/* ---- after it ---- */

/* How "pobackup after-reboot" is registered, in bits; 0 = not at all. */
#define PO_WIN32_AFTER_TASK 1u     /* a scheduled task at the start, as SYSTEM */
#define PO_WIN32_AFTER_RUN_ONCE 2u /* RunOnce: only when an administrator logs on */

#define PO_WIN32_TASK_NAME "pobackup after-reboot"
/* Windows ends it if it runs longer than 261 characters, in either place. */
#define PO_WIN32_COMMAND_MAX 260u

/*
 * Registers a command for the next start of the system: a scheduled task, and where that cannot be,
 * RunOnce, and then `note` (may be NULL) gets the reason. What was registered before is replaced. It
 * runs with all rights of the system: nobody else may be allowed to write to the program.
 * `arguments` as on a command line.
 */
PO_NODISCARD enum po_status
po_win32_after_reboot_register(const struct po_win32_reboot_calls *calls, const char *program,
                               const char *arguments, unsigned *how, struct po_buf *note,
                               struct po_err *err);
PO_NODISCARD enum po_status po_win32_after_reboot_query(const struct po_win32_reboot_calls *calls,
                                                        unsigned *how, struct po_err *err);
/* Removes both; nothing there is PO_OK. It is what after-reboot does first when its work is done. */
PO_NODISCARD enum po_status po_win32_after_reboot_remove(const struct po_win32_reboot_calls *calls,
                                                         struct po_err *err);

/* Whether the list that "schtasks /Query /FO CSV /NH" printed names the task; for tests. */
bool po_win32_task_is_listed(const char *csv, size_t size, const char *name);

#endif
