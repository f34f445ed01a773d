/*
 * libarchive as a witness of names, in each locale. A frame of a good archive is changed behind the
 * back of its index: a name's bytes are others then, in the tar alone.
 */
#include "archive/layout.h"
#include "archive/reader.h"
#include "archive/witness.h"
#include "archive_help.h"
#include "base/mem.h"
#include "os_help.h"

#include <locale.h>

struct frame {
    struct help_memory memory;
    struct po_reader *reader;
    struct po_layout layout;
    uint32_t number;
    uint8_t *content;
    size_t size;
};

static struct po_err err;

#define OK(call) ck_assert_msg((call) == PO_OK, "%s", err.text)

/* The frame of an archive with one empty file. */
static void
open_frame(struct frame *frame, const char *path)
{
    struct help_random random = help_random_begin("witness", 0);
    struct po_frame_decoder *decoder = NULL;
    struct pobackup_blob blob;
    struct pobackup_writer_options options = { 0 };
    struct help_set set = { 0 };
    uint8_t *bytes;

    help_set_add(&set, &random, POBACKUP_FILE, path, strlen(path), NULL, "", 0);
    set.entries[0].write_time = 0;
    OK(help_set_write(&set, &frame->memory, &options, NULL, &err));
    help_set_free(&set);
    blob = help_blob(&frame->memory);
    OK(po_reader_open(&frame->reader, &blob, &err));
    OK(po_layout_init(&frame->layout, frame->reader->index, &err));
    frame->number = po_index_frame(frame->reader->index,
                                   po_index_find(frame->reader->index, path, strlen(path)));
    frame->size = frame->reader->seeks[frame->number].content_size;
    frame->content = po_mem_new(frame->size, 1);
    bytes = po_mem_new(frame->reader->seeks[frame->number].compressed_size, 1);
    ck_assert(frame->content != NULL && bytes != NULL);
    OK(po_frame_decoder_new(&decoder, &err));
    OK(po_reader_decode(frame->reader, decoder, frame->number, bytes, frame->content, &err));
    po_frame_decoder_free(decoder);
    po_mem_free(bytes);
}

static void
close_frame(struct frame *frame)
{
    po_mem_free(frame->content);
    po_layout_deinit(&frame->layout);
    po_reader_free(frame->reader);
    help_memory_free(&frame->memory);
}

/* Puts `other` for `name` where the tar has it in a pax record, which has no checksum. */
static void
change(struct frame *frame, const char *name, const char *other)
{
    size_t size = strlen(name);
    unsigned changes = 0;

    ck_assert_uint_eq(strlen(other), size);
    for (size_t i = 0; i + size < frame->size; i++) {
        if (memcmp(frame->content + i, name, size) == 0 && frame->content[i + size] == '\n') {
            memcpy(frame->content + i, other, size);
            changes++;
        }
    }
    ck_assert_uint_eq(changes, 1);
}

static enum po_status
ask(const struct frame *frame)
{
    return po_witness_frame(frame->content, frame->size, SIZE_MAX, frame->reader->index,
                            &frame->layout, frame->number, &err);
}

static const char *const locales[] = { "C", OS_CASE("C.UTF-8", "") };

static const struct {
    const char *name;
    const char *other;
} names[] = {
    { "mail/\xE6\x97\xA5\xE6\x9C\xAC", "mail/\xE6\x97\xA5\xE6\x9C\xAD" },
    { "mail/\xC3\xA4", "mail/\xC3\xB6" },
    { "\xE6\x97\xA5.MSG", "\xE6\x97\xA6.MSG" },
    { "d\xC3\xA4/x", "d\xC3\xA4/y" },
};

START_TEST(another_name_is_seen_in_any_locale)
{
    size_t i = (size_t)_i % HELP_COUNT(names);
    const char *locale = locales[(size_t)_i / HELP_COUNT(names)];
    struct frame frame = { 0 };

    ck_assert_ptr_nonnull(setlocale(LC_ALL, locale));
    open_frame(&frame, names[i].name);
    ck_assert_msg(ask(&frame) == PO_OK, "%s in %s: %s", names[i].name, locale, err.text);
    change(&frame, names[i].name, names[i].other);
    ck_assert_msg(ask(&frame) == PO_E_FORMAT, "%s in %s", names[i].name, locale);
    ck_assert_ptr_nonnull(strstr(err.text, "another name than the index has (INDEX-7)"));
    close_frame(&frame);
}
END_TEST

/* ---- the rest of a header ---- */

#define HEADER_TYPE 156
#define HEADER_SIZE 124
#define HEADER_TIME 136
#define HEADER_SUM 148
#define HEADER_SUM_SIZE 8
#define HEADER_MAGIC 257

/* The header of the frame's file. */
static uint8_t *
header_of(struct frame *frame)
{
    for (size_t at = 0; at + 512 <= frame->size; at += 512)
        if (memcmp(frame->content + at + HEADER_MAGIC, "ustar", 5) == 0 &&
            frame->content[at + HEADER_TYPE] == '0')
            return frame->content + at;
    ck_abort_msg("no header of a file");
    return NULL;
}

static void
sum_up(uint8_t *header)
{
    char text[HEADER_SUM_SIZE];
    unsigned sum = 0;

    memset(header + HEADER_SUM, ' ', HEADER_SUM_SIZE);
    for (size_t i = 0; i < 512; i++)
        sum += header[i];
    (void)snprintf(text, sizeof text, "%06o", sum);
    memcpy(header + HEADER_SUM, text, 7);
}

static const struct {
    size_t at;
    const char *text;
    const char *reason;
} facts[] = {
    { HEADER_TYPE, "5", "libarchive reads another type than the index has (INDEX-7)" },
    { HEADER_TYPE, "2", "libarchive reads another type than the index has (INDEX-7)" },
    { HEADER_SIZE, "00000000001", "libarchive reads another size than the index has (INDEX-7)" },
    { HEADER_TIME, "00000000001",
      "libarchive reads another write time than the index has (INDEX-7)" },
};

START_TEST(another_type_size_or_time_is_seen)
{
    struct frame frame = { 0 };
    uint8_t *header;

    open_frame(&frame, "mail/a");
    header = header_of(&frame);
    memcpy(header + facts[_i].at, facts[_i].text, strlen(facts[_i].text));
    sum_up(header);
    ck_assert_int_eq(ask(&frame), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, facts[_i].reason));
    close_frame(&frame);
}
END_TEST

/* Our own sum is right: it is not our change alone that is seen. */
START_TEST(the_same_header_is_the_same)
{
    struct frame frame = { 0 };

    open_frame(&frame, "mail/a");
    sum_up(header_of(&frame));
    ck_assert_msg(ask(&frame) == PO_OK, "%s", err.text);
    close_frame(&frame);
}
END_TEST

START_TEST(what_libarchive_cannot_read_is_told_in_its_words)
{
    struct frame frame = { 0 };

    open_frame(&frame, "mail/a");
    header_of(&frame)[HEADER_SUM] ^= 1;
    ck_assert_int_eq(ask(&frame), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "libarchive: "));
    ck_assert_ptr_nonnull(strstr(err.text, "(TAR-1)"));
    close_frame(&frame);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("witness");
    TCase *tc = tcase_create("names");
    TCase *rest = tcase_create("facts");

    tcase_add_loop_test(tc, another_name_is_seen_in_any_locale, 0,
                        (int)(HELP_COUNT(names) * HELP_COUNT(locales)));
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(rest, another_type_size_or_time_is_seen, 0, (int)HELP_COUNT(facts));
    tcase_add_test(rest, the_same_header_is_the_same);
    tcase_add_test(rest, what_libarchive_cannot_read_is_told_in_its_words);
    suite_add_tcase(suite, rest);
    return help_run(suite);
}
