/*
 * How far an index can be compressed (FRAME-8): the most that honest lists come to, and that what
 * the writer makes of lists beyond that can be read all the same.
 */
#include "archive/index.h"
#include "archive/manifest.h"
#include "archive/reader.h"
#include "archive/writer.h"
#include "archive_help.h"
#include "base/cursor.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_SIZE (8u << 20)
#define MEMBERS_A_FRAME (FRAME_SIZE / 512)
#define CREATED INT64_C(17954856000000000)

static const uint8_t archive_id[PO_ID_SIZE] = { 5, 7, 9 };

/* ---- lists whose entries differ as little as they can ---- */

/* `count` entries with paths of path_size bytes that begin alike and end in a number of 8 digits. */
static void
fill_list(struct po_entry_list *list, uint32_t count, size_t path_size, uint8_t type)
{
    char *path = malloc(path_size + 1);

    ck_assert_ptr_nonnull(path);
    memset(path, 'p', path_size);
    for (size_t i = 200; i + 100 < path_size; i += 200)
        path[i] = '/';
    for (uint32_t i = 0; i < count; i++) {
        struct po_entry *entry;
        struct po_err err;

        for (uint32_t digit = 0, rest = i; digit < 8; digit++, rest /= 10)
            path[path_size - 1 - digit] = (char)('0' + rest % 10);
        ck_assert_int_eq(po_entry_list_add(list, path, path_size, &entry, &err), PO_OK);
        entry->type = type;
        entry->write_time = CREATED;
        entry->state = PO_ENTRY_SAVED;
        entry->frame = 1 + i / MEMBERS_A_FRAME;
        entry->offset = i % MEMBERS_A_FRAME * 512;
        if (type == POBACKUP_FILE)
            memcpy(entry->hash, "\x99\xAA\x06\xD3\x01\x47\x98\xD8\x60\x01\xC3\x24\x46\x8D\x49\x7F",
                   PO_HASH_SIZE); /* of no bytes */
    }
    free(path);
}

/* ---- an archive of such a list; its members are made up ---- */

struct make {
    struct po_writer writer;
    struct po_packer packer;
    struct po_frame_encoder *encoder;
    uint8_t *content;
    uint8_t *compressed;
    size_t capacity;
};

static enum po_status
flush(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct make *make = ctx;
    struct po_frame_info info;
    enum po_status st = po_frame_encode(make->encoder, frame->bytes, frame->used, make->compressed,
                                        make->capacity, &info, err);

    frame->used = 0;
    return st == PO_OK ? po_writer_put_frame(&make->writer, make->compressed, &info, err) : st;
}

static void
make_init(struct make *make, struct help_memory *memory, int level)
{
    const struct pobackup_sink sink = help_sink(memory);
    struct po_err err;

    make->capacity = po_frame_encoded_bound(FRAME_SIZE);
    make->content = malloc(FRAME_SIZE);
    make->compressed = malloc(make->capacity);
    ck_assert(make->content != NULL && make->compressed != NULL);
    ck_assert_int_eq(po_frame_encoder_new(&make->encoder, level, FRAME_SIZE, true, &err), PO_OK);
    po_writer_init(&make->writer, &sink, archive_id, CREATED);
    po_packer_init(&make->packer,
                   (struct po_frame_buf){ .bytes = make->content, .capacity = FRAME_SIZE }, flush,
                   make);
}

static void
make_deinit(struct make *make)
{
    po_writer_deinit(&make->writer);
    po_packer_deinit(&make->packer);
    po_frame_encoder_free(make->encoder);
    free(make->content);
    free(make->compressed);
}

static enum po_status
put_manifest(struct make *make, struct po_entry_list *list, const char *host, struct po_err *err)
{
    struct po_manifest manifest = {
        .created = CREATED, .host_name = host, .host_system = "", .host_kind = "folder"
    };
    struct po_buf json = { 0 };
    enum po_status st;

    memcpy(manifest.archive_id, archive_id, PO_ID_SIZE);
    st = po_manifest_put(&json, &manifest, err);
    if (st == PO_OK)
        st = po_writer_pack_manifest(&make->writer, &make->packer, list, &json, err);
    po_buf_deinit(&json);
    return st;
}

/* Frames of zeros where the entries say that their members are. */
static void
put_members(struct make *make, uint32_t count)
{
    struct po_frame_info info;
    struct po_err err;

    memset(make->content, 0, FRAME_SIZE);
    ck_assert_int_eq(po_frame_encode(make->encoder, make->content, FRAME_SIZE, make->compressed,
                                     make->capacity, &info, &err),
                     PO_OK);
    for (uint32_t i = 0; i < count; i += MEMBERS_A_FRAME)
        ck_assert_int_eq(po_writer_put_frame(&make->writer, make->compressed, &info, &err), PO_OK);
}

static void
write_list(struct po_entry_list *list, struct help_memory *memory, int level,
           const struct po_buf *summary)
{
    struct make make = { 0 };
    uint32_t count = (uint32_t)list->count;
    struct po_err err;

    make_init(&make, memory, level);
    ck_assert_msg(put_manifest(&make, list, "host", &err) == PO_OK, "%s", err.text);
    put_members(&make, count);
    {
        const struct po_writer_end end = { .list = list,
                                           .summary = summary,
                                           .encoder = make.encoder,
                                           .content = { .bytes = make.content,
                                                        .capacity = FRAME_SIZE },
                                           .compressed = make.compressed,
                                           .compressed_capacity = make.capacity };

        ck_assert_msg(po_writer_finish(&make.writer, &end, NULL, &err) == PO_OK, "%s", err.text);
    }
    make_deinit(&make);
}

/* ---- how far it goes ---- */

struct figures {
    uint64_t content;
    uint64_t compressed; /* as the encoder gives it, none of it stored */
    uint64_t written;
};

struct counting {
    struct make *make;
    struct figures *figures;
};

static enum po_status
count_frame(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct counting *counting = ctx;
    struct po_frame_info info;
    enum po_status st =
        po_frame_encode(counting->make->encoder, frame->bytes, frame->used,
                        counting->make->compressed, counting->make->capacity, &info, err);

    counting->figures->content += frame->used;
    counting->figures->compressed += info.compressed_size;
    frame->used = 0;
    return st;
}

static enum po_status
pack_index(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    return po_packer_put(ctx, bytes, size, err);
}

/* The index of a list, compressed as any encoder would. */
static void
measure(const struct po_entry_list *list, int level, struct figures *figures)
{
    struct make make = { 0 };
    struct help_memory nowhere = { 0 };
    struct counting counting = { .make = &make, .figures = figures };
    struct po_packer packer;
    struct po_index_source source = { .list = list, .archive_id = archive_id };
    uint32_t *order = NULL;
    uint64_t size;
    struct po_err err;

    make_init(&make, &nowhere, level);
    po_packer_init(&packer, (struct po_frame_buf){ .bytes = make.content, .capacity = FRAME_SIZE },
                   count_frame, &counting);
    ck_assert_int_eq(po_index_sort(list, &order, &source.count, &err), PO_OK);
    source.order = order;
    ck_assert_int_eq(po_index_encoded_size(&source, &size, &err), PO_OK);
    ck_assert_int_eq(po_packer_begin_plain(&packer, PO_INDEX_PATH, size, &err), PO_OK);
    ck_assert_int_eq(po_index_put(&source, pack_index, &packer, &err), PO_OK);
    ck_assert_int_eq(po_packer_end(&packer, &err), PO_OK);
    ck_assert_int_eq(po_packer_cut(&packer, &err), PO_OK);
    po_packer_deinit(&packer);
    po_mem_free(order);
    make_deinit(&make);
}

/* Writes the list and reads it again. */
static struct figures
try_list(uint32_t count, size_t path_size, uint8_t type, int level)
{
    const struct po_buf summary = { .bytes = (uint8_t[]){ "{}" }, .size = 2 };
    struct figures figures = { 0 };
    struct po_entry_list list = { 0 };
    struct help_memory memory = { 0 };
    struct pobackup_blob blob;
    struct po_reader *reader = NULL;
    struct po_err err;
    size_t size;

    fill_list(&list, count, path_size, type);
    measure(&list, level, &figures);
    write_list(&list, &memory, level, &summary);
    blob = help_blob(&memory);
    ck_assert_msg(po_reader_open(&reader, &blob, &err) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(reader->index->count, count + 2);
    for (uint32_t i = 0; i < count; i += count / 7) {
        uint32_t number = po_index_find(reader->index, po_entry_path(&list, &list.entries[i]),
                                        list.entries[i].path_size);

        ck_assert_uint_lt(number, count + 2);
        (void)po_index_path(reader->index, number, &size);
        ck_assert_uint_eq(size, path_size);
    }
    figures.written = reader->trailer.index_compressed_size;
    printf("%u entries, paths of %zu bytes, level %d: %llu -> %llu (%.0f : 1), written %llu\n",
           count, path_size, level, (unsigned long long)figures.content,
           (unsigned long long)figures.compressed,
           (double)figures.content / (double)figures.compressed,
           (unsigned long long)figures.written);
    po_reader_free(reader);
    help_memory_free(&memory);
    po_entry_list_deinit(&list);
    return figures;
}

/* spec-test: FRAME-8 */
START_TEST(no_honest_list_comes_to_the_bound)
{
    static const struct {
        uint32_t count;
        size_t path_size;
        uint8_t type;
        int level;
    } cases[] = { { 1000000, 20, POBACKUP_FILE, 3 },
                  { 20000, 4000, POBACKUP_FILE, 3 },
                  { 20000, 4000, POBACKUP_FILE, 19 },
                  { 20000, 4095, POBACKUP_DIRECTORY, 19 } };
    const struct figures f =
        try_list(cases[_i].count, cases[_i].path_size, cases[_i].type, cases[_i].level);

    ck_assert(po_is_whole_size_possible(f.content, f.compressed));
    ck_assert_uint_lt(f.content, 1024 * f.compressed);
    /* Columns that do not change may make the writer store a little, all the same. */
    ck_assert_uint_le(f.written, f.compressed + f.content / 500);
}
END_TEST

START_TEST(of_a_list_beyond_the_bound_a_part_is_stored)
{
    const struct figures f = try_list(200 + (uint32_t)_i * 500, 131072, POBACKUP_DIRECTORY, 19);

    ck_assert(!po_is_whole_size_possible(f.content, f.compressed));
    ck_assert(po_is_whole_size_possible(f.content, f.written));
    ck_assert_uint_le(f.written, f.compressed + f.content / 1000);
}
END_TEST

START_TEST(a_summary_that_would_come_out_too_small_is_stored)
{
    struct po_entry_list list = { 0 };
    struct help_memory memory = { 0 };
    struct po_reader *reader = NULL;
    struct po_buf summary = { 0 };
    struct po_buf read = { 0 };
    struct pobackup_blob blob;
    struct po_err err;

    po_buf_put_text(&summary, "{\"x\":\"");
    for (uint32_t i = 0; i < 7u << 17; i++)
        po_buf_put(&summary, "aaaaaaaa", 8);
    po_buf_put_text(&summary, "\"}");
    fill_list(&list, 7, 20, POBACKUP_FILE);
    write_list(&list, &memory, 3, &summary);
    blob = help_blob(&memory);
    ck_assert_msg(po_reader_open(&reader, &blob, &err) == PO_OK, "%s", err.text);
    ck_assert_msg(po_reader_summary(reader, &read, &err) == PO_OK, "%s", err.text);
    ck_assert_uint_eq(read.size, summary.size);
    ck_assert_mem_eq(read.bytes, summary.bytes, read.size);
    ck_assert_uint_gt(memory.size, summary.size);
    po_reader_free(reader);
    help_memory_free(&memory);
    po_buf_deinit(&summary);
    po_buf_deinit(&read);
    po_entry_list_deinit(&list);
}
END_TEST

START_TEST(a_manifest_that_would_come_out_too_small_is_wrong_use)
{
    struct po_entry_list list = { 0 };
    struct help_memory memory = { 0 };
    struct make make = { 0 };
    struct po_err err;
    char *host = malloc(4000001);

    ck_assert_ptr_nonnull(host);
    memset(host, 'h', 4000000);
    host[4000000] = 0;
    make_init(&make, &memory, 3);
    ck_assert_int_eq(put_manifest(&make, &list, host, &err), PO_E_USAGE);
    ck_assert_uint_eq(memory.size, 0);
    make_deinit(&make);
    help_memory_free(&memory);
    po_entry_list_deinit(&list);
    free(host);
}
END_TEST

/* spec-test: FRAME-1, FRAME-2 */
START_TEST(stored_content_of_any_size_is_a_frame)
{
    static const size_t sizes[] = { 1, 512, 4096, 131071, 131072, 131073, 1000000, 8u << 20 };
    struct help_random random = help_random_begin("stored", 0);
    struct po_frame_decoder *decoder = NULL;
    struct po_err err;

    ck_assert_int_eq(po_frame_decoder_new(&decoder, &err), PO_OK);
    for (size_t i = 0; i < HELP_COUNT(sizes); i++) {
        struct po_frame_info info;
        uint8_t *content = malloc(sizes[i]);
        uint8_t *again = malloc(sizes[i]);
        uint8_t *bytes = malloc(po_frame_encoded_bound(sizes[i]));
        uint32_t checksum = 0;

        ck_assert(content != NULL && again != NULL && bytes != NULL);
        help_random_fill(&random, content, sizes[i]);
        po_frame_store(content, sizes[i], bytes, &info);
        ck_assert_uint_eq(info.content_size, sizes[i]);
        ck_assert_uint_gt(info.compressed_size, sizes[i]);
        ck_assert_msg(po_frame_decode(decoder, bytes, info.compressed_size, again, sizes[i],
                                      &checksum, &err) == PO_OK,
                      "%zu bytes: %s", sizes[i], err.text);
        ck_assert_mem_eq(content, again, sizes[i]);
        ck_assert_uint_eq(checksum, info.checksum);
        free(content);
        free(again);
        free(bytes);
    }
    po_frame_decoder_free(decoder);
}
END_TEST

/* spec-test: INDEX-2, READ-1 */
START_TEST(the_header_alone_must_give_the_size_and_extensions_have_a_bound)
{
    static const uint64_t contents[] = { 0, 63, 64, UINT64_C(1) << 40 };
    uint8_t header[PO_INDEX_HEADER_SIZE] = "pobindex\1";
    struct po_err err;

    for (size_t i = 0; i < HELP_COUNT(contents); i++) {
        uint64_t most = (64u << 20) + contents[i] / 64;

        po_store_u64le(header + 88, most);
        ck_assert_msg(po_index_check_header(header, 128 + most, contents[i], &err) == PO_OK, "%s",
                      err.text);
        ck_assert_int_eq(po_index_check_header(header, 129 + most, contents[i], &err), PO_E_FORMAT);
        ck_assert_int_eq(po_index_check_header(header, 127 + most, contents[i], &err), PO_E_FORMAT);
        po_store_u64le(header + 88, most + 1);
        ck_assert_int_eq(po_index_check_header(header, 129 + most, contents[i], &err), PO_E_FORMAT);
    }
    header[8] = 2;
    ck_assert_int_eq(po_index_check_header(header, 128, 0, &err), PO_E_UNSUPPORTED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("index size");
    TCase *tc = tcase_create("index size");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, no_honest_list_comes_to_the_bound, 0, 4);
    tcase_add_loop_test(tc, of_a_list_beyond_the_bound_a_part_is_stored, 0, 2);
    tcase_add_test(tc, a_summary_that_would_come_out_too_small_is_stored);
    tcase_add_test(tc, a_manifest_that_would_come_out_too_small_is_wrong_use);
    tcase_add_test(tc, stored_content_of_any_size_is_a_frame);
    tcase_add_test(tc, the_header_alone_must_give_the_size_and_extensions_have_a_bound);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
