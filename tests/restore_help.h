/*
 * restore_help.h - what the tests of target, extract and restore share: a directory for each test,
 * archives made in memory from a list of items, and pictures of a tree to compare. Everything here
 * asserts that it works.
 */
#ifndef PO_TESTS_RESTORE_HELP_H
#define PO_TESTS_RESTORE_HELP_H

#include "archive/reader.h"
#include "base/buf.h"
#include "base/text.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pobackup.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RIG_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RIG_TIME INT64_C(17639784001234567) /* 2025-11-24, with 100 ns steps that matter */
#define RIG_FRAME (64u << 10)               /* the smallest: files span frames soon */

/* ---- the test's directory ---- */

static char rig_top[64];
static const char *rig_base = "/tmp"; /* where it is made */

static inline const char *
rig_at(const char *path)
{
    static char names[8][PATH_MAX];
    static unsigned next;
    char *name = names[next++ % RIG_COUNT(names)];

    ck_assert_int_lt(
        snprintf(name, sizeof names[0], "%s%s%s", rig_top, *path == '\0' ? "" : "/", path),
        (int)sizeof names[0]);
    return name;
}

static inline int
rig_remove_node(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void
rig_enter(void)
{
    (void)snprintf(rig_top, sizeof rig_top, "%s/pobackup-test-XXXXXX", rig_base);
    ck_assert_ptr_nonnull(mkdtemp(rig_top));
    (void)umask(022);
}

static inline void
rig_leave(void)
{
    (void)nftw(rig_top, rig_remove_node, 32, FTW_DEPTH | FTW_PHYS);
}

static inline void
rig_directory(const char *path)
{
    char text[PATH_MAX];

    (void)snprintf(text, sizeof text, "%s", rig_at(path));
    for (char *p = text + strlen(rig_top) + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        (void)mkdir(text, 0755);
        *p = '/';
    }
    ck_assert(mkdir(text, 0755) == 0 || access(text, F_OK) == 0);
}

/* Parents are made. */
static inline void
rig_write_bytes(const char *path, const void *bytes, size_t size)
{
    char parent[PATH_MAX];
    FILE *file;

    (void)snprintf(parent, sizeof parent, "%s", path);
    if (strrchr(parent, '/') != NULL) {
        *strrchr(parent, '/') = '\0';
        rig_directory(parent);
    }
    file = fopen(rig_at(path), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void
rig_write(const char *path, const char *text)
{
    rig_write_bytes(path, text, strlen(text));
}

static inline bool
rig_exists(const char *path)
{
    struct stat info;

    return lstat(rig_at(path), &info) == 0;
}

static inline struct stat
rig_stat(const char *path)
{
    struct stat info;

    ck_assert_msg(lstat(rig_at(path), &info) == 0, "%s is not there", path);
    return info;
}

/* The file's content as a string; it lives until the eighth next call. */
static inline const char *
rig_read(const char *path)
{
    static char texts[8][512];
    static unsigned next;
    char *text = texts[next++ % RIG_COUNT(texts)];
    FILE *file = fopen(rig_at(path), "rb");

    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    text[fread(text, 1, sizeof texts[0] - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static inline int64_t
rig_time(const char *path)
{
    struct stat info = rig_stat(path);

    return (int64_t)info.st_mtim.tv_sec * 10000000 + info.st_mtim.tv_nsec / 100;
}

static inline void
rig_set_time(const char *path, int64_t time)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time / 10000000 } };

    times[1].tv_nsec = (long)(time % 10000000) * 100;
    ck_assert_int_eq(utimensat(AT_FDCWD, rig_at(path), times, AT_SYMLINK_NOFOLLOW), 0);
}

/*
 * Mounts an empty volume at a directory, for this test's process alone (Check gives each test one
 * of its own); false, and said, when that is not allowed here.
 */
static inline bool
rig_mount(const char *path, const char *options)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("none", rig_at(path), "tmpfs", 0, options) == 0)
        return true;
    printf("skipped: no volume of our own\n");
    return false;
}

/* ---- pictures: a line for each node, sorted; times in 100 ns, as the program keeps them ---- */

static inline uint64_t
rig_hash_file(const char *os_path)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    FILE *file = fopen(os_path, "rb");
    int c;

    ck_assert_msg(file != NULL, "%s cannot be opened", os_path);
    while ((c = getc(file)) != EOF)
        hash = (hash ^ (uint64_t)c) * UINT64_C(1099511628211);
    (void)fclose(file);
    return hash;
}

static inline void
rig_picture_node(struct po_buf *out, const char *os_path, const char *name, bool with_times)
{
    char target[PATH_MAX];
    struct stat info;
    ssize_t size;

    ck_assert_int_eq(lstat(os_path, &info), 0);
    po_buf_printf(out, "%s %o %u:%u", name, info.st_mode, info.st_uid, info.st_gid);
    if (with_times)
        po_buf_printf(out, " %lld.%07ld", (long long)info.st_mtim.tv_sec,
                      info.st_mtim.tv_nsec / 100);
    if (S_ISREG(info.st_mode)) {
        po_buf_printf(out, " %lld %llx", (long long)info.st_size,
                      (unsigned long long)rig_hash_file(os_path));
    } else if (S_ISLNK(info.st_mode)) {
        size = readlink(os_path, target, sizeof target);
        ck_assert_int_ge(size, 0);
        po_buf_put_text(out, " -> ");
        po_buf_put(out, target, (size_t)size);
    }
    po_buf_put_text(out, "\n");
}

/* All below os_path but what `skip` says; names begin with `name`. */
static inline void
rig_picture_below(struct po_buf *out, const char *os_path, const char *name, const char *skip,
                  bool with_times)
{
    struct dirent **entries = NULL;
    int count = scandir(os_path, &entries, NULL, alphasort);

    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++) {
        const char *child = entries[i]->d_name;
        char child_path[2 * PATH_MAX];
        char child_name[2 * PATH_MAX];
        struct stat info;

        (void)snprintf(child_path, sizeof child_path, "%s/%s", os_path, child);
        (void)snprintf(child_name, sizeof child_name, "%s/%s", name, child);
        if (strcmp(child, ".") != 0 && strcmp(child, "..") != 0 &&
            (skip == NULL || strcmp(child_path, skip) != 0)) {
            rig_picture_node(out, child_path, child_name, with_times);
            ck_assert_int_eq(lstat(child_path, &info), 0);
            if (S_ISDIR(info.st_mode))
                rig_picture_below(out, child_path, child_name, skip, with_times);
        }
        free(entries[i]);
    }
    free(entries);
}

/* To be freed. The directory itself has the name ".". */
static inline char *
rig_picture(const char *path, const char *skip, bool with_times)
{
    struct po_buf out = { 0 };
    char os_path[PATH_MAX];
    char skip_path[PATH_MAX] = "";
    char *text;

    (void)snprintf(os_path, sizeof os_path, "%s", rig_at(path));
    if (skip != NULL)
        (void)snprintf(skip_path, sizeof skip_path, "%s", rig_at(skip));
    rig_picture_node(&out, os_path, ".", with_times);
    rig_picture_below(&out, os_path, ".", skip_path, with_times);
    text = strdup(po_buf_text(&out));
    ck_assert_ptr_nonnull(text);
    po_buf_deinit(&out);
    return text;
}

/* ---- archives ---- */

struct rig_item {
    const char *path;
    enum pobackup_type type; /* 0 = file */
    const char *text;        /* content, or link target */
    size_t size;             /* of a file without text: made-up bytes of this size */
    uint32_t mode;           /* 0 = 0644, directories 0755 */
    int64_t time;            /* 0 = RIG_TIME */
    uint32_t uid;
    uint32_t gid;
};

struct rig_archive {
    struct po_buf bytes;
    struct po_reader *reader;
    const volatile int *fail_reads; /* not NULL and not 0: reading the archive fails */
};

static inline enum po_status
rig_sink(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *buf = ctx;

    po_buf_put(buf, bytes, size);
    return po_buf_check(buf, err);
}

static inline enum po_status
rig_read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct rig_archive *archive = ctx;

    if (archive->fail_reads != NULL && *archive->fail_reads != 0)
        return po_fail(err, PO_E_IO, "the disk is gone");
    if (offset + size > archive->bytes.size)
        return po_fail(err, PO_E_IO, "a read beyond the end");
    memcpy(bytes, archive->bytes.bytes + offset, size);
    return PO_OK;
}

/* Bytes that no compressor makes smaller, from a number. */
static inline uint8_t
rig_byte(uint64_t seed, uint64_t at)
{
    uint64_t x = (seed * 0x9E3779B97F4A7C15u) ^ (at * 0xD1342543DE82EF95u);

    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return (uint8_t)(x >> 32);
}

static inline uint64_t
rig_seed_of(const char *path)
{
    uint64_t seed = 5381;

    for (; *path != '\0'; path++)
        seed = seed * 33 + (unsigned char)*path;
    return seed;
}

struct rig_content {
    const struct rig_item *item;
    size_t done;
    size_t size;
};

static inline enum po_status
rig_give(void *ctx, void *bytes, size_t size, size_t *got, struct po_err *err)
{
    struct rig_content *content = ctx;
    size_t left = content->size - content->done;

    (void)err;
    *got = size < left ? size : left;
    for (size_t i = 0; i < *got; i++, content->done++)
        ((uint8_t *)bytes)[i] = content->item->text != NULL
                                    ? (uint8_t)content->item->text[content->done]
                                    : rig_byte(rig_seed_of(content->item->path), content->done);
    return PO_OK;
}

static inline void
rig_add(struct pobackup_writer *writer, const struct rig_item *item)
{
    enum pobackup_type type = item->type == 0 ? POBACKUP_FILE : item->type;
    struct rig_content content = { .item = item, .size = item->size };
    struct pobackup_entry entry = { .path = item->path,
                                    .path_size = strlen(item->path),
                                    .type = type,
                                    .write_time = item->time == 0 ? RIG_TIME : item->time,
                                    .create_time = POBACKUP_TIME_UNKNOWN,
                                    .change_time = POBACKUP_TIME_UNKNOWN,
                                    .mode = item->mode,
                                    .uid = item->uid,
                                    .gid = item->gid };
    struct po_err err;

    if (entry.mode == 0)
        entry.mode = type == POBACKUP_DIRECTORY ? 0755 : 0644;
    if (type == POBACKUP_SYMLINK || type == POBACKUP_HARDLINK) {
        entry.link = item->text;
        entry.link_size = strlen(item->text);
    } else if (type == POBACKUP_FILE) {
        if (item->text != NULL)
            content.size = strlen(item->text);
        entry.size = content.size;
    }
    ck_assert_msg(pobackup_writer_add(writer, &entry, rig_give, &content, &err) == PO_OK, "%s: %s",
                  item->path, err.text);
}

static inline void
rig_open(struct rig_archive *archive)
{
    struct pobackup_blob blob = { archive, archive->bytes.size, rig_read_at };
    struct po_err err;

    ck_assert_msg(po_reader_open(&archive->reader, &blob, &err) == PO_OK, "%s", err.text);
}

static inline void
rig_make(struct rig_archive *archive, const struct rig_item *items, size_t count)
{
    struct pobackup_sink sink = { &archive->bytes, rig_sink };
    struct pobackup_writer_options options = {
        .level = 1, .frame_size = RIG_FRAME, .no_frame_check = 1, .archive_id = { 7 }
    };
    struct pobackup_writer *writer = NULL;
    struct po_err err;

    *archive = (struct rig_archive){ 0 };
    sink.ctx = &archive->bytes;
    ck_assert_int_eq(pobackup_writer_open(&writer, &sink, &options, &err), PO_OK);
    for (size_t i = 0; i < count; i++)
        rig_add(writer, &items[i]);
    ck_assert_msg(pobackup_writer_commit(writer, NULL, &err) == PO_OK, "%s", err.text);
    pobackup_writer_free(writer);
    rig_open(archive);
}

static inline void
rig_close(struct rig_archive *archive)
{
    po_reader_free(archive->reader);
    po_buf_deinit(&archive->bytes);
}

static inline uint32_t
rig_entry(const struct rig_archive *archive, const char *path)
{
    uint32_t entry = po_index_find(archive->reader->index, path, strlen(path));

    ck_assert_msg(entry != PO_NONE, "%s is not in the archive", path);
    return entry;
}

/* The made-up content of an item stands in the file. */
static inline void
rig_assert_made_up(const char *file, const char *item_path, size_t size)
{
    uint64_t seed = rig_seed_of(item_path);
    FILE *stream = fopen(rig_at(file), "rb");

    ck_assert_msg(stream != NULL, "%s cannot be opened", file);
    /* Check notes each assertion that it passes: one for each byte would take its time. */
    for (size_t i = 0; i < size; i++)
        if (getc(stream) != rig_byte(seed, i))
            ck_abort_msg("%s is another at %zu", file, i);
    ck_assert_int_eq(getc(stream), EOF);
    (void)fclose(stream);
}

/* Damages the frame's compressed bytes in memory. */
static inline void
rig_damage_frame(struct rig_archive *archive, uint32_t frame)
{
    uint64_t middle =
        archive->reader->offsets[frame] + archive->reader->seeks[frame].compressed_size / 2;

    archive->bytes.bytes[middle] ^= 0x55;
}

#endif
