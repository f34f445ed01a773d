/* The recovery sidecar's parts: layouts and what they promise, header, pages, and the code, against arithmetic by hand. */
#include "archive/recovery.h"
#include "archive/reed_solomon.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct po_err err;
static uint64_t seed = 1;

static uint32_t
draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* ---- layout ---- */

/* Blocks that a burst takes from one group at most. */
static uint64_t
worst_hit(const struct po_rec_layout *layout, uint64_t burst)
{
    uint64_t hit = burst == 0 ? 0 : (burst - 1 + layout->block_size - 1) / layout->block_size + 1;

    if (hit > layout->blocks)
        hit = layout->blocks;
    return (hit + layout->groups - 1) / layout->groups;
}

static void
check_layout(uint64_t size, unsigned percent)
{
    struct po_rec_layout layout;
    uint64_t parity;

    ck_assert_msg(po_rec_layout_choose(&layout, size, percent, &err) == PO_OK, "%llu, %u: %s",
                  (unsigned long long)size, percent, err.text);
    ck_assert_uint_eq(layout.blocks, (size + layout.block_size - 1) / layout.block_size);
    ck_assert_uint_eq(layout.rows, (layout.blocks + layout.groups - 1) / layout.groups);
    ck_assert_msg(layout.rows + layout.parities <= 256, "%llu, %u: %u + %u",
                  (unsigned long long)size, percent, layout.rows, layout.parities);
    /* The share, and nine tenths of it in one burst. */
    parity = (uint64_t)layout.parities * 100;
    ck_assert_uint_ge(parity, (uint64_t)layout.rows * percent);
    ck_assert_msg(worst_hit(&layout, (uint64_t)((double)size * percent * 0.009)) <= layout.parities,
                  "%llu, %u: a burst", (unsigned long long)size, percent);
    /* No more than a block a group above what is needed. */
    ck_assert_uint_le(layout.parities, ((uint64_t)layout.rows * percent + 99) / 100 + 2);
    ck_assert_uint_eq(po_rec_block_bytes(&layout, layout.blocks - 1),
                      size - (uint64_t)(layout.blocks - 1) * layout.block_size);
    ck_assert_uint_eq(
        po_rec_size(&layout),
        2 * (PO_REC_HEADER_SIZE + (uint64_t)PO_REC_PAGE_SIZE * po_rec_page_count(&layout)) +
            (uint64_t)layout.parities * layout.groups * layout.block_size);
}

START_TEST(layouts_keep_their_promise)
{
    for (uint64_t size = 1; size < 30000; size++)
        check_layout(size, 5);
    for (unsigned percent = 1; percent <= 100; percent++) {
        check_layout(1, percent);
        check_layout(1000000, percent);
        for (unsigned i = 0; i < 2000; i++)
            check_layout(1 + (((uint64_t)draw(1u << 26) << 20 | draw(1u << 20)) >> draw(46)),
                         percent);
    }
}
END_TEST

START_TEST(what_cannot_be_protected_is_refused)
{
    struct po_rec_layout layout;

    ck_assert_int_eq(po_rec_layout_choose(&layout, 0, 5, &err), PO_E_USAGE);
    ck_assert_int_eq(po_rec_layout_choose(&layout, 1000, 0, &err), PO_E_USAGE);
    ck_assert_int_eq(po_rec_layout_choose(&layout, 1000, 101, &err), PO_E_USAGE);
    ck_assert_int_eq(po_rec_layout_choose(&layout, UINT64_MAX, 5, &err), PO_E_USAGE);
}
END_TEST

/* ---- header and pages ---- */

START_TEST(a_header_is_read_as_it_was_written)
{
    struct po_rec_header header = { .id = { 1, 2 }, .digest = { 3, 4 } };
    struct po_rec_header read;
    uint8_t bytes[PO_REC_HEADER_SIZE];
    uint8_t again[PO_REC_HEADER_SIZE];

    ck_assert_int_eq(po_rec_layout_choose(&header.layout, 123456789, 7, &err), PO_OK);
    po_rec_header_put(bytes, &header);
    ck_assert_int_eq(po_rec_header_parse(&read, bytes, &err), PO_OK);
    po_rec_header_put(again, &read);
    ck_assert_mem_eq(bytes, again, sizeof(bytes));
    ck_assert_uint_eq(read.layout.archive_size, 123456789);
    for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_int_eq(po_rec_header_parse(&read, bytes, &err), PO_E_FORMAT);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}
END_TEST

START_TEST(a_page_is_itself_or_nothing)
{
    uint8_t entries[PO_REC_PAGE_ENTRIES * PO_REC_ENTRY_SIZE];
    uint8_t id[PO_HASH_SIZE] = { 7 };
    uint8_t other[PO_HASH_SIZE] = { 8 };
    uint8_t page[PO_REC_PAGE_SIZE];

    for (size_t i = 0; i < sizeof(entries); i++)
        entries[i] = (uint8_t)draw(256);
    po_rec_page_put(page, id, 5, entries, PO_REC_PAGE_ENTRIES);
    ck_assert_mem_eq(po_rec_page_entries(page, id, 5), entries, sizeof(entries));
    ck_assert_ptr_null(po_rec_page_entries(page, id, 4));
    ck_assert_ptr_null(po_rec_page_entries(page, other, 5));
    for (size_t i = 0; i < sizeof(page); i++) {
        page[i] ^= 0x10;
        ck_assert_ptr_null(po_rec_page_entries(page, id, 5));
        page[i] ^= 0x10;
    }
}
END_TEST

START_TEST(an_entry_is_of_its_block_alone)
{
    uint8_t entry[PO_REC_ENTRY_SIZE];
    uint8_t block[] = { 'a', 'b', 'c' };

    po_rec_entry_put(entry, block, sizeof(block));
    ck_assert(po_rec_entry_is_of(entry, block, sizeof(block)));
    ck_assert(!po_rec_entry_is_of(entry, block, 2));
    ck_assert_uint_eq(po_rec_entry_key(entry), 'a' | 'b' << 8 | 'c' << 16);
    block[1] ^= 1;
    ck_assert(!po_rec_entry_is_of(entry, block, sizeof(block)));
}
END_TEST

/* ---- the code ---- */

#define SIZE 1024u
#define CODE_MAX 256u

/* In GF(2^8) with 0x11D, bit by bit. */
static uint8_t
multiply(unsigned a, unsigned b)
{
    unsigned product = 0;

    for (; b != 0; b >>= 1) {
        if (b & 1)
            product ^= a;
        a <<= 1;
        if (a & 0x100)
            a ^= 0x11D;
    }
    return (uint8_t)product;
}

static uint8_t
invert(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++)
        if (multiply(a, b) == 1)
            return (uint8_t)b;
    return 0;
}

static uint8_t rows[CODE_MAX][SIZE];
static uint8_t sums[CODE_MAX][SIZE];
static uint8_t found[CODE_MAX][SIZE];

static void
take_pointers(uint8_t *pointers[CODE_MAX], uint8_t (*of)[SIZE])
{
    for (unsigned i = 0; i < CODE_MAX; i++)
        pointers[i] = of[i];
}

/* Numbers below `below`, all different. */
static void
choose(unsigned *chosen, unsigned count, unsigned below)
{
    for (unsigned i = 0; i < count;) {
        bool is_new = true;

        chosen[i] = draw(below);
        for (unsigned j = 0; j < i; j++)
            is_new = is_new && chosen[j] != chosen[i];
        i += is_new;
    }
}

static void
check_code(unsigned row_count, unsigned parity_count)
{
    struct po_rs *rs = NULL;
    uint8_t *sum_at[CODE_MAX];
    uint8_t *found_at[CODE_MAX];
    uint8_t *row_at[CODE_MAX];
    uint8_t *used[CODE_MAX];
    unsigned lost[CODE_MAX];
    unsigned parities[CODE_MAX];
    unsigned most = row_count < parity_count ? row_count : parity_count;
    unsigned count = 1 + draw(most);

    take_pointers(sum_at, sums);
    take_pointers(found_at, found);
    take_pointers(row_at, rows);
    memset(sums, 0, sizeof(sums));
    for (unsigned r = 0; r < row_count; r++)
        for (unsigned i = 0; i < SIZE; i++)
            rows[r][i] = (uint8_t)draw(256);
    ck_assert_int_eq(po_rs_new(&rs, row_count, parity_count, &err), PO_OK);
    po_rs_add(rs, 0, row_count, row_at, SIZE, sum_at);
    /* spec-test: REC-2 */
    for (unsigned p = 0; p < parity_count; p++)
        for (unsigned i = 0; i < SIZE; i += 97) {
            uint8_t sum = 0;

            for (unsigned r = 0; r < row_count; r++)
                sum ^= multiply(invert((uint8_t)((row_count + p) ^ r)), rows[r][i]);
            ck_assert_uint_eq(sums[p][i], sum);
        }
    /* Losing rows: adding what is left takes it away again. */
    choose(lost, count, row_count);
    choose(parities, count, parity_count);
    for (unsigned r = 0; r < row_count; r++) {
        bool is_lost = false;

        for (unsigned i = 0; i < count; i++)
            is_lost = is_lost || lost[i] == r;
        if (!is_lost)
            po_rs_add(rs, r, 1, row_at + r, SIZE, sum_at);
    }
    for (unsigned i = 0; i < count; i++)
        used[i] = sums[parities[i]];
    ck_assert_int_eq(po_rs_solve(rs, lost, parities, count, used, found_at, SIZE, &err), PO_OK);
    for (unsigned i = 0; i < count; i++)
        ck_assert_mem_eq(found[i], rows[lost[i]], SIZE);
    po_rs_free(rs);
}

START_TEST(lost_rows_come_back)
{
    static const unsigned codes[][2] = { { 1, 1 },     { 1, 255 }, { 255, 1 }, { 240, 12 },
                                         { 128, 128 }, { 3, 2 },   { 23, 3 },  { 200, 56 } };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        for (unsigned n = 0; n < 5; n++)
            check_code(codes[i][0], codes[i][1]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rec");
    TCase *tcase = tcase_create("rec");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, layouts_keep_their_promise);
    tcase_add_test(tcase, what_cannot_be_protected_is_refused);
    tcase_add_test(tcase, a_header_is_read_as_it_was_written);
    tcase_add_test(tcase, a_page_is_itself_or_nothing);
    tcase_add_test(tcase, an_entry_is_of_its_block_alone);
    tcase_add_test(tcase, lost_rows_come_back);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
