#include "archive_help.h"

#include "base/text.h"
#include "keep_archives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- numbers ---- */

/* splitmix64: any seed will do, and consecutive ones have nothing in common. */
uint64_t
help_random_next(struct help_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

struct help_random
help_random_begin(const char *test, uint64_t number)
{
    const char *given = getenv("POBACKUP_TEST_SEED");
    struct help_random random = { .state = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid() };
    uint64_t seed;

    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    } else {
        seed = help_random_next(&random) >> 1;
    }
    printf("%s: POBACKUP_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    fflush(stdout);
    random.state = seed + number;
    random.state = help_random_next(&random);
    return random;
}

uint64_t
help_random_below(struct help_random *random, uint64_t below)
{
    return help_random_next(random) % below;
}

size_t
help_random_size(struct help_random *random, size_t below)
{
    return (size_t)help_random_below(random, below);
}

void
help_random_fill(struct help_random *random, void *bytes, size_t size)
{
    uint8_t *to = bytes;

    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)help_random_next(random);
}

/* Letters that no normalisation changes. */
static const char *const letters[] = { "\xC3\xA4",     "\xC3\x9F",     "\xD0\x96",
                                       "\xE6\x97\xA5", "\xE6\x9C\xAC", "\xF0\x9F\x93\xA7" };

static void
put_letters(struct help_random *random, char *path, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *letter = letters[help_random_below(random, HELP_COUNT(letters))];
        size_t length = strlen(letter);

        if (length <= size - at && help_random_below(random, 3) == 0) {
            memcpy(path + at, letter, length);
            at += length;
        } else {
            path[at++] = (char)('a' + help_random_below(random, 26));
        }
    }
}

char *
help_path(struct help_random *random, enum help_alphabet alphabet, size_t size)
{
    char *path = malloc(size + 1);

    ck_assert(path != NULL && size > 0);
    if (alphabet == HELP_UTF8)
        put_letters(random, path, size);
    for (size_t i = 0; i < size && alphabet != HELP_UTF8; i++)
        path[i] = alphabet == HELP_PORTABLE ? (char)('a' + help_random_below(random, 26))
                                            : (char)(1 + help_random_below(random, 255));
    if (alphabet == HELP_BYTES)
        path[help_random_below(random, size)] = (char)0xFF;
    path[size] = 0;
    for (size_t i = 1; i + 1 < size; i++)
        if (path[i] >= 'a' && path[i] <= 'z' && path[i - 1] != '/' &&
            help_random_below(random, 12) == 0)
            path[i] = '/';
    for (size_t i = 0; i < size; i++)
        if (path[i] == '/' && (i == 0 || i + 1 == size || path[i - 1] == '/'))
            path[i] = 'x';
    return path;
}

/* ---- an archive in memory ---- */

static enum po_status
count_call(struct help_memory *memory, struct po_err *err)
{
    if (++memory->calls != memory->fail_at)
        return PO_OK;
    err->status = PO_E_IO;
    err->os_code = 0;
    (void)snprintf(err->text, sizeof err->text, "call %lu is made to fail", memory->calls);
    return PO_E_IO;
}

static enum po_status
read_shared(void *ctx, uint64_t offset, void *to, size_t size, struct po_err *err)
{
    const struct help_memory *memory = ctx;

    (void)err;
    ck_assert(offset <= memory->size && size <= memory->size - offset);
    memcpy(to, memory->bytes + offset, size);
    return PO_OK;
}

struct pobackup_blob
help_shared_blob(struct help_memory *memory)
{
    return (struct pobackup_blob){ .ctx = memory, .size = memory->size, .read_at = read_shared };
}

void
help_memory_reserve(struct help_memory *memory, size_t more)
{
    if (memory->capacity - memory->size >= more)
        return;
    memory->capacity = 2 * memory->capacity + more;
    memory->bytes = realloc(memory->bytes, memory->capacity);
    ck_assert_ptr_nonnull(memory->bytes);
}

void
help_memory_put(struct help_memory *memory, const void *bytes, size_t size)
{
    help_memory_reserve(memory, size);
    if (size > 0)
        memcpy(memory->bytes + memory->size, bytes, size);
    memory->size += size;
}

static enum po_status
write_memory(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct help_memory *memory = ctx;
    enum po_status st = count_call(memory, err);

    if (st == PO_OK)
        help_memory_put(memory, bytes, size);
    return st;
}

static enum po_status
read_memory(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    struct help_memory *memory = ctx;
    enum po_status st = count_call(memory, err);

    if (st != PO_OK)
        return st;
    /* pobackup.h: it is never asked beyond the size. No test expects this failure. */
    if (offset > memory->size || size > memory->size - offset) {
        (void)snprintf(err->text, sizeof err->text, "asked beyond the archive's size");
        return err->status = PO_E_USAGE;
    }
    if (size > 0)
        memcpy(bytes, memory->bytes + offset, size);
    return PO_OK;
}

struct pobackup_sink
help_sink(struct help_memory *memory)
{
    return (struct pobackup_sink){ .ctx = memory, .write = write_memory };
}

struct pobackup_blob
help_blob(struct help_memory *memory)
{
    return (struct pobackup_blob){ .ctx = memory, .size = memory->size, .read_at = read_memory };
}

void
help_memory_free(struct help_memory *memory)
{
    free(memory->bytes);
    *memory = (struct help_memory){ 0 };
}

/* ---- a set of entries ---- */

static char *
copy(const void *bytes, size_t size)
{
    char *to = malloc(size + 1);

    ck_assert_ptr_nonnull(to);
    if (size > 0)
        memcpy(to, bytes, size);
    to[size] = 0;
    return to;
}

static int64_t
random_time(struct help_random *random)
{
    switch (help_random_below(random, 5)) {
    case 0:
        return (int64_t)help_random_below(random, 2000000000) * 10000000;
    case 1:
        return -(int64_t)help_random_below(random, UINT64_C(20000000000000000));
    case 2:
        return (INT64_C(1) << 33) * 10000000 + (int64_t)help_random_below(random, 3) - 1;
    case 3:
        return INT64_MAX - (int64_t)help_random_below(random, 3);
    default:
        return (int64_t)help_random_below(random, UINT64_C(20000000000000000));
    }
}

void
help_set_add(struct help_set *set, struct help_random *random, enum pobackup_type type,
             const char *path, size_t path_size, const char *link, const void *content,
             size_t content_size)
{
    struct pobackup_entry *entry;

    set->entries = realloc(set->entries, (set->count + 1) * sizeof *set->entries);
    set->contents = realloc(set->contents, (set->count + 1) * sizeof *set->contents);
    ck_assert(set->entries != NULL && set->contents != NULL);
    set->contents[set->count] = (uint8_t *)copy(content, content_size);
    entry = &set->entries[set->count++];
    *entry = (struct pobackup_entry){
        .path = copy(path, path_size),
        .path_size = path_size,
        .type = type,
        .size = content_size,
        .write_time = random_time(random),
        .create_time = help_random_below(random, 2) == 0 ? POBACKUP_TIME_UNKNOWN : 5,
        .change_time = random_time(random),
        .file_id = help_random_next(random),
        .attributes = (uint32_t)help_random_next(random),
        .mode = (uint32_t)(1 + help_random_below(random, 07777)),
        .uid = (uint32_t)(help_random_next(random) >> help_random_below(random, 64)),
        .gid = (uint32_t)(help_random_next(random) >> help_random_below(random, 64))
    };
    if (link != NULL) {
        entry->link = copy(link, strlen(link));
        entry->link_size = strlen(link);
    }
}

int
help_set_find(const struct help_set *set, const char *path, size_t path_size)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].path_size == path_size &&
            memcmp(set->entries[i].path, path, path_size) == 0)
            return (int)i;
    return -1;
}

static size_t
random_path_size(struct help_random *random)
{
    static const size_t edges[] = { 1, 99, 100, 101, 155, 156, 157, 254, 255, 256, 257, 258 };

    return help_random_below(random, 3) == 0 ? edges[help_random_below(random, HELP_COUNT(edges))]
                                             : 1 + help_random_size(random, 300);
}

static const struct pobackup_entry *
random_file(const struct help_set *set, struct help_random *random)
{
    for (int tries = 0; tries < 20 && set->count > 0; tries++) {
        const struct pobackup_entry *entry = &set->entries[help_random_below(random, set->count)];

        if (entry->type == POBACKUP_FILE)
            return entry;
    }
    return NULL;
}

static void
add_random_file(struct help_set *set, struct help_random *random, const char *path,
                size_t path_size, size_t content_max)
{
    size_t size = help_random_below(random, 4) == 0 ? 0 : help_random_size(random, content_max);
    uint8_t *content = malloc(size + 1);

    ck_assert_ptr_nonnull(content);
    if (help_random_below(random, 2) == 0)
        help_random_fill(random, content, size);
    else
        memset(content, (int)help_random_below(random, 256), size);
    help_set_add(set, random, POBACKUP_FILE, path, path_size, NULL, content, size);
    free(content);
}

void
help_set_make(struct help_set *set, struct help_random *random, size_t count, size_t content_max)
{
    while (set->count < count) {
        enum help_alphabet alphabet = (enum help_alphabet)help_random_below(random, 3);
        size_t path_size = random_path_size(random);
        char *path = help_path(random, alphabet, path_size);
        const struct pobackup_entry *target = random_file(set, random);
        uint64_t kind = help_random_below(random, 8);

        if (help_set_find(set, path, path_size) >= 0)
            kind = 9;
        if (kind == 0)
            help_set_add(set, random, POBACKUP_DIRECTORY, path, path_size, NULL, NULL, 0);
        else if (kind == 1)
            help_set_add(set, random, POBACKUP_SYMLINK, path, path_size, "../somewhere", NULL, 0);
        else if (kind == 2 && target != NULL)
            help_set_add(set, random, POBACKUP_HARDLINK, path, path_size, target->path, NULL, 0);
        else if (kind < 8)
            add_random_file(set, random, path, path_size, content_max);
        free(path);
    }
}

/* The entries' strings are const for the library's sake; these came from the heap. */
static void
free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

void
help_set_free(struct help_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free_text(set->entries[i].path);
        free_text(set->entries[i].link);
        free(set->contents[i]);
    }
    free(set->entries);
    free(set->contents);
    *set = (struct help_set){ 0 };
}

struct content {
    const uint8_t *bytes;
    size_t left;
};

static enum po_status
read_content(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    struct content *content = ctx;

    (void)err;
    /* In pieces, as a file may come. */
    *got = size < content->left ? size : content->left;
    *got = *got > 50000 ? 50000 : *got;
    memcpy(bytes, content->bytes, *got);
    content->bytes += *got;
    content->left -= *got;
    return PO_OK;
}

enum po_status
help_set_write(const struct help_set *set, struct help_memory *memory,
               const struct pobackup_writer_options *options, uint8_t digest[POBACKUP_DIGEST_SIZE],
               struct po_err *err)
{
    struct pobackup_sink sink = help_sink(memory);
    struct pobackup_writer *writer = NULL;
    size_t start = memory->size;
    enum po_status st = pobackup_writer_open(&writer, &sink, options, err);

    for (size_t i = 0; i < set->count && st == PO_OK; i++) {
        struct content content = { .bytes = set->contents[i],
                                   .left = (size_t)set->entries[i].size };

        st = pobackup_writer_add(writer, &set->entries[i], read_content, &content, err);
    }
    if (st == PO_OK)
        st = pobackup_writer_commit(writer, digest, err);
    pobackup_writer_free(writer);
    if (st == PO_OK && start == 0)
        keep_archive(memory->bytes, memory->size);
    return st;
}

/* ---- the rest ---- */

enum po_status
help_check(struct help_memory *memory, int deep, pobackup_hit_fn hit, void *ctx, struct po_err *err)
{
    struct pobackup_blob blob = help_blob(memory);
    struct pobackup_archive *archive = NULL;
    enum po_status st = pobackup_open(&archive, &blob, err);

    if (st == PO_OK)
        st = pobackup_verify(archive, deep, hit, ctx, err);
    pobackup_close(archive);
    return st;
}

int
help_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
