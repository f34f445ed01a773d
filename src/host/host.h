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
    const char *start;               /* "automatic", "manual", "disabled" */
    uint32_t process_id;             /* when the host was opened; 0 = none, or not known */
    const struct po_buf *dependents; /* that ran then and need it, a key with a NUL behind each */
};

enum po_registry_how { PO_REGISTRY_MERGED, PO_REGISTRY_EXACT };

struct po_host {
    const struct po_host_ops *ops;
};

/* known_place, or place. */
const char *po_host_known_place(struct po_host *host, enum po_part part);

/* ---- rights (req: R7) ---- */

/* How the rights of restored files are set. */
enum po_rights {
    PO_RIGHTS_RECORDED, /* what the archive recorded, accounts mapped to this machine's */
    PO_RIGHTS_DEFAULT,  /* our own rule (security_rule.h) */
    PO_RIGHTS_POPERMS,  /* the product's own program */
    PO_RIGHTS_KEEP      /* whatever new files get */
};
#define PO_RIGHTS_COUNT 4
/* "recorded", "default", "poperms", "keep". */
const char *po_rights_name(enum po_rights rights);
/* The reverse; false when it is none. */
bool po_rights_parse(enum po_rights *out, const char *name);

/* An account of the machine that made an archive. */
struct po_host_account {
    const char *sid;  /* "S-1-5-..." */
    const char *name; /* "DOMAIN\\name", or NULL: not known */
    const char *kind; /* "user", "group", "unknown" */
};
typedef enum po_status (*po_host_account_fn)(void *ctx, const struct po_host_account *account,
                                             struct po_err *err);

/* Windows descriptors, self-relative, by number; at() is false for one of another kind. */
struct po_host_descriptors {
    uint32_t count;
    bool (*at)(void *ctx, uint32_t number, const uint8_t **bytes, size_t *size);
    void *ctx;
};

/* Where an archive's rights come from. */
struct po_host_origin {
    const char *host; /* the machine's name, or NULL */
    /* The services' account then: the one of the services here takes its place. NULL: none. */
    const char *service_account;
    const struct po_host_account *accounts;
    size_t account_count;
};

/* How setting the rights of whole trees goes; all may be NULL. */
struct po_host_rights_watch {
    void (*progress)(void *ctx, uint64_t done); /* files */
    void (*waiting)(void *ctx, double seconds); /* for poperms */
    /* A node that keeps its rights; ends the run unless PO_OK. */
    enum po_status (*problem)(void *ctx, enum po_part part, const char *path, size_t size,
                              const struct po_err *failure, struct po_err *err);
    void *ctx;
    const volatile int *cancel;
};

struct po_dir;
struct po_host_rights_ops {
    /* The accounts in the descriptors, with their names: what a backup records. */
    PO_NODISCARD enum po_status (*accounts)(struct po_host *host,
                                            const struct po_host_descriptors *descriptors,
                                            po_host_account_fn each, void *ctx, struct po_err *err);
    /* Whether there is a poperms.exe. */
    bool (*has_poperms)(struct po_host *host);
    /*
     * Chooses an account of this machine for each of the archive's, and makes the descriptors
     * ready to be set. The choices are appended to `choices`, a line each; *unknown_count is how
     * many have none here and stay. Once, before `set`.
     */
    PO_NODISCARD enum po_status (*prepare)(struct po_host *host,
                                           const struct po_host_origin *origin,
                                           const struct po_host_descriptors *descriptors,
                                           struct po_buf *choices, size_t *unknown_count,
                                           struct po_err *err);
    /* Sets a descriptor that was prepared, by number, on one node. From any thread. */
    PO_NODISCARD enum po_status (*set)(struct po_host *host, uint32_t number, struct po_dir *dir,
                                       const char *path, size_t path_size, struct po_err *err);
    /* Sets one of this machine, as it is: what po_dir_put_security gave. */
    PO_NODISCARD enum po_status (*set_former)(struct po_host *host, const void *bytes, size_t size,
                                              struct po_dir *dir, const char *path,
                                              size_t path_size, struct po_err *err);
    /*
     * Sets the rights of whole parts as they are now: PO_RIGHTS_DEFAULT or PO_RIGHTS_POPERMS (which
     * always does all of them). Failing nodes are problems; *done counts the others.
     */
    PO_NODISCARD enum po_status (*apply)(struct po_host *host, enum po_rights rights,
                                         const bool parts[PO_PART_COUNT],
                                         const struct po_host_rights_watch *watch, uint64_t *done,
                                         struct po_err *err);
};

/* ---- the reboot (req: R8, R9) ---- */

struct po_host_reboot_ops {
    /* Asks for one and returns; delay_s 0 = now. `message` is shown to who is logged on. */
    PO_NODISCARD enum po_status (*reboot)(struct po_host *host, const char *message,
                                          unsigned delay_s, struct po_err *err);
    /* *was_pending false (and PO_OK) when there was none. */
    PO_NODISCARD enum po_status (*cancel)(struct po_host *host, bool *was_pending,
                                          struct po_err *err);
    /*
     * Has `program arguments` run once the machine has started, with all rights. A remark (that it
     * needs somebody to log on) is appended to `note`.
     */
    PO_NODISCARD enum po_status (*after)(struct po_host *host, const char *program,
                                         const char *arguments, struct po_buf *note,
                                         struct po_err *err);
    PO_NODISCARD enum po_status (*forget_after)(struct po_host *host, struct po_err *err);
};

/* ---- the system's log ---- */

enum po_host_event_kind { PO_HOST_EVENT_DONE, PO_HOST_EVENT_WARNING, PO_HOST_EVENT_ERROR };
struct po_host_event {
    enum po_host_event_kind kind;
    unsigned id; /* 1 to 32: what people filter by */
    const char *text;
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
    /* By which path the mail server knows a tree, as its registry says it. NULL (the function, or
     * what it gives): by its place. */
    const char *(*known_place)(struct po_host *host, enum po_part part);
    /* The services in the order in which they are started; stopped in reverse (req: B2). */
    size_t (*service_count)(struct po_host *host);
    const struct po_service *(*service)(struct po_host *host, size_t number);
    PO_NODISCARD enum po_status (*service_state)(struct po_host *host, size_t number,
                                                 enum po_service_state *state, struct po_err *err);
    /*
     * Services are about to be stopped, and still run: whoever notes stops makes ready for it, so that
     * it takes no time while they are down. NULL: nobody does (host_guard.h).
     */
    void (*services_prepare)(struct po_host *host);
    /*
     * Asks for it and waits until it is really so (state polled, processes gone), at most timeout_s
     * seconds (0 = the service's own). Already so is PO_OK.
     */
    PO_NODISCARD enum po_status (*service_stop)(struct po_host *host, size_t number,
                                                unsigned timeout_s, struct po_err *err);
    PO_NODISCARD enum po_status (*service_start)(struct po_host *host, size_t number,
                                                 unsigned timeout_s, struct po_err *err);
    /* The registry key as a .reg file (bytes appended to `out`). When there is none: PO_E_IO, and
     * os_code is ENOENT. */
    PO_NODISCARD enum po_status (*registry_export)(struct po_host *host, struct po_buf *out,
                                                   int64_t *write_time, struct po_err *err);
    /* What the last export left out, as text; "" = nothing. NULL: it never leaves out anything. */
    const char *(*registry_omissions)(struct po_host *host);
    /*
     * Imports a .reg file, durable and atomic, into the view of 64-bit Windows that the site has.
     * Merged: what the file lacks stays, and bytes that are no .reg file are PO_E_FORMAT or
     * PO_E_UNSUPPORTED. Exact: it goes; an empty file takes the key away. The former state is
     * appended to `former` first, nothing if there was none. `write_time` is what a file gets
     * (POBACKUP_TIME_UNKNOWN: now).
     */
    PO_NODISCARD enum po_status (*registry_import)(struct po_host *host, const void *bytes,
                                                   size_t size, int64_t write_time,
                                                   enum po_registry_how how, struct po_buf *former,
                                                   struct po_err *err);
    /* NULL: files have the rights with which they were written. */
    const struct po_host_rights_ops *rights;
    /* NULL: there is nothing to reboot. */
    const struct po_host_reboot_ops *reboot;
    /*
     * One event a run, in the system's log; where that does not take it, in the file `log_path`
     * (NULL: none), and *is_in_file is true. NULL: no such log.
     */
    PO_NODISCARD enum po_status (*report)(struct po_host *host, const struct po_host_event *event,
                                          const char *log_path, bool *is_in_file,
                                          struct po_err *err);
};

/*
 * As po_host_ops.report, of a run that works on no site: where the system has such a log. PO_OK, and
 * nothing is done, where it has none.
 */
PO_NODISCARD enum po_status po_host_report(const struct po_host_event *event, const char *log_path,
                                           bool *is_in_file, struct po_err *err);

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
