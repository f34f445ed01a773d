/*
 * cli.h - the command line: the composition root. It alone picks a host and a store, prints, reads
 * the environment and asks questions; whatever does the work lies below and returns a status.
 *
 * po_cli_main parses the options against the tables of cli_verbs.c and calls the verb's function
 * (cmd_*.c), which returns the exit code. Data go to standard output, people's text to standard
 * error (cli_out.h).
 */
#ifndef PO_CLI_CLI_H
#define PO_CLI_CLI_H

#include "base/event.h"
#include "cli/cli_log.h"
#include "cli/cli_options.h"
#include "cli/cli_out.h"
#include "cli/cli_progress.h"
#include "engine/history.h"

/* The exit codes: a promise to scripts. */
enum po_exit {
    PO_EXIT_DONE = 0,
    PO_EXIT_PARTLY = 1, /* some items failed or differ */
    PO_EXIT_FAILED = 2,
    PO_EXIT_USAGE = 3,
    PO_EXIT_DAMAGED = 4,
    PO_EXIT_SERVICES = 5, /* could not be brought back: wins over all others */
};

struct po_cli {
    const struct po_cli_verb *verb;
    struct po_cli_values values;
    struct po_cli_out out;
    struct po_cli_progress progress;
    struct po_watch watch;         /* for the engine */
    struct po_history_run history; /* this one (cli_history.h) */
    struct po_history *before;     /* runs before this one, once read (po_cli_history_before) */
    bool is_before_read;
    char *site; /* whose it is, once that is known; owned */
    struct po_cli_log log;
    bool is_telling;  /* its end is told (cli_tell.h) */
    bool is_reported; /* the system's log has it (cli_event.h) */
    int64_t began_at; /* po_sys_now */
    double began;     /* po_sys_monotonic */
};

/* The program: returns the exit code. */
int po_cli_main(int argc, char **argv);

/* The exit code of a failure. */
int po_cli_exit_code(enum po_status status);
/* Tells it and returns its exit code. */
int po_cli_failed(struct po_cli *cli, const struct po_err *err);
/* A usage error: tells it, names the help, returns PO_EXIT_USAGE. */
PO_PRINTF(2, 3) int po_cli_usage(struct po_cli *cli, const char *format, ...);

bool po_cli_has(const struct po_cli *cli, enum po_cli_id id);
/* NULL when not given. */
const char *po_cli_text(const struct po_cli *cli, enum po_cli_id id);
int64_t po_cli_number(const struct po_cli *cli, enum po_cli_id id, int64_t otherwise);
/* A signal has asked the program to stop. */
bool po_cli_is_cancelled(const struct po_cli *cli);
/* From now on signals ask the engine to stop instead of ending the program. */
void po_cli_catch_interrupts(struct po_cli *cli);

/* cli_help.c */
void po_cli_help_all(struct po_buf *out);
void po_cli_help_verb(struct po_buf *out, const struct po_cli_verb *verb);

/* The verbs. */
int po_cmd_backup(struct po_cli *cli);
int po_cmd_verify(struct po_cli *cli);
int po_cmd_list(struct po_cli *cli);
int po_cmd_show(struct po_cli *cli);
int po_cmd_cat(struct po_cli *cli);
int po_cmd_extract(struct po_cli *cli);
int po_cmd_salvage(struct po_cli *cli);
int po_cmd_diff(struct po_cli *cli);
int po_cmd_restore(struct po_cli *cli);
int po_cmd_after_reboot(struct po_cli *cli);
int po_cmd_undo(struct po_cli *cli);
int po_cmd_resume(struct po_cli *cli);
int po_cmd_status(struct po_cli *cli);
int po_cmd_snapshots(struct po_cli *cli);
int po_cmd_prune(struct po_cli *cli);
int po_cmd_consolidate(struct po_cli *cli);
int po_cmd_protect(struct po_cli *cli);
int po_cmd_repair(struct po_cli *cli);
int po_cmd_keygen(struct po_cli *cli);
int po_cmd_sign(struct po_cli *cli);
int po_cmd_guardian(struct po_cli *cli);
int po_cmd_doctor(struct po_cli *cli);
int po_cmd_drill(struct po_cli *cli);
int po_cmd_pre_upgrade(struct po_cli *cli);
int po_cmd_config(struct po_cli *cli);
int po_cmd_schedule(struct po_cli *cli);
int po_cmd_help(struct po_cli *cli);
int po_cmd_version(struct po_cli *cli);

#endif
