/*
 * restore_help.h - what the tests of target, extract and restore share: a directory for each test,
 * archives made in memory from a list of items, and pictures of a tree to compare. Everything here
 * asserts that it works.
 */
#ifndef PO_TESTS_RESTORE_HELP_H
#define PO_TESTS_RESTORE_HELP_H

#include "archive/reader.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "os_help.h"

#include <pobackup.h>
#include <time.h>

#if OS_HAS_POSIX
#include <sched.h>
#include <sys/mount.h>
#endif

#define RIG_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RIG_TIME INT64_C(17639784001234567) /* 2025-11-24, with 100 ns steps that matter */
#define RIG_FRAME (64u << 10)               /* the smallest: files span frames soon */
#define RIG_PATH_MAX 4096
#define RIG_HOST "old-host-of-the-tests" /* on which archives were made */

/* One value of one name, so that nothing of the old one survives the new one. */
#define RIG_REGISTRY(who)                                                                          \
    "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\n\"who\"=\"" who "\"\n"
#define RIG_OLD_REGISTRY RIG_REGISTRY("old")
#define RIG_NEW_REGISTRY RIG_REGISTRY("new")

/* ---- the test's directory ---- */

static char rig_top[OS_PATH_SIZE];

static inline const char *
rig_at(const char *path)
{
    static char names[8][RIG_PATH_MAX];
    static unsigned next;
    char *name = names[next++ % RIG_COUNT(names)];

    ck_assert_int_lt(
        snprintf(name, sizeof names[0], "%s%s%s", rig_top, *path == '\0' ? "" : "/", path),
        (int)sizeof names[0]);
    return name;
}

static inline void
rig_enter(void)
{
    os_temp_make(rig_top, "restore");
#if OS_HAS_POSIX
    (void)umask(022);
#endif
}

/* Where a volume is mounted, or "". */
static char rig_mounted[RIG_PATH_MAX];

static inline void
rig_leave(void)
{
#if OS_HAS_POSIX
    if (rig_mounted[0] != '\0')
        ck_assert_int_eq(umount2(rig_mounted, MNT_DETACH), 0);
    rig_mounted[0] = '\0';
#endif
    os_temp_remove(rig_top);
}

static inline void
rig_directory(const char *path)
{
    struct po_dir *dir = NULL;
    struct po_err err;

    ck_assert_msg(po_dir_open(&dir, rig_top, &err) == PO_OK, "%s", err.text);
    ck_assert_msg(po_dir_make_all(dir, path, strlen(path), &err) == PO_OK, "%s", err.text);
    po_dir_free(dir);
}

/* Parents are made. */
static inline void
rig_write_bytes(const char *path, const void *bytes, size_t size)
{
    char parent[RIG_PATH_MAX];

    (void)snprintf(parent, sizeof parent, "%s", path);
    if (strrchr(parent, '/') != NULL) {
        *strrchr(parent, '/') = '\0';
        rig_directory(parent);
    }
    os_write(rig_at(path), bytes, size);
}

static inline void
rig_write(const char *path, const char *text)
{
    rig_write_bytes(path, text, strlen(text));
}

static inline bool
rig_exists(const char *path)
{
    return os_exists(rig_at(path));
}

static inline struct po_node_info
rig_stat(const char *path)
{
    return os_stat(rig_at(path));
}

static inline void
rig_assert_mode(const char *path, uint32_t mode)
{
    os_assert_mode(rig_at(path), mode);
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
    return rig_stat(path).write_time;
}

static inline void
rig_set_time(const char *path, int64_t time)
{
    os_set_time(rig_at(path), time);
}

/*
 * Mounts an empty volume at a directory, for this test's process alone (Check gives each test one
 * of its own); false, and said, when that is not allowed here.
 */
#if OS_HAS_POSIX
static inline bool
rig_mount(const char *path, const char *options)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("none", rig_at(path), "tmpfs", 0, options) == 0) {
        (void)snprintf(rig_mounted, sizeof rig_mounted, "%s", rig_at(path));
        return true;
    }
    printf("skipped: no volume of our own\n");
    return false;
}
#endif

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
rig_picture_node(struct po_buf *out, struct po_dir *dir, const char *os_path, const char *file,
                 const char *name, bool with_times)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    char *target = NULL;
    size_t size = 0;
    struct po_err err;

    ck_assert_msg(po_dir_stat(dir, file, strlen(file), &info, &exists, &err) == PO_OK && exists,
                  "%s", os_path);
    po_buf_printf(out, "%s %d %o %u:%u", name, (int)info.type, info.mode, info.uid, info.gid);
    if (with_times)
        po_buf_printf(out, " %lld", (long long)info.write_time);
    if (info.type == PO_NODE_FILE) {
        po_buf_printf(out, " %llu %llx", (unsigned long long)info.size,
                      (unsigned long long)rig_hash_file(os_path));
    } else if (info.type == PO_NODE_SYMLINK) {
        ck_assert_int_eq(po_dir_read_link(dir, file, strlen(file), &target, &size, &err), PO_OK);
        po_buf_put_text(out, " -> ");
        po_buf_put(out, target, size);
        po_mem_free(target);
    }
    po_buf_put_text(out, "\n");
}

struct rig_names {
    char *names[512];
    size_t count;
};

static inline enum po_status
rig_add_name(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
             const struct po_err *failure, struct po_err *err)
{
    struct rig_names *list = ctx;

    (void)name_size;
    (void)info;
    (void)err;
    ck_assert_ptr_null(failure);
    ck_assert_uint_lt(list->count, RIG_COUNT(list->names));
    list->names[list->count] = po_mem_strdup(name);
    ck_assert_ptr_nonnull(list->names[list->count++]);
    return PO_OK;
}

static inline int
rig_compare_names(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* All below os_path but what `skip` says; names begin with `name`. */
static inline void
rig_picture_below(struct po_buf *out, const char *os_path, const char *name, const char *skip,
                  bool with_times)
{
    struct po_dir *dir = NULL;
    struct rig_names list = { .count = 0 };
    struct po_err err;

    ck_assert_msg(po_dir_open(&dir, os_path, &err) == PO_OK, "%s", err.text);
    ck_assert_int_eq(po_dir_list(dir, "", 0, rig_add_name, &list, &err), PO_OK);
    qsort(list.names, list.count, sizeof list.names[0], rig_compare_names);
    for (size_t i = 0; i < list.count; i++) {
        const char *child = list.names[i];
        char child_path[2 * RIG_PATH_MAX];
        char child_name[2 * RIG_PATH_MAX];

        (void)snprintf(child_path, sizeof child_path, "%s/%s", os_path, child);
        (void)snprintf(child_name, sizeof child_name, "%s/%s", name, child);
        if (skip == NULL || strcmp(child_path, skip) != 0) {
            rig_picture_node(out, dir, child_path, child, child_name, with_times);
            if (os_stat(child_path).type == PO_NODE_DIRECTORY)
                rig_picture_below(out, child_path, child_name, skip, with_times);
        }
        po_mem_free(list.names[i]);
    }
    po_dir_free(dir);
}

/* To be freed. The directory itself has the name ".". */
static inline char *
rig_picture(const char *path, const char *skip, bool with_times)
{
    struct po_buf out = { 0 };
    struct po_dir *dir = NULL;
    char os_path[RIG_PATH_MAX];
    char skip_path[RIG_PATH_MAX] = "";
    char *text;
    struct po_err err;

    (void)snprintf(os_path, sizeof os_path, "%s", rig_at(path));
    if (skip != NULL)
        (void)snprintf(skip_path, sizeof skip_path, "%s", rig_at(skip));
    ck_assert_msg(po_dir_open(&dir, os_path, &err) == PO_OK, "%s", err.text);
    rig_picture_node(&out, dir, os_path, "", ".", with_times);
    po_dir_free(dir);
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
    uint64_t unread_offset;         /* a place that cannot be read */
    uint64_t unread_size;           /* 0 = there is none */
    uint64_t *bytes_read;           /* not NULL: counts them */
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

    if (archive->bytes_read != NULL)
        *archive->bytes_read += size;
    if (archive->fail_reads != NULL && *archive->fail_reads != 0)
        return po_fail(err, PO_E_IO, "the disk is gone");
    if (offset < archive->unread_offset + archive->unread_size &&
        offset + size > archive->unread_offset)
        return po_fail(err, PO_E_IO, "a bad sector");
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

static int64_t rig_created; /* when archives say that they were made */

static inline void
rig_make(struct rig_archive *archive, const struct rig_item *items, size_t count)
{
    struct pobackup_sink sink = { &archive->bytes, rig_sink };
    struct pobackup_writer_options options = { .level = 1,
                                               .frame_size = RIG_FRAME,
                                               .no_frame_check = 1,
                                               .archive_id = { 7 },
                                               .host = RIG_HOST,
                                               .created = rig_created };
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
