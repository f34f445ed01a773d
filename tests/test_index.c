#include "archive/index.h"

#include "archive/index_format.h"
#include "archive/layout.h"
#include "archive_help.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_A_FRAME 40u /* of made-up frames */

/* ---- a list made up, and the index of it ---- */

struct sample {
    struct po_entry_list list;
    struct po_frame_info *frames;
    uint32_t frame_count;
    struct po_parent parents[4];
    uint32_t parent_count;
    uint8_t archive_id[PO_ID_SIZE];
    struct po_buf bytes; /* the index as printed */
};

static enum po_status
put_bytes(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *out = ctx;

    po_buf_put(out, bytes, size);
    return po_buf_check(out, err);
}

/* A target for a hard link: one that no later entry replaces (its number leaves 1 when divided by
 * 3). */
static const struct po_entry *
find_target(const struct sample *s, struct help_random *random)
{
    for (int tries = 0; tries < 10 && s->list.count > 0; tries++) {
        size_t number = help_random_size(random, s->list.count);
        const struct po_entry *entry = &s->list.entries[number];

        if (number % 3 == 1 && entry->type == POBACKUP_FILE && entry->state == PO_ENTRY_SAVED)
            return entry;
    }
    return NULL;
}

static bool
has_path(const struct sample *s, const char *path, size_t size)
{
    for (size_t i = 0; i < s->list.count; i++)
        if (s->list.entries[i].path_size == size &&
            memcmp(po_entry_path(&s->list, &s->list.entries[i]), path, size) == 0)
            return true;
    return false;
}

static void
fill_entry(struct sample *s, struct help_random *random, struct po_entry *entry)
{
    uint32_t number = (uint32_t)s->list.count - 1;

    entry->write_time = (int64_t)help_random_next(random);
    entry->create_time = (int64_t)help_random_next(random);
    entry->file_id = help_random_next(random);
    entry->attributes = (uint32_t)help_random_next(random);
    /* Members one after the other, each at its own place. */
    entry->frame = number / BLOCKS_A_FRAME;
    entry->offset = number % BLOCKS_A_FRAME * 512;
    s->frame_count = entry->frame + 1;
    entry->state = PO_ENTRY_SAVED;
    if (entry->type == POBACKUP_FILE) {
        entry->size = help_random_next(random) >> help_random_below(random, 64);
        help_random_fill(random, entry->hash, PO_HASH_SIZE);
    }
}

static void
add_security(struct sample *s, struct help_random *random, size_t number)
{
    struct po_entry *entry = &s->list.entries[number];
    struct po_err err;
    uint8_t bytes[80];

    if (help_random_below(random, 3) == 0) {
        const struct po_posix_owner owner = { .mode = (uint32_t)help_random_below(random, 4),
                                              .uid = (uint32_t)help_random_below(random, 2),
                                              .user = "postmaster",
                                              .user_size = help_random_size(random, 11) };

        ck_assert_int_eq(po_entry_list_owner(&s->list, &owner, &entry->security, &err), PO_OK);
    } else if (help_random_below(random, 2) == 0) {
        help_random_fill(random, bytes, sizeof bytes);
        ck_assert_int_eq(po_entry_list_security(&s->list, bytes, help_random_size(random, 80),
                                                &entry->security, &err),
                         PO_OK);
    }
}

static void
add_entry(struct sample *s, struct help_random *random)
{
    size_t count = s->list.count;
    const struct po_entry *target = find_target(s, random);
    struct po_entry *entry = NULL;
    struct po_err err;
    size_t size = 1 + help_random_size(random, 40);
    char *path = help_path(random, (enum help_alphabet)help_random_below(random, 3), size);
    char target_path[64];
    size_t target_size = 0;
    enum po_status st;

    if (target != NULL) {
        target_size = target->path_size;
        memcpy(target_path, po_entry_path(&s->list, target), target_size);
    }
    /* Now and then the path of an earlier file again: the later entry wins. */
    if (count > 3 && count % 3 == 0 && help_random_below(random, 4) == 0) {
        const struct po_entry *old = &s->list.entries[help_random_below(random, count / 3) * 3];

        if (old->type == POBACKUP_FILE) {
            free(path);
            size = old->path_size;
            path = malloc(size);
            ck_assert_ptr_nonnull(path);
            memcpy(path, po_entry_path(&s->list, old), size);
            target = NULL;
        }
    } else if (has_path(s, path, size)) {
        free(path);
        return;
    }
    st = po_entry_list_add(&s->list, path, size, &entry, &err);
    free(path);
    ck_assert_int_eq(st, PO_OK);
    entry->type = POBACKUP_FILE;
    if (count % 3 == 2 && help_random_below(random, 3) == 0)
        entry->type = POBACKUP_DIRECTORY;
    if (count % 3 == 2 && help_random_below(random, 3) == 0) {
        entry->type = POBACKUP_SYMLINK;
        ck_assert_int_eq(po_entry_list_set_link(&s->list, entry, "../x", 4, &err), PO_OK);
    } else if (count % 3 == 2 && target != NULL && entry->type == POBACKUP_FILE) {
        entry->type = POBACKUP_HARDLINK;
        ck_assert_int_eq(po_entry_list_set_link(&s->list, entry, target_path, target_size, &err),
                         PO_OK);
    }
    fill_entry(s, random, entry);
    if (help_random_below(random, 6) == 0 && s->parent_count > 0 && count % 3 == 0) {
        entry->source = (uint16_t)(1 + help_random_below(random, s->parent_count));
        entry->frame = (uint32_t)help_random_next(random);
    } else if (help_random_below(random, 9) == 0 && count % 3 == 2) {
        entry->state = help_random_below(random, 2) == 0 ? PO_ENTRY_UNLISTED : PO_ENTRY_SKIPPED;
    }
    add_security(s, random, count);
}

static void
print_sample(struct sample *s)
{
    struct po_index_source source = { .list = &s->list,
                                      .frames = s->frames,
                                      .frame_count = s->frame_count,
                                      .parents = s->parents,
                                      .parent_count = s->parent_count,
                                      .archive_id = s->archive_id };
    uint32_t *order = NULL;
    uint64_t size = 0;
    struct po_err err;

    ck_assert_int_eq(po_index_sort(&s->list, &order, &source.count, &err), PO_OK);
    source.order = order;
    ck_assert_int_eq(po_index_encoded_size(&source, &size, &err), PO_OK);
    ck_assert_int_eq(po_index_put(&source, put_bytes, &s->bytes, &err), PO_OK);
    ck_assert_uint_eq(s->bytes.size, size);
    po_mem_free(order);
}

static void
make_sample(struct sample *s, struct help_random *random, size_t count)
{
    static char names[4][20] = { "a.tar.zst", "", "\xFF", "\xE6\x97\xA5" };

    *s = (struct sample){ .parent_count = (uint32_t)help_random_below(random, 5) };
    help_random_fill(random, s->archive_id, PO_ID_SIZE);
    for (uint32_t i = 0; i < s->parent_count; i++) {
        help_random_fill(random, s->parents[i].archive_id, PO_ID_SIZE);
        help_random_fill(random, s->parents[i].digest, PO_DIGEST_SIZE);
        s->parents[i].created = (int64_t)help_random_next(random);
        s->parents[i].name = names[i];
    }
    while (s->list.count < count)
        add_entry(s, random);
    s->frames = calloc(s->frame_count + 1, sizeof *s->frames);
    ck_assert_ptr_nonnull(s->frames);
    for (uint32_t i = 0; i < s->frame_count; i++) {
        s->frames[i].content_size = BLOCKS_A_FRAME * 512;
        s->frames[i].compressed_size = 1 + (uint32_t)help_random_below(random, 20000);
        help_random_fill(random, s->frames[i].xxh3, PO_HASH_SIZE);
        help_random_fill(random, s->frames[i].blake2b, PO_DIGEST_SIZE);
    }
    print_sample(s);
}

static void
free_sample(struct sample *s)
{
    po_entry_list_deinit(&s->list);
    free(s->frames);
    po_buf_deinit(&s->bytes);
}

/* Loads a copy of exactly this size. */
static enum po_status
load(struct po_index **index, const uint8_t *bytes, size_t size, struct po_err *err)
{
    uint8_t *copy = po_mem_new(size, 1);

    ck_assert_ptr_nonnull(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return po_index_load_take(index, copy, size, 0, err);
}

/* ---- round trip ---- */

/* The entry that the index must have for a path: the last saved one. */
static const struct po_entry *
winner(const struct sample *s, const char *path, size_t size)
{
    const struct po_entry *found = NULL;

    for (size_t i = 0; i < s->list.count; i++)
        if (s->list.entries[i].state == PO_ENTRY_SAVED && s->list.entries[i].path_size == size &&
            memcmp(po_entry_path(&s->list, &s->list.entries[i]), path, size) == 0)
            found = &s->list.entries[i];
    return found;
}

static void
check_owner(const struct po_index *index, uint32_t i, const uint8_t *bytes, size_t size)
{
    struct po_posix_owner owner;
    struct po_posix_owner expected;
    bool has_owner = po_posix_owner_parse(&expected, bytes, size);

    ck_assert(po_index_owner(index, i, &owner) == has_owner);
    if (!has_owner)
        return;
    ck_assert_uint_eq(owner.mode, expected.mode);
    ck_assert_uint_eq(owner.uid, expected.uid);
    ck_assert_uint_eq(owner.gid, expected.gid);
    ck_assert_uint_eq(owner.user_size, expected.user_size);
    ck_assert_mem_eq(owner.user, expected.user, owner.user_size);
}

static void
check_security(const struct sample *s, const struct po_index *index, uint32_t i,
               const struct po_entry *entry)
{
    struct po_posix_owner owner;
    const uint8_t *expected;
    const uint8_t *bytes;
    size_t expected_size;
    size_t size;

    ck_assert_uint_eq(po_index_security(index, i), entry->security);
    if (entry->security == 0) {
        ck_assert(!po_index_owner(index, i, &owner));
        return;
    }
    expected = po_rows_at(&s->list.securities, entry->security - 1, &expected_size);
    bytes = po_index_security_bytes(index, entry->security, &size);
    ck_assert_uint_eq(size, expected_size);
    if (size > 0) /* else neither need be anywhere */
        ck_assert_mem_eq(bytes, expected, size);
    check_owner(index, i, expected, expected_size);
}

static void
check_entry(const struct sample *s, const struct po_index *index, uint32_t i,
            const struct po_entry *entry)
{
    const uint8_t *expected = NULL;
    const char *link;
    size_t expected_size = 0;
    size_t link_size = 9;

    ck_assert_uint_eq(po_index_type(index, i), entry->type);
    ck_assert_uint_eq(po_index_size(index, i), entry->size);
    ck_assert_int_eq(po_index_write_time(index, i), entry->write_time);
    ck_assert_int_eq(po_index_create_time(index, i), entry->create_time);
    ck_assert_int_eq(po_index_change_time(index, i), entry->change_time);
    ck_assert_uint_eq(po_index_file_id(index, i), entry->file_id);
    ck_assert_uint_eq(po_index_attributes(index, i), entry->attributes);
    ck_assert_uint_eq(po_index_frame(index, i), entry->frame);
    ck_assert_uint_eq(po_index_offset(index, i), entry->offset);
    ck_assert_uint_eq(po_index_source(index, i), entry->source);
    ck_assert_mem_eq(po_index_hash(index, i), entry->hash, PO_HASH_SIZE);
    if (entry->link != PO_NONE)
        expected = po_rows_at(&s->list.links, entry->link, &expected_size);
    link = po_index_link(index, i, &link_size);
    ck_assert_uint_eq(link_size, expected_size);
    ck_assert((link == NULL) == (expected == NULL));
    if (link != NULL)
        ck_assert_mem_eq(link, expected, link_size);
    check_security(s, index, i, entry);
}

static void
check_tables(const struct sample *s, const struct po_index *index)
{
    ck_assert_uint_eq(index->frame_count, s->frame_count);
    for (uint32_t i = 0; i < s->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(index, i, &info);
        ck_assert_uint_eq(info.content_size, s->frames[i].content_size);
        ck_assert_uint_eq(info.compressed_size, s->frames[i].compressed_size);
        ck_assert_mem_eq(info.xxh3, s->frames[i].xxh3, PO_HASH_SIZE);
        ck_assert_mem_eq(info.blake2b, s->frames[i].blake2b, PO_DIGEST_SIZE);
    }
    ck_assert_uint_eq(index->parent_count, s->parent_count);
    for (uint32_t i = 0; i < s->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t size;

        po_index_parent(index, i, &parent, &name, &size);
        ck_assert_mem_eq(parent.archive_id, s->parents[i].archive_id, PO_ID_SIZE);
        ck_assert_mem_eq(parent.digest, s->parents[i].digest, PO_DIGEST_SIZE);
        ck_assert_int_eq(parent.created, s->parents[i].created);
        ck_assert_uint_eq(size, strlen(s->parents[i].name));
        ck_assert_mem_eq(name, s->parents[i].name, size);
    }
}

/* spec-test: INDEX-11 */
static void
check_unlisted(const struct sample *s, const struct po_index *index)
{
    uint32_t count = 0;

    for (size_t i = 0; i < s->list.count; i++) {
        const struct po_entry *entry = &s->list.entries[i];
        bool is_unlisted = entry->state == PO_ENTRY_UNLISTED;

        count += is_unlisted ? 1 : 0;
        if (entry->source == 0)
            ck_assert(po_index_is_unlisted(index, entry->frame, entry->offset) == is_unlisted);
    }
    ck_assert_uint_eq(index->unlisted_count, count);
}

/* spec-test: INDEX-1, INDEX-2, INDEX-3, INDEX-4, INDEX-5, INDEX-6, TAR-7 */
START_TEST(any_list_survives_the_round_trip_and_the_later_of_two_wins)
{
    struct help_random random = help_random_begin("index", (uint64_t)_i);

    for (size_t count = 0; count < 120; count += 1 + count / 7) {
        struct sample s;
        struct po_index *index = NULL;
        struct po_err err = { 0 };
        uint32_t winners = 0;

        make_sample(&s, &random, count);
        ck_assert_msg(load(&index, s.bytes.bytes, s.bytes.size, &err) == PO_OK, "%s", err.text);
        ck_assert_mem_eq(index->archive_id, s.archive_id, PO_ID_SIZE);
        for (uint32_t i = 0; i < index->count; i++) {
            size_t size;
            const char *path = po_index_path(index, i, &size);
            const struct po_entry *entry = winner(&s, path, size);

            ck_assert_ptr_nonnull(entry);
            check_entry(&s, index, i, entry);
            ck_assert_uint_eq(po_index_find(index, path, size), i);
            ck_assert_uint_eq(po_index_lower_bound(index, path, size), i);
        }
        for (size_t i = 0; i < s.list.count; i++)
            winners += s.list.entries[i].state == PO_ENTRY_SAVED &&
                               winner(&s, po_entry_path(&s.list, &s.list.entries[i]),
                                      s.list.entries[i].path_size) == &s.list.entries[i]
                           ? 1
                           : 0;
        ck_assert_uint_eq(index->count, winners);
        check_tables(&s, index);
        check_unlisted(&s, index);
        po_index_free(index);
        free_sample(&s);
    }
}
END_TEST

START_TEST(a_path_that_is_not_there_is_not_found_and_has_its_place)
{
    struct help_random random = help_random_begin("index find", 0);
    struct sample s;
    struct po_index *index = NULL;
    struct po_err err;

    make_sample(&s, &random, 100);
    ck_assert_int_eq(load(&index, s.bytes.bytes, s.bytes.size, &err), PO_OK);
    for (int round = 0; round < 2000; round++) {
        size_t size = help_random_size(&random, 5);
        char path[5];
        uint32_t smaller = 0;
        bool is_there = false;

        help_random_fill(&random, path, sizeof path);
        for (uint32_t i = 0; i < index->count; i++) {
            size_t have_size;
            const char *have = po_index_path(index, i, &have_size);
            int order = po_text_compare(have, have_size, path, size);

            smaller += order < 0 ? 1 : 0;
            is_there |= order == 0;
        }
        ck_assert_uint_eq(po_index_lower_bound(index, path, size), smaller);
        ck_assert((po_index_find(index, path, size) != PO_NONE) == is_there);
    }
    po_index_free(index);
    free_sample(&s);
}
END_TEST

START_TEST(equal_descriptors_are_stored_once)
{
    struct po_entry_list list = { 0 };
    struct po_err err;
    uint32_t first[500];

    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 500; i++) {
            uint8_t bytes[4];
            uint32_t number = 0;

            po_store_u32le(bytes, i);
            ck_assert_int_eq(po_entry_list_security(&list, bytes, 4, &number, &err), PO_OK);
            if (round == 0)
                first[i] = number;
            ck_assert_uint_eq(number, first[i]);
            ck_assert_uint_eq(number, i + 1);
        }
    ck_assert_uint_eq(list.securities.count, 500);
    po_entry_list_deinit(&list);
}
END_TEST

START_TEST(an_empty_descriptor_is_one_too)
{
    struct po_entry_list list = { 0 };
    struct po_err err;
    uint32_t number = 0;

    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(po_entry_list_security(&list, "", 0, &number, &err), PO_OK);
        ck_assert_uint_eq(number, 1);
    }
    po_entry_list_deinit(&list);
}
END_TEST

/* spec-test: TAR-8 */
START_TEST(paths_that_no_archive_may_hold_are_not_added)
{
    struct po_entry_list list = { 0 };
    struct po_entry *entry = NULL;
    char *path = calloc(1, PO_PATH_MAX_SIZE + 1);
    struct po_err err;

    ck_assert_ptr_nonnull(path);
    memset(path, 'p', PO_PATH_MAX_SIZE + 1);
    ck_assert_int_eq(po_entry_list_add(&list, path, 0, &entry, &err), PO_E_USAGE);
    ck_assert_int_eq(po_entry_list_add(&list, "a\0b", 3, &entry, &err), PO_E_USAGE);
    ck_assert_int_eq(po_entry_list_add(&list, path, PO_PATH_MAX_SIZE + 1, &entry, &err),
                     PO_E_USAGE);
    ck_assert_ptr_null(entry);
    ck_assert_int_eq(po_entry_list_add(&list, path, PO_PATH_MAX_SIZE, &entry, &err), PO_OK);
    ck_assert_uint_eq(list.count, 1);
    po_entry_list_deinit(&list);
    free(path);
}
END_TEST

/* ---- damage ---- */

/* Asks for all that an index can tell, so that the sanitizer sees each access. */
static uint64_t
touch(const struct po_index *index)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < index->count; i++) {
        struct po_posix_owner owner;
        size_t size;
        const char *path = po_index_path(index, i, &size);
        const char *link;

        sum += (uint8_t)path[0] + (uint8_t)path[size - 1] + po_index_size(index, i) +
               (uint64_t)po_index_write_time(index, i) + po_index_hash(index, i)[15] +
               po_index_frame(index, i) + po_index_offset(index, i);
        link = po_index_link(index, i, &size);
        sum += link != NULL && size > 0 ? (uint8_t)link[size - 1] : 0;
        if (po_index_owner(index, i, &owner))
            sum += owner.mode + (owner.user_size > 0 ? (uint8_t)owner.user[0] : 0);
        if (po_index_security(index, i) != 0)
            (void)po_index_security_bytes(index, po_index_security(index, i), &size);
        if (po_index_source(index, i) == 0)
            ck_assert_uint_lt(po_index_frame(index, i), index->frame_count);
    }
    for (uint32_t i = 0; i < index->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t size;

        po_index_parent(index, i, &parent, &name, &size);
        sum += size > 0 ? (uint8_t)name[size - 1] : 0;
    }
    for (uint32_t i = 0; i < index->unlisted_count; i++)
        sum += po_index_unlisted(index, i);
    return sum;
}

/* What loading may come to, and that the layout of what was loaded can be made. */
static bool
load_and_touch(const uint8_t *bytes, size_t size)
{
    struct po_index *index = NULL;
    struct po_layout layout;
    struct po_err err = { 0 };
    enum po_status st = load(&index, bytes, size, &err);

    if (st != PO_OK) {
        ck_assert_msg(st == PO_E_FORMAT || st == PO_E_UNSUPPORTED, "%s", err.text);
        ck_assert_ptr_null(index);
        return false;
    }
    ck_assert_uint_ne(touch(index) + 1, 0);
    ck_assert_int_eq(po_layout_init(&layout, index, &err), PO_OK);
    for (uint32_t i = 0; i < index->frame_count; i++)
        (void)po_layout_continued(&layout, i);
    po_layout_deinit(&layout);
    po_index_free(index);
    return true;
}

START_TEST(every_other_byte_anywhere_is_refused_or_harmless)
{
    struct help_random random = help_random_begin("index bytes", (uint64_t)_i);
    struct sample s;
    unsigned accepted = 0;
    unsigned refused = 0;

    make_sample(&s, &random, 7);
    for (size_t at = 0; at < s.bytes.size; at++) {
        uint8_t old = s.bytes.bytes[at];

        for (unsigned value = 0; value < 256; value++) {
            s.bytes.bytes[at] = (uint8_t)value;
            if (load_and_touch(s.bytes.bytes, s.bytes.size))
                accepted++;
            else
                refused++;
        }
        s.bytes.bytes[at] = old;
    }
    printf("index: %zu bytes, %u changes refused, %u accepted\n", s.bytes.size, refused, accepted);
    ck_assert(refused > 0 && accepted >= s.bytes.size);
    free_sample(&s);
}
END_TEST

/* spec-test: INDEX-2 */
START_TEST(every_cut_and_every_byte_more_is_refused)
{
    struct help_random random = help_random_begin("index cuts", 0);
    struct sample s;

    make_sample(&s, &random, 30);
    for (size_t size = 0; size < s.bytes.size; size++)
        ck_assert(!load_and_touch(s.bytes.bytes, size));
    po_buf_put_u8(&s.bytes, 0);
    ck_assert(!load_and_touch(s.bytes.bytes, s.bytes.size));
    free_sample(&s);
}
END_TEST

START_TEST(random_damage_never_breaks_the_reader)
{
    struct help_random random = help_random_begin("index damage", (uint64_t)_i);
    unsigned refused = 0;

    for (int sample = 0; sample < 40; sample++) {
        struct sample s;

        make_sample(&s, &random, 1 + help_random_size(&random, 40));
        for (int round = 0; round < 400; round++) {
            uint8_t *copy = malloc(s.bytes.size);

            ck_assert_ptr_nonnull(copy);
            memcpy(copy, s.bytes.bytes, s.bytes.size);
            for (uint64_t i = help_random_below(&random, 4); i < 4; i++)
                copy[help_random_below(&random, s.bytes.size)] ^=
                    (uint8_t)(1u << help_random_below(&random, 8));
            refused += load_and_touch(copy, s.bytes.size) ? 0 : 1;
            free(copy);
        }
        free_sample(&s);
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

/* Where the header's counts stand, and how wide they are. */
static const struct {
    size_t at;
    size_t width;
} counts[] = { { 32, 8 }, { 40, 8 }, { 48, 4 }, { 52, 4 }, { 56, 8 },
               { 64, 8 }, { 72, 4 }, { 76, 4 }, { 80, 8 }, { 88, 8 } };

/* spec-test: INDEX-2, READ-1 */
START_TEST(hostile_counts_are_refused)
{
    static const uint64_t values[] = {
        1,         0x7FFFFFFF, 0xFFFFFFFF, 0x100000000,         134217728,
        134217729, INT64_MAX,  UINT64_MAX, UINT64_MAX / 79 + 1, UINT64_MAX - 127
    };
    static const uint8_t zeros[64];
    uint8_t bytes[PO_INDEX_HEADER_SIZE] = "pobindex\1";

    ck_assert(load_and_touch(bytes, sizeof bytes));
    for (size_t field = 0; field < HELP_COUNT(counts); field++)
        for (size_t other = 0; other < HELP_COUNT(counts); other++)
            for (size_t i = 0; i < HELP_COUNT(values); i++) {
                uint64_t value = values[i];

                for (size_t k = 0; k < counts[field].width; k++)
                    bytes[counts[field].at + k] = (uint8_t)(value >> (8 * k));
                /* The other count makes up for it, modulo 2^64. */
                value = 0 - value;
                for (size_t k = 0; other != field && k < counts[other].width; k++)
                    bytes[counts[other].at + k] = (uint8_t)(value >> (8 * k));
                if (memcmp(bytes + 32, zeros, sizeof zeros) != 0) /* four bytes may hold less */
                    ck_assert_msg(!load_and_touch(bytes, sizeof bytes), "fields at %zu and %zu",
                                  counts[field].at, counts[other].at);
                memset(bytes + 32, 0, sizeof zeros);
            }
}
END_TEST

/* spec-test: INDEX-1 */
START_TEST(a_newer_index_is_unsupported_and_a_broken_one_damaged)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum po_status expected;
    } cases[] = {
        { 0, 'q', PO_E_FORMAT },     { 8, 2, PO_E_UNSUPPORTED },  { 8, 0, PO_E_UNSUPPORTED },
        { 11, 1, PO_E_UNSUPPORTED }, { 12, 1, PO_E_UNSUPPORTED }, { 15, 0x80, PO_E_UNSUPPORTED },
        { 96, 1, PO_E_FORMAT },      { 127, 1, PO_E_FORMAT },
    };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        uint8_t bytes[PO_INDEX_HEADER_SIZE] = "pobindex\1";
        struct po_index *index = NULL;
        struct po_err err;

        bytes[cases[i].at] = cases[i].value;
        ck_assert_int_eq(load(&index, bytes, sizeof bytes, &err), cases[i].expected);
    }
}
END_TEST

/* spec-test: INDEX-1, INDEX-11 */
START_TEST(unknown_extensions_are_passed_over_unless_they_are_critical)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum po_status expected;
    } cases[] = {
        { "\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, PO_OK },
        { "\x09\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0abc", 19, PO_OK },
        { "\x09\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16, PO_E_UNSUPPORTED },
        { "\x09\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16, PO_E_FORMAT },
        { "\x09\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16, PO_E_FORMAT },
        { "\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15, PO_E_FORMAT },
        { "\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\1\0\0\0\0\2\0\0", 24, PO_OK },
        { "\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\1\0\0\0\0\2\0", 23, PO_E_FORMAT },
        { "\x01\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\1\0\0\0\0\2\0\0\1\0\0\0\0\2\0\0", 32, PO_E_FORMAT },
        { "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32, PO_E_FORMAT },
    };

    for (size_t i = 0; i < HELP_COUNT(cases); i++) {
        uint8_t bytes[PO_INDEX_HEADER_SIZE + 32] = "pobindex\1";
        struct po_index *index = NULL;
        struct po_err err;

        bytes[88] = (uint8_t)cases[i].size;
        memcpy(bytes + PO_INDEX_HEADER_SIZE, cases[i].bytes, cases[i].size);
        ck_assert_msg(load(&index, bytes, PO_INDEX_HEADER_SIZE + cases[i].size, &err) ==
                          cases[i].expected,
                      "case %zu", i);
        po_index_free(index);
    }
}
END_TEST

START_TEST(descriptors_that_are_too_short_are_no_owner)
{
    static const uint8_t whole[] = {
        2, 0xA4, 1, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 1, 'u', 2, 'g', 'h'
    };
    struct po_posix_owner owner;

    for (size_t size = 0; size < sizeof whole; size++)
        ck_assert(!po_posix_owner_parse(&owner, whole, size));
    ck_assert(po_posix_owner_parse(&owner, whole, sizeof whole));
    ck_assert_uint_eq(owner.mode, 0x1A4);
    ck_assert_uint_eq(owner.uid, 5);
    ck_assert_uint_eq(owner.gid, 6);
    ck_assert(owner.user_size == 1 && owner.user[0] == 'u');
    ck_assert(owner.group_size == 2 && owner.group[1] == 'h');
}
END_TEST

/* ---- layout ---- */

START_TEST(the_layout_finds_each_entry_at_its_place_and_none_elsewhere)
{
    struct help_random random = help_random_begin("layout", (uint64_t)_i);
    struct sample s;
    struct po_index *index = NULL;
    struct po_layout layout;
    struct po_err err;
    uint32_t found = 0;

    make_sample(&s, &random, 200);
    ck_assert_int_eq(load(&index, s.bytes.bytes, s.bytes.size, &err), PO_OK);
    ck_assert_int_eq(po_layout_init(&layout, index, &err), PO_OK);
    for (uint32_t frame = 0; frame < index->frame_count; frame++) {
        uint32_t first;
        uint32_t count;
        uint32_t here = 0;

        po_layout_frame(&layout, frame, &first, &count);
        for (uint32_t offset = 0; offset < BLOCKS_A_FRAME * 512; offset += 256) {
            uint32_t expected = PO_NONE;

            for (uint32_t i = 0; i < index->count; i++)
                if (po_index_source(index, i) == 0 && po_index_frame(index, i) == frame &&
                    po_index_offset(index, i) == offset)
                    expected = i;
            ck_assert_uint_eq(po_layout_at(&layout, frame, offset), expected);
            if (expected != PO_NONE) {
                ck_assert_uint_eq(layout.entries[first + here], expected);
                here++;
            }
        }
        ck_assert_uint_eq(count, here);
        found += here;
    }
    ck_assert_uint_eq(layout.count, found);
    po_layout_deinit(&layout);
    po_index_free(index);
    free_sample(&s);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("index");
    TCase *tc = tcase_create("index");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, any_list_survives_the_round_trip_and_the_later_of_two_wins, 0, 10);
    tcase_add_test(tc, a_path_that_is_not_there_is_not_found_and_has_its_place);
    tcase_add_test(tc, equal_descriptors_are_stored_once);
    tcase_add_test(tc, an_empty_descriptor_is_one_too);
    tcase_add_test(tc, paths_that_no_archive_may_hold_are_not_added);
    tcase_add_loop_test(tc, every_other_byte_anywhere_is_refused_or_harmless, 0, 1);
    tcase_add_test(tc, every_cut_and_every_byte_more_is_refused);
    tcase_add_loop_test(tc, random_damage_never_breaks_the_reader, 0, 2);
    tcase_add_test(tc, hostile_counts_are_refused);
    tcase_add_test(tc, a_newer_index_is_unsupported_and_a_broken_one_damaged);
    tcase_add_test(tc, unknown_extensions_are_passed_over_unless_they_are_critical);
    tcase_add_test(tc, descriptors_that_are_too_short_are_no_owner);
    tcase_add_loop_test(tc, the_layout_finds_each_entry_at_its_place_and_none_elsewhere, 0, 4);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
