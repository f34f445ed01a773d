/* cli_vault.h - a vault by its path, in words and JSON: for `snapshots`, `prune` and `verify`. */
#ifndef PO_CLI_CLI_VAULT_H
#define PO_CLI_CLI_VAULT_H

#include "cli/cli.h"
#include "engine/prune.h"
#include "engine/vault_lock.h"

/* PO_OK: a directory. */
PO_NODISCARD enum po_status po_cli_vault_check(const char *path, struct po_err *err);

/*
 * Lists it, with what the history knows. false: told, *code is the exit code. Where the history cannot
 * be read that is a warning or, for whoever removes, a failure: it says what was verified last, which
 * must stay.
 */
bool po_cli_vault_open(struct po_cli *cli, const char *path, bool is_to_remove,
                       struct po_vault **out, int *code);

/* Lists it for whoever can do without. */
bool po_cli_vault_look(struct po_cli *cli, const char *path, struct po_vault **out,
                       struct po_err *err);

/*
 * Takes the vault's lock (vault_lock.h). false when somebody else holds it: told, and *code is the
 * exit code. Where no lock can be had at all a warning is given, *lock is NULL, and the job may go on.
 */
bool po_cli_vault_lock(struct po_cli *cli, const char *path, struct po_vault_lock **lock,
                       int *code);

/* Names the files that are no archive that can be read, and puts them into the JSON document
 * ("problems"). PO_EXIT_PARTLY when an archive is among them, or may be. */
int po_cli_vault_problems(struct po_cli *cli, const char *path, const struct po_vault *vault);

/* The same within an array that the caller has begun. */
int po_cli_vault_name_problems(struct po_cli *cli, const char *path, const struct po_vault *vault);

/* A row as an object, without its end: more members may be added. NULL when memory runs out. */
json_t *po_cli_vault_row_json(const char *path, const struct po_vault *vault, uint32_t row);
/* A file of the vault: the path that a user would type, as text for a message. */
json_t *po_cli_vault_path_json(const char *path, const char *name);
/* Adds a member of any name, and takes the value over; *object becomes NULL when memory runs out. */
void po_cli_json_add(json_t **object, const char *key, json_t *value);

#endif
