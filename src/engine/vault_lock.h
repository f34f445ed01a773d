/*
 * vault_lock.h - one writer a vault: who writes into it or removes from it holds the lock on the file
 * .pobackup.lock there. The system drops it with the process, so that one who is gone is never waited
 * for, and none is taken for gone because he takes long.
 *
 * The file says who holds it, for messages alone: what stands in it decides nothing.
 */
#ifndef PO_ENGINE_VAULT_LOCK_H
#define PO_ENGINE_VAULT_LOCK_H

#include "base/buf.h"

#define PO_VAULT_LOCK_NAME ".pobackup.lock"

struct po_vault_lock;

/*
 * *out = NULL and PO_OK: somebody holds it; who, for people, is appended to `holder`, or nothing where
 * the file does not say it, or names a process that is gone. PO_E_IO: the place has no locks, or the
 * file cannot be made. `verb` is what for.
 */
PO_NODISCARD enum po_status po_vault_lock_take(struct po_vault_lock **out, const char *vault_path,
                                               const char *verb, struct po_buf *holder,
                                               struct po_err *err);
/* Lets go; the file stays, empty. NULL is fine. */
void po_vault_lock_free(struct po_vault_lock *lock);

#endif
