/* Alternate streams and reparse points: what NTFS says of them, and how they come into an archive. */
#include "archive/stream_path.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/utf16.h"
#include "engine/restore.h"
#include "os_help.h"
#include "port/ntfs.h"
#include "port/sys.h"
#include "site_help.h"
#include "stream_help.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct po_err err;

/* ---- the system's list ---- */

/* One row; `next` < 0: the right one, with the next row 8-aligned; 0: the last. */
static void
put_row(struct po_buf *out, const char *name, uint64_t size, int64_t next)
{
    struct po_buf wide = { 0 };
    size_t row;

    po_utf16_put(&wide, name, strlen(name));
    row = (24 + wide.size + 7) / 8 * 8;
    po_buf_put_u32le(out, next < 0 ? (uint32_t)row : (uint32_t)next);
    po_buf_put_u32le(out, (uint32_t)wide.size);
    po_buf_put_u64le(out, size);
    po_buf_put_u64le(out, (size + 4095) / 4096 * 4096);
    po_buf_put(out, wide.bytes, wide.size);
    if (next < 0)
        po_buf_put_zeros(out, row - 24 - wide.size);
    po_buf_deinit(&wide);
}

/* The bytes end where their page would, so that a sanitizer sees each read behind them. */
static enum po_status
parse_streams(struct po_stream_list *list, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    enum po_status st;

    ck_assert_ptr_nonnull(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    po_stream_list_clear(list);
    st = po_ntfs_put_streams(list, copy, size, &err);
    free(copy);
    return st;
}

START_TEST(every_stream_but_the_nameless_one_is_listed)
{
    struct po_buf bytes = { 0 };
    struct po_stream_list list = { 0 };
    struct po_stream stream;
    size_t at = 0;

    put_row(&bytes, "::$DATA", 7, -1);
    put_row(&bytes, ":Zone.Identifier:$DATA", 26, -1);
    put_row(&bytes, ":\xE6\x97\xA5 %.:$DATA", UINT64_C(5) << 32, 0);
    ck_assert_int_eq(parse_streams(&list, bytes.bytes, bytes.size), PO_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(po_stream_list_next(&list, &at, &stream));
    ck_assert(po_is_path(stream.name, stream.name_size, "Zone.Identifier"));
    ck_assert_uint_eq(stream.size, 26);
    ck_assert(po_stream_list_next(&list, &at, &stream));
    ck_assert(po_is_path(stream.name, stream.name_size, "\xE6\x97\xA5 %."));
    ck_assert_uint_eq(stream.size, UINT64_C(5) << 32);
    ck_assert(!po_stream_list_next(&list, &at, &stream));
    /* A directory without any. */
    ck_assert_int_eq(parse_streams(&list, "", 0), PO_OK);
    ck_assert_uint_eq(list.count, 0);
    po_buf_deinit(&bytes);
    po_stream_list_deinit(&list);
}
END_TEST

START_TEST(a_list_of_streams_that_makes_no_sense_is_refused)
{
    static const struct {
        const char *name;
        uint64_t size;
        int64_t next;
    } rows[] = {
        { ":a:$DATA", 1, 8 },          /* into itself */
        { ":a:$DATA", 1, 39 },         /* into its name */
        { ":a:$DATA", 1, 40 },         /* to the very end */
        { ":a:$DATA", 1, 0xFFFFFFF8 }, /* far away */
        { "a:$DATA", 1, 0 },           /* no colon */
        { ":a:$INDEX_ALLOCATION", 1, 0 },
        { ":a", 1, 0 },
        { "", 1, 0 },
        { ":a:b:$DATA", 1, 0 },
        { ":a/b:$DATA", 1, 0 },
        { ":a\\b:$DATA", 1, 0 },
        { ":a:$DATA", UINT64_C(1) << 63, 0 },
    };
    struct po_stream_list list = { 0 };
    struct po_buf bytes = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        po_buf_clear(&bytes);
        put_row(&bytes, rows[i].name, rows[i].size, rows[i].next);
        ck_assert_msg(parse_streams(&list, bytes.bytes, bytes.size) == PO_E_IO, "row %zu", i);
    }
    /* Each cut of a good one; nothing at all is the only shorter list that makes sense. */
    po_buf_clear(&bytes);
    put_row(&bytes, ":a:$DATA", 1, 0);
    ck_assert_int_eq(parse_streams(&list, bytes.bytes, bytes.size), PO_OK);
    for (size_t size = 1; size < bytes.size; size++)
        ck_assert_int_eq(parse_streams(&list, bytes.bytes, size), PO_E_IO);
    bytes.bytes[4]++; /* a name of an odd number of bytes */
    po_buf_put_u8(&bytes, 0);
    ck_assert_int_eq(parse_streams(&list, bytes.bytes, bytes.size), PO_E_IO);
    po_buf_deinit(&bytes);
    po_stream_list_deinit(&list);
}
END_TEST

START_TEST(a_stream_has_a_name_of_at_most_255_units) /* spec-test: STREAM-2 */
{
    char name[1024];

    memset(name, 'n', sizeof name);
    ck_assert(po_name_is_stream(name, 255));
    ck_assert(!po_name_is_stream(name, 256));
    ck_assert(!po_name_is_stream(name, 0));
    /* 127 characters of two units, and one; then one more. */
    for (size_t i = 0; i < 128; i++)
        memcpy(name + 4 * i, "\xF0\x9F\x98\x80", 4);
    name[4 * 127] = 'x';
    ck_assert(po_name_is_stream(name, 4 * 127 + 1));
    memcpy(name + 4 * 127, "\xF0\x9F\x98\x80", 4);
    ck_assert(!po_name_is_stream(name, 4 * 128));
    ck_assert(!po_name_is_stream("a\0b", 3));
    ck_assert(!po_name_is_stream("\xFF", 1));
    ck_assert(po_name_is_stream("\xED\xA0\x80", 3)); /* a surrogate alone */
}
END_TEST

/* ---- reparse points ---- */

static char *
target_of(const struct po_buf *bytes, size_t size)
{
    struct po_buf out = { 0 };
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    char *text = NULL;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes->bytes, size);
    if (po_ntfs_put_link_target(&out, copy, size, &err) == PO_OK)
        text = po_mem_copy(po_buf_text(&out), out.size);
    free(copy);
    po_buf_deinit(&out);
    return text;
}

START_TEST(a_link_comes_back_as_it_was)
{
    static const struct {
        const char *target;
        bool is_junction;
        bool is_relative;
    } links[] = {
        { "\\??\\C:\\Windows", true, false },
        { "\\??\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\", true, false },
        { "C:\\Windows", false, false },
        { "\\\\server\\share\\x", false, false },
        { "\\\\?\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\x", false, false },
        { "..\\up", false, true },
        { "\\rooted", false, true },
        { "x", false, true },
        { "\xE6\x97\xA5\xE6\x9C\xAC", false, true },
    };
    struct po_buf bytes = { 0 };

    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const char *target = links[i].target;
        char *text;

        ck_assert(po_ntfs_is_junction(target, strlen(target)) == links[i].is_junction);
        po_buf_clear(&bytes);
        po_ntfs_put_reparse(&bytes, target, strlen(target));
        ck_assert(!bytes.failed);
        ck_assert_uint_eq(bytes.bytes[0], links[i].is_junction ? 0x03 : 0x0C);
        if (!links[i].is_junction)
            ck_assert_uint_eq(bytes.bytes[16], links[i].is_relative ? 1 : 0);
        text = target_of(&bytes, bytes.size);
        ck_assert_msg(text != NULL, "%s: %s", target, err.text);
        ck_assert_str_eq(text, target);
        po_mem_free(text);
    }
    po_buf_deinit(&bytes);
}
END_TEST

/* As mklink writes them: the shown name stands too, before or behind. */
START_TEST(links_are_read_as_the_system_writes_them)
{
    static const uint8_t relative[] = {
        0x0C, 0, 0, 0xA0, 0x14, 0, 0,   0, 4,   0, 4,   0, 0,   0,
        4,    0, 1, 0,    0,    0, 'a', 0, 'b', 0, 'a', 0, 'b', 0,
    };
    static const char unc[] = "\\??\\UNC\\s\\t";
    struct po_buf bytes = { 0 };
    struct po_buf wide = { 0 };
    char *text;

    po_buf_put(&bytes, relative, sizeof relative);
    text = target_of(&bytes, bytes.size);
    ck_assert_str_eq(text, "ab");
    po_mem_free(text);
    po_utf16_put(&wide, unc, strlen(unc));
    po_buf_clear(&bytes);
    po_buf_put_u32le(&bytes, PO_NTFS_TAG_SYMLINK);
    po_buf_put_u16le(&bytes, (uint16_t)(12 + wide.size));
    po_buf_put_zeros(&bytes, 4);
    po_buf_put_u16le(&bytes, (uint16_t)wide.size);
    po_buf_put_zeros(&bytes, 8);
    po_buf_put(&bytes, wide.bytes, wide.size);
    text = target_of(&bytes, bytes.size);
    ck_assert_str_eq(text, "\\\\s\\t");
    po_mem_free(text);
    po_buf_deinit(&wide);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_reparse_point_that_makes_no_sense_is_refused)
{
    static const char target[] = "C:\\x";
    struct po_buf bytes = { 0 };

    po_ntfs_put_reparse(&bytes, target, strlen(target));
    for (size_t size = 0; size < bytes.size; size++)
        ck_assert_ptr_null(target_of(&bytes, size));
    for (size_t at = 4; at < 12; at++) {
        uint8_t before = bytes.bytes[at];

        if (at == 6 || at == 7) /* reserved */
            continue;
        bytes.bytes[at] = 0xFF; /* the data's size, the name's offset, its size */
        ck_assert_ptr_null(target_of(&bytes, bytes.size));
        bytes.bytes[at] = before;
    }
    bytes.bytes[10]--; /* odd */
    ck_assert_ptr_null(target_of(&bytes, bytes.size));
    bytes.bytes[10] = 0; /* none */
    ck_assert_ptr_null(target_of(&bytes, bytes.size));
    bytes.bytes[0] = 0x13; /* deduplicated */
    ck_assert_ptr_null(target_of(&bytes, bytes.size));
    ck_assert_ptr_nonnull(strstr(err.text, "of kind a0000013: not a link"));
    po_buf_deinit(&bytes);
}
END_TEST

/* ---- paths in the archive ---- */

START_TEST(a_streams_path_says_owner_and_name) /* spec-test: STREAM-1 */
{
    static const struct {
        const char *owner;
        const char *name;
        const char *path;
    } rows[] = {
        { "T/a.txt", "Zone.Identifier", "pobackup/streams/T/a.txt/%/Zone.Identifier" },
        { "T", "x", "pobackup/streams/T/%/x" },
        { "T/50%/%/%25", "%", "pobackup/streams/T/50%25/%25/%2525/%/%25" },
        { "T/:.", ".", "pobackup/streams/T/:./%/%2E" },
        { "T/a", "..", "pobackup/streams/T/a/%/.%2E" },
        { "T/a", " x ", "pobackup/streams/T/a/%/ x%20" },
        { "T/a", "\x01\x1f\x7f\"*<>?|", "pobackup/streams/T/a/%/%01%1F%7F%22%2A%3C%3E%3F%7C" },
        { "T/\xFF", "\xE6\x97\xA5", "pobackup/streams/T/\xFF/%/\xE6\x97\xA5" },
    };
    struct po_stream_path parts = { 0 };
    struct po_buf path = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        po_buf_clear(&path);
        po_stream_put_path(&path, rows[i].owner, strlen(rows[i].owner), rows[i].name,
                           strlen(rows[i].name));
        ck_assert_str_eq(po_buf_text(&path), rows[i].path);
        ck_assert(po_stream_is_path(po_buf_text(&path), path.size));
        ck_assert_int_eq(po_stream_parse_path(&parts, po_buf_text(&path), path.size, &err), PO_OK);
        ck_assert_str_eq(po_buf_text(&parts.owner), rows[i].owner);
        ck_assert_str_eq(po_buf_text(&parts.name), rows[i].name);
    }
    po_buf_deinit(&path);
    po_stream_path_deinit(&parts);
}
END_TEST

START_TEST(a_path_in_another_form_is_no_streams) /* spec-test: STREAM-1, STREAM-2 */
{
    static const char *const paths[] = {
        "pobackup/streams/",         "pobackup/streams/a",        "pobackup/streams/%/x",
        "pobackup/streams/a/x",      "pobackup/streams/a/%/",     "pobackup/streams/a/%/%41",
        "pobackup/streams/a/%/%2e",  "pobackup/streams/a/%/x.",   "pobackup/streams/a/%/%",
        "pobackup/streams/a/%/%2",   "pobackup/streams/a%/%/x",   "pobackup/streams/a%2F/%/x",
        "pobackup/streams/a/%/x:y",  "pobackup/streams/a/%/x\\y", "pobackup/streams/a/%/%3A",
        "pobackup/streams/a/%/\xFF", "pobackup/streams/a/%/%00",
    };
    struct po_stream_path parts = { 0 };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        ck_assert_msg(po_stream_parse_path(&parts, paths[i], strlen(paths[i]), &err) == PO_E_FORMAT,
                      "%s", paths[i]);
    ck_assert(!po_stream_is_path("pobackup/streams", 16));
    po_stream_path_deinit(&parts);
}
END_TEST

/* ---- in a backup ---- */

static struct help_host host;
static struct help_sink sink;
static struct po_backup_result result;
static struct help_archive archive;

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_sink_init(&sink);
    help_make_site();
    help_streams_state = (struct help_streams_state){ 0 };
    help_make_directory("ads");
}

static void
teardown(void)
{
    if (archive.reader != NULL)
        help_close(&archive);
    archive = (struct help_archive){ 0 };
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    help_leave();
}

static void
back_up(const char *exclude)
{
    const struct po_backup_options options = { .frame_size = FRAME_SIZE,
                                               .stream_ops = &help_streams,
                                               .excludes = &exclude,
                                               .exclude_count = exclude == NULL ? 0 : 1 };

    help_must(po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err), &err);
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(&archive);
}

/* "\n"-ended lines "path:name bytes". */
static char *
named(void)
{
    struct po_buf text = { 0 };
    char *copy;

    for (size_t i = 0; i < result.streams.listed; i++)
        po_buf_printf(&text, "%s:%s %u\n", result.streams.items[i].path,
                      result.streams.items[i].name, (unsigned)result.streams.items[i].bytes);
    copy = po_mem_copy(po_buf_text(&text), text.size);
    po_buf_deinit(&text);
    return copy;
}

START_TEST(streams_of_files_and_directories_are_saved_counted_and_named) /* req: B8 */
{
    static const char zone[] = "[ZoneTransfer]\r\nZoneId=3\r\n";
    struct pobackup_entry owner;
    struct pobackup_entry entry;
    uint64_t files;
    char *text;

    help_make_directory(BOX "/dir");
    help_write_text(BOX "/dir/a%.txt", "alpha");
    back_up(NULL);
    files = result.files;
    ck_assert_uint_eq(result.streams.count, 0);
    help_close(&archive);
    archive = (struct help_archive){ 0 };
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    help_sink_init(&sink);
    help_write_text("ads/dir%a%.txt@Zone.Identifier", zone);
    help_write_text("ads/dir%a%.txt@e%", "");
    help_write_text("ads/dir@of a directory", "d");
    help_write_random("ads/dir@large", 3 * FRAME_SIZE + 5, 1);
    back_up(NULL);
    ck_assert_uint_eq(result.skipped.count, 0);
    ck_assert_uint_eq(result.streams.count, 4);
    ck_assert_uint_eq(result.streams.bytes, strlen(zone) + 1 + 3 * FRAME_SIZE + 5);
    ck_assert_uint_eq(result.files, files); /* a stream is no file of the site */
    help_assert_content(&archive, "pobackup/streams/" BOX "/dir/a%25.txt/%/Zone.Identifier", zone,
                        strlen(zone));
    help_assert_content(&archive, "pobackup/streams/" BOX "/dir/a%25.txt/%/e%25", "", 0);
    help_assert_content(&archive, "pobackup/streams/" BOX "/dir/%/of a directory", "d", 1);
    (void)help_entry(&archive, BOX "/dir/a%.txt", &owner);
    (void)help_entry(&archive, "pobackup/streams/" BOX "/dir/%/large", &entry);
    ck_assert_uint_eq(entry.size, 3 * FRAME_SIZE + 5);
    ck_assert_uint_eq(entry.file_id, 0);
    ck_assert_int_eq(entry.type, POBACKUP_FILE);
    text = named();
    ck_assert_ptr_nonnull(strstr(text, BOX "/dir/a%.txt:Zone.Identifier 26\n"));
    ck_assert_ptr_nonnull(strstr(text, BOX "/dir/a%.txt:e% 0\n"));
    po_mem_free(text);
}
END_TEST

START_TEST(streams_are_in_the_summary)
{
    struct po_buf text = { 0 };
    json_t *root;
    json_t *item;

    help_write_text(BIN "/s.exe", "x");
    help_write_text("ads/s.exe@one", "1");
    back_up(NULL);
    help_must(po_reader_summary(archive.reader, &text, &err), &err);
    root = json_loadb((const char *)text.bytes, text.size, 0, NULL);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(root, "counts"), "streams")), 1);
    item = json_array_get(json_object_get(root, "streams"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(item, "path")), BIN "/s.exe");
    ck_assert_str_eq(json_string_value(json_object_get(item, "stream")), "one");
    ck_assert_int_eq(json_integer_value(json_object_get(item, "bytes")), 1);
    json_decref(root);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(a_trees_own_streams_are_saved)
{
    help_write_text("ads/@root", "r");
    back_up(NULL);
    /* The made-up system knows no trees: each has it. */
    help_assert_content(&archive, "pobackup/streams/" BOX "/%/root", "r", 1);
    help_assert_content(&archive, "pobackup/streams/" BIN "/%/root", "r", 1);
}
END_TEST

START_TEST(streams_of_the_second_name_of_a_file_are_saved_once)
{
    help_write_text(BOX "/h1", "h");
    ck_assert_int_eq(link(BOX "/h1", BOX "/h2"), 0);
    help_write_text("ads/h1@s", "x");
    help_write_text("ads/h2@s", "x");
    back_up(NULL);
    ck_assert_uint_eq(result.streams.count, 1);
    ck_assert(help_has(&archive, "pobackup/streams/" BOX "/h1/%/s"));
}
END_TEST

START_TEST(a_links_streams_are_named_and_not_saved) /* req: B8 */
{
    ck_assert_int_eq(symlink("x", BOX "/soft"), 0);
    help_write_text("ads/soft@s", "x");
    back_up(NULL);
    ck_assert_uint_eq(result.streams.count, 0);
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert_str_eq(result.skipped.items[0].path, BOX "/soft");
    ck_assert_str_eq(result.skipped.items[0].reason,
                     "its alternate stream s: a link's is not saved");
}
END_TEST

START_TEST(a_stream_that_cannot_be_read_is_named_and_the_rest_is_saved) /* req: B8 */
{
    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@bad", "x");
    help_write_text("ads/f@good", "y");
    help_streams_state.unopened = "bad";
    back_up(NULL);
    ck_assert_uint_eq(result.streams.count, 1);
    ck_assert(help_has(&archive, "pobackup/streams/" BOX "/f/%/good"));
    ck_assert(!help_has(&archive, "pobackup/streams/" BOX "/f/%/bad"));
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert_str_eq(result.skipped.items[0].path, BOX "/f");
    ck_assert_ptr_nonnull(
        strstr(result.skipped.items[0].reason, "its alternate stream bad: made up"));
}
END_TEST

START_TEST(streams_that_cannot_be_listed_are_named) /* req: B8 */
{
    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@seen", "y");
    help_streams_state.unlisted = "f";
    back_up(NULL);
    ck_assert_uint_eq(result.streams.count, 1);
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert_str_eq(result.skipped.items[0].reason,
                     "its alternate streams are not known: made up");
}
END_TEST

/* A restore cannot give back what is not there: such a backup is not a whole one. */
START_TEST(a_file_without_its_rights_makes_a_backup_that_is_not_complete) /* req: B8 */
{
    help_write_text(BOX "/f", "f");
    help_write_text(BOX "/g", "g");
    back_up(NULL);
    ck_assert_uint_eq(result.without_rights, 0);
    ck_assert(po_backup_is_complete(&result));
    help_close(&archive);
    archive = (struct help_archive){ 0 };
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    help_sink_init(&sink);
    help_streams_state.unruled = "f";
    back_up(NULL);
    ck_assert(help_has(&archive, BOX "/f"));
    ck_assert_uint_eq(result.without_rights, 1);
    ck_assert_uint_eq(result.skipped.count, 0);
    ck_assert(!po_backup_is_complete(&result));
}
END_TEST

static void
change_at_stop(void *ctx, const char *call)
{
    bool *is_done = ctx;

    if (*is_done || strcmp(call, "stop") != 0)
        return;
    *is_done = true;
    os_remove(BOX "/gone");
    help_write_text(BOX "/twice", "another");
}

START_TEST(rights_are_missed_only_of_what_is_saved_and_once)
{
    static const char *const unruled[] = { "gone", "twice", "kept" };
    struct po_backup_options options = {
        .threads = 1, .is_hot = true, .hot_margin_ms = 100, .stream_ops = &help_streams
    };
    bool is_done = false;
    struct po_err failure;

    help_write_text(BOX "/gone", "gone");
    help_write_text(BOX "/twice", "twice");
    help_write_text(BOX "/kept", "kept");
    po_sys_sleep_ms(200);
    host.hook = change_at_stop;
    host.ctx = &is_done;
    help_streams_state.unruled = unruled[_i];
    help_must(po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &failure), &failure);
    ck_assert(is_done);
    ck_assert_uint_eq(result.vanished.count, 1);
    ck_assert_uint_eq(result.without_rights, _i == 0 ? 0 : 1);
    ck_assert(po_backup_is_complete(&result) == (_i == 0));
}
END_TEST

/* A stream of nothing would make the archive a damaged one. */
START_TEST(a_file_that_cannot_be_saved_takes_its_streams_with_it) /* spec-test: STREAM-3 */
{
    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@s", "y");
    help_streams_state.vanishing = "f";
    help_streams_state.root = BOX;
    back_up(NULL);
    ck_assert_uint_eq(result.streams.count, 0);
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert_uint_eq(help_streams_state.opens, 0);
}
END_TEST

START_TEST(streams_can_be_left_out)
{
    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@s", "y");
    back_up("pobackup/streams/*");
    ck_assert_uint_eq(result.streams.count, 0);
    ck_assert_uint_eq(result.excluded, 1);
    ck_assert_uint_eq(help_streams_state.opens, 0);
}
END_TEST

START_TEST(a_plan_counts_streams)
{
    const struct po_backup_options options = { .stream_ops = &help_streams };

    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@s", "yyy");
    help_must(po_backup_plan(&host.host, &options, NULL, &result, &err), &err);
    ck_assert_uint_eq(result.streams.count, 1);
    ck_assert_uint_eq(result.streams.bytes, 3);
    ck_assert_uint_eq(help_streams_state.opens, 0);
}
END_TEST

static void
grow(void)
{
    help_write_random("ads/f@s", 2 * FRAME_SIZE, 7);
}

START_TEST(a_stream_has_the_size_that_it_has_when_it_is_read)
{
    help_write_text(BOX "/f", "f");
    help_write_text("ads/f@s", "y");
    help_streams_state.hook = grow;
    back_up(NULL);
    ck_assert_uint_eq(result.streams.bytes, 2 * FRAME_SIZE);
}
END_TEST

/* ---- in a restore ---- */

static struct po_restore_result restored;
static char warning[1024];

static void
note_warning(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_WARNING)
        (void)snprintf(warning, sizeof warning, "%s", event->text);
}

static const char *only; /* what is restored, a pattern; NULL: all of it */

/* Of the mailbox, into a folder site "dest" that has an empty one. */
static enum po_status
restore(bool is_plan)
{
    const struct po_restore_options options = { .parts[PO_PART_MAILBOX] = true,
                                                .patterns = &only,
                                                .pattern_count = only != NULL,
                                                .no_services = true,
                                                .threads = 2,
                                                .stream_ops = &help_streams };
    const struct po_watch watch = { .event = note_warning };
    struct po_host *dest = NULL;
    enum po_status st;

    help_make_directory("dest/" BOX);
    warning[0] = '\0';
    help_must(po_host_folder_open(&dest, "dest", &err), &err);
    st = is_plan ? po_restore_plan(archive.reader, dest, &options, &watch, &restored, &err)
                 : po_restore_run(archive.reader, dest, &options, &watch, &restored, &err);
    dest->ops->free(dest);
    return st;
}

static void
restore_teardown(void)
{
    po_restore_result_deinit(&restored);
    restored = (struct po_restore_result){ 0 };
    only = NULL;
    teardown();
}

/* A mailbox with streams, saved; the made-up system has none any more. */
static void
restore_setup(void)
{
    setup();
    help_make_directory(BOX "/new/dir");
    help_write_text(BOX "/new/dir/f", "file");
    help_write_text("ads/new%dir%f@small", "small's");
    help_write_text("ads/new%dir%f@none", "");
    help_write_random("ads/new%dir%f@large", 3 * FRAME_SIZE + 5, 1);
    help_write_text("ads/new%dir@of a directory", "directory's");
    help_write_text("ads/@of the root", "root's");
    back_up(NULL);
    os_remove("ads");
    help_make_directory("ads");
    help_streams_state = (struct help_streams_state){ 0 };
}

static void
assert_restored(const char *name, const void *bytes, size_t size)
{
    struct po_buf path = { 0 };
    uint8_t *got = malloc(size + 1);
    FILE *file;

    ck_assert_ptr_nonnull(got);
    po_buf_printf(&path, "ads/%s%%%s", BOX, name);
    file = fopen(po_buf_text(&path), "rb");
    ck_assert_msg(file != NULL, "%s", po_buf_text(&path));
    ck_assert_uint_eq(fread(got, 1, size + 1, file), size);
    ck_assert_mem_eq(got, bytes, size);
    ck_assert_int_eq(fclose(file), 0);
    free(got);
    po_buf_deinit(&path);
}

START_TEST(streams_come_back_with_what_a_restore_makes)
{
    struct pobackup_entry file;
    struct pobackup_entry directory;
    struct po_buf large = { 0 };
    uint64_t number;
    size_t at = 0;

    number = help_entry(&archive, "pobackup/streams/" BOX "/new/dir/f/%/large", &file);
    help_must(po_reader_content(archive.reader, (uint32_t)number, 1 << 20, &large, &at, &err),
              &err);
    ck_assert_msg(restore(false) == PO_OK, "%s", err.text);
    assert_restored("new%dir%f@small", "small's", 7);
    assert_restored("new%dir%f@none", "", 0);
    assert_restored("new%dir%f@large", large.bytes, 3 * FRAME_SIZE + 5);
    assert_restored("new%dir@of a directory", "directory's", 11);
    ck_assert_uint_eq(restored.streams, 4);
    ck_assert_uint_eq(restored.streams_left, 0);
    ck_assert_str_eq(warning, "");
    /* The owners look as if nothing had been written to them. */
    (void)help_entry(&archive, BOX "/new/dir/f", &file);
    (void)help_entry(&archive, BOX "/new/dir", &directory);
    ck_assert_int_eq(os_stat("dest/" BOX "/new/dir/f").write_time, file.write_time);
    ck_assert_int_eq(os_stat("dest/" BOX "/new/dir").write_time, directory.write_time);
    /* The root was there, is filled, and keeps what it has. */
    ck_assert_uint_eq(restored.problems.count, 1);
    ck_assert_str_eq(restored.problems.items[0].path, BOX);
    ck_assert_ptr_nonnull(strstr(restored.problems.items[0].reason,
                                 "its alternate stream of the root is not restored"));
    po_buf_deinit(&large);
}
END_TEST

/* The archive has the streams under the file's first name. */
START_TEST(a_hard_link_that_is_restored_alone_has_the_files_streams)
{
    teardown();
    setup();
    help_write_text(BOX "/new/h1", "h");
    ck_assert_int_eq(link(BOX "/new/h1", BOX "/new/h2"), 0);
    help_write_text("ads/new%h1@s", "h's");
    help_write_text("ads/new%h2@s", "h's");
    back_up(NULL);
    os_remove("ads");
    help_make_directory("ads");
    only = BOX "/new/h2";
    ck_assert_msg(restore(false) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(restored.problems.count, 0);
    ck_assert_uint_eq(restored.streams, 1);
    assert_restored("new%h2@s", "h's", 3);
    ck_assert(!help_is_there("dest/" BOX "/new/h1"));
}
END_TEST

START_TEST(what_the_target_cannot_hold_is_told_and_stays_in_the_archive) /* req: B8 */
{
    help_streams_state.are_none = true;
    ck_assert_msg(restore(true) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(restored.streams_left, 5);
    ck_assert_ptr_nonnull(strstr(warning, "5 alternate streams are not restored"));
    po_restore_result_deinit(&restored);
    ck_assert_msg(restore(false) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(restored.streams, 0);
    ck_assert_uint_eq(restored.streams_left, 5);
    ck_assert_uint_eq(restored.problems.count, 0);
    ck_assert_ptr_nonnull(strstr(warning, "the first: "));
    ck_assert_uint_eq(help_streams_state.opens, 0);
    ck_assert(help_is_there("dest/" BOX "/new/dir/f"));
}
END_TEST

START_TEST(a_stream_that_cannot_be_put_is_named_and_the_rest_is_restored) /* req: B8 */
{
    static const char *const names[] = { "small", "none", "large" };

    help_streams_state.unopened = names[_i];
    ck_assert_msg(restore(false) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(restored.streams, 3);
    ck_assert_uint_eq(restored.problems.count, 2);
    ck_assert(help_problems_have(&restored.problems, BOX "/new/dir/f", "made up"));
    assert_restored("new%dir@of a directory", "directory's", 11);
    ck_assert(help_is_there("dest/" BOX "/new/dir/f"));
}
END_TEST

START_TEST(a_damaged_stream_changes_nothing)
{
    struct pobackup_entry entry;
    uint64_t number = help_entry(&archive, "pobackup/streams/" BOX "/new/dir/f/%/large", &entry);
    uint32_t frame = po_index_frame(archive.reader->index, (uint32_t)number);

    sink.bytes.bytes[archive.reader->offsets[frame] + 1000] ^= 1;
    ck_assert_int_eq(restore(false), PO_E_FORMAT);
    ck_assert(!help_is_there("dest/" BOX "/new"));
    ck_assert_uint_eq(os_count("dest/" BOX), 0);
    sink.bytes.bytes[archive.reader->offsets[frame] + 1000] ^= 1;
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("streams");
    TCase *pure = tcase_create("pure");
    TCase *backup = tcase_create("backup");
    TCase *restoring = tcase_create("restore");
    SRunner *runner;
    int failed;

    tcase_add_test(pure, every_stream_but_the_nameless_one_is_listed);
    tcase_add_test(pure, a_list_of_streams_that_makes_no_sense_is_refused);
    tcase_add_test(pure, a_stream_has_a_name_of_at_most_255_units);
    tcase_add_test(pure, a_link_comes_back_as_it_was);
    tcase_add_test(pure, links_are_read_as_the_system_writes_them);
    tcase_add_test(pure, a_reparse_point_that_makes_no_sense_is_refused);
    tcase_add_test(pure, a_streams_path_says_owner_and_name);
    tcase_add_test(pure, a_path_in_another_form_is_no_streams);
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(backup, setup, teardown);
    tcase_set_timeout(backup, 60);
    tcase_add_test(backup, streams_of_files_and_directories_are_saved_counted_and_named);
    tcase_add_test(backup, streams_are_in_the_summary);
    tcase_add_test(backup, a_trees_own_streams_are_saved);
    os_add_posix_test(backup, streams_of_the_second_name_of_a_file_are_saved_once);
    os_add_posix_test(backup, a_links_streams_are_named_and_not_saved);
    tcase_add_test(backup, a_stream_that_cannot_be_read_is_named_and_the_rest_is_saved);
    tcase_add_test(backup, streams_that_cannot_be_listed_are_named);
    tcase_add_test(backup, a_file_without_its_rights_makes_a_backup_that_is_not_complete);
    tcase_add_loop_test(backup, rights_are_missed_only_of_what_is_saved_and_once, 0, 3);
    tcase_add_test(backup, a_file_that_cannot_be_saved_takes_its_streams_with_it);
    tcase_add_test(backup, streams_can_be_left_out);
    tcase_add_test(backup, a_plan_counts_streams);
    tcase_add_test(backup, a_stream_has_the_size_that_it_has_when_it_is_read);
    suite_add_tcase(suite, backup);
    tcase_add_checked_fixture(restoring, restore_setup, restore_teardown);
    tcase_set_timeout(restoring, 60);
    tcase_add_test(restoring, streams_come_back_with_what_a_restore_makes);
    tcase_add_test(restoring, a_hard_link_that_is_restored_alone_has_the_files_streams);
    tcase_add_test(restoring, what_the_target_cannot_hold_is_told_and_stays_in_the_archive);
    tcase_add_loop_test(restoring, a_stream_that_cannot_be_put_is_named_and_the_rest_is_restored, 0,
                        3);
    tcase_add_test(restoring, a_damaged_stream_changes_nothing);
    suite_add_tcase(suite, restoring);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
