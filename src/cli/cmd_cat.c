#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_parents.h"
#include "engine/extract.h"

#include <string.h>

/* Standard output, or a base64 string of the JSON document. */
struct sink {
    struct po_cli_out *out;
    uint8_t rest[3];
    size_t rest_size;
};

static bool
put_base64(struct sink *sink)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = sink->rest;
    char text[4] = { '=', '=', '=', '=' };

    text[0] = digits[in[0] >> 2];
    text[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
    if (sink->rest_size > 1)
        text[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
    if (sink->rest_size > 2)
        text[3] = digits[in[2] & 63];
    memset(sink->rest, 0, sizeof(sink->rest));
    sink->rest_size = 0;
    return po_cli_out_data(sink->out, text, sizeof(text));
}

static enum po_status
write_sink(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct sink *sink = ctx;
    const uint8_t *in = bytes;
    bool is_good = true;

    if (!sink->out->is_json)
        is_good = po_cli_out_data(sink->out, bytes, size);
    for (size_t i = 0; sink->out->is_json && is_good && i < size; i++) {
        sink->rest[sink->rest_size++] = in[i];
        if (sink->rest_size == sizeof(sink->rest))
            is_good = put_base64(sink);
    }
    return is_good ? PO_OK : po_fail(err, PO_E_IO, "standard output could not be written");
}

static enum po_status
find_file(const struct po_cli_archive *archive, const char *path, uint32_t *entry,
          struct po_err *err)
{
    const struct po_index *index = archive->reader->index;
    const char *link;
    size_t link_size = 0;
    uint8_t type;

    *entry = po_index_find(index, path, strlen(path));
    if (*entry == PO_NONE)
        return po_fail(err, PO_E_USAGE, "%s: not in %s", path, archive->path);
    /* A hard link's content is that of the file it names. spec: INDEX-10 */
    if (po_index_type(index, *entry) == POBACKUP_HARDLINK) {
        link = po_index_link(index, *entry, &link_size);
        *entry = po_index_find(index, link, link_size);
        if (*entry == PO_NONE)
            return po_fail(err, PO_E_FORMAT, "%s: the file that it names is missing", path);
    }
    type = po_index_type(index, *entry);
    if (type != POBACKUP_FILE)
        return po_fail(err, PO_E_USAGE, "%s: a %s, not a file", path, po_cli_type_name(type));
    if (po_index_source(index, *entry) != 0) {
        const char *name = po_cli_archive_source(archive, *entry, &link_size);

        return po_fail(err, PO_E_IO,
                       "%s: lies in the parent archive %.*s, which is needed beside %s", path,
                       (int)(link_size < 255 ? link_size : 255), name, archive->path);
    }
    return PO_OK;
}

static enum po_status
cat_entry(struct po_cli *cli, const struct po_cli_archive *archive, uint32_t entry,
          struct po_err *err)
{
    struct sink sink = { .out = &cli->out };
    struct pobackup_sink to = { .ctx = &sink, .write = write_sink };
    enum po_status st;

    po_cli_json_member(&cli->out, "size",
                       po_cli_json_u64(po_index_size(archive->reader->index, entry)));
    po_cli_json_text_begin(&cli->out, "content_base64");
    st = po_cat_run(archive->reader, entry, &to, err);
    if (sink.rest_size > 0)
        (void)put_base64(&sink);
    po_cli_json_text_end(&cli->out);
    return st;
}

int
po_cmd_cat(struct po_cli *cli)
{
    const char *path = cli->values.args[1];
    struct po_cli_archive archive = { 0 };
    struct po_err err = { 0 };
    struct po_buf word = { 0 };
    uint32_t entry = PO_NONE;
    int code;
    enum po_status st;

    if (!po_cli_archive_open(cli, &archive, cli->values.args[0], &code) ||
        !po_cli_parents_join(cli, &archive, &code))
        goto done;
    po_cli_json_member(&cli->out, po_cli_json_path_key(path, strlen(path)),
                       po_cli_json_path(path, strlen(path)));
    st = find_file(&archive, path, &entry, &err);
    if (st == PO_OK)
        st = cat_entry(cli, &archive, entry, &err);
    if (st == PO_OK)
        goto done;
    code = po_cli_failed(cli, &err);
    po_cli_put_word(&word, archive.path);
    if (st == PO_E_FORMAT)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "What was written is not what was saved. Which files are hit: pobackup "
                        "verify %s",
                        po_buf_text(&word));
    else if (entry == PO_NONE)
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "What is in it: pobackup list %s [PATTERN]",
                        po_buf_text(&word));
done:
    po_buf_deinit(&word);
    po_cli_archive_deinit(&archive);
    return code;
}
