#include "archive/seek_table.h"

#include "archive/hash.h"
#include "archive_help.h"
#include "base/cursor.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define TESTDATA POBACKUP_SOURCE_DIR "/../shared/testdata/seekable.tar.zst"

static struct po_seek_entry *
random_entries(struct help_random *random, uint32_t count, uint64_t *sum)
{
    struct po_seek_entry *entries = calloc(count + 1, sizeof *entries);

    ck_assert_ptr_nonnull(entries);
    *sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct po_seek_entry){ .compressed_size = (uint32_t)help_random_next(random),
                                             .content_size = (uint32_t)help_random_next(random),
                                             .checksum = (uint32_t)help_random_next(random) };
        *sum += entries[i].compressed_size;
    }
    return entries;
}

/* Footer and table of a file that ends with `table`; the entries are the caller's. */
static enum po_status
parse(const uint8_t *table, size_t size, uint64_t offset, bool foreign,
      struct po_seek_entry **entries, uint32_t *count, unsigned *entry_size, struct po_err *err)
{
    uint64_t table_size = 0;
    enum po_status st;

    ck_assert_uint_ge(size, PO_SEEK_FOOTER_SIZE);
    *entries = NULL;
    st = po_seek_footer_parse(table + size - PO_SEEK_FOOTER_SIZE, offset + size, foreign,
                              &table_size, count, entry_size, err);
    if (st != PO_OK || table_size > size)
        return st != PO_OK ? st : PO_E_FORMAT;
    *entries = calloc(*count + 1, sizeof **entries);
    ck_assert_ptr_nonnull(*entries);
    return po_seek_table_parse(*entries, *count, *entry_size, table + size - table_size,
                               (size_t)table_size, offset + (size - table_size), err);
}

/* spec-test: SEEK-1, SEEK-2, FRAME-7 */
START_TEST(a_table_of_any_size_survives_the_round_trip)
{
    static const uint32_t counts[] = { 0, 1, 2, 3, 255, 256, 1000, 100000 };
    struct help_random random = help_random_begin("seek table", (uint64_t)_i);
    uint32_t count = counts[_i];
    uint64_t sum;
    struct po_seek_entry *entries = random_entries(&random, count, &sum);
    struct po_seek_entry *read;
    struct po_buf table = { 0 };
    struct po_err err;
    unsigned entry_size = 0;
    uint32_t read_count = 99;

    po_seek_table_put(&table, entries, count);
    ck_assert(!table.failed);
    ck_assert_uint_eq(table.size, (size_t)count * 12 + 17);
    ck_assert_int_eq(
        parse(table.bytes, table.size, sum, false, &read, &read_count, &entry_size, &err), PO_OK);
    ck_assert_uint_eq(read_count, count);
    ck_assert_uint_eq(entry_size, 12);
    ck_assert_mem_eq(read, entries, count * sizeof *entries);
    free(read);
    free(entries);
    po_buf_deinit(&table);
}
END_TEST

START_TEST(every_flipped_bit_of_a_table_is_refused_or_changes_a_value_that_others_check)
{
    struct help_random random = help_random_begin("seek table bits", 0);
    uint64_t sum;
    struct po_seek_entry *entries = random_entries(&random, 5, &sum);
    struct po_buf table = { 0 };
    unsigned refused = 0;

    po_seek_table_put(&table, entries, 5);
    for (size_t bit = 0; bit < table.size * 8; bit++) {
        struct po_seek_entry *read;
        struct po_err err;
        unsigned entry_size;
        uint32_t count = 0;
        enum po_status st;

        table.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        st = parse(table.bytes, table.size, sum, false, &read, &count, &entry_size, &err);
        if (st == PO_OK) {
            /* A content size or a checksum: compared with the frame's by the reader. */
            size_t field = (bit / 8 - 8) / 4;

            ck_assert(bit / 8 >= 8 && field < 15 && field % 3 != 0);
            ck_assert_mem_ne(read, entries, 5 * sizeof *entries);
        } else {
            ck_assert_int_eq(st, PO_E_FORMAT);
            refused++;
        }
        free(read);
        table.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_eq(refused, (table.size - (size_t)5 * 8) * 8);
    po_buf_deinit(&table);
    free(entries);
}
END_TEST

/* spec-test: SEEK-1, FRAME-7, READ-1 */
START_TEST(a_hostile_footer_is_refused_before_anything_is_allocated)
{
    static const struct {
        uint32_t count;
        uint8_t descriptor;
        uint32_t magic;
        uint64_t file_size;
        enum po_status expected;
        enum po_status foreign;
    } cases[] = {
        { 1, 0x80, 0x8F92EAB1, 29, PO_OK, PO_OK },
        { 1, 0x80, 0x8F92EAB1, 28, PO_E_FORMAT, PO_E_FORMAT },
        { 1, 0x00, 0x8F92EAB1, 25, PO_E_FORMAT, PO_OK },
        { 1, 0x00, 0x8F92EAB1, 24, PO_E_FORMAT, PO_E_FORMAT },
        { 1, 0x83, 0x8F92EAB1, 29, PO_E_FORMAT, PO_OK },
        { 1, 0x84, 0x8F92EAB1, 29, PO_E_FORMAT, PO_E_FORMAT },
        { 1, 0xC0, 0x8F92EAB1, 29, PO_E_FORMAT, PO_E_FORMAT },
        { 1, 0x80, 0x8F92EAB0, 29, PO_E_FORMAT, PO_E_FORMAT },
        { 0, 0x80, 0x8F92EAB1, 17, PO_OK, PO_OK },
        { 0, 0x80, 0x8F92EAB1, 16, PO_E_FORMAT, PO_E_FORMAT },
        { 4194304, 0x80, 0x8F92EAB1, 4194304 * 12 + 17, PO_OK, PO_OK },
        { 4194305, 0x80, 0x8F92EAB1, UINT64_MAX, PO_E_FORMAT, PO_E_FORMAT },
        { UINT32_MAX, 0x80, 0x8F92EAB1, UINT64_MAX, PO_E_FORMAT, PO_E_FORMAT },
    };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        uint8_t footer[PO_SEEK_FOOTER_SIZE];
        struct po_err err;
        uint64_t size;
        uint32_t count;
        unsigned entry_size;

        po_store_u32le(footer, cases[i].count);
        footer[4] = cases[i].descriptor;
        po_store_u32le(footer + 5, cases[i].magic);
        ck_assert_msg(po_seek_footer_parse(footer, cases[i].file_size, false, &size, &count,
                                           &entry_size, &err) == cases[i].expected,
                      "case %zu", i);
        ck_assert_msg(po_seek_footer_parse(footer, cases[i].file_size, true, &size, &count,
                                           &entry_size, &err) == cases[i].foreign,
                      "case %zu, foreign", i);
    }
}
END_TEST

START_TEST(sizes_that_wrap_around_do_not_add_up)
{
    const struct po_seek_entry entries[2] = { { .compressed_size = UINT32_MAX },
                                              { .compressed_size = 11 } };
    struct po_seek_entry *read;
    struct po_buf table = { 0 };
    struct po_err err;
    unsigned entry_size;
    uint32_t count;

    po_seek_table_put(&table, entries, 2);
    ck_assert_int_eq(parse(table.bytes, table.size, 10, false, &read, &count, &entry_size, &err),
                     PO_E_FORMAT);
    free(read);
    ck_assert_int_eq(parse(table.bytes, table.size, UINT64_C(4294967306), false, &read, &count,
                           &entry_size, &err),
                     PO_OK);
    free(read);
    po_buf_deinit(&table);
}
END_TEST

/* ---- tables of others ---- */

START_TEST(a_foreign_table_without_checksums_is_read_when_asked)
{
    static const uint8_t table[] = { 0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0,    0,    7,    0,    0,
                                     0,    100,  0,    0,    0,  9, 0,    0,    0,    5,    0,
                                     0,    0,    2,    0,    0,  0, 0x00, 0xB1, 0xEA, 0x92, 0x8F };
    struct po_seek_entry *read;
    struct po_err err;
    unsigned entry_size;
    uint32_t count;

    ck_assert_int_eq(parse(table, sizeof table, 16, true, &read, &count, &entry_size, &err), PO_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(entry_size, 8);
    ck_assert_uint_eq(read[0].compressed_size, 7);
    ck_assert_uint_eq(read[0].content_size, 100);
    ck_assert_uint_eq(read[1].compressed_size, 9);
    ck_assert_uint_eq(read[1].content_size, 5);
    free(read);
    ck_assert_int_eq(parse(table, sizeof table, 16, false, &read, &count, &entry_size, &err),
                     PO_E_FORMAT);
    free(read);
}
END_TEST

/* Each frame that the table tells of decodes at its place, to its size, with its checksum. */
static uint32_t
check_foreign_file(const char *name, const uint8_t *bytes, size_t size)
{
    struct po_seek_entry *entries;
    struct po_err err;
    unsigned entry_size = 0;
    uint32_t count = 0;
    uint64_t offset = 0;
    size_t table_size;

    ck_assert_uint_gt(size, 17);
    table_size =
        po_load_u32le(bytes + size - 9) * (size_t)((bytes[size - 5] & 0x80) != 0 ? 12 : 8) + 17;
    ck_assert_uint_lt(table_size, size);
    ck_assert_msg(parse(bytes + size - table_size, table_size, size - table_size, true, &entries,
                        &count, &entry_size, &err) == PO_OK,
                  "%s: %s", name, err.text);
    for (uint32_t i = 0; i < count; i++) {
        size_t content_size = entries[i].content_size;
        uint8_t *content = malloc(content_size + 1);

        ck_assert_ptr_nonnull(content);
        ck_assert_msg(ZSTD_decompress(content, content_size + 1, bytes + offset,
                                      entries[i].compressed_size) == content_size,
                      "%s: frame %u", name, i);
        if (entry_size == 12)
            ck_assert_uint_eq(entries[i].checksum, po_xxh64_low(content, content_size));
        offset += entries[i].compressed_size;
        free(content);
    }
    free(entries);
    ck_assert_uint_eq(offset, size - table_size);
    printf("seek table: %s: %u frames, entries of %u bytes\n", name, count, entry_size);
    return count;
}

START_TEST(tables_by_other_writers_lead_to_their_frames)
{
    struct archive *reader = archive_read_new();
    struct archive_entry *entry;
    unsigned files = 0;

    ck_assert_ptr_nonnull(reader);
    (void)archive_read_support_filter_zstd(reader);
    (void)archive_read_support_format_tar(reader);
    if (archive_read_open_filename(reader, TESTDATA, 65536) != ARCHIVE_OK) {
        printf("seek table: shared/testdata/seekable.tar.zst is absent: foreign tables not read\n");
        archive_read_free(reader);
        return;
    }
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        size_t size = (size_t)archive_entry_size(entry);
        uint8_t *bytes;

        if (archive_entry_filetype(entry) != AE_IFREG || strstr(name, ".zst") == NULL)
            continue;
        bytes = malloc(size + 1);
        ck_assert_ptr_nonnull(bytes);
        ck_assert_int_eq(archive_read_data(reader, bytes, size), (la_ssize_t)size);
        ck_assert_uint_gt(check_foreign_file(name, bytes, size), 0);
        files++;
        free(bytes);
    }
    ck_assert_uint_gt(files, 0);
    archive_read_free(reader);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("seek table");
    TCase *tc = tcase_create("seek table");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_table_of_any_size_survives_the_round_trip, 0, 8);
    tcase_add_test(tc,
                   every_flipped_bit_of_a_table_is_refused_or_changes_a_value_that_others_check);
    tcase_add_test(tc, a_hostile_footer_is_refused_before_anything_is_allocated);
    tcase_add_test(tc, sizes_that_wrap_around_do_not_add_up);
    tcase_add_test(tc, a_foreign_table_without_checksums_is_read_when_asked);
    tcase_add_test(tc, tables_by_other_writers_lead_to_their_frames);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
