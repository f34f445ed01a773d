/* Listing a site's trees, and reading their small files ahead. */
#include "archive/hash.h"
#include "os_help.h"
#include "port/thread.h"
#include "site_help.h"
#include "source/readahead.h"
#include "source/walk.h"

#if OS_HAS_POSIX
#include <dirent.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY 65534u

static struct po_entry_list list;
static struct po_walk walk;
static struct po_problems problems;
static struct po_dir *root;
static void (*problem_hook)(const char *path, size_t path_size);

static enum po_status
note_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *err)
{
    (void)ctx;
    if (problem_hook != NULL)
        problem_hook(path, path_size);
    return po_problems_add(&problems, path, path_size, reason, err);
}

static void
setup(void)
{
    struct po_err err;

    help_enter();
    help_make_directory("tree");
    help_must(po_dir_open(&root, "tree", &err), &err);
    walk = (struct po_walk){ .list = &list, .problem = note_problem };
}

static void
teardown(void)
{
    po_dir_free(root);
    root = NULL;
    po_walk_deinit(&walk);
    po_entry_list_deinit(&list);
    po_problems_deinit(&problems);
    problem_hook = NULL;
    help_leave();
}

static void
walk_tree(void)
{
    struct po_err err;

    help_must(po_walk_tree(&walk, root, "T", &err), &err);
}

static const struct po_entry *
find_bytes(const char *path, size_t path_size)
{
    const struct po_entry *found = NULL;

    for (size_t i = 0; i < list.count; i++) {
        const struct po_entry *entry = &list.entries[i];

        if (entry->path_size == path_size &&
            memcmp(po_entry_path(&list, entry), path, path_size) == 0) {
            ck_assert_msg(found == NULL, "%.200s: twice", path);
            found = entry;
        }
    }
    return found;
}

static const struct po_entry *
find(const char *path)
{
    const struct po_entry *entry = find_bytes(path, strlen(path));

    ck_assert_msg(entry != NULL, "%.200s: not found", path);
    return entry;
}

static bool
is_listed(const char *path)
{
    return find_bytes(path, strlen(path)) != NULL;
}

/* ---- walk ---- */

START_TEST(a_tree_is_listed_with_all_its_nodes_and_parents_come_first)
{
    size_t last_depth = 0;

    help_write_text("tree/a/b/file", "12345");
    help_write_text("tree/top", "");
    help_make_directory("tree/empty");
    walk_tree();
    ck_assert_uint_eq(list.count, 6);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_int_eq(find("T")->type, POBACKUP_DIRECTORY);
    ck_assert_int_eq(find("T/a")->type, POBACKUP_DIRECTORY);
    ck_assert_int_eq(find("T/a/b")->type, POBACKUP_DIRECTORY);
    ck_assert_int_eq(find("T/empty")->type, POBACKUP_DIRECTORY);
    ck_assert_uint_eq(find("T/empty")->size, 0);
    ck_assert_int_eq(find("T/top")->type, POBACKUP_FILE);
    ck_assert_uint_eq(find("T/a/b/file")->size, 5);
    for (size_t i = 0; i < list.count; i++) {
        const struct po_entry *entry = &list.entries[i];
        size_t depth = 0;

        ck_assert_int_eq(entry->state, PO_ENTRY_PLANNED);
        for (uint32_t k = 0; k < entry->path_size; k++)
            depth += po_entry_path(&list, entry)[k] == '/' ? 1 : 0;
        ck_assert_uint_ge(depth, last_depth);
        last_depth = depth;
    }
}
END_TEST

START_TEST(an_empty_tree_is_its_root)
{
    walk_tree();
    ck_assert_uint_eq(list.count, 1);
    ck_assert_int_eq(find("T")->type, POBACKUP_DIRECTORY);
}
END_TEST

START_TEST(what_the_system_says_of_a_file_is_kept)
{
    const int64_t time = INT64_C(-50000000) + 1234567;
    struct po_posix_owner owner;
    struct po_node_info info;
    size_t size;
    const uint8_t *bytes;

    help_write_text("tree/f", "abc");
    ck_assert_int_eq(chmod("tree/f", 04711), 0);
    os_set_time("tree/f", time);
    info = os_stat("tree/f");
    walk_tree();
    ck_assert_int_eq(find("T/f")->write_time, time);
    ck_assert_uint_eq(find("T/f")->file_id, info.file_id);
    ck_assert_uint_ne(find("T/f")->security, 0);
    bytes = po_rows_at(&list.securities, find("T/f")->security - 1, &size);
    ck_assert_int_eq(po_posix_owner_parse(&owner, bytes, size), OS_HAS_POSIX);
    if (OS_HAS_POSIX) {
        ck_assert_uint_eq(owner.mode, 04711);
        ck_assert_uint_eq(owner.uid, info.uid);
        ck_assert_uint_eq(owner.gid, info.gid);
    } else {
        ck_assert_uint_eq(find("T/f")->attributes, info.attributes);
    }
}
END_TEST

START_TEST(names_are_kept_byte_for_byte)
{
    char longest[256];
    /* The first ones are names on Windows too. */
    static const char *const names[] = { "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
                                         "trailing ",
                                         "dots...",
                                         "-rf",
                                         "...",
                                         "a\nb",
                                         "\xFF\xFE\x80",
                                         "a\\b:c",
                                         "\x01\x7F",
                                         "*?[x]" };
    const size_t count = OS_CASE(COUNT(names), 5);

    memset(longest, 'n', 255);
    longest[255] = '\0';
    for (size_t i = 0; i < count; i++) {
        char path[512];

        (void)snprintf(path, sizeof path, "tree/%s/%s", names[i], longest);
        help_write_text(path, "x");
    }
    walk_tree();
    ck_assert_uint_eq(list.count, 1 + 2 * count);
    for (size_t i = 0; i < count; i++) {
        char path[512];

        (void)snprintf(path, sizeof path, "T/%s/%s", names[i], longest);
        ck_assert_int_eq(find(path)->type, POBACKUP_FILE);
    }
}
END_TEST

/* `levels` directories of 250 bytes, one in the other, then "/f". */
static size_t
make_deep(char *path, size_t levels)
{
    size_t size = levels * 251 + 1;
    struct po_file *file = NULL;
    struct po_err err;

    for (size_t i = 0; i < levels; i++) {
        memset(path + i * 251, 'd', 250);
        path[i * 251 + 250] = '/';
    }
    path[size - 1] = 'f';
    path[size] = '\0';
    help_must(po_dir_make_all(root, path, size - 2, &err), &err);
    help_must(po_file_open(&file, root, path, size, PO_FILE_CREATE, 0644, &err), &err);
    help_must(po_file_write(file, "deep", 4, &err), &err);
    help_must(po_file_close(file, &err), &err);
    return size;
}

START_TEST(a_path_longer_than_the_system_takes_in_one_piece_is_listed)
{
    char path[6000] = "T/";
    /* Windows takes 260 characters; under Wine 4096 bytes are the end of all. */
    const size_t levels = OS_CASE(20, 12);
    size_t size = make_deep(path + 2, levels);

    ck_assert_uint_gt(size, OS_CASE(4096 + 900, 260));
    walk_tree();
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_uint_eq(list.count, levels + 2);
    ck_assert_uint_eq(find(path)->size, 4);
}
END_TEST

START_TEST(a_path_longer_than_an_archive_can_hold_is_named_and_the_rest_goes_on) /* req: B8 */
{
    size_t levels = PO_PATH_MAX_SIZE / 251 + 2;
    char *path = calloc(levels + 1, 251);

    ck_assert_ptr_nonnull(path);
    help_write_text("tree/other", "x");
    make_deep(path, levels);
    walk_tree();
    ck_assert_uint_eq(problems.count, 1);
    ck_assert_uint_gt(problems.items[0].path_size, PO_PATH_MAX_SIZE);
    ck_assert_ptr_nonnull(strstr(problems.items[0].reason, "longer than an archive can hold"));
    ck_assert_uint_eq(find("T/other")->size, 1);
    free(path);
}
END_TEST

START_TEST(many_entries_in_one_directory_are_listed)
{
    const size_t count = OS_CASE(65000, 1000); /* Wine is slow at this */
    uint8_t *seen = calloc(count, 1);

    ck_assert_ptr_nonnull(seen);
    for (size_t i = 0; i < count; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "tree/%zu", i);
        os_write(path, "", 0);
    }
    walk_tree();
    ck_assert_uint_eq(list.count, count + 1);
    for (size_t i = 1; i < list.count; i++) {
        char name[16] = { 0 };

        ck_assert_uint_lt(list.entries[i].path_size, 10);
        memcpy(name, po_entry_path(&list, &list.entries[i]), list.entries[i].path_size);
        ck_assert_uint_eq(seen[strtoul(name + 2, NULL, 10)]++, 0);
    }
    free(seen);
}
END_TEST

START_TEST(symbolic_links_are_kept_and_never_followed)
{
    static const struct {
        const char *name;
        const char *target;
    } links[] = { { "out", "/etc" },
                  { "up", "../outside" },
                  { "dangling", "no where" },
                  { "self", "self" },
                  { "to-dir", "dir" } };

    help_write_text("outside/secret", "x");
    help_write_text("tree/dir/f", "x");
    for (size_t i = 0; i < COUNT(links); i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "tree/%s", links[i].name);
        ck_assert_int_eq(symlink(links[i].target, path), 0);
    }
    walk_tree();
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_uint_eq(list.count, 3 + COUNT(links));
    for (size_t i = 0; i < COUNT(links); i++) {
        char path[64];
        const struct po_entry *entry;
        const uint8_t *target;
        size_t size;

        (void)snprintf(path, sizeof path, "T/%s", links[i].name);
        entry = find(path);
        ck_assert_int_eq(entry->type, POBACKUP_SYMLINK);
        ck_assert_uint_eq(entry->size, 0);
        target = po_rows_at(&list.links, entry->link, &size);
        ck_assert_uint_eq(size, strlen(links[i].target));
        ck_assert_mem_eq(target, links[i].target, size);
    }
}
END_TEST

#if OS_HAS_POSIX
START_TEST(fifos_sockets_and_devices_are_named_as_problems) /* req: B8 */
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "tree/socket" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t expected = 2;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(mkfifo("tree/fifo", 0600), 0);
    if (mknod("tree/device", S_IFCHR | 0600, makedev(1, 3)) == 0) {
        expected++;
        ck_assert(!is_listed("T/device"));
    } else {
        printf("no right to make a device: left out\n");
    }
    help_write_text("tree/file", "x");
    walk_tree();
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(problems.count, expected);
    ck_assert(help_problems_have(&problems, "T/fifo", "a FIFO"));
    ck_assert(help_problems_have(&problems, "T/socket", "a socket"));
    ck_assert(expected == 2 || help_problems_have(&problems, "T/device", "a device"));
    ck_assert_uint_eq(list.count, 2);
    ck_assert(is_listed("T/file"));
}
END_TEST
#endif

START_TEST(an_unreadable_directory_is_named_and_its_siblings_are_listed) /* req: B8 */
{
    bool is_root = geteuid() == 0;

    help_write_text("tree/closed/f", "x");
    help_write_text("tree/open/f", "x");
    ck_assert_int_eq(chmod("tree/closed", 0), 0);
    /* To the superuser nothing is unreadable. */
    if (is_root)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    walk_tree();
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod("tree/closed", 0755), 0);
    ck_assert_uint_eq(problems.count, 1);
    ck_assert(help_problems_have(&problems, "T/closed", "Permission denied"));
    ck_assert_int_eq(find("T/closed")->type, POBACKUP_DIRECTORY);
    ck_assert(!is_listed("T/closed/f"));
    ck_assert(is_listed("T/open/f"));
}
END_TEST

/* Two directories, a FIFO in each: while the first is listed, the other one is taken away. */
static void
remove_the_other(const char *path, size_t path_size)
{
    bool is_first = path_size == 7 && memcmp(path, "T/a/v/p", 7) == 0;

    if (path_size != 7 || (!is_first && memcmp(path, "T/b/v/p", 7) != 0))
        return;
    ck_assert_int_eq(unlink(is_first ? "tree/b/v/p" : "tree/a/v/p"), 0);
    ck_assert_int_eq(rmdir(is_first ? "tree/b/v" : "tree/a/v"), 0);
}

START_TEST(
    a_directory_that_vanishes_before_it_is_listed_is_named_and_the_rest_goes_on) /* req: B8 */
{
    help_make_directory("tree/a/v");
    help_make_directory("tree/b/v");
    help_write_text("tree/c/d/e/f", "x");
    ck_assert_int_eq(mkfifo("tree/a/v/p", 0600), 0);
    ck_assert_int_eq(mkfifo("tree/b/v/p", 0600), 0);
    problem_hook = remove_the_other;
    walk_tree();
    ck_assert_uint_eq(problems.count, 2);
    ck_assert(help_problems_have(&problems, "T/a/v/p", "FIFO") !=
              help_problems_have(&problems, "T/b/v/p", "FIFO"));
    ck_assert(help_problems_have(&problems, "T/a/v", "No such file") !=
              help_problems_have(&problems, "T/b/v", "No such file"));
    ck_assert(is_listed("T/c/d/e/f"));
}
END_TEST

/* As above, but something else has the name by then. */
static void
replace_the_other(const char *path, size_t path_size)
{
    bool is_first = path_size == 7 && memcmp(path, "T/a/v/p", 7) == 0;

    if (path_size != 7)
        return;
    remove_the_other(path, path_size);
    ck_assert_int_eq(symlink("/etc", is_first ? "tree/b/v" : "tree/a/v"), 0);
}

START_TEST(a_directory_that_becomes_a_link_before_it_is_listed_is_not_followed)
{
    help_make_directory("tree/a/v");
    help_make_directory("tree/b/v");
    ck_assert_int_eq(mkfifo("tree/a/v/p", 0600), 0);
    ck_assert_int_eq(mkfifo("tree/b/v/p", 0600), 0);
    problem_hook = replace_the_other;
    walk_tree();
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_uint_eq(list.count, 5);
}
END_TEST

START_TEST(what_is_excluded_is_counted_and_nothing_below_it_is_listed)
{
    static const char *const globs[] = { "T/*.log", "T/cache", "T/**/tmp" };

    walk.excludes = globs;
    walk.exclude_count = COUNT(globs);
    help_write_text("tree/a.log", "x");
    help_write_text("tree/sub/b.log", "x");
    help_write_text("tree/cache/deep/x", "x");
    help_write_text("tree/sub/cache/x", "x");
    help_write_text("tree/sub/deep/tmp/x", "x");
    if (OS_HAS_POSIX)
        ck_assert_int_eq(mkfifo("tree/fifo.log", 0600), 0);
    walk_tree();
    /* a.log, cache, tmp, and the FIFO, which is then no problem. */
    ck_assert_uint_eq(walk.excluded, OS_CASE(4, 3));
    ck_assert_uint_eq(problems.count, 0);
    ck_assert(!is_listed("T/a.log") && !is_listed("T/cache") && !is_listed("T/cache/deep/x"));
    ck_assert(!is_listed("T/sub/deep/tmp") && !is_listed("T/sub/deep/tmp/x"));
    ck_assert(is_listed("T/sub/b.log") && is_listed("T/sub/cache/x") && is_listed("T/sub/deep"));
}
END_TEST

START_TEST(what_a_restore_left_in_a_tree_is_passed_over_and_names_like_it_are_not)
{
    help_write_text("tree/.pobackup-set-aside-20200101T000000Z/f", "x");
    help_write_text("tree/.pobackup-stage-20200101T000000Z-2/f", "x");
    help_write_text("tree/a/.pobackup-new-0000000a", "x");
    help_write_text("tree/.pobackup", "x");
    help_write_text("tree/.pobackup-mine", "x");
    help_write_text("tree/x.pobackup-new-1", "x");
    help_write_text("tree/.pobackup-stage-mail", "x");
    walk_tree();
    ck_assert_uint_eq(list.count, 6);
    ck_assert_uint_eq(walk.own, 3);
    ck_assert(is_listed("T/.pobackup-stage-mail"));
    ck_assert(is_listed("T/.pobackup") && is_listed("T/.pobackup-mine"));
    ck_assert(is_listed("T/x.pobackup-new-1") && is_listed("T/a"));
    ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(names_of_files_with_more_than_one_are_collected)
{
    unsigned names = 0;

    help_write_text("tree/one", "x");
    help_write_text("tree/a", "x");
    ck_assert_int_eq(link("tree/a", "tree/b"), 0);
    ck_assert_int_eq(link("tree/a", "outside"), 0);
    walk_tree();
    /* A listing on Windows does not tell how many names a file has: all of them are collected. */
    ck_assert_uint_eq(walk.link_count, OS_CASE(2, 3));
    for (size_t i = 0; i < walk.link_count; i++) {
        const struct po_entry *entry = &list.entries[walk.links[i].entry];

        ck_assert_uint_eq(walk.links[i].file_id, entry->file_id);
        ck_assert(entry == find("T/one") || entry->file_id == find("T/a")->file_id);
        names += entry == find("T/a") ? 1 : entry == find("T/b") ? 2 : 0;
    }
    ck_assert_uint_eq(names, 3);
}
END_TEST

static volatile int cancel;

static void
cancel_now(const char *path, size_t path_size)
{
    (void)path;
    (void)path_size;
    cancel = 1;
}

START_TEST(a_walk_can_be_cancelled_at_each_directory)
{
    struct po_err err = { 0 };

    cancel = 0;
    walk.cancel = &cancel;
    problem_hook = cancel_now;
    help_write_text("tree/a/b/c", "x");
    ck_assert_int_eq(mkfifo("tree/fifo", 0600), 0);
    ck_assert_int_eq(po_walk_tree(&walk, root, "T", &err), PO_E_CANCELLED);
    ck_assert(!is_listed("T/a/b"));
}
END_TEST

static enum po_status
refuse_problem(void *ctx, const char *path, size_t path_size, const char *reason,
               struct po_err *err)
{
    (void)ctx;
    (void)path;
    (void)path_size;
    (void)reason;
    return po_fail_nomem(err, 1);
}

START_TEST(a_problem_that_cannot_be_noted_ends_the_walk)
{
    struct po_err err = { 0 };

    walk.problem = refuse_problem;
    ck_assert_int_eq(mkfifo("tree/fifo", 0600), 0);
    ck_assert_int_eq(po_walk_tree(&walk, root, "T", &err), PO_E_NOMEM);
    ck_assert_int_eq(err.status, PO_E_NOMEM);
}
END_TEST

START_TEST(two_trees_go_into_one_list)
{
    struct po_dir *other = NULL;
    struct po_err err;

    help_write_text("tree/f", "x");
    help_write_text("other/f", "xy");
    walk_tree();
    help_must(po_dir_open(&other, "other", &err), &err);
    help_must(po_walk_tree(&walk, other, "U", &err), &err);
    po_dir_free(other);
    ck_assert_uint_eq(list.count, 4);
    ck_assert_uint_eq(find("T/f")->size, 1);
    ck_assert_uint_eq(find("U/f")->size, 2);
}
END_TEST

/* ---- readahead ---- */

static uint32_t *order;

/* Walks the tree; the order is that of the list. */
static void
plan_all(void)
{
    walk_tree();
    order = calloc(list.count, sizeof *order);
    ck_assert_ptr_nonnull(order);
    for (size_t i = 0; i < list.count; i++)
        order[i] = (uint32_t)i;
}

static void
teardown_readahead(void)
{
    free(order);
    order = NULL;
    teardown();
}

static bool
locate(void *ctx, const struct po_entry *entry, struct po_dir **dir, const char **path,
       size_t *path_size)
{
    (void)ctx;
    if (entry->path_size <= 2)
        return false;
    *dir = root;
    *path = po_entry_path(&list, entry) + 2;
    *path_size = entry->path_size - 2;
    return true;
}

static struct po_readahead *
start(unsigned threads)
{
    struct po_readahead *ahead = NULL;
    struct po_err err;

    help_must(
        po_readahead_new(&ahead, &list, order, (uint32_t)list.count, locate, NULL, threads, &err),
        &err);
    return ahead;
}

static const struct po_read_item *
next(struct po_readahead *ahead)
{
    const struct po_read_item *item = NULL;
    struct po_err err;

    help_must(po_readahead_next(ahead, &item, &err), &err);
    return item;
}

/* The item of this path; the others before it are passed over. The readahead must be freed after.
 */
static const struct po_read_item *
next_of(struct po_readahead *ahead, const char *path)
{
    const struct po_entry *entry = find(path);

    for (;;) {
        const struct po_read_item *item = next(ahead);

        ck_assert_ptr_nonnull(item);
        if (&list.entries[item->entry] == entry)
            return item;
    }
}

static void
assert_item_content(const struct po_read_item *item, const char *path)
{
    uint8_t hash[PO_HASH_SIZE];
    uint8_t *bytes = malloc(PO_SMALL_FILE_MAX + 1);
    FILE *file = fopen(path, "rb");
    size_t got;

    ck_assert_ptr_nonnull(bytes);
    ck_assert_msg(file != NULL, "%s", path);
    got = fread(bytes, 1, PO_SMALL_FILE_MAX + 1, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert(item->is_read && !item->is_failed);
    ck_assert_uint_eq(item->size, got);
    ck_assert_mem_eq(item->content, bytes, got);
    po_xxh3(bytes, got, hash);
    ck_assert_mem_eq(item->hash, hash, sizeof hash);
    free(bytes);
}

START_TEST(items_come_in_order_with_their_contents_whatever_the_number_of_threads)
{
    struct po_readahead *ahead;
    const struct po_read_item *item;
    size_t at = 0;
    uint64_t seed = 7;

    for (int i = 0; i < 400; i++) {
        char path[32];
        uint32_t kind = help_random(&seed) % 20;
        size_t size = kind == 0   ? 0
                      : kind == 1 ? PO_SMALL_FILE_MAX
                      : kind == 2 ? PO_SMALL_FILE_MAX + 1
                                  : help_random(&seed) % 20000;

        (void)snprintf(path, sizeof path, "tree/%d/%d", i % 7, i);
        help_write_random(path, size, (uint64_t)i);
    }
    if (OS_HAS_POSIX)
        ck_assert_int_eq(symlink("x", "tree/link"), 0);
    plan_all();
    ahead = start((unsigned)_i);
    while ((item = next(ahead)) != NULL) {
        const struct po_entry *entry = &list.entries[item->entry];
        char path[64];

        ck_assert_uint_eq(item->entry, order[at++]);
        (void)snprintf(path, sizeof path, "tree/%.*s",
                       entry->path_size < 2 ? 0 : (int)entry->path_size - 2,
                       po_entry_path(&list, entry) + (entry->path_size < 2 ? 0 : 2));
        ck_assert(!item->is_failed && !(item->is_read && item->is_changed));
        if (entry->type == POBACKUP_FILE && entry->size <= PO_SMALL_FILE_MAX)
            assert_item_content(item, path);
        else
            ck_assert(!item->is_read);
    }
    ck_assert_uint_eq(at, list.count);
    ck_assert_ptr_null(next(ahead));
    po_readahead_free(ahead);
}
END_TEST

START_TEST(an_empty_order_ends_at_once)
{
    struct po_readahead *ahead = start(2);

    ck_assert_ptr_null(next(ahead));
    po_readahead_free(ahead);
}
END_TEST

START_TEST(a_readahead_can_be_given_up_at_any_item)
{
    struct po_readahead *ahead;

    for (int i = 0; i < 300; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "tree/%d", i);
        help_write_random(path, 5000, (uint64_t)i);
    }
    plan_all();
    for (int taken = 0; taken < 300; taken += 37) {
        ahead = start(3);
        for (int i = 0; i < taken; i++)
            ck_assert_ptr_nonnull(next(ahead));
        po_readahead_free(ahead);
    }
    po_readahead_free(NULL);
}
END_TEST

START_TEST(a_file_that_vanished_is_that_items_failure_alone) /* req: B8 */
{
    struct po_readahead *ahead;
    const struct po_read_item *item;
    int failed = 0;

    help_write_text("tree/a", "1");
    help_write_text("tree/b", "2");
    help_write_text("tree/c", "3");
    plan_all();
    ck_assert_int_eq(unlink("tree/b"), 0);
    ahead = start(2);
    while ((item = next(ahead)) != NULL) {
        const struct po_entry *entry = &list.entries[item->entry];

        if (item->is_failed) {
            failed++;
            ck_assert_ptr_eq(entry, find("T/b"));
            ck_assert_ptr_nonnull(strstr(item->reason, OS_NOT_THERE));
            ck_assert(!item->is_read);
        } else {
            ck_assert(item->is_read == (entry->type == POBACKUP_FILE));
        }
    }
    ck_assert_int_eq(failed, 1);
    po_readahead_free(ahead);
}
END_TEST

START_TEST(a_file_that_grew_or_shrank_since_is_read_as_it_is_now)
{
    struct po_readahead *ahead;

    help_write_text("tree/f", "12345");
    plan_all();
    if (_i == 0)
        help_write_text("tree/f", "1234567890");
    else if (_i == 1)
        help_write_text("tree/f", "1");
    else
        help_write_text("tree/f", "");
    ahead = start(1);
    {
        const struct po_read_item *item = next_of(ahead, "T/f");

        assert_item_content(item, "tree/f");
        ck_assert_uint_eq(item->info.size, item->size);
        ck_assert(!item->is_changed);
    }
    po_readahead_free(ahead);
}
END_TEST

START_TEST(a_file_that_outgrew_the_buffer_is_left_to_the_packer)
{
    struct po_readahead *ahead;

    help_write_text("tree/f", "small");
    plan_all();
    help_write_random("tree/f", 600000, 1);
    ahead = start(1);
    {
        const struct po_read_item *item = next_of(ahead, "T/f");

        ck_assert(!item->is_read && !item->is_failed);
    }
    po_readahead_free(ahead);
}
END_TEST

/* Planned as 64 in each of two buffers; then there is room for four in each. */
START_TEST(when_a_whole_batch_grew_what_does_not_fit_is_left_and_the_order_stays)
{
    struct po_readahead *ahead;
    const struct po_read_item *item;
    size_t at = 0;
    size_t read = 0;

    for (int i = 0; i < 127; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "tree/%d", i);
        help_write_text(path, "x");
    }
    plan_all();
    for (int i = 0; i < 127; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "tree/%d", i);
        help_write_random(path, 120000, (uint64_t)i);
    }
    ahead = start(1);
    while ((item = next(ahead)) != NULL) {
        char path[32];
        const struct po_entry *entry = &list.entries[item->entry];

        ck_assert_uint_eq(item->entry, order[at++]);
        ck_assert(!item->is_failed);
        if (!item->is_read)
            continue;
        read++;
        (void)snprintf(path, sizeof path, "tree/%.*s", (int)entry->path_size - 2,
                       po_entry_path(&list, entry) + 2);
        assert_item_content(item, path);
    }
    ck_assert_uint_eq(at, 128);
    ck_assert_uint_eq(read, 8);
    po_readahead_free(ahead);
}
END_TEST

#if defined(__linux__)
static unsigned
threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    ck_assert_ptr_nonnull(tasks);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    ck_assert_int_eq(closedir(tasks), 0);
    return count;
}

static const struct {
    int files;
    unsigned threads;
} shares[] = { { 0, 1 }, { 16, 1 }, { 17, 2 }, { 100, 7 }, { 300, 16 } };

START_TEST(no_more_threads_than_have_something_to_read)
{
    struct po_readahead *ahead;
    unsigned before;
    int count = 0;

    for (int i = 0; i < shares[_i].files; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "tree/%d", i);
        help_write_text(path, "x");
    }
    plan_all();
    before = threads_now();
    ahead = start(16);
    ck_assert_uint_eq(threads_now() - before, shares[_i].threads);
    while (next(ahead) != NULL)
        count++;
    ck_assert_int_eq(count, shares[_i].files + 1);
    po_readahead_free(ahead);
}
END_TEST
#endif

START_TEST(what_is_no_file_any_more_fails_and_blocks_nobody)
{
    struct po_readahead *ahead;

    help_write_text("secret", "x");
    help_write_text("tree/f", "x");
    plan_all();
    ck_assert_int_eq(unlink("tree/f"), 0);
    if (_i == 0)
        ck_assert_int_eq(mkfifo("tree/f", 0600), 0);
    else if (_i == 1)
        ck_assert_int_eq(symlink("../secret", "tree/f"), 0);
    else
        ck_assert_int_eq(mkdir("tree/f", 0755), 0);
    ahead = start(1);
    {
        const struct po_read_item *item = next_of(ahead, "T/f");

        ck_assert(item->is_failed && !item->is_read);
        ck_assert_str_ne(item->reason, "");
    }
    po_readahead_free(ahead);
}
END_TEST

static bool
locate_nowhere(void *ctx, const struct po_entry *entry, struct po_dir **dir, const char **path,
               size_t *path_size)
{
    (void)ctx;
    (void)entry;
    (void)dir;
    (void)path;
    (void)path_size;
    return false;
}

START_TEST(what_lies_nowhere_passes_through_unread)
{
    struct po_readahead *ahead = NULL;
    struct po_err err;
    int count = 0;
    const struct po_read_item *item;

    help_write_text("tree/f", "x");
    plan_all();
    help_must(
        po_readahead_new(&ahead, &list, order, (uint32_t)list.count, locate_nowhere, NULL, 1, &err),
        &err);
    while ((item = next(ahead)) != NULL) {
        count++;
        ck_assert(!item->is_read && !item->is_failed);
    }
    ck_assert_int_eq(count, 2);
    po_readahead_free(ahead);
}
END_TEST

/* ---- a file that somebody writes to all the time ---- */

struct writer {
    struct po_mutex *lock;
    bool is_to_end;
};

static bool
is_to_end(struct writer *writer)
{
    bool is_it;

    po_mutex_lock(writer->lock);
    is_it = writer->is_to_end;
    po_mutex_unlock(writer->lock);
    return is_it;
}

static void
append_for_ever(void *ctx)
{
    struct writer *writer = ctx;
    int fd = open("tree/live", O_WRONLY | O_APPEND);
    unsigned count = 0;

    while (fd >= 0 && !is_to_end(writer)) {
        if (write(fd, "0123456789abcdef", 16) != 16)
            break;
        if (++count % 4000 == 0 && ftruncate(fd, 0) != 0)
            break;
    }
    (void)close(fd);
}

START_TEST(a_file_that_is_written_to_all_the_time_is_consistent_with_its_hash)
{
    struct writer writer = { 0 };
    struct po_thread *thread = NULL;
    struct po_err err;

    help_write_text("tree/live", "0123456789abcdef");
    plan_all();
    help_must(po_mutex_new(&writer.lock, &err), &err);
    help_must(po_thread_start(&thread, append_for_ever, &writer, &err), &err);
    for (int i = 0; i < 50; i++) {
        struct po_readahead *ahead = start(2);
        const struct po_read_item *item = next_of(ahead, "T/live");
        uint8_t hash[PO_HASH_SIZE];

        ck_assert(!item->is_failed);
        if (item->is_read) {
            po_xxh3(item->content, item->size, hash);
            ck_assert_mem_eq(hash, item->hash, sizeof hash);
            ck_assert(item->is_changed || item->size == item->info.size);
            ck_assert_uint_eq(item->size % 16, 0);
        }
        po_readahead_free(ahead);
    }
    po_mutex_lock(writer.lock);
    writer.is_to_end = true;
    po_mutex_unlock(writer.lock);
    po_thread_join(thread);
    po_mutex_free(writer.lock);
}
END_TEST

static TCase *
walk_case(void)
{
    TCase *tc = tcase_create("walk");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_tree_is_listed_with_all_its_nodes_and_parents_come_first);
    tcase_add_test(tc, an_empty_tree_is_its_root);
    tcase_add_test(tc, what_the_system_says_of_a_file_is_kept);
    tcase_add_test(tc, names_are_kept_byte_for_byte);
    tcase_add_test(tc, a_path_longer_than_the_system_takes_in_one_piece_is_listed);
    os_add_posix_test(tc, a_path_longer_than_an_archive_can_hold_is_named_and_the_rest_goes_on);
    tcase_add_test(tc, many_entries_in_one_directory_are_listed);
    os_add_posix_test(tc, symbolic_links_are_kept_and_never_followed);
    os_add_posix_test(tc, fifos_sockets_and_devices_are_named_as_problems);
    os_add_posix_test(tc, an_unreadable_directory_is_named_and_its_siblings_are_listed);
    os_add_posix_test(tc,
                      a_directory_that_vanishes_before_it_is_listed_is_named_and_the_rest_goes_on);
    os_add_posix_test(tc, a_directory_that_becomes_a_link_before_it_is_listed_is_not_followed);
    tcase_add_test(tc, what_is_excluded_is_counted_and_nothing_below_it_is_listed);
    tcase_add_test(tc, what_a_restore_left_in_a_tree_is_passed_over_and_names_like_it_are_not);
    tcase_add_test(tc, names_of_files_with_more_than_one_are_collected);
    os_add_posix_test(tc, a_walk_can_be_cancelled_at_each_directory);
    os_add_posix_test(tc, a_problem_that_cannot_be_noted_ends_the_walk);
    tcase_add_test(tc, two_trees_go_into_one_list);
    return tc;
}

static TCase *
readahead_case(void)
{
    TCase *tc = tcase_create("readahead");

    tcase_add_checked_fixture(tc, setup, teardown_readahead);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, items_come_in_order_with_their_contents_whatever_the_number_of_threads,
                        1, 9);
    tcase_add_test(tc, an_empty_order_ends_at_once);
    tcase_add_test(tc, a_readahead_can_be_given_up_at_any_item);
    tcase_add_test(tc, a_file_that_vanished_is_that_items_failure_alone);
    tcase_add_loop_test(tc, a_file_that_grew_or_shrank_since_is_read_as_it_is_now, 0, 3);
    tcase_add_test(tc, a_file_that_outgrew_the_buffer_is_left_to_the_packer);
    tcase_add_test(tc, when_a_whole_batch_grew_what_does_not_fit_is_left_and_the_order_stays);
#if defined(__linux__)
    tcase_add_loop_test(tc, no_more_threads_than_have_something_to_read, 0,
                        (int)(sizeof shares / sizeof *shares));
#endif
    tcase_add_loop_test(tc, what_is_no_file_any_more_fails_and_blocks_nobody, OS_CASE(0, 2), 3);
    tcase_add_test(tc, what_lies_nowhere_passes_through_unread);
    tcase_add_test(tc, a_file_that_is_written_to_all_the_time_is_consistent_with_its_hash);
    return tc;
}

int
main(void)
{
    Suite *suite = suite_create("source");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, walk_case());
    suite_add_tcase(suite, readahead_case());
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
