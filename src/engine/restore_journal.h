/*
 * restore_journal.h - what a restore writes down, so that it can be finished or taken back by
 * another process: after a crash, or days later. One folder a restore, in the site's folder of the
 * state directory:
 *
 *   journal      what was planned and how far it came (journal.h)
 *   new.reg      the registry that is imported
 *   former.reg   the one that was there; not there: there was none
 *   rights       where a rule is set on whole trees: those that all had (restore_rights_former.c)
 *
 * Nothing in a site is changed before what is changed stands in the journal, on the disk. Each rename
 * can be told to be done or not by looking: it moves a name from one place to another. So the
 * journal says what the renames are, once, and not which of them are done.
 */
#ifndef PO_ENGINE_RESTORE_JOURNAL_H
#define PO_ENGINE_RESTORE_JOURNAL_H

#include "engine/restore_parts.h"
#include "engine/services.h"

#define PO_RESTORE_JOURNAL "journal"
#define PO_RESTORE_NEW_REG "new.reg"
#define PO_RESTORE_FORMER_REG "former.reg"
#define PO_RESTORE_RIGHTS_LOG "rights"

/* The kinds of records. */
enum po_restore_record {
    PO_RESTORE_RECORD_BEGIN = 1, /* version, flags, time, archive, rule of rights, parts */
    PO_RESTORE_RECORD_BASE,      /* number, path, stage, set-aside, write time */
    PO_RESTORE_RECORD_TREE,      /* part, base, path, path below the base, was there */
    PO_RESTORE_RECORD_SERVICE,   /* name; it ran */
    PO_RESTORE_RECORD_STEP,
    PO_RESTORE_RECORD_REGISTRY, /* times of both, whether there was one */
    PO_RESTORE_RECORD_PHASE,
};

/* All of these do nothing without options.journal_dir. */
PO_NODISCARD enum po_status po_restore_journal_begin(struct po_restore *r, struct po_err *err);
/* The names of a base's folders, before one is made. */
PO_NODISCARD enum po_status po_restore_journal_base(struct po_restore *r,
                                                    const struct po_restore_base *base,
                                                    struct po_err *err);
/* Which services ran. */
PO_NODISCARD enum po_status po_restore_journal_services(struct po_restore *r,
                                                        const struct po_services *services,
                                                        struct po_err *err);
/* Trees, and all steps of the log. */
PO_NODISCARD enum po_status po_restore_journal_steps(struct po_restore *r, struct po_err *err);
/* Both registries, durably; former empty: there is none. */
PO_NODISCARD enum po_status po_restore_journal_registry(struct po_restore *r,
                                                        const struct po_buf *former,
                                                        int64_t former_time, struct po_err *err);
/* What begins now; all before it is on the disk when this returns. */
PO_NODISCARD enum po_status
po_restore_journal_phase(struct po_restore *r, enum po_restore_phase phase, struct po_err *err);
/* The restore did not happen, or can no longer be taken back: the folder goes. false: not all of
 * it, but perhaps the journal. */
bool po_restore_journal_drop(struct po_restore *r);

/* Fills in a restore without an archive from a journal folder: bases (opened where they are), trees,
 * steps, and the services that ran ("name\\0" each). */
PO_NODISCARD enum po_status po_restore_journal_load(struct po_restore *r, struct po_dir *dir,
                                                    struct po_err *err);

#endif
