/*
 * cli_base.h - what a backup into a vault builds on: chosen by engine/base_choice.h, its index from
 * this machine's catalog or, where that is lost, from the archive.
 */
#ifndef PO_CLI_CLI_BASE_H
#define PO_CLI_CLI_BASE_H

#include "cli/cli.h"
#include "cli/cli_archive.h"
#include "engine/backup.h"
#include "engine/catalog.h"

struct po_cli_base {
    bool is_diff;
    struct po_backup_base base;    /* when is_diff */
    char *name;                    /* of the base's file */
    struct po_index *index;        /* from the catalog; or */
    struct po_cli_archive archive; /* the base itself */
    char *path;
    struct po_buf catalogs;     /* the directory; empty: there is no state directory */
    struct po_catalog *catalog; /* of what is being made; NULL: none */
    struct pobackup_sink copy;
};

/* DEST is a directory, whose lock is held; else nothing is built on. Why it is a full is told, unless
 * it is to be one. */
void po_cli_base_choose(struct po_cli *cli, struct po_host *host, const char *dest, bool is_full,
                        struct po_cli_base *base);
/* Sets options->base and ->index_copy; they live as long as the base. */
void po_cli_base_begin(struct po_cli *cli, struct po_cli_base *base,
                       struct po_backup_options *options);
/* After a backup that was committed: its catalog stays, for the next one. */
void po_cli_base_commit(struct po_cli_base *base, const struct po_backup_result *result);
void po_cli_base_deinit(struct po_cli_base *base);

#endif
