/*
 * doctor.h - can this site be backed up and restored? Every check is made and told; nothing is
 * changed (but for a small file at the target, made and removed to prove that it can be).
 */
#ifndef PO_ENGINE_DOCTOR_H
#define PO_ENGINE_DOCTOR_H

#include "base/event.h"
#include "engine/history.h"
#include "host/host.h"

/* Rising: BAD means that a backup or restore would fail, or leave something out. */
enum po_check_state { PO_CHECK_GOOD, PO_CHECK_NOTE, PO_CHECK_WARNING, PO_CHECK_BAD };

/*
 * `text`: one line for people. `id`: a stable name for scripts; the same one comes more than once
 * where there is more than one thing to say:
 *
 *   rights      who runs it (B1)
 *   services    one a service: does its state get told, and in time (B2)
 *   registry    can it be exported, does it parse, is the product's key in it (B3)
 *   trees       one a tree: there, a directory, can be listed (B4 to B6)
 *   sizes       what a full backup would read
 *   unreadable  one a file or directory that cannot be read (B8); 20 are named, the rest counted
 *   special     FIFOs, devices, sockets, which have nothing to back up; likewise
 *   product     its program is in bin (R1); of a folder site only when it is
 *   leftovers   what earlier restores set aside (NOTE), or left unfinished (WARNING)
 *   pending     a restore that was interrupted (BAD)
 *   lock        another job is at work just now (NOTE)
 *   queue       messages that wait, and sets without all of their files (R11, W1)
 *   clock       the year, and files from the future
 *   disk        one a volume: space for a restore beside spool and mailbox (R1)
 *   target      there or can be made, writable, not inside the site (N3)
 *   volume      not one of the site's (N3)
 *   space       free at the target, against a first guess of what a full backup needs
 *   backup      the last good one; WARNING when there is none, it is older than 25 hours, or a
 *               later run failed
 *   verified    the last one that was verified deeply; WARNING when none was
 *   uninstall   that this would delete all accounts; NOTE when no backup was verified (K1)
 *   trend       free at the target over the last backups; WARNING when it is full after 14 more
 */
typedef void (*po_check_fn)(void *ctx, enum po_check_state state, const char *id, const char *text);

/* Of what is NULL, the checks that need it are left out. */
struct po_doctor_options {
    /* Where backups go: a directory or a file to be. NULL: where the last good one went. */
    const char *target;
    const struct po_history *history;
    const char *journal_dir; /* of the site's restores (recover.h) */
    const char *lock_path;   /* the site's lock; it is not made */
    int64_t now;             /* 0 = the clock's time */
};

/* PO_OK whatever was found; *worst says how it stands. Fails only when memory runs out. */
PO_NODISCARD enum po_status po_doctor_run(struct po_host *host,
                                          const struct po_doctor_options *options, po_check_fn each,
                                          void *ctx, enum po_check_state *worst,
                                          struct po_err *err);

/*
 * N3: PO_E_USAGE when `os_path` (a file to be, or a directory; it need not exist) lies inside a
 * part of the site, by whatever links or names one gets there, or when that cannot be told (a link
 * that leads nowhere, ".." behind what does not exist). *is_same_volume: it is, or would be made,
 * on the volume of a part.
 */
PO_NODISCARD enum po_status po_doctor_target(struct po_host *host, const char *os_path,
                                             bool *is_same_volume, struct po_err *err);

#endif
