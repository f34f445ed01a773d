/* cli_archive.h - an archive by its path, with messages that say what to do next. */
#ifndef PO_CLI_CLI_ARCHIVE_H
#define PO_CLI_CLI_ARCHIVE_H

#include "archive/joined.h"
#include "engine/parents.h"

struct po_cli;

struct po_cli_archive {
    const char *path; /* the caller's */
    bool is_import;   /* a set that was made by hand (cli_import.h): nothing is known of its past */
    struct pobackup_blob blob;
    struct po_reader *own;    /* what was opened */
    struct po_reader *reader; /* to read by: that, or joined with its parents */
    struct po_parents parents;
    struct po_joined *joined; /* by po_cli_parents_join, else NULL */
    struct po_buf manifest;   /* JSON */
    bool is_manifest_damaged; /* the rest may be whole */
};

/* Opens without a word. A damaged manifest is a failure only when it is not to be borne. */
PO_NODISCARD enum po_status po_cli_archive_open_quietly(struct po_cli_archive *archive,
                                                        const char *path, struct po_err *err);
/*
 * Opens and tells what went wrong: false and *code. A damaged manifest is a warning, and *code is
 * PO_EXIT_DAMAGED then though the rest can be used; else *code is PO_EXIT_DONE. With --trusted-key
 * (cli_trust.h) one that is not signed by such a key is not opened.
 */
bool po_cli_archive_open(struct po_cli *cli, struct po_cli_archive *archive, const char *path,
                         int *code);
/* Tells a failure of opening or reading it, with a hint; returns the exit code. */
int po_cli_archive_failed(struct po_cli *cli, const char *path, const struct po_err *err);
void po_cli_archive_deinit(struct po_cli_archive *archive);

/* The name of an entry's type, for people and in JSON: "file", "directory", ... */
const char *po_cli_type_name(unsigned type);
/* The name of the archive in which an entry lies: NULL = this one. Not ended by a NUL. */
const char *po_cli_archive_source(const struct po_cli_archive *archive, uint32_t entry,
                                  size_t *name_size);
/* Warns of each pattern that selects nothing; how many these are. */
size_t po_cli_archive_unmatched(struct po_cli *cli, const struct po_cli_archive *archive,
                                const char *const *patterns, size_t pattern_count);

#endif
