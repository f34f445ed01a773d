/*
 * retention.h - which archives of a vault stay and which may go. A pure function of what is known of
 * them: no file is touched, no clock is asked.
 *
 * Rules count periods that have a backup, newest first, and keep the newest backup of each: the last
 * N backups, days, ISO weeks, months, years, in local time. Nothing depends on how old a backup is, so
 * that a clock that jumps removes nothing.
 *
 * A slot of a rule is filled by a good backup first. What is incomplete, was found damaged or lacks a
 * parent is counted apart: it never takes the place of a good one, yet is not kept for ever either.
 * What is suspicious fills no slot at all and stays until somebody has looked: a date in the future, or
 * less than half the bytes or entries of the one before. Whatever the rules say, these stay: parents
 * of what stays, the last verified full of each group, the last backup for each purpose, and the newest
 * backup of each group.
 */
#ifndef PO_ENGINE_RETENTION_H
#define PO_ENGINE_RETENTION_H

#include "base/err.h"

#include <stdbool.h>

#define PO_RETENTION_NONE UINT32_MAX

/* One archive. Parents and copies are rows too. */
struct po_retention_row {
    int64_t created;
    uint64_t bytes; /* of content, and all entries: of the whole snapshot */
    uint64_t entries;
    const char *purpose;     /* NULL = an ordinary backup */
    const uint32_t *parents; /* rows; PO_RETENTION_NONE = not there */
    size_t parent_count;
    uint32_t group;   /* those of one site have one number */
    uint32_t copy_of; /* the row that is the same archive, or PO_RETENTION_NONE */
    bool is_diff;
    bool is_forgotten;  /* named by the user: no rule, purpose or suspicion keeps it */
    bool is_incomplete; /* known to lack something, or to have what changed while it was read */
    bool is_damaged;    /* whoever looked last found it so */
    bool is_verified;   /* whoever looked last deeply found it whole */
    bool is_needed;     /* by what cannot be read, perhaps: stays, whatever else */
};

/* 0 = no such rule. Without any, all stays that is not forgotten. */
struct po_retention_rules {
    uint32_t last;
    uint32_t daily;
    uint32_t weekly;
    uint32_t monthly;
    uint32_t yearly;
};
bool po_retention_has_rule(const struct po_retention_rules *rules);

struct po_local_day {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};
/* The local date at a time. */
typedef struct po_local_day (*po_local_day_fn)(void *ctx, int64_t time);
/* The ISO 8601 week of a date: year * 100 + week. The first days of January may be of the year before. */
int po_iso_week(struct po_local_day date);

/* Why an archive stays; there may be more than one reason. */
enum po_retention_reason {
    PO_KEEP_LAST = 1 << 0,
    PO_KEEP_DAILY = 1 << 1,
    PO_KEEP_WEEKLY = 1 << 2,
    PO_KEEP_MONTHLY = 1 << 3,
    PO_KEEP_YEARLY = 1 << 4,
    PO_KEEP_PARENT = 1 << 5,   /* of verdict->child */
    PO_KEEP_VERIFIED = 1 << 6, /* the last verified full, or the last full where none is */
    PO_KEEP_PURPOSE = 1 << 7,  /* the last for its purpose */
    PO_KEEP_FUTURE = 1 << 8,   /* suspicious: dated more than a day ahead */
    PO_KEEP_SMALL = 1 << 9,    /* suspicious: less than half of the one before, verdict->small */
    PO_KEEP_BEFORE_SMALL = 1 << 10, /* the one before a suspiciously small one, verdict->small */
    PO_KEEP_COPY = 1 << 11,         /* the same archive as row->copy_of */
    PO_KEEP_ONLY = 1 << 12,         /* else none would be left of its group */
    PO_KEEP_NO_RULE = 1 << 13,
    PO_KEEP_NEEDED = 1 << 14, /* row->is_needed */
    PO_KEEP_NEWEST = 1 << 15, /* of its group, where nothing else keeps it */
};
#define PO_KEEP_REASON_COUNT 16
/* "last", "daily", ...: of one bit, for scripts. */
const char *po_retention_reason_name(unsigned bit);

struct po_retention_verdict {
    unsigned reasons;   /* 0 = it may go */
    bool is_lesser;     /* incomplete, damaged, or without a parent: gives way to a good one */
    bool is_suspicious; /* as PO_KEEP_FUTURE, PO_KEEP_SMALL; also where it is forgotten */
    /* Rows that reasons speak of, or PO_RETENTION_NONE. */
    uint32_t child; /* one that stays, of which it is a parent */
    uint32_t small; /* what it is small against, or what is small against it */
};

/*
 * verdicts: one a row. *order has the rows that may go in the order in which they are removed, *removed
 * of them (room for count): children before their parents, else oldest first. Fails only when memory
 * runs out; then nothing may be removed.
 */
PO_NODISCARD enum po_status po_retention_decide(const struct po_retention_row *rows, uint32_t count,
                                                const struct po_retention_rules *rules, int64_t now,
                                                po_local_day_fn local_day, void *ctx,
                                                struct po_retention_verdict *verdicts,
                                                uint32_t *order, uint32_t *removed,
                                                struct po_err *err);

#endif
