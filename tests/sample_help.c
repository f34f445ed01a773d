#include "sample_help.h"

#include "base/cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(literal) (literal), (sizeof(literal) - 1)
#define SEEK_REST 17u /* of the table, but for the entries */
#define OTHER_FILES 3u
#define SIZES 9u

static void
read_seek_table(struct help_sample *s)
{
    const uint8_t *end = s->memory.bytes + s->memory.size;
    const uint8_t *row;

    s->count = po_load_u32le(end - 9);
    ck_assert_uint_le(s->count, HELP_FRAMES_MAX);
    row = end - 9 - (size_t)s->count * HELP_SEEK_ENTRY;
    for (uint32_t i = 0; i < s->count; i++, row += HELP_SEEK_ENTRY) {
        s->offsets[i + 1] = s->offsets[i] + po_load_u32le(row);
        s->content[i + 1] = s->content[i] + po_load_u32le(row + 4);
    }
    ck_assert_uint_eq(s->offsets[s->count] + (size_t)s->count * HELP_SEEK_ENTRY + SEEK_REST,
                      s->memory.size);
}

static void
read_places(struct help_sample *s)
{
    struct pobackup_blob blob = help_blob(&s->memory);
    struct po_err err;

    ck_assert_msg(pobackup_open(&s->archive, &blob, &err) == PO_OK, "%s", err.text);
    s->entry_count = (uint32_t)pobackup_entry_count(s->archive);
    ck_assert_uint_le(s->entry_count, HELP_ENTRIES_MAX);
    for (uint32_t i = 0; i < s->entry_count; i++) {
        struct pobackup_entry entry;
        uint64_t start;
        uint32_t at = i;

        ck_assert_int_eq(pobackup_entry_at(s->archive, i, &entry, &err), PO_OK);
        start = s->content[entry.frame] + entry.offset;
        if (entry.path_size == 21 && memcmp(entry.path, "pobackup/summary.json", 21) == 0)
            s->summary = entry.frame;
        for (; at > 0 && s->starts[at - 1] > start; at--) {
            s->starts[at] = s->starts[at - 1];
            s->order[at] = s->order[at - 1];
        }
        s->starts[at] = start;
        s->order[at] = i;
    }
    ck_assert_uint_gt(s->summary, 0);
    s->starts[s->entry_count] = s->content[s->summary + 1];
}

void
help_sample_make(struct help_sample *s, uint8_t salt, size_t files)
{
    const struct pobackup_writer_options options = {
        .frame_size = 65536, .level = 19, .created = 17639784001234567, .archive_id = { salt }
    };
    struct help_random random = { .state = salt };
    uint8_t *content = malloc(200000);
    struct po_err err;
    char path[40];

    *s = (struct help_sample){ 0 };
    ck_assert_ptr_nonnull(content);
    memset(content, salt, 200000);
    help_random_fill(&random, content, 60);
    help_set_add(&s->set, &random, POBACKUP_DIRECTORY, S("d"), NULL, NULL, 0);
    for (size_t i = 0; i < files - OTHER_FILES; i++) {
        (void)snprintf(path, sizeof path, "d/%zu", i);
        help_set_add(&s->set, &random, POBACKUP_FILE, path, strlen(path), NULL, content,
                     i % SIZES * 300);
    }
    help_set_add(&s->set, &random, POBACKUP_FILE, S("d/large"), NULL, content, 150000);
    help_set_add(&s->set, &random, POBACKUP_FILE, S("d/\xC3\xA4"), NULL, content, 100);
    help_set_add(&s->set, &random, POBACKUP_SYMLINK, S("d/link"), "1", NULL, 0);
    help_set_add(&s->set, &random, POBACKUP_HARDLINK, S("d/hard"), "d/1", NULL, 0);
    help_set_add(&s->set, &random, POBACKUP_FILE, S("d/empty"), NULL, NULL, 0);
    ck_assert_msg(help_set_write(&s->set, &s->memory, &options, NULL, &err) == PO_OK, "%s",
                  err.text);
    free(content);
    read_seek_table(s);
    read_places(s);
}

void
help_sample_free(struct help_sample *s)
{
    pobackup_close(s->archive);
    help_memory_free(&s->memory);
    help_set_free(&s->set);
}

bool
help_sample_has_part(const struct help_sample *s, uint32_t i, uint32_t frame)
{
    return s->starts[i] < s->content[frame + 1] && s->starts[i + 1] > s->content[frame];
}

/* ---- files of its frames ---- */

void
help_shuffle_init(struct help_shuffle *shuffle, const struct help_sample *s)
{
    *shuffle = (struct help_shuffle){ .count = s->count };
    for (uint32_t i = 0; i < s->count; i++) {
        shuffle->from[i] = s;
        shuffle->frame[i] = i;
    }
}

void
help_shuffle_drop(struct help_shuffle *shuffle, uint32_t f)
{
    shuffle->count--;
    for (uint32_t i = f; i < shuffle->count; i++) {
        shuffle->from[i] = shuffle->from[i + 1];
        shuffle->frame[i] = shuffle->frame[i + 1];
    }
}

void
help_shuffle_double(struct help_shuffle *shuffle, uint32_t f)
{
    for (uint32_t i = shuffle->count; i > f; i--) {
        shuffle->from[i] = shuffle->from[i - 1];
        shuffle->frame[i] = shuffle->frame[i - 1];
    }
    shuffle->count++;
}

void
help_shuffle_swap(struct help_shuffle *shuffle, uint32_t f, uint32_t g)
{
    const struct help_sample *from = shuffle->from[f];
    uint32_t frame = shuffle->frame[f];

    shuffle->from[f] = shuffle->from[g];
    shuffle->frame[f] = shuffle->frame[g];
    shuffle->from[g] = from;
    shuffle->frame[g] = frame;
}

static const uint8_t *
frame_bytes(const struct help_sample *s, uint32_t f, size_t *size)
{
    *size = s->offsets[f + 1] - s->offsets[f];
    return s->memory.bytes + s->offsets[f];
}

bool
help_shuffle_replace(struct help_shuffle *shuffle, uint32_t f, const struct help_sample *other,
                     uint32_t g)
{
    size_t old_size;
    size_t new_size;
    const uint8_t *old_bytes = frame_bytes(shuffle->from[f], shuffle->frame[f], &old_size);
    const uint8_t *new_bytes = frame_bytes(other, g, &new_size);

    shuffle->from[f] = other;
    shuffle->frame[f] = g;
    return old_size != new_size || memcmp(old_bytes, new_bytes, old_size) != 0;
}

static void
put_u32(struct help_memory *memory, uint32_t value)
{
    uint8_t bytes[4];

    po_store_u32le(bytes, value);
    help_memory_put(memory, bytes, sizeof bytes);
}

void
help_shuffle_put(struct help_memory *memory, const struct help_shuffle *shuffle,
                 const struct help_sample *s)
{
    for (uint32_t i = 0; i < shuffle->count; i++) {
        size_t size;
        const uint8_t *bytes = frame_bytes(shuffle->from[i], shuffle->frame[i], &size);

        help_memory_put(memory, bytes, size);
    }
    if (s != NULL) {
        help_memory_put(memory, s->memory.bytes + s->offsets[s->count],
                        s->memory.size - s->offsets[s->count]);
        return;
    }
    put_u32(memory, 0x184D2A5E);
    put_u32(memory, shuffle->count * HELP_SEEK_ENTRY + 9);
    for (uint32_t i = 0; i < shuffle->count; i++) {
        const struct help_sample *from = shuffle->from[i];
        uint32_t f = shuffle->frame[i];

        put_u32(memory, (uint32_t)(from->offsets[f + 1] - from->offsets[f]));
        put_u32(memory, (uint32_t)(from->content[f + 1] - from->content[f]));
        put_u32(memory, po_load_u32le(from->memory.bytes + from->offsets[f + 1] - 4));
    }
    put_u32(memory, shuffle->count);
    help_memory_put(memory, "\x80", 1);
    put_u32(memory, 0x8F92EAB1);
}
