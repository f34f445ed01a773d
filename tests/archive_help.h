/*
 * archive_help.h - what the tests of the archive module share: numbers drawn from a printed seed, a
 * set of made-up entries, and an archive in memory whose reads and writes can be made to fail.
 * Memory runs out only where a test wants it to: these helpers assert that it does not.
 */
#ifndef PO_TESTS_ARCHIVE_HELP_H
#define PO_TESTS_ARCHIVE_HELP_H

#include <check.h>
#include <pobackup.h>
#include <stdbool.h>

#define HELP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- numbers ---- */

struct help_random {
    uint64_t state;
};

/*
 * Begins at the seed in POBACKUP_TEST_SEED, or at one that is new each time, and prints it. The
 * number is the test's own, so that its loops differ from each other.
 */
struct help_random help_random_begin(const char *test, uint64_t number);
uint64_t help_random_next(struct help_random *random);
/* 0 to below - 1. */
uint64_t help_random_below(struct help_random *random, uint64_t below);
size_t help_random_size(struct help_random *random, size_t below);
void help_random_fill(struct help_random *random, void *bytes, size_t size);

enum help_alphabet {
    HELP_PORTABLE, /* a-z and '/' */
    HELP_UTF8,     /* also letters of two, three and four bytes; none is composed of two */
    HELP_BYTES,    /* anything but NUL, and never UTF-8 */
};

/* A path of exactly `size` bytes, from the heap and ended by a NUL; no '/' at its ends or doubled.
 */
char *help_path(struct help_random *random, enum help_alphabet alphabet, size_t size);

/* ---- an archive in memory ---- */

struct help_memory {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    unsigned long calls;   /* reads and writes since the last reset */
    unsigned long fail_at; /* this call fails with PO_E_IO, 1 = the first; 0 = none */
};

struct pobackup_sink help_sink(struct help_memory *memory);
/* Of the size that the memory has now. */
struct pobackup_blob help_blob(struct help_memory *memory);
/* Likewise, but counts no calls and never fails: for several threads at once. */
struct pobackup_blob help_shared_blob(struct help_memory *memory);
/* Room for so much: what is put there then allocates nothing (and asserts nothing). */
void help_memory_reserve(struct help_memory *memory, size_t more);
void help_memory_put(struct help_memory *memory, const void *bytes, size_t size);
void help_memory_free(struct help_memory *memory);

/* ---- a set of entries ---- */

struct help_set {
    struct pobackup_entry *entries; /* path and link from the heap; hash, frame, offset not set */
    uint8_t **contents;             /* never NULL */
    size_t count;
};

/* Copies path, link and content. Times, ids, mode and so on: random; a path must be new. */
void help_set_add(struct help_set *set, struct help_random *random, enum pobackup_type type,
                  const char *path, size_t path_size, const char *link, const void *content,
                  size_t content_size);
/* `count` entries of all types with names of all kinds and contents up to content_max bytes. */
void help_set_make(struct help_set *set, struct help_random *random, size_t count,
                   size_t content_max);
void help_set_free(struct help_set *set);
/* The entry with this path, or -1. */
int help_set_find(const struct help_set *set, const char *path, size_t path_size);

/* Writes the set as an archive behind what is in memory already. Allocates nothing of its own. */
PO_NODISCARD enum po_status help_set_write(const struct help_set *set, struct help_memory *memory,
                                           const struct pobackup_writer_options *options,
                                           uint8_t digest[POBACKUP_DIGEST_SIZE],
                                           struct po_err *err);

/* ---- the rest ---- */

/* A whole archive opened and verified; the first failure, or PO_OK. */
PO_NODISCARD enum po_status help_check(struct help_memory *memory, int deep, pobackup_hit_fn hit,
                                       void *ctx, struct po_err *err);

/* Runs the suite; what main returns. */
int help_run(Suite *suite);

#endif
