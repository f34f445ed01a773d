/*
 * vault.h - the archives of a vault: a directory into which backups are written. Each file named
 * *.tar.zst is looked at (archive/peek.h), never changed; what is no whole archive, and files that are
 * still being written, are told apart. What the history (history.h) knows of an archive, by its
 * digest, is joined: when it was verified, whether it lacks something.
 *
 * Archives of different hosts or sites in one directory are groups of their own.
 */
#ifndef PO_ENGINE_VAULT_H
#define PO_ENGINE_VAULT_H

#include "archive/peek.h"
#include "base/event.h"
#include "engine/history.h"
#include "engine/retention.h"
#include "port/file.h"

#define PO_VAULT_ENDING ".tar.zst"
#define PO_VAULT_PARTIAL_ENDING ".tar.zst.partial"

/* An archive. Rows are numbered by time, the oldest is 0. */
struct po_vault_row {
    char *name; /* of the file */
    uint64_t file_bytes;
    uint64_t
        file_id; /* these two are other ones for a copy, here or on another disk; 0 = not known */
    int64_t change_time;
    struct po_peek peek;
    uint32_t group;    /* from 0 */
    uint32_t copy_of;  /* the row with the same digest that stands for it, or PO_RETENTION_NONE */
    uint32_t *parents; /* rows, one a parent of the manifest; PO_RETENTION_NONE: not there */
    uint32_t missing;  /* how many are not there, or have another archive at their name */
    bool is_named;     /* another one has this name for its parent, and it is that */
    /* From the history. */
    bool is_known_complete;
    bool is_known_incomplete;
    bool is_damaged; /* whoever looked last found it so */
    bool
        is_verified; /* whoever looked last deeply found it whole, and nobody found it damaged since */
    /* The last look that found it whole; a deep one before a quick one. PO_HISTORY_UNCHECKED: none. */
    enum po_history_check check;
    int64_t checked_at;
};

enum po_vault_fault {
    PO_VAULT_DAMAGED,
    PO_VAULT_NEWER,      /* of a later version of the format */
    PO_VAULT_FOREIGN,    /* a .tar.zst that is not ours */
    PO_VAULT_UNREADABLE, /* the system did not let it be read, or it is no file */
    PO_VAULT_PARTIAL     /* being written, or left by a run that was killed */
};
/* "damaged", "newer", "foreign", "unreadable", "partial". */
const char *po_vault_fault_name(enum po_vault_fault fault);

/* A file that is no archive that can be read. */
struct po_vault_problem {
    char *name;
    enum po_vault_fault fault;
    uint64_t file_bytes;
    int64_t write_time;
    char *reason;
};

struct po_vault {
    struct po_dir *dir;
    struct po_vault_row *rows;
    uint32_t count;
    uint32_t group_count;
    struct po_vault_problem *problems; /* by name */
    uint32_t problem_count;
    size_t row_capacity;
    size_t problem_capacity;
};

/* `history` may be NULL. Fails when the directory cannot be listed, not for a file in it. */
PO_NODISCARD enum po_status po_vault_open(struct po_vault **out, const char *os_path,
                                          const struct po_history *history,
                                          const struct po_watch *watch, struct po_err *err);
void po_vault_free(struct po_vault *vault);

/* The row with this file name, or PO_RETENTION_NONE. */
uint32_t po_vault_find(const struct po_vault *vault, const char *name);
/*
 * The row with this digest, or PO_RETENTION_NONE. Of copies the one that others name as their parent;
 * else one with a name that a backup gives; else the first. It stands for all.
 */
uint32_t po_vault_find_digest(const struct po_vault *vault, const uint8_t digest[PO_DIGEST_SIZE]);
/* Looks at the file again. PO_OK: it is still there and the same archive. */
PO_NODISCARD enum po_status po_vault_recheck(const struct po_vault *vault, uint32_t row,
                                             struct po_err *err);

#endif
