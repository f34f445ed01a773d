/*
 * host_win32.h - what the host_win32_*.c files share: this machine as a Windows mail server. Each part is
 * a table of functions or a few calls that need nothing of the others, so that each can be tested
 * alone (under Wine, or with a recording fake below it).
 *
 *   host_win32.c            the struct po_host: joins the parts
 *   host_win32_restore.c    its rights
 *   host_win32_after.c      its reboot and its log
 *   host_win32_services.c   the service control manager
 *   host_win32_registry.c   reading and writing the key
 *   host_win32_places.c     where bin, spool and mailbox are
 *   host_win32_rights.c     security descriptors, accounts, poperms
 *   host_win32_reboot.c     shutting down, and what runs after it
 *   host_win32_events.c     the event log
 *
 * All text here is UTF-8 (WTF-8); port/file_win32.h has the conversions.
 */
#ifndef PO_HOST_HOST_WIN32_H
#define PO_HOST_HOST_WIN32_H

#include "host/host.h"
#include "port/err_win32.h"
#include "registry/reg.h"

/* The product's names (guide), all of them for people who have not renamed anything. */
#define PO_WIN32_MTA "post.office MTA"
#define PO_WIN32_PUF "post.office pufService"
#define PO_WIN32_KEY "SOFTWARE\\Software.com\\Post.Office"

/* ---- services (host_win32_services.c) ---- */

struct po_win32_service {
    char *key;           /* what the manager knows it by */
    char *display_name;  /* what people see */
    char *account;       /* it logs on as, or NULL */
    char *program;       /* its ImagePath's executable, absolute, without arguments, or NULL */
    uint32_t start_type; /* SERVICE_AUTO_START, ... */
};

/* By key name or displayed name, without regard to case. PO_E_USAGE when there is none. */
PO_NODISCARD enum po_status po_win32_service_find(struct po_win32_service *out, const char *name,
                                                  struct po_err *err);
void po_win32_service_deinit(struct po_win32_service *service);
/* A pending state is PO_SERVICE_UNKNOWN. */
PO_NODISCARD enum po_status po_win32_service_state(const struct po_win32_service *service,
                                                   enum po_service_state *state,
                                                   struct po_err *err);
/*
 * Stops it, its running dependents first, and waits by checkpoint and wait hint, at most timeout_s
 * seconds; then until its process is gone. Already stopped is PO_OK. Dependents that were stopped
 * are named in `dependents` (each with a NUL behind, appended), in the order in which to start them.
 */
PO_NODISCARD enum po_status po_win32_service_stop(const struct po_win32_service *service,
                                                  unsigned timeout_s, struct po_buf *dependents,
                                                  struct po_err *err);
PO_NODISCARD enum po_status po_win32_service_start(const struct po_win32_service *service,
                                                   unsigned timeout_s, struct po_err *err);
/*
 * Waits until no process runs a program below the directory `bin` (absolute); PO_E_IO names those
 * that do. bin NULL: PO_OK.
 */
PO_NODISCARD enum po_status po_win32_await_processes(const char *bin, unsigned timeout_s,
                                                     struct po_err *err);

/* ---- registry (host_win32_registry.c) ---- */

/*
 * The whole key below HKEY_LOCAL_MACHINE in the 32-bit view, as a document whose paths are those of
 * regedit on this system ("HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\..." on 64-bit Windows). Keys
 * that may not be read are problems (may be NULL) and passed over. PO_E_IO when there is no key.
 */
typedef enum po_status (*po_win32_problem_fn)(void *ctx, const char *key, const char *reason,
                                              struct po_err *err);
PO_NODISCARD enum po_status po_win32_registry_read(struct po_reg **out, const char *key,
                                                   po_win32_problem_fn problem, void *ctx,
                                                   struct po_err *err);
/*
 * Writes a document into the key of this machine, whatever view its paths are of, and reads it back:
 * merged into what is there, or exact (what the document lacks goes). PO_E_USAGE when the document
 * reaches outside the key. On failure the former content is put back; *err says when that failed too.
 */
PO_NODISCARD enum po_status po_win32_registry_write(const struct po_reg *reg, const char *key,
                                                    bool is_exact, struct po_err *err);

/* ---- places (host_win32_places.c) ---- */

/*
 * Where the trees are: from values of the key that hold an existing directory of the right shape,
 * and the services' programs. What was given already (not NULL) stays. PO_E_USAGE lists candidates.
 */
PO_NODISCARD enum po_status po_win32_places_find(char *place[PO_PART_COUNT],
                                                 const struct po_reg *reg,
                                                 const struct po_win32_service *services,
                                                 size_t service_count, struct po_err *err);

/* ---- the host (host_win32.c) ---- */

#define PO_WIN32_SERVICES 2
#define PO_WIN32_SERVICE_MTA 0 /* started first, stopped last (req: B2) */
#define PO_WIN32_SERVICE_PUF 1

struct po_win32_restore; /* the prepared rights (host_win32_restore.c) */

struct po_win32_host {
    struct po_host host; /* first: a struct po_host * of ours is one of these */
    char *key;           /* below HKLM, as in the 32-bit view */
    char *place[PO_PART_COUNT];
    struct po_win32_service found[PO_WIN32_SERVICES];
    struct po_service services[PO_WIN32_SERVICES];
    struct po_buf dependents[PO_WIN32_SERVICES]; /* stopped with it, each with a NUL behind */
    struct po_buf recorded[PO_WIN32_SERVICES];   /* that ran when this was opened, likewise */
    size_t omitted_count;                        /* keys that the last export could not read */
    char omissions[256];
    struct po_win32_restore *restore; /* NULL until its rights are prepared */
};

static inline struct po_win32_host *
po_win32_host_of(struct po_host *host)
{
    return (struct po_win32_host *)host;
}

extern const struct po_host_rights_ops po_win32_rights_ops;
void po_win32_restore_free(struct po_win32_restore *restore);
extern const struct po_host_reboot_ops po_win32_reboot_ops;
/* po_host_ops.report */
PO_NODISCARD enum po_status po_win32_host_report(struct po_host *host,
                                                 const struct po_host_event *event,
                                                 const char *log_path, bool *is_in_file,
                                                 struct po_err *err);

#endif
