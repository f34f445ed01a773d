#include "archive/tar.h"

#include "archive_help.h"
#include "base/cursor.h"
#include "base/text.h"
#include "base/utf16.h"
#include "os_help.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define TICKS 10000000

/* ---- round trip ---- */

static const int64_t times[] = { 0,
                                 1,
                                 -1,
                                 TICKS,
                                 -TICKS,
                                 -TICKS - 1,
                                 TICKS - 1,
                                 15,
                                 120 * (int64_t)TICKS + 5000000,
                                 ((INT64_C(1) << 33) - 1) * TICKS,
                                 ((INT64_C(1) << 33) - 1) * TICKS + 1,
                                 (INT64_C(1) << 33) * TICKS,
                                 -(INT64_C(1) << 33) * TICKS,
                                 INT64_MAX,
                                 INT64_MAX / TICKS *TICKS,
                                 INT64_MIN + 1,
                                 INT64_MIN / TICKS *TICKS };

static const uint64_t sizes[] = {
    0, 1, 511, 512, 077777777777u, 0100000000000u, 0100000000001u, UINT64_C(10000000000), INT64_MAX
};

static const uint32_t ids[] = { 0, 1, 07777777, 010000000, 65534, INT32_MAX, UINT32_MAX };

static const size_t name_sizes[] = { 1,   2,   98,  99,  100, 101,  102,  154,  155,  156,
                                     157, 199, 200, 253, 254, 255,  256,  257,  258,  511,
                                     512, 900, 985, 986, 987, 1000, 4095, 4096, 4999, 5000 };

/* A member made up; its strings come from the heap. */
struct sample {
    struct po_tar_member member;
    char *path;
    char *link;
};

static void
make_sample(struct sample *sample, struct help_random *random)
{
    static const uint8_t types[] = { POBACKUP_FILE, POBACKUP_FILE, POBACKUP_DIRECTORY,
                                     POBACKUP_SYMLINK, POBACKUP_HARDLINK };
    struct po_tar_member *m = &sample->member;
    bool is_edge = help_random_below(random, 2) == 0;

    *sample = (struct sample){ 0 };
    m->path_size = is_edge ? name_sizes[help_random_below(random, HELP_COUNT(name_sizes))]
                           : 1 + help_random_size(random, 5000);
    sample->path =
        help_path(random, (enum help_alphabet)help_random_below(random, 3), m->path_size);
    m->path = sample->path;
    m->type = types[help_random_below(random, HELP_COUNT(types))];
    if (m->type == POBACKUP_SYMLINK || m->type == POBACKUP_HARDLINK) {
        m->link_size = 1 + help_random_size(random, is_edge ? 101 : 5000);
        sample->link =
            help_path(random, (enum help_alphabet)help_random_below(random, 3), m->link_size);
        m->link = sample->link;
    }
    if (m->type == POBACKUP_FILE)
        m->size = is_edge ? sizes[help_random_below(random, HELP_COUNT(sizes))]
                          : help_random_next(random) >> (1 + help_random_below(random, 63));
    m->write_time = help_random_below(random, 2) == 0
                        ? times[help_random_below(random, HELP_COUNT(times))]
                        : (int64_t)help_random_next(random) >> help_random_below(random, 60);
    if (m->write_time == POBACKUP_TIME_UNKNOWN)
        m->write_time = 0;
    m->mode = (uint32_t)help_random_below(random, 010000);
    m->uid = ids[help_random_below(random, HELP_COUNT(ids))];
    m->gid = ids[help_random_below(random, HELP_COUNT(ids))];
}

static void
free_sample(struct sample *sample)
{
    free(sample->path);
    free(sample->link);
}

static void
check_same(const struct po_tar_member *read, const struct po_tar_member *written)
{
    ck_assert_uint_eq(read->type, written->type);
    ck_assert_uint_eq(read->path_size, written->path_size);
    ck_assert_mem_eq(read->path, written->path, written->path_size);
    ck_assert_uint_eq(read->link_size, written->link_size);
    if (written->link_size > 0)
        ck_assert_mem_eq(read->link, written->link, written->link_size);
    ck_assert_uint_eq(read->size, written->size);
    ck_assert_int_eq(read->write_time, written->write_time);
    ck_assert_uint_eq(read->mode, written->mode);
    ck_assert_uint_eq(read->uid, written->uid);
    ck_assert_uint_eq(read->gid, written->gid);
}

/* spec-test: TAR-1, TAR-3, TAR-4, TAR-5, TAR-6, TAR-8 */
START_TEST(a_member_of_any_kind_survives_the_round_trip)
{
    struct help_random random = help_random_begin("tar round trip", 0);

    for (int round = 0; round < 4000; round++) {
        struct po_buf out = { 0 };
        struct po_tar_member read = { 0 };
        struct sample sample;
        struct po_err err;
        size_t header_size = 0;

        make_sample(&sample, &random);
        po_tar_put_header(&out, &sample.member);
        ck_assert(!out.failed);
        ck_assert_uint_eq(out.size % PO_TAR_BLOCK, 0);
        ck_assert_msg(po_tar_parse_header(&read, &header_size, out.bytes, out.size, &err) == PO_OK,
                      "%s", err.text);
        ck_assert_uint_eq(header_size, out.size);
        check_same(&read, &sample.member);
        po_buf_deinit(&out);
        free_sample(&sample);
    }
}
END_TEST

START_TEST(every_cut_of_the_header_blocks_is_refused)
{
    struct help_random random = help_random_begin("tar cuts", 0);

    for (int round = 0; round < 10; round++) {
        struct po_buf out = { 0 };
        struct sample sample;

        make_sample(&sample, &random);
        po_tar_put_header(&out, &sample.member);
        for (size_t size = 0; size < out.size; size++) {
            struct po_tar_member read = { 0 };
            struct po_err err;
            size_t header_size;
            /* From the heap and of exactly that size: a read beyond it is seen by the sanitizer. */
            uint8_t *cut = malloc(size + 1);

            ck_assert_ptr_nonnull(cut);
            memcpy(cut, out.bytes, size);
            ck_assert_int_eq(po_tar_parse_header(&read, &header_size, cut, size, &err),
                             PO_E_FORMAT);
            free(cut);
        }
        po_buf_deinit(&out);
        free_sample(&sample);
    }
}
END_TEST

START_TEST(a_name_of_up_to_256_bytes_with_a_place_to_split_it_needs_no_extended_header)
{
    for (size_t size = 1; size <= 300; size++) {
        for (size_t slash = 0; slash < size; slash++) {
            char path[301];
            struct po_buf out = { 0 };
            struct po_tar_member member = {
                .path = path, .path_size = size, .type = POBACKUP_FILE, .mode = 0644
            };
            struct po_tar_member read = { 0 };
            size_t header_size;
            struct po_err err;
            /* A slash at the end is none; one at the start leaves no prefix. */
            bool is_split =
                slash > 0 && slash <= 155 && slash + 1 < size && size - slash - 1 <= 100;

            memset(path, 'n', sizeof path);
            if (slash + 1 < size)
                path[slash] = '/';
            po_tar_put_header(&out, &member);
            ck_assert_uint_eq(out.size, size <= 100 || is_split ? 512 : 1536);
            ck_assert_int_eq(po_tar_parse_header(&read, &header_size, out.bytes, out.size, &err),
                             PO_OK);
            check_same(&read, &member);
            po_buf_deinit(&out);
        }
    }
}
END_TEST

START_TEST(plain_members_need_no_extended_header_and_others_one)
{
    static const struct {
        struct po_tar_member member;
        bool is_plain;
    } cases[] = {
        { { .path = "a", .path_size = 1, .type = 1, .size = 077777777777u }, true },
        { { .path = "a", .path_size = 1, .type = 1, .size = 0100000000000u }, false },
        { { .path = "a", .path_size = 1, .type = 1, .write_time = 5 * (int64_t)TICKS }, true },
        { { .path = "a", .path_size = 1, .type = 1, .write_time = 5 * (int64_t)TICKS + 1 }, false },
        { { .path = "a", .path_size = 1, .type = 1, .write_time = -(int64_t)TICKS }, false },
        { { .path = "a", .path_size = 1, .type = 1, .write_time = 0x1FFFFFFFF * (int64_t)TICKS },
          true },
        { { .path = "a", .path_size = 1, .type = 1, .write_time = 0x200000000 * (int64_t)TICKS },
          false },
        { { .path = "a", .path_size = 1, .type = 1, .uid = 07777777 }, true },
        { { .path = "a", .path_size = 1, .type = 1, .uid = 010000000 }, false },
        { { .path = "a", .path_size = 1, .type = 1, .gid = 010000000 }, false },
        { { .path = "~", .path_size = 1, .type = 1 }, true },
        { { .path = "\x7F", .path_size = 1, .type = 1 }, false },
        { { .path = "\x1F", .path_size = 1, .type = 1 }, false },
        { { .path = "\xC3\xA4", .path_size = 2, .type = 1 }, false },
        { { .path = "a", .path_size = 1, .type = 3, .link = "\xFF", .link_size = 1 }, false },
    };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        struct po_buf out = { 0 };

        po_tar_put_header(&out, &cases[i].member);
        ck_assert_msg((out.size == 512) == cases[i].is_plain, "case %zu: %zu bytes", i, out.size);
        po_buf_deinit(&out);
    }
}
END_TEST

START_TEST(owner_names_survive_when_ustar_can_hold_them)
{
    static const struct {
        const char *name;
        bool is_kept;
    } cases[] = { { "", true },
                  { "root", true },
                  { "a234567890123456789012345678901", true },
                  { "a2345678901234567890123456789012", false },
                  { "\xC3\xA4", false } };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        struct po_tar_member member = { .path = "a",
                                        .path_size = 1,
                                        .type = POBACKUP_FILE,
                                        .user = cases[i].name,
                                        .user_size = strlen(cases[i].name),
                                        .group = cases[i].name,
                                        .group_size = strlen(cases[i].name) };
        struct po_tar_member read = { 0 };
        struct po_buf out = { 0 };
        struct po_err err;
        size_t header_size;

        po_tar_put_header(&out, &member);
        ck_assert_int_eq(po_tar_parse_header(&read, &header_size, out.bytes, out.size, &err),
                         PO_OK);
        ck_assert_uint_eq(read.user_size, cases[i].is_kept ? member.user_size : 0);
        ck_assert_mem_eq(read.user, cases[i].name, read.user_size);
        ck_assert_uint_eq(read.group_size, cases[i].is_kept ? member.group_size : 0);
        ck_assert_mem_eq(read.group, cases[i].name, read.group_size);
        po_buf_deinit(&out);
    }
}
END_TEST

/* ---- libarchive as a witness ---- */

/* What libarchive shows is the text, and `end` behind it. */
static void
check_text(const char *shown, const wchar_t *wide, const char *text, size_t size, const char *end)
{
    struct po_buf seen = { 0 };

    /* On Windows only wide characters are the same everywhere. */
    if (OS_HAS_POSIX)
        po_buf_put_text(&seen, shown != NULL ? shown : "nothing");
    else
        po_wtf8_put_utf16(&seen, wide, wcslen(wide) * sizeof *wide, false);
    ck_assert(!seen.failed);
    ck_assert_uint_eq(seen.size, size + strlen(end));
    ck_assert_mem_eq(seen.bytes, text, size);
    ck_assert_str_eq(po_buf_text(&seen) + size, end);
    po_buf_deinit(&seen);
}

static void
check_names(struct archive_entry *seen, const struct po_tar_member *member)
{
    /* There libarchive takes bytes for characters of a code page. */
    if (!OS_HAS_POSIX && !(po_text_is_utf8(member->path, member->path_size) &&
                           po_text_is_utf8(member->link, member->link_size)))
        return;
    check_text(archive_entry_pathname(seen), archive_entry_pathname_w(seen), member->path,
               member->path_size, member->type == POBACKUP_DIRECTORY ? "/" : "");
    if (member->type == POBACKUP_HARDLINK)
        check_text(archive_entry_hardlink(seen), archive_entry_hardlink_w(seen), member->link,
                   member->link_size, "");
    else if (member->type == POBACKUP_SYMLINK)
        check_text(archive_entry_symlink(seen), archive_entry_symlink_w(seen), member->link,
                   member->link_size, "");
}

static void
check_seen(struct archive_entry *seen, const struct po_tar_member *member)
{
    static const unsigned types[] = {
        [POBACKUP_FILE] = AE_IFREG, [POBACKUP_DIRECTORY] = AE_IFDIR, [POBACKUP_SYMLINK] = AE_IFLNK
    };

    check_names(seen, member);
    if (member->type != POBACKUP_HARDLINK) {
        ck_assert_ptr_null(archive_entry_hardlink(seen));
        ck_assert_uint_eq(archive_entry_filetype(seen), types[member->type]);
    }
    ck_assert_int_eq(archive_entry_size(seen), (int64_t)member->size);
    ck_assert_uint_eq(archive_entry_perm(seen), member->mode);
    ck_assert_int_eq(archive_entry_uid(seen), member->uid);
    ck_assert_int_eq(archive_entry_gid(seen), member->gid);
    /* It reads the fraction of a time before 1970 as if it were positive: no witness there. */
    if (member->write_time >= 0 || member->write_time % TICKS == 0) {
        ck_assert_int_eq(archive_entry_mtime(seen), member->write_time / TICKS);
        ck_assert_int_eq(archive_entry_mtime_nsec(seen), member->write_time % TICKS * 100);
    }
}

/* spec-test: TAR-1, TAR-2, TAR-4, TAR-5, TAR-6 */
START_TEST(libarchive_reads_what_was_written)
{
    struct help_random random = help_random_begin("tar witness", 0);
    int compared = 0;

    /* Windows has no such locale. */
    ck_assert(setlocale(LC_ALL, "C.UTF-8") != NULL || !OS_HAS_POSIX);
    for (int round = 0; round < 3000; round++) {
        struct archive *reader = archive_read_new();
        struct archive_entry *seen;
        struct po_buf out = { 0 };
        struct sample sample;
        int rc;

        make_sample(&sample, &random);
        sample.member.size &= (UINT64_C(1) << 60) - 1; /* libarchive's own limit */
        po_tar_put_header(&out, &sample.member);
        po_buf_put_zeros(&out, 1024);
        ck_assert(reader != NULL && !out.failed);
        ck_assert_int_eq(archive_read_support_format_tar(reader), ARCHIVE_OK);
        ck_assert_int_eq(archive_read_open_memory(reader, out.bytes, out.size), ARCHIVE_OK);
        rc = archive_read_next_header(reader, &seen);
        ck_assert_msg(rc == ARCHIVE_OK, "%s", archive_error_string(reader));
        check_seen(seen, &sample.member);
        compared++;
        archive_read_free(reader);
        po_buf_deinit(&out);
        free_sample(&sample);
    }
    ck_assert_int_eq(compared, 3000);
}
END_TEST

/* ---- malformed headers ---- */

/* Sets the checksum anew. */
static void
seal(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += header[i];
    (void)snprintf((char *)header + 148, 8, "%06o", sum);
    header[155] = ' ';
}

static void
put_plain(uint8_t *header, const char *name, char type)
{
    memset(header, 0, 512);
    memcpy(header, name, strlen(name));
    memcpy(header + 100, "0000644\0000000000\0000000000", 24);
    memcpy(header + 124, "00000000000\00000000000000", 24);
    memcpy(header + 257, "ustar\00000", 8);
    header[156] = (uint8_t)type;
    seal(header);
}

/* Changes `size` bytes at `at` of a plain header with this name and type, and seals it again. */
struct change {
    const char *what;
    const char *name;
    char type;
    size_t at;
    const char *bytes;
    size_t size;
    enum po_status expected;
};

#define BYTES(literal) (literal), sizeof(literal) - 1

/* spec-test: TAR-1, TAR-2, TAR-4, TAR-5, TAR-8 */
static const struct change changes[] = {
    { "nothing", "a", '0', 0, BYTES("a"), PO_OK },
    { "numbers ended by a space", "a", '0', 100, BYTES("000644 "), PO_OK },
    { "short numbers", "a", '0', 124, BYTES("7\0\0\0\0\0\0\0\0\0\0\0"), PO_OK },
    { "a prefix", "a", '0', 345, BYTES("p"), PO_OK },
    { "device numbers", "a", '0', 329, BYTES("garbage"), PO_OK },
    { "no magic", "a", '0', 257, BYTES("\0"), PO_E_FORMAT },
    { "the magic of GNU tar", "a", '0', 257, BYTES("ustar  \0"), PO_E_FORMAT },
    { "version 01", "a", '0', 263, BYTES("01"), PO_E_FORMAT },
    { "a mode that is not octal", "a", '0', 100, BYTES("0000684"), PO_E_FORMAT },
    { "a mode without digits", "a", '0', 100, BYTES("\0\0\0\0\0\0\0\0"), PO_E_FORMAT },
    { "a uid without end", "a", '0', 108, BYTES("00000000"), PO_E_FORMAT },
    { "a gid with a minus sign", "a", '0', 116, BYTES("-000001"), PO_E_FORMAT },
    { "a size without end", "a", '0', 124, BYTES("000000000000"), PO_E_FORMAT },
    { "a size with a leading space", "a", '0', 124, BYTES(" 0000000001"), PO_E_FORMAT },
    { "a binary size", "a", '0', 124, BYTES("\x80\0\0\0\0\0\0\0\0\0\0\x01"), PO_E_FORMAT },
    { "a binary time", "a", '0', 136, BYTES("\xFF\xFF\xFF\xFF"), PO_E_FORMAT },
    { "a high byte in the name", "a", '0', 0, BYTES("\x80"), PO_E_FORMAT },
    { "a control character in the name", "a", '0', 0, BYTES("\x1F"), PO_E_FORMAT },
    { "DEL in the name", "a", '0', 0, BYTES("\x7F"), PO_E_FORMAT },
    { "a high byte in the prefix", "a", '0', 345, BYTES("\xC3\xA4"), PO_E_FORMAT },
    { "a high byte in the link name", "a", '2', 157, BYTES("\x80"), PO_E_FORMAT },
    { "no name", "a", '0', 0, BYTES("\0"), PO_E_FORMAT },
    { "a directory named /", "a", '5', 0, BYTES("/"), PO_E_FORMAT },
    { "a directory's name without /", "a", '5', 0, BYTES("a"), PO_E_FORMAT },
    { "a directory", "a/", '5', 0, BYTES("a/"), PO_OK },
    { "a directory with a size", "a/", '5', 124, BYTES("00000000001"), PO_E_FORMAT },
    { "a file's name with /", "a/", '0', 0, BYTES("a/"), PO_E_FORMAT },
    { "a symbolic link", "a", '2', 157, BYTES("b"), PO_OK },
    { "a symbolic link to nowhere", "a", '2', 157, BYTES("\0"), PO_E_FORMAT },
    { "a symbolic link's name with /", "a/", '2', 157, BYTES("b"), PO_E_FORMAT },
    { "a symbolic link with a size", "a", '2', 124, BYTES("00000001000"), PO_E_FORMAT },
    { "a hard link with a size", "a", '1', 124, BYTES("00000001000"), PO_E_FORMAT },
    { "an extended header without records", "a", 'x', 0, BYTES("a"), PO_E_FORMAT },
};

START_TEST(a_malformed_ustar_header_is_refused)
{
    const struct change *change = &changes[_i];
    uint8_t header[512];
    struct po_tar_member member = { 0 };
    struct po_err err = { 0 };
    size_t header_size;
    enum po_status st;

    put_plain(header, change->name, change->type);
    memcpy(header + change->at, change->bytes, change->size);
    seal(header);
    st = po_tar_parse_header(&member, &header_size, header, sizeof header, &err);
    ck_assert_msg(st == change->expected, "%s: %s: %s", change->what, po_status_name(st), err.text);
    ck_assert_int_eq(err.status, st);
}
END_TEST

START_TEST(only_five_typeflags_are_supported)
{
    for (int type = 0; type < 256; type++) {
        uint8_t header[512];
        struct po_tar_member member = { 0 };
        struct po_err err;
        size_t header_size;
        enum po_status st;

        put_plain(header, type == '5' ? "a/" : "a", (char)type);
        header[157] = type == '1' || type == '2' ? 'b' : 0;
        seal(header);
        st = po_tar_parse_header(&member, &header_size, header, sizeof header, &err);
        if (type == 'x')
            ck_assert_int_eq(st, PO_E_FORMAT); /* records are missing */
        else
            ck_assert_int_eq(st, type == '0' || type == '1' || type == '2' || type == '5'
                                     ? PO_OK
                                     : PO_E_UNSUPPORTED); /* spec-test: TAR-2 */
    }
}
END_TEST

START_TEST(a_wrong_bit_anywhere_in_the_header_breaks_its_checksum)
{
    uint8_t header[512];
    struct po_err err;
    size_t header_size;
    int accepted = 0;

    put_plain(header, "some/name", '0');
    for (size_t bit = 0; bit < sizeof header * 8; bit++) {
        struct po_tar_member member = { 0 };

        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (po_tar_parse_header(&member, &header_size, header, sizeof header, &err) == PO_OK) {
            /* The checksum field's own end may be NUL or space, and has a byte behind it. */
            ck_assert_uint_ge(bit / 8, 148 + 6);
            ck_assert_uint_lt(bit / 8, 148 + 8);
            accepted++;
        }
        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_int_le(accepted, 9);
}
END_TEST

/* ---- malformed extended headers ---- */

struct records {
    const char *what;
    const char *bytes;
    size_t size;
    enum po_status expected;
};

/* spec-test: TAR-3, TAR-4, TAR-6, TAR-8 */
static const struct records records[] = {
    { "a path", BYTES("10 path=b\n"), PO_OK },
    { "unknown keywords", BYTES("13 SCHILY.x=\n14 comment=hi\n"), PO_OK },
    { "known and unknown keywords", BYTES("10 path=b\n14 comment=hi\n"), PO_OK },
    { "a keyword twice", BYTES("10 path=b\n10 path=c\n"), PO_OK },
    { "a record of length 0", BYTES("0 path=b\n"), PO_E_FORMAT },
    { "a length that is too small", BYTES("8 path=b\n"), PO_E_FORMAT },
    { "a length that is too large", BYTES("11 path=b\n"), PO_E_FORMAT },
    { "a length beyond all numbers", BYTES("99999999999999999999999 path=b\n"), PO_E_FORMAT },
    { "a length that is the record's head alone", BYTES("3 p\n"), PO_E_FORMAT },
    { "a record without a length", BYTES(" path=b\n"), PO_E_FORMAT },
    { "a record that ends behind its length", BYTES("2"), PO_E_FORMAT },
    { "a length with a minus sign", BYTES("-10 path=b\n"), PO_E_FORMAT },
    { "a record without =", BYTES("9 pathb_\n"), PO_E_FORMAT },
    { "a record without a keyword", BYTES("6 =b_\n"), PO_E_FORMAT },
    { "a record without a line feed", BYTES("10 path=b_"), PO_E_FORMAT },
    { "a second record that is cut off", BYTES("10 path=b\n10 pa"), PO_E_FORMAT },
    { "zeros behind a record", BYTES("10 path=b\n\0\0"), PO_E_FORMAT },
    { "an empty path", BYTES("8 path=\n"), PO_E_FORMAT },
    { "a path with a NUL", BYTES("12 path=b\0c\n"), PO_E_FORMAT },
    { "a link with a NUL", BYTES("16 linkpath=b\0c\n"), PO_E_FORMAT },
    { "a path that is not UTF-8", BYTES("10 path=\xFF\n"), PO_E_FORMAT },
    { "a surrogate in UTF-8", BYTES("12 path=\xED\xA0\x80\n"), PO_E_FORMAT },
    { "a binary path", BYTES("21 hdrcharset=BINARY\n10 path=\xFF\n"), PO_OK },
    { "an unknown charset", BYTES("20 hdrcharset=KLING\n10 path=b\n"), PO_E_UNSUPPORTED },
    { "a path with / at its end", BYTES("11 path=b/\n"), PO_E_FORMAT },
    { "a size", BYTES("10 size=0\n"), PO_OK },
    { "a negative size", BYTES("11 size=-1\n"), PO_E_FORMAT },
    { "a size with a sign", BYTES("11 size=+1\n"), PO_E_FORMAT },
    { "no size", BYTES("8 size=\n"), PO_E_FORMAT },
    { "a size with a space behind", BYTES("11 size=1 \n"), PO_E_FORMAT },
    { "a size of 2^63", BYTES("28 size=9223372036854775808\n"), PO_E_FORMAT },
    { "a size of 2^63 - 1", BYTES("28 size=9223372036854775807\n"), PO_OK },
    { "a size of 2^64", BYTES("29 size=18446744073709551616\n"), PO_E_FORMAT },
    { "a uid of 2^32", BYTES("18 uid=4294967296\n"), PO_E_FORMAT },
    { "a uid of 2^32 - 1", BYTES("18 uid=4294967295\n"), PO_OK },
    { "a gid that is no number", BYTES("9 gid=ab\n"), PO_E_FORMAT },
    { "a time", BYTES("21 mtime=-12.0000001\n"), PO_OK },
    { "a time with seven digits", BYTES("20 mtime=12.0000001\n"), PO_OK },
    { "a time with eight digits", BYTES("21 mtime=12.00000001\n"), PO_E_FORMAT },
    { "a time with a point and no digits", BYTES("13 mtime=12.\n"), PO_E_FORMAT },
    { "a time without whole seconds", BYTES("12 mtime=.5\n"), PO_E_FORMAT },
    { "a time with a plus sign", BYTES("13 mtime=+12\n"), PO_E_FORMAT },
    { "a time with two minus signs", BYTES("13 mtime=--1\n"), PO_E_FORMAT },
    { "a minus sign alone", BYTES("11 mtime=-\n"), PO_E_FORMAT },
    { "no time", BYTES("10 mtime=\n"), PO_E_FORMAT },
    { "a time with an exponent", BYTES("13 mtime=1e3\n"), PO_E_FORMAT },
    { "the last time", BYTES("30 mtime=922337203685.4775807\n"), PO_OK },
    { "a time beyond the last", BYTES("30 mtime=922337203685.4775808\n"), PO_E_FORMAT },
    { "the first time", BYTES("31 mtime=-922337203685.4775807\n"), PO_OK },
    { "the time that means unknown", BYTES("31 mtime=-922337203685.4775808\n"), PO_E_FORMAT },
    { "a time beyond all numbers", BYTES("33 mtime=99999999999999999999999\n"), PO_E_FORMAT },
};

/* The member "a" behind an extended header with these records. */
static size_t
put_extended(uint8_t *blocks, const void *bytes, size_t size)
{
    size_t padded = (size + 511) / 512 * 512;

    put_plain(blocks, "PaxHeader", 'x');
    (void)snprintf((char *)blocks + 124, 12, "%011zo", size);
    seal(blocks);
    memset(blocks + 512, 0, padded);
    memcpy(blocks + 512, bytes, size);
    put_plain(blocks + 512 + padded, "a", '0');
    return 1024 + padded;
}

START_TEST(malformed_records_are_refused)
{
    const struct records *test = &records[_i];
    uint8_t blocks[2048];
    struct po_tar_member member = { 0 };
    struct po_err err = { 0 };
    size_t size = put_extended(blocks, test->bytes, test->size);
    size_t header_size;
    enum po_status st = po_tar_parse_header(&member, &header_size, blocks, size, &err);

    ck_assert_msg(st == test->expected, "%s: %s: %s", test->what, po_status_name(st), err.text);
}
END_TEST

START_TEST(of_a_keyword_that_comes_twice_the_later_counts)
{
    uint8_t blocks[2048];
    struct po_tar_member member = { 0 };
    struct po_err err;
    size_t size = put_extended(blocks, BYTES("10 path=b\n10 size=1\n10 path=c\n10 size=2\n"));
    size_t header_size;

    ck_assert_int_eq(po_tar_parse_header(&member, &header_size, blocks, size, &err), PO_OK);
    ck_assert_uint_eq(member.path_size, 1);
    ck_assert_int_eq(member.path[0], 'c');
    ck_assert_uint_eq(member.size, 2);
}
END_TEST

/* spec-test: TAR-9 */
START_TEST(records_have_a_limit_of_one_mebibyte_and_zero_padding)
{
    uint8_t *blocks = calloc(1, 2u << 20);
    char *text = malloc((1u << 20) + 2);
    struct po_err err;
    size_t header_size;

    ck_assert(blocks != NULL && text != NULL);
    for (size_t over = 0; over < 2; over++) {
        struct po_tar_member member = { 0 };
        size_t size = (1u << 20) + over;

        memset(text, 'x', size);
        memcpy(text, "10 path=b\n", 10);
        (void)snprintf(text + 10, 20, "%zu comment=", size - 10);
        text[10 + strlen(text + 10)] = 'x';
        text[size - 1] = '\n';
        ck_assert_int_eq(po_tar_parse_header(&member, &header_size, blocks,
                                             put_extended(blocks, text, size), &err),
                         over == 0 ? PO_OK : PO_E_FORMAT);
    }
    for (size_t at = 10; at < 512; at++) {
        struct po_tar_member member = { 0 };
        size_t size = put_extended(blocks, BYTES("10 path=b\n"));

        blocks[512 + at] = 1;
        ck_assert_int_eq(po_tar_parse_header(&member, &header_size, blocks, size, &err),
                         PO_E_FORMAT);
    }
    free(blocks);
    free(text);
}
END_TEST

/* spec-test: TAR-8 */
START_TEST(a_path_has_at_most_131072_bytes)
{
    for (size_t over = 0; over < 2; over++) {
        size_t size = PO_PATH_MAX_SIZE + over;
        char *path = malloc(size);
        struct po_tar_member member = { .path = path, .path_size = size, .type = POBACKUP_FILE };
        struct po_tar_member read = { 0 };
        struct po_buf out = { 0 };
        struct po_err err;
        size_t header_size;

        ck_assert_ptr_nonnull(path);
        memset(path, 'p', size);
        po_tar_put_header(&out, &member);
        ck_assert_int_eq(po_tar_parse_header(&read, &header_size, out.bytes, out.size, &err),
                         over == 0 ? PO_OK : PO_E_FORMAT);
        po_buf_deinit(&out);
        free(path);
    }
}
END_TEST

START_TEST(two_extended_headers_in_a_row_are_refused)
{
    uint8_t blocks[4096];
    uint8_t second[2048];
    struct po_tar_member member = { 0 };
    struct po_err err;
    size_t size = put_extended(blocks, BYTES("10 path=b\n")) - 512;
    size_t header_size;
    size_t more = put_extended(second, BYTES("10 path=c\n"));

    memcpy(blocks + size, second, more);
    ck_assert_int_ne(po_tar_parse_header(&member, &header_size, blocks, size + more, &err), PO_OK);
}
END_TEST

START_TEST(random_damage_to_headers_never_breaks_the_parser)
{
    struct help_random random = help_random_begin("tar damage", 0);
    int accepted = 0;
    int refused = 0;

    for (int round = 0; round < 20000; round++) {
        struct po_tar_member member = { 0 };
        struct po_buf out = { 0 };
        struct sample sample;
        struct po_err err;
        size_t header_size = 0;
        enum po_status st;

        make_sample(&sample, &random);
        po_tar_put_header(&out, &sample.member);
        for (uint64_t i = help_random_below(&random, 4); i < 4; i++)
            out.bytes[help_random_below(&random, out.size)] = (uint8_t)help_random_next(&random);
        seal(out.bytes);
        seal(out.bytes + out.size - 512);
        st = po_tar_parse_header(&member, &header_size, out.bytes, out.size, &err);
        ck_assert(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
        if (st == PO_OK) {
            /* What is accepted keeps the rules. */
            ck_assert_uint_le(header_size, out.size);
            ck_assert(member.path_size > 0 && memchr(member.path, 0, member.path_size) == NULL);
            ck_assert(member.size == 0 || member.type == POBACKUP_FILE);
        }
        accepted += st == PO_OK ? 1 : 0;
        refused += st == PO_OK ? 0 : 1;
        po_buf_deinit(&out);
        free_sample(&sample);
    }
    ck_assert(accepted > 0 && refused > 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tar");
    TCase *tc = tcase_create("tar");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_member_of_any_kind_survives_the_round_trip);
    tcase_add_test(tc, every_cut_of_the_header_blocks_is_refused);
    tcase_add_test(tc, a_name_of_up_to_256_bytes_with_a_place_to_split_it_needs_no_extended_header);
    tcase_add_test(tc, plain_members_need_no_extended_header_and_others_one);
    tcase_add_test(tc, owner_names_survive_when_ustar_can_hold_them);
    tcase_add_test(tc, libarchive_reads_what_was_written);
    tcase_add_loop_test(tc, a_malformed_ustar_header_is_refused, 0, (int)HELP_COUNT(changes));
    tcase_add_test(tc, only_five_typeflags_are_supported);
    tcase_add_test(tc, a_wrong_bit_anywhere_in_the_header_breaks_its_checksum);
    tcase_add_loop_test(tc, malformed_records_are_refused, 0, (int)HELP_COUNT(records));
    tcase_add_test(tc, of_a_keyword_that_comes_twice_the_later_counts);
    tcase_add_test(tc, records_have_a_limit_of_one_mebibyte_and_zero_padding);
    tcase_add_test(tc, a_path_has_at_most_131072_bytes);
    tcase_add_test(tc, two_extended_headers_in_a_row_are_refused);
    tcase_add_test(tc, random_damage_to_headers_never_breaks_the_parser);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
