#include "archive_help.h"
#include "os_help.h"

#include <locale.h>
#include <pobackup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(literal) (literal), (sizeof(literal) - 1)

static const struct pobackup_writer_options small_frames = {
    .frame_size = 65536, .host = "test", .created = 17639784001234567, .archive_id = { 1, 2, 3 }
};

static struct pobackup_archive *
open_memory(struct help_memory *memory)
{
    struct pobackup_blob blob = help_blob(memory);
    struct pobackup_archive *archive = NULL;
    struct po_err err;

    ck_assert_msg(pobackup_open(&archive, &blob, &err) == PO_OK, "%s", err.text);
    return archive;
}

static void
write_set(const struct help_set *set, struct help_memory *memory)
{
    struct po_err err;

    ck_assert_msg(help_set_write(set, memory, &small_frames, NULL, &err) == PO_OK, "%s", err.text);
}

static bool
is_document(const struct pobackup_entry *entry)
{
    return entry->path_size > 9 && memcmp(entry->path, "pobackup/", 9) == 0;
}

/* ---- what was written is what is read ---- */

static void
check_entry(const struct pobackup_entry *read, const struct pobackup_entry *written)
{
    ck_assert_uint_eq(read->type, written->type);
    ck_assert_uint_eq(read->size, written->size);
    ck_assert_int_eq(read->write_time, written->write_time);
    ck_assert_int_eq(read->create_time, written->create_time);
    ck_assert_int_eq(read->change_time, written->change_time);
    ck_assert_uint_eq(read->file_id, written->file_id);
    ck_assert_uint_eq(read->attributes, written->attributes);
    ck_assert_uint_eq(read->mode, written->mode);
    ck_assert_uint_eq(read->uid, written->uid);
    ck_assert_uint_eq(read->gid, written->gid);
    ck_assert_uint_eq(read->source, 0);
    ck_assert_uint_eq(read->link_size, written->link_size);
    ck_assert((read->link == NULL) == (written->link == NULL));
    if (written->link != NULL)
        ck_assert_mem_eq(read->link, written->link, written->link_size);
}

/* Whole, and in ranges at random, also beyond the end. */
static void
check_content(struct pobackup_archive *archive, uint64_t number, const uint8_t *content,
              size_t size, struct help_random *random)
{
    uint8_t *bytes = malloc(size + 100);
    struct po_err err;
    size_t got = 99;

    ck_assert_ptr_nonnull(bytes);
    ck_assert_msg(pobackup_read(archive, number, 0, bytes, size + 100, &got, &err) == PO_OK, "%s",
                  err.text);
    ck_assert_uint_eq(got, size);
    ck_assert_mem_eq(bytes, content, size);
    for (int round = 0; round < 12; round++) {
        uint64_t offset = help_random_below(random, size + 20);
        size_t wanted = help_random_size(random, size + 20);
        size_t left = offset >= size ? 0 : size - (size_t)offset;

        memset(bytes, 0xEE, size + 100);
        ck_assert_int_eq(pobackup_read(archive, number, offset, bytes, wanted, &got, &err), PO_OK);
        ck_assert_uint_eq(got, wanted < left ? wanted : left);
        ck_assert_mem_eq(bytes, content + (got > 0 ? offset : 0), got);
        ck_assert_uint_eq(bytes[got], 0xEE);
    }
    ck_assert_int_eq(pobackup_read(archive, number, UINT64_MAX, bytes, 1, &got, &err), PO_OK);
    ck_assert_uint_eq(got, 0);
    free(bytes);
}

static void
check_set(struct pobackup_archive *archive, const struct help_set *set, struct help_random *random)
{
    uint64_t count = pobackup_entry_count(archive);
    struct pobackup_entry last = { 0 };
    struct po_err err;

    ck_assert_uint_eq(count, set->count + 2); /* manifest and summary */
    for (uint64_t i = 0; i < count; i++) {
        struct pobackup_entry entry;
        int number;

        ck_assert_int_eq(pobackup_entry_at(archive, i, &entry, &err), PO_OK);
        ck_assert_int_eq(pobackup_entry_find(archive, entry.path, entry.path_size), (int64_t)i);
        if (i > 0) {
            size_t least = last.path_size < entry.path_size ? last.path_size : entry.path_size;
            int order = memcmp(last.path, entry.path, least);

            ck_assert(order < 0 || (order == 0 && last.path_size < entry.path_size));
        }
        last = entry;
        if (is_document(&entry))
            continue;
        number = help_set_find(set, entry.path, entry.path_size);
        ck_assert_int_ge(number, 0);
        check_entry(&entry, &set->entries[number]);
        if (entry.type == POBACKUP_FILE)
            check_content(archive, i, set->contents[number], (size_t)entry.size, random);
    }
}

START_TEST(a_random_archive_gives_back_what_was_put_in)
{
    struct help_random random = help_random_begin("library", (uint64_t)_i);

    for (int round = 0; round < 6; round++) {
        struct help_set set = { 0 };
        struct help_memory memory = { 0 };
        struct pobackup_archive *archive;
        uint8_t written[POBACKUP_DIGEST_SIZE];
        uint8_t read[POBACKUP_DIGEST_SIZE];
        struct po_err err;

        help_set_make(&set, &random, help_random_size(&random, 60), 200000);
        ck_assert_msg(help_set_write(&set, &memory, &small_frames, written, &err) == PO_OK, "%s",
                      err.text);
        archive = open_memory(&memory);
        pobackup_digest(archive, read);
        ck_assert_mem_eq(read, written, sizeof read);
        check_set(archive, &set, &random);
        ck_assert_msg(pobackup_verify(archive, 0, NULL, NULL, &err) == PO_OK, "%s", err.text);
        ck_assert_msg(pobackup_verify(archive, 1, NULL, NULL, &err) == PO_OK, "%s", err.text);
        /* And after verifying, which uses the same buffers, once more. */
        check_set(archive, &set, &random);
        pobackup_close(archive);
        help_memory_free(&memory);
        help_set_free(&set);
    }
}
END_TEST

START_TEST(the_same_input_gives_the_same_bytes)
{
    struct help_random random = help_random_begin("library twice", 0);
    struct help_set set = { 0 };
    struct help_memory one = { 0 };
    struct help_memory two = { 0 };

    help_set_make(&set, &random, 30, 50000);
    write_set(&set, &one);
    write_set(&set, &two);
    ck_assert_uint_eq(one.size, two.size);
    ck_assert_mem_eq(one.bytes, two.bytes, one.size);
    help_memory_free(&one);
    help_memory_free(&two);
    help_set_free(&set);
}
END_TEST

START_TEST(an_empty_archive_holds_manifest_and_summary)
{
    struct help_random random = { 0 };
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_archive *archive;
    struct pobackup_entry entry;
    struct po_err err;
    const char *manifest;
    size_t size = 0;

    write_set(&set, &memory);
    archive = open_memory(&memory);
    check_set(archive, &set, &random);
    ck_assert_int_eq(pobackup_verify(archive, 1, NULL, NULL, &err), PO_OK);
    manifest = pobackup_manifest(archive, &size);
    ck_assert_uint_gt(size, 2);
    ck_assert(manifest[0] == '{' && memchr(manifest, 0, size) == NULL);
    ck_assert_int_eq(pobackup_entry_at(archive, 0, &entry, &err), PO_OK);
    ck_assert_uint_eq(entry.size, size);
    ck_assert_int_eq(pobackup_entry_find(archive, S("pobackup/summary.json")), 1);
    ck_assert_int_eq(pobackup_entry_find(archive, S("pobackup/index")), -1);
    ck_assert_int_eq(pobackup_entry_find(archive, "", 0), -1);
    pobackup_close(archive);
    help_memory_free(&memory);
}
END_TEST

START_TEST(empty_files_and_files_of_three_frames_are_read)
{
    struct help_random random = help_random_begin("library large", 0);
    static const size_t sizes[] = {
        0,      1,         65023,           65024,     65025,        65536,
        130559, 65536 * 2, 65536 * 3 - 512, 65536 * 3, 65536 * 3 + 1
    };
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_archive *archive;
    uint8_t *content = malloc(65536 * 3 + 1);
    struct po_err err;

    ck_assert_ptr_nonnull(content);
    help_random_fill(&random, content, 65536 * 3 + 1);
    for (size_t i = 0; i < HELP_COUNT(sizes); i++) {
        char path[20];

        (void)snprintf(path, sizeof path, "file %zu", sizes[i]);
        help_set_add(&set, &random, POBACKUP_FILE, path, strlen(path), NULL, content, sizes[i]);
    }
    write_set(&set, &memory);
    archive = open_memory(&memory);
    check_set(archive, &set, &random);
    ck_assert_int_eq(pobackup_verify(archive, 1, NULL, NULL, &err), PO_OK);
    pobackup_close(archive);
    help_memory_free(&memory);
    help_set_free(&set);
    free(content);
}
END_TEST

START_TEST(the_defaults_hold_for_options_of_zero)
{
    static const struct pobackup_writer_options none = { 0 };
    struct help_random random = help_random_begin("library defaults", 0);
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_archive *archive;
    struct po_err err;

    help_set_make(&set, &random, 20, 300000);
    ck_assert_int_eq(help_set_write(&set, &memory, &none, NULL, &err), PO_OK);
    archive = open_memory(&memory);
    check_set(archive, &set, &random);
    ck_assert_int_eq(pobackup_verify(archive, 1, NULL, NULL, &err), PO_OK);
    pobackup_close(archive);
    help_memory_free(&memory);
    help_set_free(&set);
}
END_TEST

/* Composed of two characters each: libarchive composes them anew when the locale is UTF-8. */
START_TEST(decomposed_names_verify_in_any_locale)
{
    struct help_random random = help_random_begin("library locale", 0);
    static const char *const locales[] = { "C", "C.UTF-8" };

    for (size_t i = 0; i < HELP_COUNT(locales); i++) {
        struct help_set set = { 0 };
        struct help_memory memory = { 0 };
        struct po_err err;

        /* Windows has no such locale. */
        ck_assert(setlocale(LC_ALL, locales[i]) != NULL || !OS_HAS_POSIX);
        help_set_add(&set, &random, POBACKUP_FILE, S("u\xCC\x88"), NULL, "x", 1);
        help_set_add(&set, &random, POBACKUP_FILE, S("\xE3\x81\xAF\xE3\x82\x99"), NULL, "y", 1);
        help_set_add(&set, &random, POBACKUP_SYMLINK, S("link"), "a\xCC\x8A", NULL, 0);
        help_set_add(&set, &random, POBACKUP_FILE, S("\xFF"), NULL, "z", 1);
        help_set_add(&set, &random, POBACKUP_FILE, S("\xF0\x9F\x93\xA7"), NULL, "z", 1);
        write_set(&set, &memory);
        ck_assert_msg(help_check(&memory, 1, NULL, NULL, &err) == PO_OK, "%s: %s", locales[i],
                      err.text);
        help_memory_free(&memory);
        help_set_free(&set);
    }
}
END_TEST

/* ---- wrong use ---- */

struct text {
    const char *bytes;
    size_t left;
    bool is_failing;
};

static enum po_status
read_text(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    struct text *text = ctx;

    *got = size < text->left ? size : text->left;
    memcpy(bytes, text->bytes, *got);
    text->bytes += *got;
    text->left -= *got;
    if (!text->is_failing || text->left > 0)
        return PO_OK;
    err->status = PO_E_IO;
    (void)snprintf(err->text, sizeof err->text, "the disk is gone");
    return PO_E_IO;
}

static struct pobackup_writer *
open_writer(struct help_memory *memory)
{
    struct pobackup_sink sink = help_sink(memory);
    struct pobackup_writer *writer = NULL;
    struct po_err err;

    ck_assert_int_eq(pobackup_writer_open(&writer, &sink, &small_frames, &err), PO_OK);
    return writer;
}

static struct pobackup_entry
entry_of(enum pobackup_type type, const char *path, const char *link)
{
    return (struct pobackup_entry){ .path = path,
                                    .path_size = strlen(path),
                                    .type = type,
                                    .link = link,
                                    .link_size = link == NULL ? 0 : strlen(link) };
}

static enum po_status
add(struct pobackup_writer *writer, enum pobackup_type type, const char *path, const char *link)
{
    struct pobackup_entry entry = entry_of(type, path, link);
    struct po_err err;

    return pobackup_writer_add(writer, &entry, NULL, NULL, &err);
}

/*
 * What the header promises: PO_E_USAGE at once or at the end, never an archive that the library
 * itself does not open.
 */
static void
check_refused(enum po_status added, struct pobackup_writer *writer)
{
    struct po_err err;

    ck_assert(added == PO_OK || added == PO_E_USAGE);
    ck_assert(added == PO_E_USAGE || pobackup_writer_commit(writer, NULL, &err) == PO_E_USAGE);
}

START_TEST(a_path_twice_is_wrong_use)
{
    struct help_memory memory = { 0 };
    struct pobackup_writer *writer = open_writer(&memory);

    ck_assert_int_eq(add(writer, POBACKUP_FILE, "a", NULL), PO_OK);
    ck_assert_int_eq(add(writer, POBACKUP_DIRECTORY, "b", NULL), PO_OK);
    check_refused(add(writer, POBACKUP_DIRECTORY, "a", NULL), writer);
    pobackup_writer_free(writer);
    help_memory_free(&memory);
}
END_TEST

/* spec-test: FILE-1 */
START_TEST(the_names_of_the_formats_own_members_are_taken)
{
    static const char *const names[] = { "pobackup/manifest.json", "pobackup/summary.json",
                                         "pobackup/index", "pobackup/trailer" };

    for (size_t i = 0; i < HELP_COUNT(names); i++) {
        struct help_memory memory = { 0 };
        struct pobackup_writer *writer = open_writer(&memory);

        check_refused(add(writer, POBACKUP_FILE, names[i], NULL), writer);
        pobackup_writer_free(writer);
        help_memory_free(&memory);
    }
}
END_TEST

START_TEST(a_hard_link_to_what_is_no_earlier_file_is_wrong_use)
{
    static const char *const targets[] = { "nowhere", "directory", "symlink", "later", "itself" };

    for (size_t i = 0; i < HELP_COUNT(targets); i++) {
        struct help_memory memory = { 0 };
        struct pobackup_writer *writer = open_writer(&memory);
        enum po_status st;

        ck_assert_int_eq(add(writer, POBACKUP_DIRECTORY, "directory", NULL), PO_OK);
        ck_assert_int_eq(add(writer, POBACKUP_SYMLINK, "symlink", "x"), PO_OK);
        st = add(writer, POBACKUP_HARDLINK, "itself", targets[i]);
        if (st == PO_OK)
            ck_assert_int_eq(add(writer, POBACKUP_FILE, "later", NULL), PO_OK);
        check_refused(st, writer);
        pobackup_writer_free(writer);
        help_memory_free(&memory);
    }
}
END_TEST

START_TEST(entries_that_make_no_sense_are_wrong_use)
{
    static const struct {
        struct pobackup_entry entry;
        const char *what;
    } cases[] = {
        { { .path = "", .path_size = 0, .type = POBACKUP_FILE }, "no path" },
        { { .path = "a\0b", .path_size = 3, .type = POBACKUP_FILE }, "a NUL" },
        { { .path = "a/", .path_size = 2, .type = POBACKUP_DIRECTORY }, "a slash at the end" },
        { { .path = "a", .path_size = 131073, .type = POBACKUP_FILE }, "a path that is too long" },
        { { .path = "a", .path_size = 1 }, "no type" },
        { { .path = "a", .path_size = 1, .type = (enum pobackup_type)5 }, "type 5" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_SYMLINK }, "a link without target" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_SYMLINK, .link = "" },
          "an empty target" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_SYMLINK, .link = "b\0c", .link_size = 3 },
          "a target with a NUL" },
        { { .path = "a",
            .path_size = 1,
            .type = POBACKUP_SYMLINK,
            .link = "a",
            .link_size = 131073 },
          "a target that is too long" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_FILE, .link = "b", .link_size = 1 },
          "a file with a target" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_DIRECTORY, .size = 5 },
          "a directory with a size" },
        { { .path = "a", .path_size = 1, .type = POBACKUP_FILE, .size = 5 }, "no way to read" },
    };
    static char long_name[131074];

    memset(long_name, 'n', sizeof long_name);
    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        struct help_memory memory = { 0 };
        struct pobackup_writer *writer = open_writer(&memory);
        struct pobackup_entry entry = cases[i].entry;
        struct po_err err;

        if (entry.path_size == 131073)
            entry.path = long_name;
        if (entry.link_size == 131073)
            entry.link = long_name;
        ck_assert_msg(pobackup_writer_add(writer, &entry, NULL, NULL, &err) == PO_E_USAGE, "%s",
                      cases[i].what);
        ck_assert_int_eq(err.status, PO_E_USAGE);
        pobackup_writer_free(writer);
        help_memory_free(&memory);
    }
}
END_TEST

START_TEST(what_the_writer_takes_the_reader_takes)
{
    static const char *const paths[] = { "/",  "//a",  ".",  "..",   "/etc/passwd", " ",
                                         "\n", "a\\b", "C:", "a//b", "-",           "\x7F" };

    for (size_t i = 0; i < HELP_COUNT(paths); i++) {
        struct help_memory memory = { 0 };
        struct pobackup_writer *writer = open_writer(&memory);
        struct po_err err;

        if (add(writer, POBACKUP_DIRECTORY, paths[i], NULL) == PO_OK &&
            add(writer, POBACKUP_SYMLINK, "link", paths[i]) == PO_OK) {
            ck_assert_int_eq(pobackup_writer_commit(writer, NULL, &err), PO_OK);
            ck_assert_msg(help_check(&memory, 1, NULL, NULL, &err) == PO_OK, "%s: %s", paths[i],
                          err.text);
        } else {
            ck_assert_int_eq(paths[i][strlen(paths[i]) - 1], '/');
        }
        pobackup_writer_free(writer);
        help_memory_free(&memory);
    }
}
END_TEST

START_TEST(content_that_ends_early_fails_and_ends_the_writer)
{
    struct help_memory memory = { 0 };
    struct pobackup_writer *writer = open_writer(&memory);
    struct pobackup_entry entry = entry_of(POBACKUP_FILE, "a", NULL);
    struct text text = { .bytes = "four", .left = 4 };
    struct po_err err;

    entry.size = 5;
    ck_assert_int_eq(pobackup_writer_add(writer, &entry, read_text, &text, &err), PO_E_IO);
    ck_assert_int_eq(add(writer, POBACKUP_FILE, "b", NULL), PO_E_USAGE);
    ck_assert_int_eq(pobackup_writer_commit(writer, NULL, &err), PO_E_USAGE);
    pobackup_writer_free(writer);
    ck_assert_int_ne(help_check(&memory, 1, NULL, NULL, &err), PO_OK);
    help_memory_free(&memory);
}
END_TEST

START_TEST(content_that_cannot_be_read_fails_with_its_own_words)
{
    struct help_memory memory = { 0 };
    struct pobackup_writer *writer = open_writer(&memory);
    struct pobackup_entry entry = entry_of(POBACKUP_FILE, "a", NULL);
    struct text text = { .bytes = "four", .left = 4, .is_failing = true };
    struct po_err err;

    entry.size = 4;
    ck_assert_int_eq(pobackup_writer_add(writer, &entry, read_text, &text, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "the disk is gone"));
    ck_assert_int_eq(pobackup_writer_commit(writer, NULL, &err), PO_E_USAGE);
    pobackup_writer_free(writer);
    help_memory_free(&memory);
}
END_TEST

START_TEST(a_committed_writer_is_at_its_end)
{
    struct help_memory memory = { 0 };
    struct pobackup_writer *writer = open_writer(&memory);
    struct po_err err;
    size_t size;

    ck_assert_int_eq(pobackup_writer_commit(writer, NULL, &err), PO_OK);
    size = memory.size;
    ck_assert_int_eq(pobackup_writer_commit(writer, NULL, &err), PO_E_USAGE);
    ck_assert_int_eq(add(writer, POBACKUP_FILE, "a", NULL), PO_E_USAGE);
    pobackup_writer_free(writer);
    ck_assert_uint_eq(memory.size, size);
    ck_assert_int_eq(help_check(&memory, 1, NULL, NULL, &err), PO_OK);
    help_memory_free(&memory);
}
END_TEST

START_TEST(a_writer_that_is_not_committed_leaves_no_archive)
{
    struct help_memory memory = { 0 };
    struct pobackup_writer *writer = open_writer(&memory);
    struct po_err err;

    ck_assert_int_eq(add(writer, POBACKUP_FILE, "a", NULL), PO_OK);
    pobackup_writer_free(writer);
    pobackup_writer_free(NULL);
    ck_assert_int_ne(help_check(&memory, 1, NULL, NULL, &err), PO_OK);
    help_memory_free(&memory);
}
END_TEST

START_TEST(frame_sizes_that_the_format_does_not_allow_are_wrong_use)
{
    static const uint32_t sizes[] = { 1, 65535, 65537, 65536 + 256, (32u << 20) + 512, UINT32_MAX };

    for (size_t i = 0; i < HELP_COUNT(sizes); i++) {
        struct pobackup_writer_options options = { .frame_size = sizes[i] };
        struct help_memory memory = { 0 };
        struct pobackup_sink sink = help_sink(&memory);
        struct pobackup_writer *writer = NULL;
        struct po_err err;

        ck_assert_int_eq(pobackup_writer_open(&writer, &sink, &options, &err), PO_E_USAGE);
        ck_assert_ptr_null(writer);
        ck_assert_uint_eq(memory.calls, 0);
        help_memory_free(&memory);
    }
}
END_TEST

START_TEST(what_is_out_of_range_is_wrong_use_and_touches_nothing)
{
    struct help_random random = help_random_begin("library range", 0);
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_archive *archive;
    struct pobackup_entry entry = { .size = 77 };
    struct po_err err;
    char byte = 'x';
    size_t got = 77;

    help_set_add(&set, &random, POBACKUP_DIRECTORY, S("directory"), NULL, NULL, 0);
    help_set_add(&set, &random, POBACKUP_SYMLINK, S("link"), "x", NULL, 0);
    write_set(&set, &memory);
    archive = open_memory(&memory);
    ck_assert_int_eq(pobackup_entry_at(archive, 4, &entry, &err), PO_E_USAGE);
    ck_assert_int_eq(pobackup_entry_at(archive, UINT64_MAX, &entry, &err), PO_E_USAGE);
    ck_assert_int_eq(pobackup_entry_at(archive, UINT64_C(1) << 32, &entry, &err), PO_E_USAGE);
    ck_assert_uint_eq(entry.size, 77);
    ck_assert_int_eq(pobackup_read(archive, 4, 0, &byte, 1, &got, &err), PO_E_USAGE);
    ck_assert_int_eq(pobackup_read(archive, UINT64_C(1) << 32, 0, &byte, 1, &got, &err),
                     PO_E_USAGE);
    ck_assert_int_eq(pobackup_read(archive, 0, 0, &byte, 1, &got, &err), PO_E_USAGE);
    ck_assert_int_eq(pobackup_read(archive, 1, 0, &byte, 1, &got, &err), PO_E_USAGE);
    ck_assert_uint_eq(got, 77);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(pobackup_read(archive, 2, 0, &byte, 0, &got, &err), PO_OK);
    ck_assert_uint_eq(got, 0);
    pobackup_close(archive);
    pobackup_close(NULL);
    help_memory_free(&memory);
    help_set_free(&set);
}
END_TEST

/* ---- a sink and a blob that fail ---- */

/* A set that uses all that there is, small. */
static void
make_small_set(struct help_set *set, struct help_random *random)
{
    uint8_t content[100000];

    help_random_fill(random, content, sizeof content);
    help_set_add(set, random, POBACKUP_DIRECTORY, S("d"), NULL, NULL, 0);
    help_set_add(set, random, POBACKUP_FILE, S("d/a"), NULL, content, 1000);
    help_set_add(set, random, POBACKUP_FILE, S("d/large"), NULL, content, sizeof content);
    help_set_add(set, random, POBACKUP_FILE, S("d/empty"), NULL, NULL, 0);
    help_set_add(set, random, POBACKUP_SYMLINK, S("d/l"), "a", NULL, 0);
    help_set_add(set, random, POBACKUP_HARDLINK, S("d/h"), "d/a", NULL, 0);
}

START_TEST(a_sink_that_fails_once_at_any_write_fails_the_archive)
{
    struct help_random random = help_random_begin("library sink", 0);
    struct help_set set = { 0 };
    unsigned long nth = 1;

    make_small_set(&set, &random);
    for (;; nth++) {
        struct help_memory memory = { .fail_at = nth };
        struct po_err err = { 0 };
        struct po_err again;
        enum po_status st = help_set_write(&set, &memory, &small_frames, NULL, &err);

        if (memory.calls < nth) {
            ck_assert_int_eq(st, PO_OK);
            help_memory_free(&memory);
            break;
        }
        ck_assert_int_eq(st, PO_E_IO);
        ck_assert_ptr_nonnull(strstr(err.text, "is made to fail"));
        memory.fail_at = 0;
        ck_assert_int_ne(help_check(&memory, 1, NULL, NULL, &again), PO_OK);
        help_memory_free(&memory);
    }
    printf("library: %lu writes made to fail\n", nth - 1);
    ck_assert_uint_gt(nth, 5);
    help_set_free(&set);
}
END_TEST

/* Opens, verifies and reads everything; the first failure. */
static enum po_status
read_all(struct help_memory *memory, struct po_err *err)
{
    struct pobackup_blob blob = help_blob(memory);
    struct pobackup_archive *archive = NULL;
    uint8_t *bytes = malloc(200000);
    enum po_status st = pobackup_open(&archive, &blob, err);

    ck_assert_ptr_nonnull(bytes);
    if (st == PO_OK)
        st = pobackup_verify(archive, 0, NULL, NULL, err);
    if (st == PO_OK)
        st = pobackup_verify(archive, 1, NULL, NULL, err);
    for (uint64_t i = 0; st == PO_OK && i < pobackup_entry_count(archive); i++) {
        struct pobackup_entry entry;
        size_t got;

        st = pobackup_entry_at(archive, i, &entry, err);
        if (st == PO_OK && entry.type == POBACKUP_FILE)
            st = pobackup_read(archive, i, 0, bytes, 200000, &got, err);
    }
    pobackup_close(archive);
    free(bytes);
    return st;
}

START_TEST(a_blob_that_fails_once_at_any_read_fails_the_call)
{
    struct help_random random = help_random_begin("library blob", 0);
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    unsigned long nth = 1;

    make_small_set(&set, &random);
    write_set(&set, &memory);
    for (;; nth++) {
        struct po_err err = { 0 };
        enum po_status st;

        memory.calls = 0;
        memory.fail_at = nth;
        st = read_all(&memory, &err);
        if (memory.calls < nth) {
            ck_assert_int_eq(st, PO_OK);
            break;
        }
        /* Neither success nor "damaged": the bytes are all right. */
        ck_assert_msg(st == PO_E_IO, "read %lu: %s: %s", nth, po_status_name(st), err.text);
        ck_assert_int_eq(err.status, PO_E_IO);
    }
    printf("library: %lu reads made to fail\n", nth - 1);
    ck_assert_uint_gt(nth, 20);
    help_memory_free(&memory);
    help_set_free(&set);
}
END_TEST

START_TEST(after_a_read_that_failed_the_archive_is_as_before)
{
    struct help_random random = help_random_begin("library retry", 0);
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_archive *archive;
    int64_t number;
    uint8_t *bytes = malloc(100000);

    ck_assert_ptr_nonnull(bytes);
    make_small_set(&set, &random);
    write_set(&set, &memory);
    archive = open_memory(&memory);
    number = pobackup_entry_find(archive, S("d/large"));
    ck_assert_int_ge(number, 0);
    for (unsigned long nth = 1; nth <= 2; nth++) {
        struct po_err err;
        size_t got = 77;

        memory.calls = 0;
        memory.fail_at = nth;
        ck_assert_int_eq(pobackup_read(archive, (uint64_t)number, 0, bytes, 100000, &got, &err),
                         PO_E_IO);
        ck_assert_uint_eq(got, 77); /* output arguments are untouched */
        memory.fail_at = 0;
        ck_assert_int_eq(pobackup_read(archive, (uint64_t)number, 0, bytes, 100000, &got, &err),
                         PO_OK);
        ck_assert_uint_eq(got, 100000);
        ck_assert_mem_eq(bytes, set.contents[2], 100000);
        /* Something else in between, so that no frame is at hand. */
        ck_assert_int_eq(pobackup_verify(archive, 0, NULL, NULL, &err), PO_OK);
    }
    pobackup_close(archive);
    help_memory_free(&memory);
    help_set_free(&set);
    free(bytes);
}
END_TEST

/* ---- what is no archive ---- */

/* spec-test: FILE-3, FILE-4 */
START_TEST(other_files_are_unsupported_and_not_damaged)
{
    static const struct {
        const char *bytes;
        size_t size;
    } files[] = { { "", 0 },
                  { S("\x28") },
                  { S("PK\3\4") },
                  { S("hello, world: this is a text and long enough for a footer\n") },
                  /* a Zstandard frame of "hello", without checksum */
                  { S("\x28\xB5\x2F\xFD\x20\x05\x29\0\0hello") } };

    for (size_t i = 0; i < HELP_COUNT(files); i++) {
        struct help_memory memory = { 0 };
        struct po_err err;

        help_memory_put(&memory, files[i].bytes, files[i].size);
        ck_assert_int_eq(help_check(&memory, 1, NULL, NULL, &err), PO_E_UNSUPPORTED);
        help_memory_free(&memory);
    }
}
END_TEST

static void
add_writing_tests(Suite *suite)
{
    TCase *tc = tcase_create("writing");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_path_twice_is_wrong_use);
    tcase_add_test(tc, the_names_of_the_formats_own_members_are_taken);
    tcase_add_test(tc, a_hard_link_to_what_is_no_earlier_file_is_wrong_use);
    tcase_add_test(tc, entries_that_make_no_sense_are_wrong_use);
    tcase_add_test(tc, what_the_writer_takes_the_reader_takes);
    tcase_add_test(tc, content_that_ends_early_fails_and_ends_the_writer);
    tcase_add_test(tc, content_that_cannot_be_read_fails_with_its_own_words);
    tcase_add_test(tc, a_committed_writer_is_at_its_end);
    tcase_add_test(tc, a_writer_that_is_not_committed_leaves_no_archive);
    tcase_add_test(tc, frame_sizes_that_the_format_does_not_allow_are_wrong_use);
    tcase_add_test(tc, a_sink_that_fails_once_at_any_write_fails_the_archive);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("library");
    TCase *tc = tcase_create("reading");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_random_archive_gives_back_what_was_put_in, 0, 4);
    tcase_add_test(tc, the_same_input_gives_the_same_bytes);
    tcase_add_test(tc, an_empty_archive_holds_manifest_and_summary);
    tcase_add_test(tc, empty_files_and_files_of_three_frames_are_read);
    tcase_add_test(tc, the_defaults_hold_for_options_of_zero);
    tcase_add_test(tc, decomposed_names_verify_in_any_locale);
    tcase_add_test(tc, what_is_out_of_range_is_wrong_use_and_touches_nothing);
    tcase_add_test(tc, a_blob_that_fails_once_at_any_read_fails_the_call);
    tcase_add_test(tc, after_a_read_that_failed_the_archive_is_as_before);
    tcase_add_test(tc, other_files_are_unsupported_and_not_damaged);
    suite_add_tcase(suite, tc);
    add_writing_tests(suite);
    return help_run(suite);
}
