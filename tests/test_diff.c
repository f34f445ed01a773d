/*
 * req: U4: what differs between two snapshots, or a snapshot and the site. Archives are made in
 * memory from tables; differences are collected as lines, so that a test says all that must be told
 * and in which order.
 */
#include "archive/hash.h"
#include "base/buf.h"
#include "base/cursor.h"
#include "engine/diff.h"
#include "host/host.h"
#include "os_help.h"

#define BOX "Post.OfficemailboxBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define REG "Post.OfficeRegKeyBackup.reg"
#define TIME INT64_C(17000000000000000)
#define FRAME_SIZE (64u << 10)
#define BIG_SIZE ((size_t)300000) /* five frames */
#define REG_HEADER "Windows Registry Editor Version 5.00\r\n\r\n"
#define REG_KEY "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n"

/* ---- archives in memory ---- */

/* A row of a snapshot: ended by one without a path. */
struct row {
    const char *path;
    enum pobackup_type type; /* 0 = a file */
    const char *content;
    const char *link;
    int64_t time; /* 0 = TIME */
    size_t size;  /* 0 = strlen(content) */
};

struct archive {
    struct po_buf bytes;
    unsigned reads;
    struct po_reader *reader;
};

struct content {
    const char *at;
    size_t left;
};

static enum po_status
sink_write(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *buf = ctx;

    po_buf_put(buf, bytes, size);
    return po_buf_check(buf, err);
}

static enum po_status
content_read(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    struct content *content = ctx;

    (void)err;
    *got = size < content->left ? size : content->left;
    memcpy(bytes, content->at, *got);
    content->at += *got;
    content->left -= *got;
    return PO_OK;
}

static enum po_status
blob_read(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    struct archive *archive = ctx;

    (void)err;
    archive->reads++;
    memcpy(bytes, archive->bytes.bytes + offset, size);
    return PO_OK;
}

static void
must(enum po_status st, const struct po_err *err)
{
    if (st != PO_OK)
        ck_abort_msg("%s", err->text);
}

static void
add_row(struct pobackup_writer *writer, const struct row *row)
{
    struct po_err err;
    struct content content = { .at = row->content,
                               .left = row->size != 0         ? row->size
                                       : row->content != NULL ? strlen(row->content)
                                                              : 0 };
    struct pobackup_entry entry = { .path = row->path,
                                    .path_size = strlen(row->path),
                                    .type = row->type == 0 ? POBACKUP_FILE : row->type,
                                    .size = content.left,
                                    .write_time = row->time == 0 ? TIME : row->time,
                                    .create_time = POBACKUP_TIME_UNKNOWN,
                                    .change_time = POBACKUP_TIME_UNKNOWN,
                                    .link = row->link,
                                    .link_size = row->link == NULL ? 0 : strlen(row->link) };

    must(pobackup_writer_add(writer, &entry, content_read, &content, &err), &err);
}

static void
open_archive(struct archive *archive)
{
    struct pobackup_blob blob = { .ctx = archive,
                                  .size = archive->bytes.size,
                                  .read_at = blob_read };
    struct po_err err;

    must(po_reader_open(&archive->reader, &blob, &err), &err);
}

/* `id` makes the archives different ones. */
static struct archive *
make(const struct row *rows, uint32_t frame_size, uint8_t id)
{
    static struct archive archives[2];
    struct archive *archive = &archives[id % 2];
    struct pobackup_sink sink = { .ctx = &archive->bytes, .write = sink_write };
    struct pobackup_writer_options options = { .frame_size = frame_size,
                                               .created = TIME,
                                               .archive_id = { id } };
    struct pobackup_writer *writer = NULL;
    struct po_err err;

    memset(archive, 0, sizeof *archive);
    must(pobackup_writer_open(&writer, &sink, &options, &err), &err);
    for (; rows->path != NULL; rows++)
        add_row(writer, rows);
    must(pobackup_writer_commit(writer, NULL, &err), &err);
    pobackup_writer_free(writer);
    open_archive(archive);
    return archive;
}

static void
drop(struct archive *archive)
{
    po_reader_free(archive->reader);
    po_buf_deinit(&archive->bytes);
}

static uint32_t
find(const struct archive *archive, const char *path)
{
    uint32_t entry = po_index_find(archive->reader->index, path, strlen(path));

    ck_assert_uint_ne(entry, PO_NONE);
    return entry;
}

/*
 * Nobody can make two contents with one XXH3 here, but the index that is loaded can be told that
 * they have: what the comparing sees is then just what it would see of a collision.
 */
static void
forge_hash(struct archive *archive, const char *path, const uint8_t hash[PO_HASH_SIZE])
{
    struct po_index *index = archive->reader->index;
    size_t at = (size_t)(index->hashes - index->bytes) + (size_t)find(archive, path) * PO_HASH_SIZE;

    memcpy(index->bytes + at, hash, PO_HASH_SIZE);
}

/* From now on the entry lies in parent 1, whose digest is given, at this place. */
static void
forge_parent(struct archive *archive, const char *path, const uint8_t digest[PO_DIGEST_SIZE],
             uint32_t frame, uint32_t offset)
{
    static uint8_t table[60];
    struct po_index *index = archive->reader->index;
    uint32_t entry = find(archive, path);
    uint8_t *base = index->bytes;

    memcpy(table + PO_ID_SIZE, digest, PO_DIGEST_SIZE);
    index->parent_table = table;
    index->parent_names = "";
    index->parent_count = 1;
    base[(size_t)(index->sources - index->bytes) + 2 * (size_t)entry] = 1;
    po_store_u32le(base + (index->frames - index->bytes) + 4 * (size_t)entry, frame);
    po_store_u32le(base + (index->offsets - index->bytes) + 4 * (size_t)entry, offset);
}

static char *
big_content(unsigned seed)
{
    char *bytes = malloc(BIG_SIZE);
    uint32_t state = seed;

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < BIG_SIZE; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (char)(state >> 24);
    }
    return bytes;
}

/* ---- what is told ---- */

struct told {
    struct po_buf lines;  /* "+ path (what)", "- ...", "* ..." */
    struct po_buf events; /* "warning ...", "note", "item path" */
    unsigned fail_at;     /* the callback that fails; 0 = none */
    unsigned calls;
    int cancel;
    void (*on_phase)(const char *text);
    struct po_diff_result result;
};

static struct told told;

static enum po_status
on_difference(void *ctx, enum po_diff_kind kind, const char *path, size_t path_size,
              const char *what, struct po_err *err)
{
    static const char signs[] = {
        [PO_DIFF_ADDED] = '+', [PO_DIFF_REMOVED] = '-', [PO_DIFF_CHANGED] = '*'
    };

    ck_assert_ptr_eq(ctx, &told);
    if (++told.calls == told.fail_at)
        return po_fail(err, PO_E_IO, "the callback's own");
    po_buf_printf(&told.lines, "%c %.*s (%s)\n", signs[kind], (int)path_size, path, what);
    return PO_OK;
}

static void
on_event(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_PHASE && told.on_phase != NULL)
        told.on_phase(event->text);
    if (event->kind == PO_EVENT_WARNING)
        po_buf_printf(&told.events, "warning %s\n", event->text);
    if (event->kind == PO_EVENT_NOTE)
        po_buf_printf(&told.events, "note %s\n", event->text);
    if (event->kind == PO_EVENT_ITEM)
        po_buf_printf(&told.events, "item %.*s\n", (int)event->path_size, event->path);
}

static const struct po_watch watch = { .event = on_event, .cancel = &told.cancel };

static void
setup(void)
{
    memset(&told, 0, sizeof told);
}

static void
teardown(void)
{
    po_buf_deinit(&told.lines);
    po_buf_deinit(&told.events);
}

static enum po_status
diff(struct archive *a, struct archive *b, struct po_err *err)
{
    po_buf_clear(&told.lines);
    po_buf_clear(&told.events);
    return po_diff_archives(a->reader, b->reader, on_difference, &told, &watch, &told.result, err);
}

static void
assert_told(const char *lines, uint64_t same)
{
    ck_assert_str_eq(po_buf_text(&told.lines), lines);
    ck_assert_uint_eq(told.result.same, same);
}

/* Compares two tables whose archives have frames of 64 KiB, and frees all. */
static void
assert_diff(const struct row *a_rows, const struct row *b_rows, const char *lines, uint64_t same)
{
    struct archive *a = make(a_rows, FRAME_SIZE, 0);
    struct archive *b = make(b_rows, FRAME_SIZE, 1);
    struct po_err err;

    must(diff(a, b, &err), &err);
    assert_told(lines, same);
    drop(a);
    drop(b);
}

/* ---- archives ---- */

static const struct row small[] = {
    { .path = BOX, .type = POBACKUP_DIRECTORY },
    { .path = BOX "/a", .content = "one" },
    { .path = BOX "/b", .content = "two" },
    { .path = BOX "/c", .content = "" },
    { .path = BOX "/d", .type = POBACKUP_SYMLINK, .link = "a" },
    { 0 },
};

START_TEST(an_archive_is_the_same_as_another_of_the_same_bytes_and_its_frames_are_not_read)
{
    struct archive *a = make(small, FRAME_SIZE, 0);
    struct archive *b = make(small, FRAME_SIZE, 1);
    struct po_err err;

    a->reads = 0;
    b->reads = 0;
    must(diff(a, b, &err), &err);
    assert_told("", 5);
    ck_assert_uint_eq(a->reads + b->reads, 0);
    drop(a);
    drop(b);
}
END_TEST

START_TEST(the_same_content_in_other_frames_is_the_same)
{
    char *big = big_content(1);
    char *other = big_content(2);
    const struct row a[] = {
        { .path = BOX "/1", .content = "one" },
        { .path = BOX "/big", .content = big, .size = BIG_SIZE },
        { .path = BOX "/other", .content = other, .size = BIG_SIZE - 1 },
        { .path = BOX "/z", .content = "two" },
        { 0 },
    };
    const struct row b[] = {
        { .path = BOX "/z", .content = "two" },
        { .path = BOX "/1", .content = "one" },
        { .path = BOX "/other", .content = other, .size = BIG_SIZE - 1 },
        { .path = BOX "/big", .content = big, .size = BIG_SIZE },
        { 0 },
    };
    struct archive *first = make(a, FRAME_SIZE, 0);
    struct archive *second = make(b, 1u << 20, 1);
    struct po_err err;

    must(diff(first, second, &err), &err);
    assert_told("", 4);
    must(diff(second, first, &err), &err);
    assert_told("", 4);
    ck_assert_uint_eq(told.result.unproven, 0);
    drop(first);
    drop(second);
    free(big);
    free(other);
}
END_TEST

START_TEST(equal_sizes_with_other_content_differ)
{
    const struct row b[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/a", .content = "eno" },
        { .path = BOX "/b", .content = "two" },
        { .path = BOX "/c", .content = "" },
        { .path = BOX "/d", .type = POBACKUP_SYMLINK, .link = "a" },
        { 0 },
    };

    assert_diff(small, b, "* " BOX "/a (content)\n", 4);
}
END_TEST

/* One of the contents lies in one frame, the other spans five. */
START_TEST(equal_hashes_prove_nothing)
{
    char *big = big_content(1);
    char *other = big_content(1);
    const struct row a[] = {
        { .path = BOX "/big", .content = big, .size = BIG_SIZE },
        { .path = BOX "/small", .content = "one" },
        { .path = BOX "/true", .content = "two" },
        { 0 },
    };
    const struct row b[] = {
        { .path = BOX "/big", .content = other, .size = BIG_SIZE },
        { .path = BOX "/small", .content = "eno" },
        { .path = BOX "/true", .content = "two" },
        { 0 },
    };
    struct archive *first;
    struct archive *second;
    struct po_err err;

    other[BIG_SIZE - 1] = (char)(other[BIG_SIZE - 1] ^ 1);
    first = make(a, FRAME_SIZE, 0);
    second = make(b, FRAME_SIZE, 1);
    for (const struct row *row = a; row->path != NULL; row++)
        forge_hash(second, row->path, po_index_hash(first->reader->index, find(first, row->path)));
    must(diff(first, second, &err), &err);
    assert_told("* " BOX "/big (content)\n* " BOX "/small (content)\n", 1);
    drop(first);
    drop(second);
    free(big);
    free(other);
}
END_TEST

START_TEST(each_kind_of_difference_is_told_in_the_order_of_the_paths)
{
    const struct row a[] = {
        { .path = BOX "/dir", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/dir/gone", .content = "x" },
        { .path = BOX "/dir-time", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/gone", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/link", .type = POBACKUP_SYMLINK, .link = "here" },
        { .path = BOX "/size", .content = "xx" },
        { .path = BOX "/time", .content = "x" },
        { .path = BOX "/type", .content = "x" },
        { 0 },
    };
    const struct row b[] = {
        { .path = BOX "/dir", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/dir/new", .content = "x" },
        { .path = BOX "/dir-time", .type = POBACKUP_DIRECTORY, .time = TIME + 1 },
        { .path = BOX "/link", .type = POBACKUP_SYMLINK, .link = "there" },
        { .path = BOX "/new", .type = POBACKUP_SYMLINK, .link = "x" },
        { .path = BOX "/size", .content = "xxx" },
        { .path = BOX "/time", .content = "x", .time = TIME + 1 },
        { .path = BOX "/type", .type = POBACKUP_DIRECTORY },
        { 0 },
    };

    assert_diff(a, b,
                "- " BOX "/dir/gone (file)\n"
                "+ " BOX "/dir/new (file)\n"
                "- " BOX "/gone (directory)\n"
                "* " BOX "/link (link target)\n"
                "+ " BOX "/new (symbolic link)\n"
                "* " BOX "/size (content)\n"
                "* " BOX "/time (write time)\n"
                "* " BOX "/type (type)\n",
                2);
    ck_assert_uint_eq(told.result.added, 2);
    ck_assert_uint_eq(told.result.removed, 2);
    ck_assert_uint_eq(told.result.changed, 4);
}
END_TEST

START_TEST(which_name_of_a_file_is_the_hard_link_does_not_matter)
{
    const struct row a[] = {
        { .path = BOX "/1", .content = "mail" },
        { .path = BOX "/2", .type = POBACKUP_HARDLINK, .link = BOX "/1" },
        { .path = BOX "/3", .type = POBACKUP_HARDLINK, .link = BOX "/1" },
        { 0 },
    };
    const struct row b[] = {
        { .path = BOX "/2", .content = "mail" },
        { .path = BOX "/1", .type = POBACKUP_HARDLINK, .link = BOX "/2" },
        { .path = BOX "/3", .content = "liam" },
        { 0 },
    };

    assert_diff(a, b, "* " BOX "/3 (content)\n", 2);
}
END_TEST

START_TEST(what_is_ours_is_left_out)
{
    const struct row a[] = {
        { .path = BOX "/.pobackup-stage-20200101T000000Z/x", .content = "1" },
        { .path = BOX "/.pobackup-stage-20200101T000000Z", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/x.pobackup-stage-1", .content = "1" },
        { 0 },
    };
    const struct row b[] = {
        { .path = "pobackup/more", .content = "2" },
        { .path = "pobackups", .content = "2" },
        { 0 },
    };

    assert_diff(a, b, "- " BOX "/x.pobackup-stage-1 (file)\n+ pobackups (file)\n", 0);
}
END_TEST

START_TEST(a_content_in_a_parent_is_the_same_when_it_is_the_same_member)
{
    struct archive *full = make(small, FRAME_SIZE, 0);
    struct archive *differential = make(small, 1u << 20, 1);
    uint32_t entry = find(full, BOX "/a");
    struct po_err err;

    forge_parent(differential, BOX "/a", full->reader->digest,
                 po_index_frame(full->reader->index, entry),
                 po_index_offset(full->reader->index, entry));
    must(diff(full, differential, &err), &err);
    assert_told("", 5);
    ck_assert_uint_eq(told.result.unproven, 0);
    ck_assert_uint_eq(told.events.size, 0);
    drop(full);
    drop(differential);
}
END_TEST

START_TEST(a_content_in_another_parent_is_unproven_and_told_once)
{
    static const uint8_t digest[PO_DIGEST_SIZE] = { 1 };
    const struct row b[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/a", .content = "one" },
        { .path = BOX "/b", .content = "two", .time = TIME + 1 },
        { .path = BOX "/c", .content = "" },
        { .path = BOX "/d", .type = POBACKUP_SYMLINK, .link = "a" },
        { 0 },
    };
    struct archive *first = make(small, FRAME_SIZE, 0);
    struct archive *second = make(b, FRAME_SIZE, 1);
    struct po_err err;

    forge_parent(second, BOX "/a", digest, 1, 0);
    forge_parent(second, BOX "/b", digest, 1, 1024);
    must(diff(first, second, &err), &err);
    assert_told("* " BOX "/b (write time)\n", 4);
    ck_assert_uint_eq(told.result.unproven, 1);
    ck_assert_str_eq(po_buf_text(&told.events),
                     "warning the contents of 1 files lie in parent archives, which were not read: "
                     "compared by size, write time and XXH3 alone\n");
    drop(first);
    drop(second);
}
END_TEST

START_TEST(a_damaged_frame_ends_the_comparing)
{
    const struct row b[] = { { .path = BOX "/a", .content = "one" }, { 0 } };
    struct archive *first = make(small, FRAME_SIZE, 0);
    struct archive *second = make(b, FRAME_SIZE, 1);
    uint32_t frame = po_index_frame(second->reader->index, find(second, BOX "/a"));
    struct po_err err;

    second->bytes.bytes[second->reader->offsets[frame] + 20] ^= 1;
    ck_assert_int_eq(diff(first, second, &err), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "frame 1"));
    drop(first);
    drop(second);
}
END_TEST

START_TEST(a_failing_callback_and_a_cancellation_end_the_comparing)
{
    const struct row b[] = { { .path = BOX "/a", .content = "one", .time = 1 }, { 0 } };
    struct archive *first = make(small, FRAME_SIZE, 0);
    struct archive *second = make(b, FRAME_SIZE, 1);
    struct po_err err;

    told.fail_at = 2;
    ck_assert_int_eq(diff(first, second, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "the callback's own");
    told.fail_at = 0;
    told.cancel = 1;
    ck_assert_int_eq(diff(first, second, &err), PO_E_CANCELLED);
    drop(first);
    drop(second);
}
END_TEST

/* ---- the registry ---- */

static void
assert_registry(const char *a, const char *b, const char *lines, uint64_t same)
{
    const struct row a_rows[] = { { .path = REG, .content = a }, { 0 } };
    const struct row b_rows[] = { { .path = REG, .content = b }, { 0 } };

    assert_diff(a_rows, b_rows, lines, same);
}

START_TEST(registry_values_are_compared_one_by_one)
{
    assert_registry(REG_HEADER REG_KEY "@=\"x\"\r\n\"Changed\"=\"1\"\r\n\"Gone\"=dword:1\r\n"
                                       "\"Same\"=\"1\"\r\n",
                    REG_HEADER REG_KEY "@=\"y\"\r\n\"changed\"=\"2\"\r\n\"New\"=dword:1\r\n"
                                       "\"Same\"=\"1\"\r\n",
                    "* " REG " (HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office: @)\n"
                    "* " REG " (HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office: changed)\n"
                    "- " REG " (HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office: Gone)\n"
                    "+ " REG " (HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office: New)\n",
                    0);
}
END_TEST

START_TEST(a_registry_key_is_told_with_its_values)
{
    assert_registry(REG_HEADER REG_KEY,
                    REG_HEADER REG_KEY "[HKEY_LOCAL_MACHINE\\A]\r\n\"V\"=\"1\"\r\n",
                    "+ " REG " (HKEY_LOCAL_MACHINE\\A)\n"
                    "+ " REG " (HKEY_LOCAL_MACHINE\\A: V)\n",
                    0);
}
END_TEST

START_TEST(registries_that_differ_in_layout_alone_are_the_same)
{
    assert_registry(REG_HEADER REG_KEY "\"A\"=\"1\"\r\n\"B\"=\"2\"\r\n",
                    "REGEDIT4\r\n\r\n"
                    "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\software.com\\Post.Office]\n"
                    "\"B\"=\"2\"\n\"A\"=\"1\"\n",
                    "", 1);
}
END_TEST

START_TEST(what_is_no_registry_document_is_compared_as_bytes)
{
    assert_registry(REG_HEADER REG_KEY, "no such document", "* " REG " (content)\n", 0);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&told.events), "note the registry of the other side"));
    assert_registry("the same", "the same", "", 1);
    assert_registry("", "x", "* " REG " (content)\n", 0);
}
END_TEST

START_TEST(a_registry_on_one_side_alone_is_added_or_removed)
{
    const struct row none[] = { { 0 } };
    const struct row one[] = { { .path = REG, .content = REG_HEADER }, { 0 } };

    assert_diff(none, one, "+ " REG " (file)\n", 0);
    assert_diff(one, none, "- " REG " (file)\n", 0);
}
END_TEST

/* ---- a site ---- */

static char site_path[OS_PATH_SIZE];
static struct po_host *host;

static void
site_name(char *out, size_t size, const char *path)
{
    ck_assert_int_lt(snprintf(out, size, "%s/%s", site_path, path), (int)size);
}

/* Makes a row in the site; its time too. */
static void
put_row(const struct row *row)
{
    char name[512];
    char target[512];

    site_name(name, sizeof name, row->path);
    if (row->type == POBACKUP_DIRECTORY) {
        ck_assert_int_eq(mkdir(name, 0755), 0);
    } else if (row->type == POBACKUP_SYMLINK) {
        ck_assert_int_eq(symlink(row->link, name), 0);
    } else if (row->type == POBACKUP_HARDLINK) {
        site_name(target, sizeof target, row->link);
        ck_assert_int_eq(link(target, name), 0);
    } else {
        os_write(name, row->content, row->size != 0 ? row->size : strlen(row->content));
        os_set_time(name, row->time == 0 ? TIME : row->time);
    }
}

static void
setup_site(void)
{
    setup();
    os_temp_make(site_path, "diff");
}

static void
teardown_site(void)
{
    if (host != NULL)
        host->ops->free(host);
    host = NULL;
    os_temp_remove(site_path);
    teardown();
}

static void
put_rows(const struct row *rows)
{
    struct po_err err;

    for (; rows->path != NULL; rows++)
        put_row(rows);
    must(po_host_folder_open(&host, site_path, &err), &err);
}

static void
diff_site(struct archive *archive)
{
    struct po_err err;

    must(po_diff_site(archive->reader, host, on_difference, &told, &watch, &told.result, &err),
         &err);
}

/* An archive of one table and a site of another. */
static void
assert_site(const struct row *archive_rows, const struct row *site_rows, const char *lines,
            uint64_t same)
{
    struct archive *archive = make(archive_rows, FRAME_SIZE, 0);

    put_rows(site_rows);
    diff_site(archive);
    assert_told(lines, same);
    drop(archive);
}

START_TEST(a_site_is_the_same_as_its_archive_also_in_files_larger_than_a_frame)
{
    char *big = big_content(7);
    const struct row rows[] = {
        { .path = REG, .content = REG_HEADER REG_KEY },
        { .path = SPOOL, .type = POBACKUP_DIRECTORY },
        { .path = SPOOL "/queue", .content = "q" },
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/big", .content = big, .size = BIG_SIZE },
        { .path = BOX "/big2", .type = POBACKUP_HARDLINK, .link = BOX "/big" },
        { .path = BOX "/dir", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/dir/one", .content = "one" },
        { .path = BOX "/empty", .content = "" },
        { .path = BOX "/frame", .content = big, .size = FRAME_SIZE - 512 },
#if OS_HAS_POSIX
        { .path = BOX "/link", .type = POBACKUP_SYMLINK, .link = "nowhere" },
#endif
        { 0 },
    };

    assert_site(rows, rows, "", OS_CASE(11, 10));
    ck_assert_uint_eq(told.result.unreadable, 0);
    ck_assert_uint_eq(told.events.size, 0);
    free(big);
}
END_TEST

START_TEST(each_difference_of_a_site_is_told)
{
    char *big = big_content(7);
    char *other = big_content(7);
    const struct row a[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/big", .content = big, .size = BIG_SIZE },
        { .path = BOX "/content", .content = "one" },
        { .path = BOX "/gone", .content = "x" },
#if OS_HAS_POSIX
        { .path = BOX "/link", .type = POBACKUP_SYMLINK, .link = "here" },
#endif
        { .path = BOX "/size", .content = "xx" },
        { .path = BOX "/time", .content = "x" },
        { .path = BOX "/type", .content = "x" },
        { .path = "elsewhere", .content = "x" },
        { 0 },
    };
    const struct row b[] = {
        { .path = SPOOL, .type = POBACKUP_DIRECTORY },
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/.pobackup-set-aside-20200101T000000Z", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/.pobackup-set-aside-20200101T000000Z/x", .content = "x" },
        { .path = BOX "/big", .content = other, .size = BIG_SIZE },
        { .path = BOX "/content", .content = "eno" },
#if OS_HAS_POSIX
        { .path = BOX "/link", .type = POBACKUP_SYMLINK, .link = "there" },
#endif
        { .path = BOX "/new", .content = "x" },
        { .path = BOX "/size", .content = "xxx" },
        { .path = BOX "/time", .content = "x", .time = TIME + 1 },
        { .path = BOX "/type", .type = POBACKUP_DIRECTORY },
        { 0 },
    };

    other[BIG_SIZE - 1] = (char)(other[BIG_SIZE - 1] ^ 1);
    assert_site(a, b,
                "+ " SPOOL " (directory)\n"
                "* " BOX "/big (content)\n"
                "* " BOX "/content (content)\n"
                "- " BOX "/gone (file)\n" OS_CASE("* " BOX "/link (link target)\n",
                                                  "") "+ " BOX "/new (file)\n"
                                                      "* " BOX "/size (content)\n"
                                                      "* " BOX "/time (write time)\n"
                                                      "* " BOX "/type (type)\n"
                                                      "- elsewhere (file)\n",
                1);
    free(big);
    free(other);
}
END_TEST

START_TEST(a_site_is_compared_by_bytes_whatever_the_hash_says)
{
    const struct row a[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/m", .content = "one" },
                             { 0 } };
    const struct row b[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/m", .content = "eno" },
                             { 0 } };
    struct archive *archive = make(a, FRAME_SIZE, 0);
    uint8_t hash[PO_HASH_SIZE];

    po_xxh3("eno", 3, hash);
    forge_hash(archive, BOX "/m", hash);
    put_rows(b);
    diff_site(archive);
    assert_told("* " BOX "/m (content)\n", 1);
    drop(archive);
}
END_TEST

START_TEST(each_name_of_a_file_is_compared_with_the_site)
{
    const struct row a[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/1", .content = "mail" },
                             { .path = BOX "/2", .type = POBACKUP_HARDLINK, .link = BOX "/1" },
                             { .path = BOX "/3", .type = POBACKUP_HARDLINK, .link = BOX "/1" },
                             { 0 } };
    const struct row b[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/1", .content = "liam" },
                             { .path = BOX "/2", .content = "lima" },
                             { .path = BOX "/3", .content = "mail" },
                             { 0 } };

    assert_site(a, b, "* " BOX "/1 (content)\n* " BOX "/2 (content)\n", 2);
}
END_TEST

START_TEST(contents_in_a_parent_are_compared_with_a_site_by_hash_and_told_as_unproven)
{
    static const uint8_t digest[PO_DIGEST_SIZE] = { 1 };
    const struct row a[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/other", .content = "one" },
                             { .path = BOX "/same", .content = "one" },
                             { .path = BOX "/time", .content = "one" },
                             { 0 } };
    const struct row b[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { .path = BOX "/other", .content = "eno" },
                             { .path = BOX "/same", .content = "one" },
                             { .path = BOX "/time", .content = "one", .time = TIME + 1 },
                             { 0 } };
    struct archive *archive = make(a, FRAME_SIZE, 0);

    for (size_t i = 1; a[i].path != NULL; i++)
        forge_parent(archive, a[i].path, digest, 1, 0);
    put_rows(b);
    diff_site(archive);
    assert_told("* " BOX "/other (content)\n* " BOX "/time (write time)\n", 2);
    ck_assert_uint_eq(told.result.unproven, 1);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&told.events), "warning the contents of 1 files"));
    drop(archive);
}
END_TEST

START_TEST(what_cannot_be_read_is_neither_same_nor_different)
{
    const struct row a[] = {
        { .path = SPOOL, .type = POBACKUP_DIRECTORY }, { .path = SPOOL "/x", .content = "x" },
        { .path = BOX, .type = POBACKUP_DIRECTORY },   { .path = BOX "/fifo", .content = "x" },
        { .path = BOX "/fifo-x", .content = "x" },     { 0 }
    };
    const struct row b[] = { { .path = SPOOL, .content = "a file where the tree should be" },
                             { .path = BOX, .type = POBACKUP_DIRECTORY },
                             { 0 } };
    struct archive *archive = make(a, FRAME_SIZE, 0);
    char name[512];

    put_rows(b);
    site_name(name, sizeof name, BOX "/fifo");
    ck_assert_int_eq(mkfifo(name, 0600), 0);
    diff_site(archive);
    assert_told("- " BOX "/fifo-x (file)\n", 1);
    ck_assert_uint_eq(told.result.unreadable, 2);
    ck_assert_str_eq(po_buf_text(&told.events), "item " SPOOL "\nitem " BOX "/fifo\n");
    drop(archive);
}
END_TEST

/* Root reads everything: so it is somebody else for a while. */
START_TEST(a_file_that_may_not_be_read_is_neither_same_nor_different)
{
    const struct row rows[] = { { .path = BOX, .type = POBACKUP_DIRECTORY },
                                { .path = BOX "/closed", .type = POBACKUP_DIRECTORY },
                                { .path = BOX "/closed/x", .content = "x" },
                                { .path = BOX "/mail", .content = "x" },
                                { 0 } };
    struct archive *archive = make(rows, FRAME_SIZE, 0);
    bool is_root = geteuid() == 0;
    char closed[512];
    char mail[512];

    put_rows(rows);
    site_name(closed, sizeof closed, BOX "/closed");
    site_name(mail, sizeof mail, BOX "/mail");
    ck_assert_int_eq(chmod(site_path, 0755), 0);
    ck_assert_int_eq(chmod(closed, 0), 0);
    ck_assert_int_eq(chmod(mail, 0), 0);
    if (is_root)
        ck_assert_int_eq(seteuid(65534), 0);
    diff_site(archive);
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(closed, 0700), 0);
    assert_told("", 2);
    ck_assert_uint_eq(told.result.unreadable, 2);
    ck_assert_str_eq(po_buf_text(&told.events), "item " BOX "/closed\nitem " BOX "/mail\n");
    drop(archive);
}
END_TEST

/* While the contents are compared: as a running mail server would. */
static void
meddle(const char *text)
{
    char name[512];

    if (strcmp(text, "comparing contents") != 0)
        return;
    site_name(name, sizeof name, BOX "/gone");
    ck_assert_int_eq(unlink(name), 0);
    site_name(name, sizeof name, BOX "/grown");
    ck_assert_int_eq(truncate(name, (off_t)BIG_SIZE + 1), 0);
    site_name(name, sizeof name, BOX "/shrunk");
    ck_assert_int_eq(truncate(name, (off_t)BIG_SIZE - 1), 0);
    if (OS_HAS_POSIX) {
        site_name(name, sizeof name, BOX "/turned");
        ck_assert_int_eq(unlink(name), 0);
        ck_assert_int_eq(mkfifo(name, 0600), 0);
    }
}

START_TEST(a_site_that_changes_meanwhile_is_told_as_it_is_found)
{
    char *big = big_content(7);
    char *even = big_content(7);
    const struct row rows[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/gone", .content = "one" },
        { .path = BOX "/grown", .content = big, .size = BIG_SIZE },
        { .path = BOX "/shrunk", .content = even, .size = BIG_SIZE },
#if OS_HAS_POSIX
        { .path = BOX "/turned", .content = "two" },
#endif
        { 0 },
    };

    /* Of one byte: what a read leaves in its buffer is then the very content that is missing. */
    memset(even, 'x', BIG_SIZE);
    told.on_phase = meddle;
    assert_site(rows, rows,
                "- " BOX "/gone (file)\n"
                "* " BOX "/grown (content)\n"
                "* " BOX "/shrunk (content)\n",
                1);
    ck_assert_str_eq(po_buf_text(&told.events), OS_CASE("item " BOX "/turned\n", ""));
    ck_assert_uint_eq(told.result.unreadable, OS_CASE(1, 0));
    free(big);
    free(even);
}
END_TEST

START_TEST(the_registry_of_a_site_is_compared_by_values)
{
    const struct row a[] = { { .path = REG, .content = REG_HEADER REG_KEY "\"V\"=\"1\"\r\n" },
                             { 0 } };
    const struct row b[] = { { .path = REG, .content = REG_HEADER REG_KEY "\"V\"=\"2\"\r\n" },
                             { 0 } };

    assert_site(a, b, "* " REG " (HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office: V)\n",
                0);
}
END_TEST

START_TEST(a_registry_in_a_parent_is_compared_with_a_site_by_hash)
{
    static const uint8_t digest[PO_DIGEST_SIZE] = { 1 };
    const struct row a[] = { { .path = REG, .content = REG_HEADER REG_KEY }, { 0 } };
    struct archive *archive = make(a, FRAME_SIZE, 0);
    char text[sizeof REG_HEADER REG_KEY "\r\n"];
    char name[512];

    forge_parent(archive, REG, digest, 1, 0);
    put_rows(a);
    diff_site(archive);
    assert_told("", 1);
    ck_assert_uint_eq(told.result.unproven, 1);
    site_name(name, sizeof name, REG);
    /* Another in size, or in its bytes alone. */
    for (size_t i = 0; i < 2; i++) {
        memcpy(text, REG_HEADER REG_KEY "\r\n", sizeof text);
        text[sizeof text - 3 - i] = ' ';
        os_write(name, text, sizeof text - 1 - 2 * i);
        po_buf_clear(&told.lines);
        diff_site(archive);
        assert_told("* " REG " (content)\n", 0);
        ck_assert_uint_eq(told.result.unproven, 0);
    }
    drop(archive);
}
END_TEST

START_TEST(a_directory_in_the_registrys_place_differs_in_type)
{
    const struct row a[] = { { .path = REG, .type = POBACKUP_DIRECTORY }, { 0 } };
    const struct row b[] = { { .path = REG, .content = REG_HEADER }, { 0 } };

    assert_site(a, b, "* " REG " (type)\n", 0);
}
END_TEST

START_TEST(a_site_without_registry_lacks_it)
{
    const struct row a[] = { { .path = REG, .content = REG_HEADER }, { 0 } };
    const struct row b[] = { { 0 } };

    assert_site(a, b, "- " REG " (file)\n", 0);
}
END_TEST

START_TEST(a_registry_that_the_archive_lacks_is_added_and_one_that_is_no_file_is_unreadable)
{
    const struct row none[] = { { 0 } };
    const struct row b[] = { { .path = REG, .content = REG_HEADER }, { 0 } };
    struct archive *archive = make(none, FRAME_SIZE, 0);
    char name[512];

    put_rows(b);
    diff_site(archive);
    assert_told("+ " REG " (file)\n", 0);
    po_buf_clear(&told.lines);
    site_name(name, sizeof name, REG);
    ck_assert_int_eq(unlink(name), 0);
    ck_assert_int_eq(mkdir(name, 0755), 0);
    diff_site(archive);
    assert_told("", 0);
    ck_assert_uint_eq(told.result.unreadable, 1);
    drop(archive);
}
END_TEST

static Suite *
diff_suite(void)
{
    Suite *suite = suite_create("diff");
    TCase *archives = tcase_create("archives");
    TCase *registry = tcase_create("registry");
    TCase *sites = tcase_create("sites");

    tcase_add_checked_fixture(archives, setup, teardown);
    tcase_add_test(archives,
                   an_archive_is_the_same_as_another_of_the_same_bytes_and_its_frames_are_not_read);
    tcase_add_test(archives, the_same_content_in_other_frames_is_the_same);
    tcase_add_test(archives, equal_sizes_with_other_content_differ);
    tcase_add_test(archives, equal_hashes_prove_nothing);
    tcase_add_test(archives, each_kind_of_difference_is_told_in_the_order_of_the_paths);
    tcase_add_test(archives, which_name_of_a_file_is_the_hard_link_does_not_matter);
    tcase_add_test(archives, what_is_ours_is_left_out);
    tcase_add_test(archives, a_content_in_a_parent_is_the_same_when_it_is_the_same_member);
    tcase_add_test(archives, a_content_in_another_parent_is_unproven_and_told_once);
    tcase_add_test(archives, a_damaged_frame_ends_the_comparing);
    tcase_add_test(archives, a_failing_callback_and_a_cancellation_end_the_comparing);
    suite_add_tcase(suite, archives);
    tcase_add_checked_fixture(registry, setup, teardown);
    tcase_add_test(registry, registry_values_are_compared_one_by_one);
    tcase_add_test(registry, a_registry_key_is_told_with_its_values);
    tcase_add_test(registry, registries_that_differ_in_layout_alone_are_the_same);
    tcase_add_test(registry, what_is_no_registry_document_is_compared_as_bytes);
    tcase_add_test(registry, a_registry_on_one_side_alone_is_added_or_removed);
    suite_add_tcase(suite, registry);
    tcase_add_checked_fixture(sites, setup_site, teardown_site);
    tcase_add_test(sites, a_site_is_the_same_as_its_archive_also_in_files_larger_than_a_frame);
    tcase_add_test(sites, each_difference_of_a_site_is_told);
    tcase_add_test(sites, a_site_is_compared_by_bytes_whatever_the_hash_says);
    tcase_add_test(sites, each_name_of_a_file_is_compared_with_the_site);
    tcase_add_test(sites,
                   contents_in_a_parent_are_compared_with_a_site_by_hash_and_told_as_unproven);
    os_add_posix_test(sites, what_cannot_be_read_is_neither_same_nor_different);
    os_add_posix_test(sites, a_file_that_may_not_be_read_is_neither_same_nor_different);
    tcase_add_test(sites, a_site_that_changes_meanwhile_is_told_as_it_is_found);
    tcase_add_test(sites, the_registry_of_a_site_is_compared_by_values);
    tcase_add_test(sites, a_registry_in_a_parent_is_compared_with_a_site_by_hash);
    tcase_add_test(sites, a_directory_in_the_registrys_place_differs_in_type);
    tcase_add_test(sites, a_site_without_registry_lacks_it);
    tcase_add_test(
        sites, a_registry_that_the_archive_lacks_is_added_and_one_that_is_no_file_is_unreadable);
    suite_add_tcase(suite, sites);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(diff_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
