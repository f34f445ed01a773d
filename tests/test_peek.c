/* What an archive is, told without its index: quickly, and never of what is damaged or foreign. */
#include "archive/peek.h"

#include "archive/reader.h"
#include "vault_help.h"

#define MANY 1000000u

struct bytes {
    const struct po_buf *buf;
    uint64_t read;
    unsigned reads;
};

static struct po_buf archive;

static enum po_status
read_at(void *ctx, uint64_t offset, void *to, size_t size, struct po_err *err)
{
    struct bytes *bytes = ctx;

    (void)err;
    ck_assert_uint_le(offset + size, bytes->buf->size);
    memcpy(to, bytes->buf->bytes + offset, size);
    bytes->read += size;
    bytes->reads++;
    return PO_OK;
}

static struct pobackup_blob
blob_of(struct bytes *bytes)
{
    return (struct pobackup_blob){ .ctx = bytes, .size = bytes->buf->size, .read_at = read_at };
}

static enum po_status
peek_at(struct po_peek *peek, struct po_err *err)
{
    struct bytes bytes = { .buf = &archive };
    struct pobackup_blob blob = blob_of(&bytes);

    return po_peek_read(peek, &blob, err);
}

static void
teardown(void)
{
    po_buf_deinit(&archive);
}

START_TEST(it_tells_what_opening_tells)
{
    struct po_parent made;
    struct help_snapshot snapshot = { .created = HELP_NOON,
                                      .host = "one",
                                      .mailbox = "/srv/box",
                                      .purpose = _i == 0 ? NULL : "pre-upgrade",
                                      .bytes = 12345,
                                      .entries = 7 };
    struct bytes bytes = { .buf = &archive };
    struct pobackup_blob blob;
    struct po_reader *reader = NULL;
    struct po_peek peek;
    struct po_err err;
    uint8_t digest[PO_DIGEST_SIZE];

    help_snapshot_put(&archive, &snapshot, &made);
    blob = blob_of(&bytes);
    ck_assert_msg(po_peek_read(&peek, &blob, &err) == PO_OK, "%s", err.text);
    ck_assert_int_eq(po_reader_open(&reader, &blob, &err), PO_OK);
    ck_assert_mem_eq(peek.digest, reader->digest, PO_DIGEST_SIZE);
    ck_assert_mem_eq(peek.digest, made.digest, PO_DIGEST_SIZE);
    ck_assert_mem_eq(peek.trailer.archive_id, made.archive_id, PO_ID_SIZE);
    ck_assert_uint_eq(peek.trailer.entry_count, 7 + 2);
    ck_assert_uint_ge(peek.trailer.content_bytes, 12345);
    ck_assert_uint_eq(peek.frame_count, reader->frame_count);
    ck_assert_int_eq(peek.manifest.created, HELP_NOON);
    ck_assert(!peek.manifest.is_diff);
    ck_assert_str_eq(peek.manifest.host_name, "one");
    ck_assert_str_eq(peek.manifest.host_kind, "folder");
    ck_assert_str_eq(peek.manifest.mailbox, "/srv/box");
    ck_assert_ptr_null(peek.manifest.registry);
    if (_i == 0)
        ck_assert_ptr_null(peek.manifest.purpose);
    else
        ck_assert_str_eq(peek.manifest.purpose, "pre-upgrade");
    ck_assert_int_eq(po_peek_digest(digest, &blob, &err), PO_OK);
    ck_assert_mem_eq(digest, made.digest, PO_DIGEST_SIZE);
    po_reader_free(reader);
    po_peek_deinit(&peek);
}
END_TEST

START_TEST(a_differential_names_its_parents)
{
    static char name[] = "x.tar.zst";
    struct po_parent parents[2];
    struct help_snapshot snapshot = { .created = HELP_NOON, .entries = 1 };
    struct po_peek peek;
    struct po_err err;

    for (int i = 0; i < 2; i++) {
        help_snapshot_put(&archive, &snapshot, &parents[i]);
        po_buf_clear(&archive);
        parents[i].name = name;
    }
    snapshot.parents = parents;
    snapshot.parent_count = 2;
    help_snapshot_put(&archive, &snapshot, NULL);
    ck_assert_msg(peek_at(&peek, &err) == PO_OK, "%s", err.text);
    ck_assert(peek.manifest.is_diff);
    ck_assert_uint_eq(peek.manifest.parent_count, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_mem_eq(peek.manifest.parents[i].digest, parents[i].digest, PO_DIGEST_SIZE);
    po_peek_deinit(&peek);
}
END_TEST

START_TEST(a_million_entries_cost_no_more_than_a_handful)
{
    struct help_snapshot snapshot = { .created = HELP_NOON, .entries = MANY };
    struct bytes bytes = { .buf = &archive };
    struct pobackup_blob blob;
    struct po_peek peek;
    struct po_err err;

    help_snapshot_put(&archive, &snapshot, NULL);
    blob = blob_of(&bytes);
    ck_assert_msg(po_peek_read(&peek, &blob, &err) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(peek.trailer.entry_count, MANY + 2);
    ck_assert_uint_le(bytes.reads, 4);
    ck_assert_msg(bytes.read < 64u << 10, "%llu bytes", (unsigned long long)bytes.read);
    po_peek_deinit(&peek);
}
END_TEST

/* spec-test: MANIFEST-3 */
START_TEST(a_bit_that_flips_in_what_it_reads_is_damage)
{
    struct help_snapshot snapshot = { .created = HELP_NOON, .entries = 3 };
    struct po_peek whole;
    struct po_peek peek;
    struct po_err err;
    unsigned damaged = 0;
    size_t table;

    help_snapshot_put(&archive, &snapshot, NULL);
    ck_assert_int_eq(peek_at(&whole, &err), PO_OK);
    table = archive.size - (8 + 12 * whole.frame_count + 9);
    for (size_t at = 0; at < archive.size; at++) {
        enum po_status st;

        archive.bytes[at] ^= 0x10;
        st = peek_at(&peek, &err);
        if (st == PO_OK) { /* in what it does not read, or the same manifest in other bytes */
            ck_assert_mem_eq(peek.digest, whole.digest, PO_DIGEST_SIZE);
            ck_assert_str_eq(peek.manifest.host_name, whole.manifest.host_name);
        } else
            ck_assert_msg(st == PO_E_FORMAT || st == PO_E_UNSUPPORTED, "%zu: %s", at, err.text);
        damaged += st != PO_OK;
        if (at >= table - 2062 && at < table) /* the trailer's frame */
            ck_assert_msg(st != PO_OK, "byte %zu", at);
        po_peek_deinit(&peek);
        archive.bytes[at] ^= 0x10;
    }
    ck_assert_uint_gt(damaged, 2062 + 300); /* 300: of the manifest */
    po_peek_deinit(&whole);
}
END_TEST

START_TEST(what_is_cut_or_foreign_is_told_apart)
{
    static const char foreign[] = "this is a text, and no archive at all";
    struct help_snapshot snapshot = { .created = HELP_NOON, .entries = 3 };
    struct po_peek peek;
    struct po_err err;

    po_buf_put_text(&archive, foreign);
    ck_assert_int_eq(peek_at(&peek, &err), PO_E_UNSUPPORTED);
    po_buf_clear(&archive);
    ck_assert_int_eq(peek_at(&peek, &err), PO_E_UNSUPPORTED);
    help_snapshot_put(&archive, &snapshot, NULL);
    for (size_t size = archive.size - 1; size > 700; size -= 97) {
        archive.size = size;
        ck_assert_msg(peek_at(&peek, &err) == PO_E_FORMAT, "%zu", size);
        ck_assert_ptr_null(peek.manifest.host_name);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("peek");
    TCase *tc = tcase_create("peek");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, it_tells_what_opening_tells, 0, 2);
    tcase_add_test(tc, a_differential_names_its_parents);
    tcase_add_test(tc, a_million_entries_cost_no_more_than_a_handful);
    tcase_add_test(tc, a_bit_that_flips_in_what_it_reads_is_damage);
    tcase_add_test(tc, what_is_cut_or_foreign_is_told_apart);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
