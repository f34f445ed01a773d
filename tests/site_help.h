/*
 * site_help.h - what the engine's tests share: a directory of their own, a made-up host, a sink in
 * memory, and comparing an archive with the tree that it was made of. Everything here asserts.
 */
#ifndef PO_TESTS_SITE_HELP_H
#define PO_TESTS_SITE_HELP_H

#include "archive/reader.h"
#include "engine/backup.h"
#include "host/host.h"
#include "store/store.h"

#define REG "Post.OfficeRegKeyBackup.reg"
#define BIN "Post.OfficeexeBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"
#define FRAME_SIZE (64u << 10) /* the smallest: so that files span frames soon */

/* ---- directory: each test works in one of its own ---- */

void help_enter(void);
void help_leave(void);
/* Its absolute path. */
const char *help_directory(void);

void help_must(enum po_status st, const struct po_err *err);
/* Paths here are relative to the test's directory; parents are made. */
void help_make_directory(const char *path);
void help_write(const char *path, const void *bytes, size_t size);
void help_write_text(const char *path, const char *text);
/* Bytes that no compressor makes smaller, the same for the same seed. */
void help_write_random(const char *path, size_t size, uint64_t seed);
/* A file of `size` bytes without any block. */
void help_write_sparse(const char *path, uint64_t size);
bool help_is_there(const char *path);

/* Numbers that look random, the same for the same start. */
uint32_t help_random(uint64_t *state);
/* A seed of the clock, or that of the environment's POBACKUP_TEST_SEED; printed. */
uint64_t help_seed(void);

/* ---- host ---- */

#define HELP_SERVICES 3
#define HELP_MTA 0 /* running at first */
#define HELP_PUF 1 /* running at first */
#define HELP_WEB 2 /* stopped at first */

struct help_host {
    struct po_host host; /* first: a struct po_host * of ours is a struct help_host * */
    char place[PO_PART_COUNT][256];
    struct po_service services[HELP_SERVICES];
    enum po_service_state states[HELP_SERVICES];
    size_t service_count;
    const char *registry; /* NULL: the export fails */
    /* What was asked for, in order: "stop puf;start mta;". States are not in it. */
    char log[1024];
    unsigned calls;     /* of service_state, _stop, _start and registry_export */
    unsigned fail_call; /* this one fails; 0 = none */
    bool never_starts[HELP_SERVICES];
    bool never_stops[HELP_SERVICES];
    /* A stop that failed comes true after so many questions for the state; 0 = never. */
    unsigned stops_late[HELP_SERVICES];
    bool is_stopping[HELP_SERVICES];
    bool cannot_tell[HELP_SERVICES];
    const char *refuses; /* not NULL: why this process may not do the work */
    unsigned last_timeout_s;
    /* When not NULL: called at the begin of each call that is counted. */
    void (*hook)(void *ctx, const char *call);
    void *ctx;
};

/* The site lies in the test's directory: bin, spool, mailbox below it, with the guide's names. */
void help_host_init(struct help_host *host);
/* Every service is in the state it has after help_host_init. */
void help_assert_services(const struct help_host *host);
/* A little site of every kind of node, for such a host. */
void help_make_site(void);

/* ---- sink ---- */

struct help_sink {
    struct po_store_sink sink;
    struct po_buf bytes;
    bool is_forgetful; /* keeps no bytes, only counts them */
    uint64_t size;
    unsigned writes;
    unsigned fail_write; /* this one fails; 0 = none */
    bool fail_commit;
    bool is_committed;
    /* When not NULL: called before each write with its number, from 1. */
    void (*hook)(void *ctx, unsigned write);
    void *ctx;
};

void help_sink_init(struct help_sink *sink);
void help_sink_deinit(struct help_sink *sink);

/* ---- archive ---- */

struct help_archive {
    const uint8_t *bytes; /* lent */
    size_t size;
    struct pobackup_archive *archive;
    struct po_reader *reader;
    const struct po_reader *joined; /* not NULL: contents are read by it (archive/joined.h) */
};

void help_open(struct help_archive *archive, const void *bytes, size_t size);
/* As help_open, for what may be no archive. */
enum po_status help_try_open(struct help_archive *archive, const void *bytes, size_t size,
                             struct po_err *err);
void help_close(struct help_archive *archive);
/* Deep verification passes, by the library and by the engine with two threads. */
void help_assert_whole(const struct help_archive *archive);
/* The entry's number; it must be there. */
uint64_t help_entry(const struct help_archive *archive, const char *path,
                    struct pobackup_entry *entry);
bool help_has(const struct help_archive *archive, const char *path);
void help_assert_content(const struct help_archive *archive, const char *path, const void *bytes,
                         size_t size);
/*
 * Each entry below `member` is as in the directory `path`: type, time, mode, content, target. Their
 * number; those in `except` (NULL, or ended by NULL) are not looked at and not counted.
 */
uint64_t help_assert_entries(const struct help_archive *archive, const char *member,
                             const char *path, const char *const *except);
/*
 * The archive has below `member` just what the directory `path` has: names, types, sizes, times,
 * contents, targets; but for archive paths in `except` (NULL, or ended by NULL).
 */
void help_assert_tree(const struct help_archive *archive, const char *member, const char *path,
                      const char *const *except);
/* All three trees and the registry of help_make_site. */
void help_assert_site(const struct help_archive *archive, const struct help_host *host);

bool help_problems_have(const struct po_problems *problems, const char *path, const char *reason);

#endif
