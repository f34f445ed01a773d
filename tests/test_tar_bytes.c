/*
 * test_tar_bytes.c - the bytes of headers and of an index, for values at the edges of every field.
 * The digests below were recorded from the first encoder, which printed numbers through printf and
 * put columns cell by cell: whatever makes the encoder faster has to give the same bytes. When a
 * digest differs, the format has changed.
 */
#include "archive/hash.h"
#include "archive/index.h"
#include "archive/tar.h"
#include "archive/tar_format.h"
#include "archive_help.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define TICKS INT64_C(10000000)

static const uint64_t sizes[] = { 0,
                                  1,
                                  7,
                                  8,
                                  511,
                                  512,
                                  01234567,
                                  07777777,
                                  010000000,
                                  0777777777,
                                  01000000000,
                                  012345670123,
                                  077777777777u,
                                  0100000000000u,
                                  0100000000001u,
                                  UINT64_C(99999999999),
                                  UINT64_C(100000000000),
                                  INT64_MAX,
                                  UINT64_MAX };

static const int64_t times[] = { 0,
                                 1,
                                 -1,
                                 10,
                                 100,
                                 1200000,
                                 -1234500,
                                 TICKS - 1,
                                 TICKS,
                                 TICKS + 1,
                                 -TICKS,
                                 -TICKS - 1,
                                 -TICKS + 1,
                                 1234567890 * TICKS,
                                 1234567890 * TICKS + 9876543,
                                 9 * TICKS + 5000000,
                                 10 * TICKS + 50,
                                 ((INT64_C(1) << 33) - 1) * TICKS,
                                 ((INT64_C(1) << 33) - 1) * TICKS + 1,
                                 (INT64_C(1) << 33) * TICKS,
                                 -(INT64_C(1) << 33) * TICKS,
                                 INT64_MAX,
                                 INT64_MAX / TICKS *TICKS,
                                 INT64_MIN + 1,
                                 POBACKUP_TIME_UNKNOWN };

static const uint32_t ids[] = { 0,        1,         1000,      65534,     07777776,
                                07777777, 010000000, 010000001, INT32_MAX, UINT32_MAX };

static const size_t name_sizes[] = { 1,   2,   3,   7,   8,   9,   15,  16,  17,  83,  84,
                                     85,  86,  98,  99,  100, 101, 154, 155, 156, 157, 255,
                                     256, 257, 258, 488, 489, 490, 500, 501, 502, 503, 504,
                                     511, 512, 513, 986, 987, 988, 990, 991, 992, 993, 4096 };

static const uint8_t types[] = { POBACKUP_FILE, POBACKUP_DIRECTORY, POBACKUP_SYMLINK,
                                 POBACKUP_HARDLINK };

/* What a byte of a name is replaced by: the ends of what is portable, UTF-8, and neither. */
static const char *const odd_texts[] = { "\x1F",     " ",    "~",        "\x7F",
                                         "\xC3\xA4", "\xFF", "\xC3\xC3", "\xF0\x9F\x98\x80" };

/* ---- digests ---- */

static void
check_digest(const struct po_buf *bytes, const char *expected)
{
    uint8_t digest[PO_DIGEST_SIZE];
    char text[2 * PO_DIGEST_SIZE + 1];

    ck_assert(!bytes->failed);
    po_blake2b(bytes->bytes, bytes->size, digest);
    for (size_t i = 0; i < PO_DIGEST_SIZE; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(text, expected);
}

static struct po_tar_member
plain_member(void)
{
    return (struct po_tar_member){ .path = "bin/a.exe",
                                   .path_size = 9,
                                   .type = POBACKUP_FILE,
                                   .size = 12345,
                                   .write_time = 1600000000 * TICKS,
                                   .mode = 0644 };
}

START_TEST(headers_of_all_sizes_and_times_are_those_of_the_first_encoder)
{
    struct po_buf out = { 0 };
    struct po_tar_member member = plain_member();

    for (size_t size = 0; size < HELP_COUNT(sizes); size++)
        for (size_t time = 0; time < HELP_COUNT(times); time++) {
            member.size = sizes[size];
            member.write_time = times[time];
            po_tar_put_header(&out, &member);
        }
    check_digest(&out, "e607f003aa4eab7e94254cb4403b64261ebcf51dc9769b52c4d3d937887fdbf7");
    po_buf_deinit(&out);
}
END_TEST

START_TEST(headers_of_all_owners_and_modes_are_those_of_the_first_encoder)
{
    static const char *const names[] = { "", "root", "a user of thirty-one characters",
                                         "a user of thirty-two characters!", "\xC3\xA4" };
    struct po_buf out = { 0 };
    struct po_tar_member member = plain_member();

    for (size_t uid = 0; uid < HELP_COUNT(ids); uid++)
        for (size_t gid = 0; gid < HELP_COUNT(ids); gid++)
            for (size_t name = 0; name < HELP_COUNT(names); name++) {
                size_t other = HELP_COUNT(names) - 1 - name;

                member.uid = ids[uid];
                member.gid = ids[gid];
                member.mode = (uint32_t)(uid * 0x10203 + gid * 0777 + name);
                member.user = names[name];
                member.user_size = strlen(names[name]);
                member.group = names[other];
                member.group_size = strlen(names[other]);
                po_tar_put_header(&out, &member);
            }
    check_digest(&out, "0d49920748a2125316169a6f57f8d4329d4fb9b55990f7b34dcd096fcdadb118");
    po_buf_deinit(&out);
}
END_TEST

/* A name of this size with a '/' about every `step` bytes and `odd` in it at `at`. */
static void
make_name(char *name, size_t size, size_t step, const char *odd, size_t at)
{
    for (size_t i = 0; i < size; i++)
        name[i] = step > 0 && i % step == step - 1 && i + 1 < size ? '/' : (char)('a' + i % 26);
    for (size_t i = 0; odd != NULL && odd[i] != '\0' && at + i < size; i++)
        name[at + i] = odd[i];
}

static void
put_names(struct po_buf *out, struct po_tar_member *member, char *name, size_t size)
{
    member->path = name;
    member->path_size = size;
    for (size_t type = 0; type < HELP_COUNT(types); type++) {
        member->type = types[type];
        member->link = type >= 2 ? name : NULL;
        member->link_size = type >= 2 ? size : 0;
        po_tar_put_header(out, member);
    }
    member->path = "l";
    member->path_size = 1;
    po_tar_put_header(out, member);
}

START_TEST(headers_of_names_of_all_lengths_are_those_of_the_first_encoder)
{
    static const size_t steps[] = { 0, 10, 60, 101, 200 };
    struct po_buf out = { 0 };
    struct po_tar_member member = plain_member();
    char name[4096];

    member.size = 0;
    for (size_t size = 0; size < HELP_COUNT(name_sizes); size++)
        for (size_t step = 0; step < HELP_COUNT(steps); step++) {
            make_name(name, name_sizes[size], steps[step], NULL, 0);
            put_names(&out, &member, name, name_sizes[size]);
        }
    check_digest(&out, "f7d34d5b3a6176ec7dc6b08454e4db9e793bf05a3c29b312653c86dacc6ba7f0");
    po_buf_deinit(&out);
}
END_TEST

START_TEST(headers_of_names_that_are_not_portable_are_those_of_the_first_encoder)
{
    struct po_buf out = { 0 };
    struct po_tar_member member = plain_member();
    char name[4096];

    member.size = 0;
    member.write_time++; /* one more record */
    for (size_t odd = 0; odd < HELP_COUNT(odd_texts); odd++)
        for (size_t size = 1; size < 40; size++)
            for (size_t at = 0; at < size; at++) {
                make_name(name, size, 7, odd_texts[odd], at);
                put_names(&out, &member, name, size);
            }
    check_digest(&out, "c805b639188d746ea0610e44d2bc09cc3cad5e0f1f78724a2f97b46f2f4f5b06");
    po_buf_deinit(&out);
}
END_TEST

START_TEST(headers_are_put_behind_what_a_buffer_has)
{
    struct po_buf out = { 0 };
    struct po_buf alone = { 0 };
    struct po_tar_member member = plain_member();

    for (int64_t fraction = 0; fraction < 2; fraction++) {
        member.write_time += fraction;
        po_buf_clear(&out);
        po_buf_clear(&alone);
        po_buf_put_text(&out, "before");
        po_tar_put_header(&out, &member);
        po_tar_put_header(&alone, &member);
        ck_assert_uint_eq(alone.size, fraction == 0 ? 512 : 1536);
        ck_assert_uint_eq(out.size, 6 + alone.size);
        ck_assert_mem_eq(out.bytes, "before", 6);
        ck_assert_mem_eq(out.bytes + 6, alone.bytes, alone.size);
    }
    po_buf_deinit(&out);
    po_buf_deinit(&alone);
}
END_TEST

/* ---- sums and names, each against the plain way ---- */

START_TEST(the_sum_of_a_header_is_that_of_its_bytes)
{
    struct help_random random = help_random_begin("header sums", 0);
    uint8_t header[PO_TAR_BLOCK];

    for (int round = 0; round < 1000; round++) {
        unsigned sum = 8 * ' ';

        memset(header, 0xFF, sizeof header); /* at first: the largest sum */
        if (round > 0)
            help_random_fill(&random, header, sizeof header);
        for (size_t i = 0; i < sizeof header; i++)
            sum += i / 4 == 148 / 4 || i / 4 == 152 / 4 ? 0 : header[i];
        ck_assert_uint_eq(po_tar_header_sum(header), sum);
    }
}
END_TEST

START_TEST(one_byte_anywhere_decides_whether_a_name_is_portable)
{
    char name[40];

    for (size_t size = 1; size <= sizeof name; size++)
        for (size_t at = 0; at < size; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(name, at % 2 == 0 ? ' ' : '~', size);
                name[at] = (char)byte;
                ck_assert(po_tar_is_portable(name, size) == (byte >= 0x20 && byte <= 0x7E));
            }
    ck_assert(po_tar_is_portable(NULL, 0));
}
END_TEST

/* ---- the index ---- */

static uint64_t
next_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

/* `count` files with all columns filled and names up to 300 bytes; one has a very long name. */
static void
make_list(struct po_entry_list *list, uint32_t count)
{
    static char name[100000];
    uint64_t state = count;
    struct po_err err;

    for (uint32_t i = 0; i < count; i++) {
        size_t size = i == count / 2 ? sizeof name : 8 + (size_t)(next_number(&state) % 292);
        struct po_entry *entry;

        make_name(name, size, 50, NULL, 0);
        (void)snprintf(name, 8, "%07u", (unsigned)(next_number(&state) % 10000000));
        name[7] = '-';
        ck_assert_int_eq(po_entry_list_add(list, name, size, &entry, &err), PO_OK);
        entry->size = next_number(&state);
        entry->write_time = (int64_t)next_number(&state);
        entry->create_time = (int64_t)next_number(&state);
        entry->change_time = (int64_t)next_number(&state);
        entry->file_id = next_number(&state);
        for (size_t b = 0; b < PO_HASH_SIZE; b++)
            entry->hash[b] = (uint8_t)next_number(&state);
        entry->attributes = (uint32_t)next_number(&state);
        entry->security = (uint32_t)next_number(&state);
        entry->frame = (uint32_t)next_number(&state);
        entry->offset = (uint32_t)next_number(&state);
        entry->source = (uint16_t)next_number(&state);
        entry->type = (uint8_t)(1 + next_number(&state) % 4);
        entry->state = PO_ENTRY_SAVED;
        if (i % 7 == 0)
            ck_assert_int_eq(po_entry_list_set_link(list, entry, name, i % 200, &err), PO_OK);
    }
}

struct pieces {
    struct po_buf all;
    size_t largest;
    size_t count;
};

static enum po_status
put_piece(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct pieces *pieces = ctx;

    po_buf_put(&pieces->all, bytes, size);
    if (size > pieces->largest)
        pieces->largest = size;
    pieces->count++;
    return po_buf_check(&pieces->all, err);
}

START_TEST(an_index_is_that_of_the_first_encoder)
{
    static const struct {
        uint32_t count;
        const char *digest;
    } cases[] = { { 0, "8563f053a9ba38230686c1c7b1d2d1ecd57e9177b1bb48b7cc0ad4dee81c1694" },
                  { 1, "1b7317a195b14cd32eacf09eb7a25ffba6bd2711414f809d65b77f6d2f30a0df" },
                  { 3, "c21f9f2cef7f44e46760ae226c0ffa53e3bfbcfb96ff3def582df2f52722328a" },
                  { 8192, "7083362829e2bc29ec6dbb6d2abf18c3f32af0580cdbe18e20263c1a51399796" },
                  { 30011, "f030c8f4a311c80152a513d58024f3dd090227bdac57bdd5925d35dd986865ad" } };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        static const uint8_t id[PO_ID_SIZE] = { 1, 2, 3 };
        struct po_frame_info frame = { .content_size = 512, .compressed_size = 99 };
        struct po_entry_list list = { 0 };
        struct po_index_source source = {
            .list = &list, .frames = &frame, .frame_count = 1, .archive_id = id
        };
        struct pieces pieces = { 0 };
        uint32_t *order = NULL;
        struct po_err err;

        make_list(&list, cases[i].count);
        ck_assert_int_eq(po_index_sort(&list, &order, &source.count, &err), PO_OK);
        source.order = order;
        ck_assert_int_eq(po_index_put(&source, put_piece, &pieces, &err), PO_OK);
        ck_assert_uint_le(pieces.largest, 200000); /* a piece and the longest name */
        ck_assert(pieces.all.size < 200000 || pieces.count > 3);
        check_digest(&pieces.all, cases[i].digest);
        po_buf_deinit(&pieces.all);
        po_mem_free(order);
        po_entry_list_deinit(&list);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tar bytes");
    TCase *tc = tcase_create("tar bytes");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, headers_of_all_sizes_and_times_are_those_of_the_first_encoder);
    tcase_add_test(tc, headers_of_all_owners_and_modes_are_those_of_the_first_encoder);
    tcase_add_test(tc, headers_of_names_of_all_lengths_are_those_of_the_first_encoder);
    tcase_add_test(tc, headers_of_names_that_are_not_portable_are_those_of_the_first_encoder);
    tcase_add_test(tc, headers_are_put_behind_what_a_buffer_has);
    tcase_add_test(tc, the_sum_of_a_header_is_that_of_its_bytes);
    tcase_add_test(tc, one_byte_anywhere_decides_whether_a_name_is_portable);
    tcase_add_test(tc, an_index_is_that_of_the_first_encoder);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
