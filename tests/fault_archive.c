/*
 * A small archive is written, opened, verified and read while memory runs out once, at each
 * allocation in turn. Our own allocations fail by fault.c. Those of zstd and jansson are led there
 * too, through the allocators that they can be given; libarchive and xxHash, which have none, fail
 * as a whole.
 *
 * Linked with --wrap for the calls below.
 */
#include "archive/index.h"
#include "archive_help.h"
#include "base/mem.h"
#include "fault.h"

#define XXH_STATIC_LINKING_ONLY
#define ZSTD_STATIC_LINKING_ONLY
#include <archive.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#define S(literal) (literal), (sizeof(literal) - 1)

/* ---- the libraries' memory ---- */

/* Visible, for libarchive refers to some of them too. */
PO_PUBLIC ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
PO_PUBLIC ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);
PO_PUBLIC ZSTD_DStream *__wrap_ZSTD_createDStream(void);
XXH3_state_t *__real_XXH3_createState(void);
PO_PUBLIC XXH3_state_t *__wrap_XXH3_createState(void);
struct archive *__real_archive_read_new(void);
PO_PUBLIC struct archive *__wrap_archive_read_new(void);
int __real_archive_read_support_format_tar(struct archive *reader);
PO_PUBLIC int __wrap_archive_read_support_format_tar(struct archive *reader);
int __real_archive_read_open_memory(struct archive *reader, const void *bytes, size_t size);
PO_PUBLIC int __wrap_archive_read_open_memory(struct archive *reader, const void *bytes,
                                              size_t size);
int __real_archive_read_next_header(struct archive *reader, struct archive_entry **entry);
PO_PUBLIC int __wrap_archive_read_next_header(struct archive *reader, struct archive_entry **entry);

static void *
take(void *opaque, size_t size)
{
    (void)opaque;
    return malloc(size);
}

static void
give_back(void *opaque, void *block)
{
    (void)opaque;
    free(block);
}

static const ZSTD_customMem our_memory = { take, give_back, NULL };

ZSTD_CCtx *
__wrap_ZSTD_createCCtx(void)
{
    return ZSTD_createCCtx_advanced(our_memory);
}

ZSTD_DCtx *
__wrap_ZSTD_createDCtx(void)
{
    return ZSTD_createDCtx_advanced(our_memory);
}

ZSTD_DStream *
__wrap_ZSTD_createDStream(void)
{
    return ZSTD_createDStream_advanced(our_memory);
}

/* Whether an allocation made now would succeed. */
static bool
has_memory(void)
{
    void *block = malloc(1);
    bool is_there = block != NULL;

    free(block);
    return is_there;
}

XXH3_state_t *
__wrap_XXH3_createState(void)
{
    return has_memory() ? __real_XXH3_createState() : NULL;
}

struct archive *
__wrap_archive_read_new(void)
{
    return has_memory() ? __real_archive_read_new() : NULL;
}

/* As libarchive fails when it has no memory. */
static int
without_memory(struct archive *reader)
{
    archive_set_error(reader, ENOMEM, "No memory");
    return ARCHIVE_FATAL;
}

int
__wrap_archive_read_support_format_tar(struct archive *reader)
{
    return has_memory() ? __real_archive_read_support_format_tar(reader) : without_memory(reader);
}

int
__wrap_archive_read_open_memory(struct archive *reader, const void *bytes, size_t size)
{
    return has_memory() ? __real_archive_read_open_memory(reader, bytes, size)
                        : without_memory(reader);
}

int
__wrap_archive_read_next_header(struct archive *reader, struct archive_entry **entry)
{
    return has_memory() ? __real_archive_read_next_header(reader, entry) : without_memory(reader);
}

static void *
take_for_json(size_t size)
{
    return malloc(size);
}

static void
give_back_for_json(void *block)
{
    free(block);
}

/* ---- what is done while memory runs out ---- */

static const struct pobackup_writer_options options = {
    .frame_size = 65536, .level = 1, .host = "\xFF", .created = 17639784001234567
};

struct job {
    struct help_set set;
    struct help_memory written; /* by the run with the failure */
    struct help_memory whole;   /* by a run without */
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    uint8_t bytes[100000]; /* what is read goes here */
};

static struct job job;

static void
init_job(void)
{
    struct help_random random = { .state = 1 };
    struct po_err err;

    json_set_alloc_funcs(take_for_json, give_back_for_json);
    memset(job.bytes, 'm', sizeof job.bytes);
    help_set_add(&job.set, &random, POBACKUP_DIRECTORY, S("d"), NULL, NULL, 0);
    help_set_add(&job.set, &random, POBACKUP_FILE, S("d/large"), NULL, job.bytes, 90000);
    help_set_add(&job.set, &random, POBACKUP_FILE, S("d/\xC3\xA4"), NULL, "text", 4);
    help_set_add(&job.set, &random, POBACKUP_SYMLINK, S("d/l"), "\xFF", NULL, 0);
    help_set_add(&job.set, &random, POBACKUP_HARDLINK, S("d/h"), "d/large", NULL, 0);
    ck_assert_int_eq(help_set_write(&job.set, &job.whole, &options, job.digest, &err), PO_OK);
    help_memory_reserve(&job.written, 2 * job.whole.size);
}

static void
deinit_job(void)
{
    help_set_free(&job.set);
    help_memory_free(&job.written);
    help_memory_free(&job.whole);
}

static enum po_status
write_it(struct po_err *err)
{
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    enum po_status st;

    job.written.size = 0;
    st = help_set_write(&job.set, &job.written, &options, digest, err);
    /* Success must be success. */
    if (st == PO_OK &&
        (memcmp(digest, job.digest, sizeof digest) != 0 || job.written.size != job.whole.size ||
         memcmp(job.written.bytes, job.whole.bytes, job.whole.size) != 0))
        st = PO_E_USAGE;
    return st;
}

static enum po_status
read_it(struct po_err *err)
{
    struct pobackup_blob blob = help_blob(&job.whole);
    struct pobackup_archive *archive = NULL;
    enum po_status st = pobackup_open(&archive, &blob, err);

    for (uint64_t i = 0; st == PO_OK && i < pobackup_entry_count(archive); i++) {
        struct pobackup_entry entry;
        size_t got = 0;
        int number;

        st = pobackup_entry_at(archive, i, &entry, err);
        if (st != PO_OK || entry.type != POBACKUP_FILE)
            continue;
        st = pobackup_read(archive, i, 0, job.bytes, sizeof job.bytes, &got, err);
        number = help_set_find(&job.set, entry.path, entry.path_size);
        if (st == PO_OK && number >= 0 &&
            (got != entry.size || memcmp(job.bytes, job.set.contents[number], got) != 0))
            st = PO_E_USAGE;
    }
    pobackup_close(archive);
    return st;
}

static void
pass_over(void *ctx, const struct pobackup_entry *entry)
{
    unsigned *count = ctx;

    *count += entry->path_size > 0 ? 1 : 0;
}

static enum po_status
verify_quick(struct po_err *err)
{
    unsigned hits = 0;
    enum po_status st = help_check(&job.whole, 0, pass_over, &hits, err);

    return hits == 0 ? st : PO_E_USAGE;
}

static enum po_status
verify_deep(struct po_err *err)
{
    unsigned hits = 0;
    enum po_status st = help_check(&job.whole, 1, pass_over, &hits, err);

    return hits == 0 ? st : PO_E_USAGE;
}

/* Of a file that is cut off: it is looked at more closely. */
static enum po_status
open_cut(struct po_err *err)
{
    struct pobackup_archive *archive = NULL;
    struct pobackup_blob blob = help_blob(&job.whole);
    enum po_status st;

    blob.size -= 100;
    st = pobackup_open(&archive, &blob, err);
    pobackup_close(archive);
    return st == PO_E_FORMAT ? PO_OK : st; /* which is right here */
}

static const struct {
    const char *what;
    enum po_status (*run)(struct po_err *err);
} scenarios[] = { { "write", write_it },
                  { "read", read_it },
                  { "verify quick", verify_quick },
                  { "verify deep", verify_deep },
                  { "open cut", open_cut } };

/* spec-test: READ-3 */
START_TEST(memory_that_runs_out_anywhere_is_told_and_is_no_damage)
{
    unsigned long recovered = 0;
    unsigned long nth = 1;

    init_job();
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (nth = 1;; nth++) {
            struct po_err err = { .text = "nothing was said" };
            enum po_status st;

            fault_arm(FAULT_MEMORY, nth, ENOMEM, for_ever != 0);
            st = scenarios[_i].run(&err);
            fault_disarm();
            if (!fault_has_struck(FAULT_MEMORY)) {
                ck_assert_msg(st == PO_OK, "%s: %s", scenarios[_i].what, err.text);
                break;
            }
            /* Right without it, which the scenario looks at itself: a second try. */
            if (st == PO_OK) {
                recovered++;
                continue;
            }
            /* "Damaged" would send someone away from a good archive. */
            ck_assert_msg(st == PO_E_NOMEM, "%s, allocation %lu%s: %s: %s", scenarios[_i].what, nth,
                          for_ever != 0 ? " and all after it" : "", po_status_name(st), err.text);
            ck_assert_int_eq(err.status, st);
            ck_assert_str_ne(err.text, "nothing was said");
        }
    printf("memory: %s: %lu allocations made to fail; %lu times it went well without\n",
           scenarios[_i].what, nth - 1, recovered);
    ck_assert_uint_gt(nth, 3);
    ck_assert_uint_lt(recovered, nth / 2);
    deinit_job();
}
END_TEST

/* ---- what is hostile allocates nothing ---- */

/* spec-test: READ-1, INDEX-2 */
START_TEST(an_index_with_hostile_counts_allocates_nothing)
{
    static const size_t counts[] = { 32, 40, 48, 52, 56, 64, 72, 76, 80, 88 };

    for (size_t i = 0; i < HELP_COUNT(counts); i++) {
        uint8_t *bytes = po_mem_new(1, 128);
        struct po_index *index = NULL;
        struct po_err err;
        enum po_status st;

        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, "pobindex\1", 9);
        memset(bytes + counts[i], 0xFF, 4);
        fault_arm(FAULT_MEMORY, 0, 0, false);
        st = po_index_load_take(&index, bytes, 128, 0, &err);
        ck_assert_uint_le(fault_calls(FAULT_MEMORY), 1); /* the struct itself */
        ck_assert_int_eq(st, PO_E_FORMAT);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("memory that runs out in the archive module");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, memory_that_runs_out_anywhere_is_told_and_is_no_damage, 0,
                        (int)HELP_COUNT(scenarios));
    tcase_add_test(tc, an_index_with_hostile_counts_allocates_nothing);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
