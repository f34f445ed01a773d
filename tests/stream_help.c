#include "stream_help.h"

#include "os_help.h"

struct help_streams_state help_streams_state;

static bool
are_known(struct po_dir *dir)
{
    (void)dir;
    return !help_streams_state.are_none;
}

static void
put_key(struct po_buf *out, const char *path, size_t path_size)
{
    for (size_t i = 0; i < path_size; i++)
        po_buf_put_u8(out, path[i] == '/' ? '%' : (uint8_t)path[i]);
    po_buf_put_u8(out, '@');
}

static bool
is_path(const char *path, size_t path_size, const char *text)
{
    return text != NULL && strlen(text) == path_size && memcmp(path, text, path_size) == 0;
}

struct search {
    struct po_buf key;
    struct po_stream_list *streams;
};

static enum po_status
look(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
     const struct po_err *failure, struct po_err *err)
{
    struct search *search = ctx;
    size_t size = search->key.size;

    (void)failure;
    (void)err;
    if (name_size > size && memcmp(name, search->key.bytes, size) == 0)
        po_stream_list_put(search->streams, name + size, name_size - size, info->size);
    return PO_OK;
}

static enum po_status
read_extras(struct po_dir *dir, const char *path, size_t path_size, struct po_node_extras *extras,
            struct po_err *err)
{
    struct search search = { .streams = &extras->streams };
    struct po_dir *ads = NULL;
    enum po_status st = po_dir_open_make(&ads, "ads", err);

    (void)dir;
    help_streams_state.reads++;
    put_key(&search.key, path, path_size);
    if (st == PO_OK)
        st = po_buf_check(&search.key, err);
    if (st == PO_OK)
        st = po_dir_list(ads, "", 0, look, &search, err);
    if (st == PO_E_IO)
        extras->streams_failure = *err;
    if (is_path(path, path_size, help_streams_state.unlisted))
        (void)po_fail(&extras->streams_failure, PO_E_IO, "made up");
    if (st == PO_OK && is_path(path, path_size, help_streams_state.unruled))
        st = po_fail(err, PO_E_IO, "rights made up");
    if (is_path(path, path_size, help_streams_state.vanishing)) {
        char gone[128];

        (void)snprintf(gone, sizeof gone, "%s/%s", help_streams_state.root,
                       help_streams_state.vanishing);
        os_remove(gone);
    }
    po_dir_free(ads);
    po_buf_deinit(&search.key);
    return st;
}

static enum po_status
open_stream(struct po_file **out, struct po_dir *dir, const char *path, size_t path_size,
            const char *name, size_t name_size, enum po_file_how how, struct po_err *err)
{
    struct po_buf os_path = { 0 };
    struct po_node_info info;
    bool exists = false;
    enum po_status st = po_dir_stat(dir, path, path_size, &info, &exists, err);

    help_streams_state.opens++;
    if (help_streams_state.hook != NULL)
        help_streams_state.hook();
    if (st == PO_OK && !exists)
        st = po_fail_errno(err, ENOENT, "no owner");
    if (is_path(name, name_size, help_streams_state.unopened))
        st = po_fail_errno(err, EACCES, "made up");
    /* As NTFS does: a stream's writing is its owner's. */
    if (st == PO_OK && how != PO_FILE_READ)
        st = po_dir_set_write_time(dir, path, path_size, 0, err);
    po_buf_put_text(&os_path, "ads/");
    put_key(&os_path, path, path_size);
    po_buf_put(&os_path, name, name_size);
    if (st == PO_OK)
        st = po_buf_check(&os_path, err);
    if (st == PO_OK)
        st = po_os_file_open(out, po_buf_text(&os_path), how, err);
    po_buf_deinit(&os_path);
    return st;
}

const struct po_stream_ops help_streams = { .are_known = are_known,
                                            .read_extras = read_extras,
                                            .open = open_stream };
