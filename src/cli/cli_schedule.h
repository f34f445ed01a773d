/*
 * cli_schedule.h - a backup that runs by itself: a job, and the system's scheduler that keeps it. There
 * are three: systemd (a timer and its service), cron (a line), and Windows' Task Scheduler. A job is
 * known by its name, and marked as ours in each of them; nothing else that they keep is touched.
 */
#ifndef PO_CLI_CLI_SCHEDULE_H
#define PO_CLI_CLI_SCHEDULE_H

#include "base/buf.h"

struct po_cli_job {
    const char *name; /* po_cli_job_is_name */
    unsigned hour;
    unsigned minute;
    bool is_weekly;           /* on Sundays, else daily */
    const char *date;         /* today, "2026-11-28" */
    const char *const *words; /* the program's absolute path and its arguments; NULL ends them */
};

#define PO_CLI_JOB_NAME_MAX 40u
/* Letters, digits, '-', '_' and '.', and no '.' or '-' at the front. */
bool po_cli_job_is_name(const char *name);
/* "23:05". */
bool po_cli_job_parse_time(const char *text, unsigned *hour, unsigned *minute);

/* One that is scheduled; the texts live for the call. */
struct po_cli_scheduled {
    const char *name;
    const char *when;
    const char *command; /* "" = the scheduler does not tell it */
};
typedef void (*po_cli_scheduled_fn)(void *ctx, const struct po_cli_scheduled *job);

struct po_cli_scheduler {
    const char *name;
    /*
     * The words of a command that `list` tells, a NUL behind each; false when it is none of ours. NULL:
     * commands are not told.
     */
    bool (*put_words)(struct po_buf *out, const char *command);
    /* Instead of one of the same name. What the user should know of it is appended to `note`. */
    enum po_status (*add)(const struct po_cli_job *job, struct po_buf *note, struct po_err *err);
    /* *was_there = false (and PO_OK) when there is none of that name. */
    enum po_status (*remove)(const char *name, bool *was_there, struct po_err *err);
    enum po_status (*list)(po_cli_scheduled_fn each, void *ctx, struct po_err *err);
};
extern const struct po_cli_scheduler po_cli_systemd;
extern const struct po_cli_scheduler po_cli_cron;
extern const struct po_cli_scheduler po_cli_tasks;
/* This system's: systemd where it runs, else cron. POBACKUP_SCHEDULER picks another. */
PO_NODISCARD enum po_status po_cli_scheduler_find(const struct po_cli_scheduler **out,
                                                  struct po_err *err);

/*
 * Runs one of the scheduler's own programs, with what it is to read (NULL = nothing); what it said is
 * appended. PO_E_IO with that when its exit code is not 0.
 */
PO_NODISCARD enum po_status po_cli_schedule_run(const char *command, const struct po_buf *input,
                                                struct po_buf *said, struct po_err *err);

/* ---- texts (cli_schedule_text.c): pure ---- */

#define PO_CLI_UNIT_MARK "# Made by pobackup schedule, which replaces and removes it.\n"
/* The service and the timer of systemd: whole files. */
void po_cli_job_put_service(struct po_buf *out, const struct po_cli_job *job);
void po_cli_job_put_timer(struct po_buf *out, const struct po_cli_job *job);
/* The value of the first line that begins with `key`, "OnCalendar="; false when there is none. */
bool po_cli_unit_put_value(struct po_buf *out, const char *text, const char *key);

/* The words of such a service's ExecStart=, a NUL behind each; false when it is none of ours. */
bool po_cli_unit_put_words(struct po_buf *out, const char *command);

/* A line of a crontab, "0 2 * * * 'PROGRAM' 'backup' ... # pobackup NAME". Another is none of ours. */
void po_cli_job_put_cron(struct po_buf *out, const struct po_cli_job *job);
/* All lines, byte for byte, but for the job's; *was_there tells whether there was one. */
void po_cli_crontab_put_others(struct po_buf *out, const void *crontab, size_t size,
                               const char *name, bool *was_there);
/* The words of such a line's command, likewise. */
bool po_cli_cron_put_words(struct po_buf *out, const char *command);
void po_cli_crontab_list(const void *crontab, size_t size, po_cli_scheduled_fn each, void *ctx);

/* A definition for schtasks /XML (Vista and later): UTF-16. PO_E_USAGE: what XML cannot say. */
PO_NODISCARD enum po_status po_cli_job_put_task(struct po_buf *out, const struct po_cli_job *job,
                                                struct po_err *err);
/* The whole command line of schtasks for older systems. PO_E_USAGE: what it cannot say. */
PO_NODISCARD enum po_status
po_cli_job_put_schtasks(struct po_buf *out, const struct po_cli_job *job, struct po_err *err);
/* What "schtasks /Query /FO CSV" says. */
void po_cli_tasks_list(const void *csv, size_t size, po_cli_scheduled_fn each, void *ctx);

#endif
