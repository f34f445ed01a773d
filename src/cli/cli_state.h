/*
 * cli_state.h - the state directory: what the program keeps on this machine from run to run. In
 * this version these are the locks of the sites, the journals of their restores, and the history of
 * all runs (cli_history.h).
 */
#ifndef PO_CLI_CLI_STATE_H
#define PO_CLI_CLI_STATE_H

#include "base/buf.h"

struct po_cli;
struct po_dir;
struct po_host;
struct po_lock;

/*
 * Where it is, appended: POBACKUP_STATE_DIR; else /var/lib/pobackup for the administrator; else the
 * XDG state folder's. Nothing is made. PO_E_IO when the environment names no place.
 */
PO_NODISCARD enum po_status po_cli_state_dir(struct po_buf *out, struct po_err *err);

/* The same, made where missing (for its owner alone), and opened. */
PO_NODISCARD enum po_status po_cli_state_open(struct po_dir **out, struct po_buf *path,
                                              struct po_err *err);

/*
 * Where the journals of the site's restores are (engine/recover.h), appended. Nothing is made.
 */
PO_NODISCARD enum po_status po_cli_state_journals(struct po_host *host, struct po_buf *out,
                                                  struct po_err *err);

/* Where a set that was made by hand becomes an archive (cli_import.h), appended. Likewise. */
PO_NODISCARD enum po_status po_cli_state_import(struct po_host *set, struct po_buf *out,
                                                struct po_err *err);

/* The file that says that a reboot is still to come (cli_reboot.h), appended. Likewise. */
PO_NODISCARD enum po_status po_cli_state_reboot(struct po_host *host, struct po_buf *out,
                                                struct po_err *err);

/* The directory of the site's catalogs (engine/catalog.h), appended. Likewise. */
PO_NODISCARD enum po_status po_cli_state_catalogs(struct po_host *host, struct po_buf *out,
                                                  struct po_err *err);

/* The note of services that are stopped (cli_outage.h), appended. Likewise. */
PO_NODISCARD enum po_status po_cli_state_outage(struct po_host *host, struct po_buf *out,
                                                struct po_err *err);

/* The path of the site's lock, likewise. */
PO_NODISCARD enum po_status po_cli_state_lock(struct po_host *host, struct po_buf *out,
                                              struct po_err *err);

/*
 * Requirement B7: two jobs at once on one site would take each other's stopped services for
 * services that are to stay stopped, and each other's new files for the site's. So whatever stops
 * services or replaces files holds the site's lock, from before its first look at the services
 * until its end. false when somebody else holds it: told, and *code is the exit code. Where no lock
 * can be had at all a warning is given, *lock is NULL, and the job may go on. To be freed by
 * po_lock_free.
 */
bool po_cli_site_lock(struct po_cli *cli, struct po_host *host, struct po_lock **lock, int *code);

/* The lock alone, waited for; *lock = NULL and PO_OK when somebody else holds it until the end. */
PO_NODISCARD enum po_status po_cli_site_lock_wait(struct po_host *host, unsigned wait_ms,
                                                  struct po_lock **lock, struct po_err *err);

#endif
