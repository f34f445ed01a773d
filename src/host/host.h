/*
 * host.h - what a site runs on: where its parts are, its services and its registry key. An
 * interface; host_folder.c is the embedded implementation, host_win32.c the machine itself. Only
 * cli/ picks one.
 */
#ifndef PO_HOST_HOST_H
#define PO_HOST_HOST_H

#include "base/buf.h"

/* The four parts of a backup set, in the guide's order. */
enum po_part { PO_PART_REGISTRY, PO_PART_BIN, PO_PART_SPOOL, PO_PART_MAILBOX };
#define PO_PART_COUNT 4

/*
 * The guide's names: "Post.OfficeRegKeyBackup.reg", "Post.OfficeexeBackup",
 * "Post.OfficeConfigBackup", "Post.OfficemailboxBackup".
 */
const char *po_part_member(enum po_part part);
/* "registry", "bin", "spool", "mailbox". */
const char *po_part_name(enum po_part part);

enum po_service_state { PO_SERVICE_UNKNOWN, PO_SERVICE_STOPPED, PO_SERVICE_RUNNING };
/* "unknown", "stopped", "running". */
const char *po_service_state_name(enum po_service_state state);

struct po_service {
    const char *name; /* UTF-8 */
    unsigned stop_timeout_s;
    unsigned start_timeout_s;
    /* Its states tell one that is stopping (unknown) from one that runs. */
    bool tells_pending;
    /* For the record, as known (else NULL): what the manager calls it, its account, its start. */
    const char *key;
    const char *account;
    const char *start; /* "automatic", "manual", "disabled" */
};

struct po_host {
    const struct po_host_ops *ops;
};

/*
 * Failures of a service do not name it: the caller does. Service numbers are 0 to service_count - 1;
 * others are PO_E_USAGE, and NULL from service().
 */
struct po_host_ops {
    const char *kind; /* "folder", "windows" */
    void (*free)(struct po_host *host);
    /* The same text for the same site, whoever opens it: what a lock is named by. */
    const char *(*identity)(struct po_host *host);
    /*
     * req: B1. PO_OK when this process may do the work; else PO_E_IO, and the text says what to do.
     * What is good to know all the same is appended to `note`. NULL: whoever may read and write may.
     */
    PO_NODISCARD enum po_status (*check_admin)(struct po_host *host, struct po_buf *note,
                                               struct po_err *err);
    /*
     * Where a part is: an absolute OS path that lives as long as the host, or NULL when the site
     * has none ("none"). The registry of a Windows host is a key.
     */
    const char *(*place)(struct po_host *host, enum po_part part);
    /* The services in the order in which they are started; stopped in reverse (req: B2). */
    size_t (*service_count)(struct po_host *host);
    const struct po_service *(*service)(struct po_host *host, size_t number);
    PO_NODISCARD enum po_status (*service_state)(struct po_host *host, size_t number,
                                                 enum po_service_state *state, struct po_err *err);
    /*
     * Asks for it and waits until it is really so (state polled, processes gone), at most timeout_s
     * seconds (0 = the service's own). Already so is PO_OK.
     */
    PO_NODISCARD enum po_status (*service_stop)(struct po_host *host, size_t number,
                                                unsigned timeout_s, struct po_err *err);
    PO_NODISCARD enum po_status (*service_start)(struct po_host *host, size_t number,
                                                 unsigned timeout_s, struct po_err *err);
    /* The registry key as a .reg file (bytes appended to `out`). PO_E_IO when there is none. */
    PO_NODISCARD enum po_status (*registry_export)(struct po_host *host, struct po_buf *out,
                                                   int64_t *write_time, struct po_err *err);
    /* What the last export left out, as text; "" = nothing. NULL: it never leaves out anything. */
    const char *(*registry_omissions)(struct po_host *host);
    /*
     * Puts a .reg file in place of the site's (folder) or imports it. Durable and atomic; the
     * former state is appended to `former` first, nothing if there was none. `write_time` is what
     * a file gets (POBACKUP_TIME_UNKNOWN: now).
     */
    PO_NODISCARD enum po_status (*registry_import)(struct po_host *host, const void *bytes,
                                                   size_t size, int64_t write_time,
                                                   struct po_buf *former, struct po_err *err);
};

/*
 * This machine as a Windows mail server (host_win32.h and its parts). What is NULL or empty in the
 * options is found: services by key name or displayed name, the key in the 32-bit view, the
 * directories from the key's values and the services' programs. PO_E_USAGE when something is not
 * found or is ambiguous, with the candidates. PO_E_UNSUPPORTED on other systems.
 */
struct po_host_windows_options {
    const char *key;                  /* below HKLM, as in the 32-bit view: "SOFTWARE\\..." */
    const char *place[PO_PART_COUNT]; /* of the trees; the registry's is not used */
    const char *services[2];          /* in the order in which they are started */
};
PO_NODISCARD enum po_status po_host_windows_open(struct po_host **out,
                                                 const struct po_host_windows_options *options,
                                                 struct po_err *err);

/*
 * A directory in the guide's layout, with an optional pobackup-site.ini that maps each tree
 * elsewhere and names services (the man page documents it). Relative paths in it are relative to
 * the folder; commands run with the folder as working directory. PO_E_USAGE when the folder does
 * not exist, and, with file and line, for unknown sections or keys, duplicates, missing keys and
 * bad values. Missing trees are no error here: a restore makes them.
 */
PO_NODISCARD enum po_status po_host_folder_open(struct po_host **out, const char *folder,
                                                struct po_err *err);

#endif
