#include "host/host_win32_rights.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "host/security_rule.h"

#include <stdlib.h>

#define STATUS_DENIED ((LONG)0xC0000022)       /* STATUS_ACCESS_DENIED */
#define STATUS_NO_PRIVILEGE ((LONG)0xC0000061) /* STATUS_PRIVILEGE_NOT_HELD */
#define STATUS_NO_REQUEST ((LONG)0xC0000010)   /* STATUS_INVALID_DEVICE_REQUEST: FAT */
#define STATUS_NO_SUPPORT ((LONG)0xC00000BB)   /* STATUS_NOT_SUPPORTED */
#define STATUS_NO_IMPLEMENT ((LONG)0xC0000002) /* STATUS_NOT_IMPLEMENTED */

/* In every ntdll.dll, but not in winternl.h. */
NTSTATUS NTAPI NtSetSecurityObject(HANDLE handle, SECURITY_INFORMATION parts, void *descriptor);

/* ---- the calls ---- */

static LONG
real_open(const struct po_place *place, HANDLE *out, ACCESS_MASK access)
{
    const struct po_nt_open how = { .access = access, .disposition = FILE_OPEN };

    return po_place_open_node(place, out, &how);
}

static LONG
real_set(HANDLE handle, SECURITY_INFORMATION parts, const void *descriptor, size_t size)
{
    (void)size;
    /* The system does not write to it. */
    return NtSetSecurityObject(handle, parts, (void *)(uintptr_t)descriptor);
}

const struct po_win32_rights_calls po_win32_rights_calls = { .open = real_open, .set = real_set };

/* ---- one node ---- */

void
po_win32_rights_deinit(struct po_win32_rights *rights)
{
    po_buf_deinit(&rights->descriptor);
    *rights = (struct po_win32_rights){ 0 };
}

enum po_status
po_win32_rights_prepare(struct po_win32_rights *out, const void *bytes, size_t size,
                        struct po_err *err)
{
    struct po_win32_rights rights = { 0 };
    struct po_security security;
    enum po_status st = po_security_parse(&security, bytes, size, err);

    if (st != PO_OK)
        return st;
    if (security.owner.size != 0)
        rights.parts |= OWNER_SECURITY_INFORMATION;
    if (security.group.size != 0)
        rights.parts |= GROUP_SECURITY_INFORMATION;
    if ((security.control & PO_SECURITY_DACL_PRESENT) != 0)
        rights.parts |= DACL_SECURITY_INFORMATION;
    if ((security.control & PO_SECURITY_SACL_PRESENT) != 0)
        rights.parts |= SACL_SECURITY_INFORMATION;
    /*
     * The system takes over that a list was inherited only from who also asks for it, with a bit
     * that is never stored.
     */
    if ((security.control & PO_SECURITY_DACL_INHERITED) != 0)
        security.control |= PO_SECURITY_DACL_REQUEST;
    if ((security.control & PO_SECURITY_SACL_INHERITED) != 0)
        security.control |= PO_SECURITY_SACL_REQUEST;
    st = po_security_build(&rights.descriptor, &security, NULL, NULL, err);
    if (st != PO_OK) {
        po_win32_rights_deinit(&rights);
        return st;
    }
    *out = rights;
    return PO_OK;
}

/* What the status of setting means, for a path or NULL. */
static enum po_status
fail(struct po_err *err, LONG status, const char *path, size_t path_size)
{
    enum po_status st;

    if (path != NULL)
        st = po_beneath_fail(err, status, "set the rights of", path, path_size);
    else
        st = po_fail_nt(err, status, "set the rights");
    if (status == STATUS_NO_REQUEST || status == STATUS_NO_SUPPORT ||
        status == STATUS_NO_IMPLEMENT) {
        (void)po_err_prefix(err, "a file system without rights");
        st = err->status = PO_E_UNSUPPORTED;
    }
    return st;
}

enum po_status
po_win32_rights_set_handle(const struct po_win32_rights_calls *calls, HANDLE handle,
                           const struct po_win32_rights *rights, struct po_err *err)
{
    LONG status;

    if (rights->parts == 0)
        return PO_OK;
    status = calls->set(handle, rights->parts, rights->descriptor.bytes, rights->descriptor.size);
    return status < 0 ? fail(err, status, NULL, 0) : PO_OK;
}

static LONG
open_node(const struct po_win32_rights_calls *calls, const struct po_place *place, HANDLE *out,
          SECURITY_INFORMATION *parts)
{
    ACCESS_MASK access = FILE_READ_ATTRIBUTES | WRITE_DAC | WRITE_OWNER;
    LONG status = STATUS_NO_PRIVILEGE;

    if ((*parts & SACL_SECURITY_INFORMATION) != 0) {
        status = calls->open(place, out, access | ACCESS_SYSTEM_SECURITY);
        if (status != STATUS_NO_PRIVILEGE && status != STATUS_DENIED)
            return status;
        *parts &= ~(SECURITY_INFORMATION)SACL_SECURITY_INFORMATION;
    }
    return calls->open(place, out, access);
}

enum po_status
po_win32_rights_set(const struct po_win32_rights_calls *calls, struct po_dir *dir, const char *path,
                    size_t path_size, const struct po_win32_rights *rights, bool *sacl_left_out,
                    struct po_err *err)
{
    SECURITY_INFORMATION parts = rights->parts;
    struct po_place place;
    HANDLE handle = NULL;
    enum po_status st;

    if (parts == 0)
        return PO_OK;
    st = po_place_open(&place, dir, path, path_size, err);
    if (st == PO_OK) {
        LONG status = open_node(calls, &place, &handle, &parts);

        if (status >= 0 && parts != 0)
            status = calls->set(handle, parts, rights->descriptor.bytes, rights->descriptor.size);
        if (status < 0)
            st = fail(err, status, path, path_size);
        else if (parts != rights->parts)
            *sacl_left_out = true;
    }
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

/* ---- trees ---- */

struct identity {
    uint64_t device;
    uint64_t file_id;
};

/* One of the names of a file that has several. */
struct name {
    struct identity file;
    size_t root;
    size_t path; /* where it begins in `paths` */
    size_t path_size;
    uint32_t link_count;
};

struct reset {
    const struct po_win32_rights_calls *calls;
    const struct po_win32_rights_watch *watch;
    struct po_win32_rights_count *count;
    struct po_err *err;
    enum po_status stopped; /* what a listing was stopped with: not the listing's own failure */
    struct po_dir *const *roots;
    struct identity *identities; /* of the roots */
    size_t root_count;
    struct po_win32_rights rights[PO_RULE_FILE + 1];
    size_t root;             /* the one that is being done */
    struct po_dir *listed;   /* the directory in it that is being listed */
    struct po_buf directory; /* its path */
    struct po_buf path;      /* of a child */
    struct po_buf stack;     /* directories to come: path, then its size (8 bytes) */
    struct name *names;
    size_t name_count;
    size_t name_capacity;
    struct po_buf paths;
};

/* Counts and tells; what ends the run is passed on. */
static enum po_status
problem(struct reset *reset, size_t root, const char *path, size_t path_size,
        const struct po_err *failure)
{
    if (failure->status == PO_E_NOMEM || failure->status == PO_E_CANCELLED) {
        *reset->err = *failure;
        return failure->status;
    }
    reset->count->failed++;
    if (reset->watch->problem == NULL)
        return PO_OK;
    return reset->watch->problem(reset->watch->ctx, root, path, path_size, failure, reset->err);
}

static enum po_status
done_one(struct reset *reset)
{
    reset->count->done++;
    if (reset->watch->progress != NULL)
        reset->watch->progress(reset->watch->ctx, reset->count->done);
    return PO_OK;
}

static enum po_status
remember_name(struct reset *reset, const struct po_node_info *info)
{
    if (reset->name_count == reset->name_capacity) {
        size_t capacity = reset->name_capacity == 0 ? 64 : 2 * reset->name_capacity;
        struct name *names = po_mem_resize(reset->names, capacity, sizeof(*names));

        if (names == NULL)
            return po_fail_nomem(reset->err, capacity * sizeof(*names));
        reset->names = names;
        reset->name_capacity = capacity;
    }
    reset->names[reset->name_count++] =
        (struct name){ .file = { .device = po_dir_device(reset->roots[reset->root]),
                                 .file_id = info->file_id },
                       .root = reset->root,
                       .path = reset->paths.size,
                       .path_size = reset->path.size,
                       .link_count = info->link_count };
    po_buf_put(&reset->paths, reset->path.bytes, reset->path.size);
    return po_buf_check(&reset->paths, reset->err);
}

/* Sets a node's rights, unless it is a file with more names than that; *info is what was opened. */
static LONG
set_node(struct reset *reset, const struct po_place *place, uint32_t names_max,
         struct po_node_info *info)
{
    SECURITY_INFORMATION parts = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    HANDLE handle = NULL;
    LONG status = open_node(reset->calls, place, &handle, &parts);

    if (status >= 0)
        status = po_nt_info(handle, info);
    if (status >= 0) {
        bool is_directory = (info->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
        const struct po_win32_rights *rights =
            &reset->rights[is_directory ? PO_RULE_DIRECTORY : PO_RULE_FILE];

        if (is_directory)
            info->link_count = 1;
        if (info->link_count <= names_max)
            status = reset->calls->set(handle, rights->parts, rights->descriptor.bytes,
                                       rights->descriptor.size);
    }
    po_nt_close(&handle);
    return status;
}

static enum po_status
push_directory(struct reset *reset)
{
    po_buf_put(&reset->stack, reset->path.bytes, reset->path.size);
    po_buf_put_u64le(&reset->stack, reset->path.size);
    return po_buf_check(&reset->stack, reset->err);
}

static bool
is_root(const struct reset *reset, const struct po_node_info *info)
{
    for (size_t i = 0; i < reset->root_count; i++)
        if (info->file_id != 0 && reset->identities[i].file_id == info->file_id &&
            reset->identities[i].device == info->device)
            return true;
    return false;
}

/* One child of the directory being listed; its path is in reset->path. */
static enum po_status
do_child(struct reset *reset, const char *name, size_t name_size)
{
    struct po_node_info info = { 0 };
    struct po_place place;
    struct po_err failure = { 0 };
    LONG status = 0;
    enum po_status st = po_place_open(&place, reset->listed, name, name_size, &failure);

    if (st == PO_OK)
        status = set_node(reset, &place, 1, &info);
    po_place_close(&place);
    if (status < 0)
        st = fail(&failure, status, name, name_size);
    if (st != PO_OK)
        return problem(reset, reset->root, po_buf_text(&reset->path), reset->path.size, &failure);
    if (info.link_count > 1)
        return remember_name(reset, &info);
    return done_one(reset);
}

static enum po_status
look_at_child(struct reset *reset, const char *name, size_t name_size,
              const struct po_node_info *info, const struct po_err *failure)
{
    enum po_status st;

    if (reset->watch->cancel != NULL && *reset->watch->cancel != 0)
        return po_fail(reset->err, PO_E_CANCELLED, "cancelled");
    po_buf_clear(&reset->path);
    po_buf_put(&reset->path, reset->directory.bytes, reset->directory.size);
    if (reset->directory.size > 0)
        po_buf_put_text(&reset->path, "/");
    po_buf_put(&reset->path, name, name_size);
    st = po_buf_check(&reset->path, reset->err);
    if (st != PO_OK)
        return st;
    if (failure != NULL)
        return problem(reset, reset->root, po_buf_text(&reset->path), reset->path.size, failure);
    if (is_root(reset, info))
        return PO_OK;
    st = do_child(reset, name, name_size);
    /* Also when its own rights could not be set. Links are of another type. */
    return st == PO_OK && info->type == PO_NODE_DIRECTORY ? push_directory(reset) : st;
}

static enum po_status
each_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct reset *reset = ctx;

    (void)err;
    reset->stopped = look_at_child(reset, name, name_size, info, failure);
    return reset->stopped;
}

/* Lists one directory of the root, doing its children. */
static enum po_status
do_directory(struct reset *reset)
{
    const char *path = po_buf_text(&reset->directory);
    struct po_err failure = { 0 };
    enum po_status st = po_dir_open_below(&reset->listed, reset->roots[reset->root], path,
                                          reset->directory.size, &failure);

    if (st != PO_OK)
        return problem(reset, reset->root, path, reset->directory.size, &failure);
    st = po_dir_list(reset->listed, "", 0, each_child, reset, &failure);
    po_dir_free(reset->listed);
    reset->listed = NULL;
    if (st == PO_OK || reset->stopped != PO_OK)
        return reset->stopped;
    return problem(reset, reset->root, path, reset->directory.size, &failure);
}

static enum po_status
do_tree(struct reset *reset)
{
    enum po_status st;

    po_buf_clear(&reset->directory);
    st = do_directory(reset);
    while (st == PO_OK && reset->stack.size >= sizeof(uint64_t)) {
        const uint8_t *end = reset->stack.bytes + reset->stack.size - sizeof(uint64_t);
        uint64_t size = po_load_u64le(end);

        po_buf_clear(&reset->directory);
        po_buf_put(&reset->directory, end - size, (size_t)size);
        reset->stack.size -= (size_t)size + sizeof(uint64_t);
        st = po_buf_check(&reset->directory, reset->err);
        if (st == PO_OK)
            st = do_directory(reset);
    }
    return st;
}

/* ---- files with several names ---- */

static int
compare_names(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;

    if (x->file.device != y->file.device)
        return x->file.device < y->file.device ? -1 : 1;
    if (x->file.file_id != y->file.file_id)
        return x->file.file_id < y->file.file_id ? -1 : 1;
    return 0;
}

static enum po_status
refuse_name(struct reset *reset, const struct name *name, size_t count, uint32_t link_count)
{
    struct po_err failure = { 0 };

    (void)po_fail(&failure, PO_E_IO,
                  "%zu of its %u names (hard links) lie in the trees: its rights stay", count,
                  (unsigned)link_count);
    return problem(reset, name->root, (const char *)reset->paths.bytes + name->path,
                   name->path_size, &failure);
}

static enum po_status
do_name(struct reset *reset, const struct name *name)
{
    const char *path = (const char *)reset->paths.bytes + name->path;
    struct po_node_info info = { 0 };
    struct po_place place;
    struct po_err failure = { 0 };
    LONG status = 0;
    enum po_status st =
        po_place_open(&place, reset->roots[name->root], path, name->path_size, &failure);

    if (st == PO_OK)
        status = set_node(reset, &place, name->link_count, &info);
    po_place_close(&place);
    if (status < 0)
        st = fail(&failure, status, path, name->path_size);
    if (st != PO_OK)
        return problem(reset, name->root, path, name->path_size, &failure);
    /* Somebody gave it another meanwhile. */
    if (info.link_count > name->link_count)
        return refuse_name(reset, name, name->link_count, info.link_count);
    return done_one(reset);
}

static enum po_status
do_names(struct reset *reset)
{
    enum po_status st = PO_OK;
    size_t next;

    if (reset->name_count == 0)
        return PO_OK;
    qsort(reset->names, reset->name_count, sizeof(*reset->names), compare_names);
    for (size_t i = 0; i < reset->name_count && st == PO_OK; i = next) {
        const struct name *first = &reset->names[i];

        next = i + 1;
        while (next < reset->name_count && compare_names(first, &reset->names[next]) == 0)
            next++;
        /* Without a file id nobody can tell. */
        if (first->file.file_id != 0 && next - i == first->link_count)
            st = do_name(reset, first);
        else
            for (size_t k = i; k < next && st == PO_OK; k++)
                st = refuse_name(reset, &reset->names[k], next - i, reset->names[k].link_count);
    }
    return st;
}

/* ---- all of it ---- */

static enum po_status
prepare_rule(struct reset *reset, const struct po_sid *account, const struct po_sid *group)
{
    struct po_buf bytes = { 0 };
    enum po_status st = PO_OK;

    for (int node = PO_RULE_ROOT; node <= PO_RULE_FILE && st == PO_OK; node++) {
        po_buf_clear(&bytes);
        st = po_rule_put(&bytes, (enum po_rule_node)node, account, group, reset->err);
        if (st == PO_OK)
            st = po_win32_rights_prepare(&reset->rights[node], bytes.bytes, bytes.size, reset->err);
    }
    po_buf_deinit(&bytes);
    return st;
}

/* All roots before anything below them: who they are, and their rights. */
static enum po_status
do_roots(struct reset *reset)
{
    reset->identities = po_mem_new(reset->root_count, sizeof(*reset->identities));
    if (reset->identities == NULL)
        return po_fail_nomem(reset->err, reset->root_count * sizeof(*reset->identities));
    for (size_t i = 0; i < reset->root_count; i++) {
        struct po_node_info info = { 0 };
        bool exists = false;
        bool ignored = false;
        enum po_status st = po_dir_stat(reset->roots[i], "", 0, &info, &exists, reset->err);

        if (st == PO_OK)
            st = po_win32_rights_set(reset->calls, reset->roots[i], "", 0,
                                     &reset->rights[PO_RULE_ROOT], &ignored, reset->err);
        if (st != PO_OK)
            return st;
        reset->identities[i] =
            (struct identity){ .device = po_dir_device(reset->roots[i]), .file_id = info.file_id };
    }
    return PO_OK;
}

/* The same directory may have been given twice. */
static bool
was_done(const struct reset *reset, size_t root)
{
    for (size_t i = 0; i < root; i++)
        if (reset->identities[i].file_id != 0 &&
            reset->identities[i].file_id == reset->identities[root].file_id &&
            reset->identities[i].device == reset->identities[root].device)
            return true;
    return false;
}

enum po_status
po_win32_rights_default(const struct po_win32_rights_calls *calls, struct po_dir *const *roots,
                        size_t root_count, const struct po_sid *account, const struct po_sid *group,
                        const struct po_win32_rights_watch *watch,
                        struct po_win32_rights_count *count, struct po_err *err)
{
    static const struct po_win32_rights_watch nobody = { 0 };
    struct reset reset = { .calls = calls,
                           .watch = watch == NULL ? &nobody : watch,
                           .count = count,
                           .err = err,
                           .roots = roots,
                           .root_count = root_count };
    enum po_status st = prepare_rule(&reset, account, group);

    *count = (struct po_win32_rights_count){ 0 };
    if (st == PO_OK)
        st = do_roots(&reset);
    for (size_t i = 0; i < root_count && st == PO_OK; i++) {
        reset.root = i;
        if (was_done(&reset, i))
            continue;
        st = done_one(&reset);
        if (st == PO_OK)
            st = do_tree(&reset);
    }
    if (st == PO_OK)
        st = do_names(&reset);
    for (int node = PO_RULE_ROOT; node <= PO_RULE_FILE; node++)
        po_win32_rights_deinit(&reset.rights[node]);
    po_mem_free(reset.identities);
    po_mem_free(reset.names);
    po_buf_deinit(&reset.directory);
    po_buf_deinit(&reset.path);
    po_buf_deinit(&reset.stack);
    po_buf_deinit(&reset.paths);
    return st;
}
