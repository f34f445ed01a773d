#include "site_help.h"

#include "base/mem.h"
#include "engine/extract.h"
#include "engine/verify.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"

/* ---- directory ---- */

static char directory[OS_PATH_SIZE];

void
help_enter(void)
{
    os_temp_make(directory, "site");
    /* For tests that are another user for a moment. */
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_int_eq(chdir(directory), 0);
}

void
help_leave(void)
{
    os_temp_remove(directory);
}

const char *
help_directory(void)
{
    return directory;
}

void
help_must(enum po_status st, const struct po_err *err)
{
    if (st != PO_OK)
        ck_abort_msg("%s: %s", po_status_name(st), err->text);
}

static struct po_dir *
open_directory(const char *path)
{
    struct po_dir *dir = NULL;
    struct po_err err;

    help_must(po_dir_open(&dir, path, &err), &err);
    return dir;
}

void
help_make_directory(const char *path)
{
    struct po_dir *dir = open_directory(directory);
    struct po_err err;

    help_must(po_dir_make_all(dir, path, strlen(path), &err), &err);
    po_dir_free(dir);
}

static struct po_file *
create(struct po_dir *dir, const char *path)
{
    size_t dir_size;
    size_t name_start;
    struct po_file *file = NULL;
    struct po_err err;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    if (dir_size > 0)
        help_must(po_dir_make_all(dir, path, dir_size, &err), &err);
    help_must(po_file_open(&file, dir, path, strlen(path), PO_FILE_REPLACE, 0644, &err), &err);
    return file;
}

void
help_write(const char *path, const void *bytes, size_t size)
{
    struct po_dir *dir = open_directory(directory);
    struct po_file *file = create(dir, path);
    struct po_err err;

    help_must(po_file_write(file, bytes, size, &err), &err);
    help_must(po_file_close(file, &err), &err);
    po_dir_free(dir);
}

void
help_write_text(const char *path, const char *text)
{
    help_write(path, text, strlen(text));
}

void
help_write_random(const char *path, size_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size + 4);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < size; i += 4) {
        uint32_t value = help_random(&seed);

        memcpy(bytes + i, &value, sizeof value);
    }
    help_write(path, bytes, size);
    free(bytes);
}

void
help_write_sparse(const char *path, uint64_t size)
{
    struct po_dir *dir = open_directory(directory);
    struct po_file *file = create(dir, path);
    struct po_err err;

    help_must(po_file_set_size(file, size, &err), &err);
    help_must(po_file_close(file, &err), &err);
    po_dir_free(dir);
}

bool
help_is_there(const char *path)
{
    return os_exists(path);
}

uint32_t
help_random(uint64_t *state)
{
    /* SplitMix64. */
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)(z >> 32);
}

uint64_t
help_seed(void)
{
    const char *given = getenv("POBACKUP_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)po_sys_now();

    printf("seed: POBACKUP_TEST_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    return seed;
}

/* ---- host ---- */

static struct help_host *
host_of(struct po_host *host)
{
    return (struct help_host *)host;
}

/* Counts a call; false when it is to fail. */
static bool
begin_call(struct help_host *host, const char *call, struct po_err *err)
{
    if (host->hook != NULL)
        host->hook(host->ctx, call);
    if (++host->calls != host->fail_call)
        return true;
    (void)po_fail(err, PO_E_IO, "made to fail");
    return false;
}

static void
put_log(struct help_host *host, const char *verb, size_t number)
{
    size_t used = strlen(host->log);

    (void)snprintf(host->log + used, sizeof host->log - used, "%s %s;", verb,
                   host->services[number].name);
}

static void
host_free(struct po_host *host)
{
    (void)host;
}

static enum po_status
host_check_admin(struct po_host *host, struct po_buf *note, struct po_err *err)
{
    (void)note;
    return host_of(host)->refuses == NULL ? PO_OK
                                          : po_fail(err, PO_E_IO, "%s", host_of(host)->refuses);
}

static const char *
host_place(struct po_host *host, enum po_part part)
{
    return host_of(host)->place[part][0] == '\0' ? NULL : host_of(host)->place[part];
}

static size_t
host_service_count(struct po_host *host)
{
    return host_of(host)->service_count;
}

static const struct po_service *
host_service(struct po_host *host, size_t number)
{
    return &host_of(host)->services[number];
}

static enum po_status
host_service_state(struct po_host *host, size_t number, enum po_service_state *state,
                   struct po_err *err)
{
    if (!begin_call(host_of(host), "state", err))
        return err->status;
    if (host_of(host)->stops_late[number] > 0 && host_of(host)->is_stopping[number] &&
        --host_of(host)->stops_late[number] == 0)
        host_of(host)->states[number] = PO_SERVICE_STOPPED;
    *state =
        host_of(host)->cannot_tell[number] ? PO_SERVICE_UNKNOWN : host_of(host)->states[number];
    return PO_OK;
}

static enum po_status
host_service_stop(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    put_log(host_of(host), "stop", number);
    host_of(host)->last_timeout_s = timeout_s;
    if (!begin_call(host_of(host), "stop", err)) {
        /* The worst case: it said no, and stopped all the same. */
        host_of(host)->states[number] = PO_SERVICE_STOPPED;
        return err->status;
    }
    host_of(host)->is_stopping[number] = true;
    if (host_of(host)->never_stops[number] || host_of(host)->stops_late[number] > 0)
        return po_fail(err, PO_E_IO, "it does not stop");
    host_of(host)->states[number] = PO_SERVICE_STOPPED;
    return PO_OK;
}

static enum po_status
host_service_start(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    put_log(host_of(host), "start", number);
    host_of(host)->last_timeout_s = timeout_s;
    if (!begin_call(host_of(host), "start", err))
        return err->status;
    if (host_of(host)->never_starts[number])
        return po_fail(err, PO_E_IO, "it does not start");
    host_of(host)->states[number] = PO_SERVICE_RUNNING;
    return PO_OK;
}

static enum po_status
host_registry_export(struct po_host *host, struct po_buf *out, int64_t *write_time,
                     struct po_err *err)
{
    if (!begin_call(host_of(host), "export", err))
        return err->status;
    if (host_of(host)->registry == NULL)
        return po_fail(err, PO_E_IO, "no such key");
    po_buf_put_text(out, host_of(host)->registry);
    *write_time = INT64_C(17000000000000001);
    return po_buf_check(out, err);
}

static enum po_status
host_registry_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
                     enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    (void)host;
    (void)bytes;
    (void)size;
    (void)write_time;
    (void)how;
    (void)former;
    return po_fail(err, PO_E_IO, "a backup imports nothing");
}

static const struct po_host_ops host_ops = {
    .kind = "test",
    .free = host_free,
    .place = host_place,
    .service_count = host_service_count,
    .service = host_service,
    .check_admin = host_check_admin,
    .service_state = host_service_state,
    .service_stop = host_service_stop,
    .service_start = host_service_start,
    .registry_export = host_registry_export,
    .registry_import = host_registry_import,
};

static const enum po_service_state first_states[HELP_SERVICES] = { [HELP_MTA] = PO_SERVICE_RUNNING,
                                                                   [HELP_PUF] = PO_SERVICE_RUNNING,
                                                                   [HELP_WEB] =
                                                                       PO_SERVICE_STOPPED };

void
help_host_init(struct help_host *host)
{
    static const char *const names[HELP_SERVICES] = { "mta", "puf", "web" };

    *host = (struct help_host){ .host = { .ops = &host_ops }, .service_count = HELP_SERVICES };
    for (int part = 0; part < PO_PART_COUNT; part++)
        (void)snprintf(host->place[part], sizeof host->place[part], "%s/%s", directory,
                       po_part_member((enum po_part)part));
    for (int i = 0; i < HELP_SERVICES; i++) {
        host->services[i].name = names[i];
        host->states[i] = first_states[i];
    }
    host->registry = "Windows Registry Editor Version 5.00\r\n\r\n"
                     "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n"
                     "\"V\"=\"1\"\r\n";
}

void
help_assert_services(const struct help_host *host)
{
    for (size_t i = 0; i < host->service_count; i++)
        ck_assert_msg(host->states[i] == first_states[i], "%s is %s; asked for: %s",
                      host->services[i].name, po_service_state_name(host->states[i]), host->log);
}

void
help_make_site(void)
{
    help_write_text(BIN "/post.office", "program");
    help_write_random(BIN "/library", 200000, 1);
    help_write_text(SPOOL "/config", "a = b\n");
    help_write_text(SPOOL "/queue/0001-Control", "control");
    help_write_text(SPOOL "/queue/empty", "");
    help_make_directory(SPOOL "/log");
    for (int i = 0; i < 20; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, BOX "/%02d/user/message", i % 5);
        (void)snprintf(path + strlen(path), sizeof path - strlen(path), "-%d", i);
        help_write_random(path, (size_t)i * 700, (uint64_t)i);
    }
    help_write_text(BOX "/\xE5\x8F\x97\xE4\xBF\xA1\xE7\xAE\xB1", "UTF-8");
    if (OS_HAS_POSIX) {
        help_write_text(BOX "/\xFF\xFE", "not UTF-8");
        help_write_text(BOX "/a\nb", "newline");
        ck_assert_int_eq(symlink("config", SPOOL "/link"), 0);
        ck_assert_int_eq(symlink("/nowhere/at all", SPOOL "/dangling"), 0);
    }
    ck_assert_int_eq(link(BIN "/library", BIN "/other-name"), 0);
}

/* ---- sink ---- */

static enum po_status
sink_write(struct po_store_sink *base, const void *bytes, size_t size, struct po_err *err)
{
    struct help_sink *sink = (struct help_sink *)base;

    sink->writes++;
    if (sink->hook != NULL)
        sink->hook(sink->ctx, sink->writes);
    if (sink->writes == sink->fail_write)
        return po_fail(err, PO_E_IO, "the sink was made to fail");
    sink->size += size;
    if (sink->is_forgetful)
        return PO_OK;
    po_buf_put(&sink->bytes, bytes, size);
    return po_buf_check(&sink->bytes, err);
}

static enum po_status
sink_read(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct help_sink *sink = ctx;

    (void)err;
    ck_assert_uint_le(offset + size, sink->bytes.size);
    memcpy(bytes, sink->bytes.bytes + offset, size);
    return PO_OK;
}

static enum po_status
sink_read_back(struct po_store_sink *base, struct pobackup_blob *blob, struct po_err *err)
{
    struct help_sink *sink = (struct help_sink *)base;

    (void)err;
    *blob = (struct pobackup_blob){ .ctx = sink, .size = sink->bytes.size, .read_at = sink_read };
    return PO_OK;
}

static enum po_status
sink_commit(struct po_store_sink *base, struct po_err *err)
{
    struct help_sink *sink = (struct help_sink *)base;

    if (sink->fail_commit)
        return po_fail(err, PO_E_IO, "the commit was made to fail");
    sink->is_committed = true;
    return PO_OK;
}

static void
sink_free(struct po_store_sink *base)
{
    (void)base;
}

static const struct po_store_sink_ops sink_ops = {
    .write = sink_write, .read_back = sink_read_back, .commit = sink_commit, .free = sink_free
};

void
help_sink_init(struct help_sink *sink)
{
    *sink = (struct help_sink){ .sink = { .ops = &sink_ops } };
}

void
help_sink_deinit(struct help_sink *sink)
{
    po_buf_deinit(&sink->bytes);
}

/* ---- archive ---- */

static enum po_status
blob_read(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct help_archive *archive = ctx;

    (void)err;
    ck_assert_uint_le(offset + size, archive->size);
    memcpy(bytes, archive->bytes + offset, size);
    return PO_OK;
}

enum po_status
help_try_open(struct help_archive *archive, const void *bytes, size_t size, struct po_err *err)
{
    struct pobackup_blob blob = { .ctx = archive, .size = size, .read_at = blob_read };
    enum po_status st;

    *archive = (struct help_archive){ .bytes = bytes, .size = size };
    st = pobackup_open(&archive->archive, &blob, err);
    if (st == PO_OK)
        help_must(po_reader_open(&archive->reader, &blob, err), err);
    return st;
}

void
help_open(struct help_archive *archive, const void *bytes, size_t size)
{
    struct po_err err;

    help_must(help_try_open(archive, bytes, size, &err), &err);
}

void
help_close(struct help_archive *archive)
{
    pobackup_close(archive->archive);
    po_reader_free(archive->reader);
}

void
help_assert_whole(const struct help_archive *archive)
{
    struct po_verify_result result;
    struct po_err err = { 0 };

    help_must(pobackup_verify(archive->archive, 1, NULL, NULL, &err), &err);
    help_must(po_engine_verify(archive->reader, true, 2, NULL, &result, &err), &err);
    ck_assert_uint_eq(result.hits.count, 0);
    ck_assert_uint_eq(result.frames, archive->reader->index->frame_count);
    ck_assert(!result.is_registry_bad);
    po_verify_result_deinit(&result);
}

uint64_t
help_entry(const struct help_archive *archive, const char *path, struct pobackup_entry *entry)
{
    int64_t number = pobackup_entry_find(archive->archive, path, strlen(path));
    struct po_err err;

    ck_assert_msg(number >= 0, "%s: not in the archive", path);
    help_must(pobackup_entry_at(archive->archive, (uint64_t)number, entry, &err), &err);
    return (uint64_t)number;
}

bool
help_has(const struct help_archive *archive, const char *path)
{
    return pobackup_entry_find(archive->archive, path, strlen(path)) >= 0;
}

void
help_assert_content(const struct help_archive *archive, const char *path, const void *bytes,
                    size_t size)
{
    struct pobackup_entry entry;
    uint64_t number = help_entry(archive, path, &entry);
    uint8_t *content = malloc(size + 1);
    size_t got = 0;
    struct po_err err;

    ck_assert_ptr_nonnull(content);
    ck_assert_msg(entry.size == size, "%s: %llu bytes, not %zu", path,
                  (unsigned long long)entry.size, size);
    help_must(pobackup_read(archive->archive, number, 0, content, size + 1, &got, &err), &err);
    ck_assert_uint_eq(got, size);
    ck_assert_msg(memcmp(content, bytes, size) == 0, "%s: another content", path);
    free(content);
}

/* ---- comparing with a tree ---- */

#define PATH_SIZE 5000

struct comparison {
    const struct help_archive *archive;
    struct po_dir *dir;
    const char *member;
    const char *path; /* of the tree; the others stand beside it */
    const char *const *except;
    struct po_buf *queue; /* directories to be counted: size, then path */
    const char *parent;
    size_t parent_size;
    uint64_t nodes;
};

static bool
is_excepted(const struct comparison *comparison, const char *path, size_t path_size)
{
    for (size_t i = 0; comparison->except != NULL && comparison->except[i] != NULL; i++)
        if (strlen(comparison->except[i]) == path_size &&
            memcmp(comparison->except[i], path, path_size) == 0)
            return true;
    return false;
}

static void
read_content(const struct help_archive *archive, uint64_t number, uint8_t *to, size_t size,
             size_t *got)
{
    struct po_buf content = { 0 };
    struct po_err err;

    if (archive->joined == NULL) {
        help_must(pobackup_read(archive->archive, number, 0, to, size + 1, got, &err), &err);
        return;
    }
    help_must(po_cat_to_buf(archive->joined, (uint32_t)number, &content, &err), &err);
    *got = content.size;
    if (content.size > 0)
        memcpy(to, content.bytes, content.size < size ? content.size : size);
    po_buf_deinit(&content);
}

static void
compare_content(const struct comparison *comparison, uint64_t number,
                const struct pobackup_entry *entry, const char *path, size_t path_size)
{
    struct po_file *file = NULL;
    uint8_t *there = malloc((size_t)entry->size + 1);
    uint8_t *here = malloc((size_t)entry->size + 1);
    size_t got = 0;
    struct po_err err;

    ck_assert_ptr_nonnull(there);
    ck_assert_ptr_nonnull(here);
    help_must(po_file_open(&file, comparison->dir, path, path_size, PO_FILE_READ, 0, &err), &err);
    help_must(po_file_read_at(file, 0, there, (size_t)entry->size + 1, &got, &err), &err);
    po_file_free(file);
    ck_assert_uint_eq(got, entry->size);
    read_content(comparison->archive, number, here, (size_t)entry->size, &got);
    ck_assert_uint_eq(got, entry->size);
    ck_assert_msg(memcmp(here, there, got) == 0, "%.200s: another content", path);
    free(here);
    free(there);
}

static void
compare_link(const struct comparison *comparison, const struct pobackup_entry *entry,
             const struct po_node_info *info, const char *path, size_t path_size)
{
    size_t member_size = strlen(comparison->member);
    struct po_err err;

    if (entry->type == POBACKUP_HARDLINK) {
        bool is_same_tree = entry->link_size > member_size &&
                            memcmp(entry->link, comparison->member, member_size) == 0;
        char other_path[PATH_SIZE];
        struct po_node_info other;
        bool exists;

        (void)snprintf(other_path, sizeof other_path, "%s%s%.*s", comparison->path,
                       is_same_tree ? "" : "/../",
                       (int)(entry->link_size - (is_same_tree ? member_size : 0)),
                       entry->link + (is_same_tree ? member_size : 0));
        help_must(po_os_stat(other_path, &other, &exists, &err), &err);
        ck_assert_msg(exists && other.file_id == info->file_id, "%s", other_path);
    } else {
        char *target = NULL;
        size_t size = 0;

        help_must(po_dir_read_link(comparison->dir, path, path_size, &target, &size, &err), &err);
        ck_assert(size == entry->link_size && memcmp(target, entry->link, size) == 0);
        po_mem_free(target);
    }
}

static void
compare_entry(const struct comparison *comparison, uint64_t number,
              const struct pobackup_entry *entry, const char *path, size_t path_size)
{
    static const enum pobackup_type types[] = { [PO_NODE_FILE] = POBACKUP_FILE,
                                                [PO_NODE_DIRECTORY] = POBACKUP_DIRECTORY,
                                                [PO_NODE_SYMLINK] = POBACKUP_SYMLINK };
    struct po_node_info info;
    bool exists = false;
    struct po_err err;

    help_must(po_dir_stat(comparison->dir, path, path_size, &info, &exists, &err), &err);
    ck_assert_msg(exists, "%.200s: in the archive, not in the tree", path);
    ck_assert_msg(entry->type == POBACKUP_HARDLINK ? info.type == PO_NODE_FILE
                                                   : types[info.type] == entry->type,
                  "%.200s: type %d", path, (int)entry->type);
    ck_assert_int_eq(entry->write_time, info.write_time);
    ck_assert_uint_eq(entry->mode, info.mode);
    if (entry->link != NULL)
        compare_link(comparison, entry, &info, path, path_size);
    if (entry->type == POBACKUP_FILE)
        compare_content(comparison, number, entry, path, path_size);
}

static enum po_status
count_node(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct comparison *comparison = ctx;
    struct po_buf path = { 0 };

    (void)err;
    ck_assert_ptr_null(failure);
    po_buf_put_text(&path, comparison->member);
    po_buf_put_u8(&path, '/');
    if (comparison->parent_size > 0) {
        po_buf_put(&path, comparison->parent, comparison->parent_size);
        po_buf_put_u8(&path, '/');
    }
    po_buf_put(&path, name, name_size);
    if (!is_excepted(comparison, (const char *)path.bytes, path.size)) {
        comparison->nodes++;
        if (info->type == PO_NODE_DIRECTORY) {
            size_t size = path.size - strlen(comparison->member) - 1;

            po_buf_put_u32le(comparison->queue, (uint32_t)size);
            po_buf_put(comparison->queue, path.bytes + path.size - size, size);
        }
    }
    po_buf_deinit(&path);
    return PO_OK;
}

/* All nodes below the root, breadth first. */
static void
count_nodes(struct comparison *comparison)
{
    struct po_buf queue = { 0 };
    struct po_err err;
    size_t at = 0;

    comparison->queue = &queue;
    help_must(po_dir_list(comparison->dir, "", 0, count_node, comparison, &err), &err);
    while (at < queue.size) {
        uint32_t size = (uint32_t)queue.bytes[at] | (uint32_t)queue.bytes[at + 1] << 8 |
                        (uint32_t)queue.bytes[at + 2] << 16;
        char *path = malloc(size + 1);

        ck_assert_ptr_nonnull(path);
        memcpy(path, queue.bytes + at + 4, size);
        path[size] = '\0';
        at += 4 + size;
        comparison->parent = path;
        comparison->parent_size = size;
        help_must(po_dir_list(comparison->dir, path, size, count_node, comparison, &err), &err);
        free(path);
    }
    po_buf_deinit(&queue);
}

uint64_t
help_assert_entries(const struct help_archive *archive, const char *member, const char *path,
                    const char *const *except)
{
    struct comparison comparison = { .archive = archive,
                                     .dir = open_directory(path),
                                     .member = member,
                                     .path = path,
                                     .except = except };
    size_t member_size = strlen(member);
    uint64_t count = pobackup_entry_count(archive->archive);
    uint64_t found = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct pobackup_entry entry;
        struct po_err err;

        help_must(pobackup_entry_at(archive->archive, i, &entry, &err), &err);
        if (entry.path_size <= member_size || entry.path[member_size] != '/' ||
            memcmp(entry.path, member, member_size) != 0 ||
            is_excepted(&comparison, entry.path, entry.path_size))
            continue;
        found++;
        compare_entry(&comparison, i, &entry, entry.path + member_size + 1,
                      entry.path_size - member_size - 1);
    }
    po_dir_free(comparison.dir);
    return found;
}

void
help_assert_tree(const struct help_archive *archive, const char *member, const char *path,
                 const char *const *except)
{
    struct comparison comparison = { .archive = archive,
                                     .dir = open_directory(path),
                                     .member = member,
                                     .path = path,
                                     .except = except };
    uint64_t found = help_assert_entries(archive, member, path, except);

    count_nodes(&comparison);
    ck_assert_msg(found == comparison.nodes, "%s: %llu entries for %llu nodes", member,
                  (unsigned long long)found, (unsigned long long)comparison.nodes);
    po_dir_free(comparison.dir);
}

void
help_assert_site(const struct help_archive *archive, const struct help_host *host)
{
    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++)
        help_assert_tree(archive, po_part_member((enum po_part)part), host->place[part], NULL);
    help_assert_content(archive, REG, host->registry, strlen(host->registry));
}

bool
help_problems_have(const struct po_problems *problems, const char *path, const char *reason)
{
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].path_size == strlen(path) &&
            memcmp(problems->items[i].path, path, strlen(path)) == 0 &&
            strstr(problems->items[i].reason, reason) != NULL)
            return true;
    return false;
}
