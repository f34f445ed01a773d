#include "cli/cli_archive.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_trust.h"
#include "port/file.h"
#include "store/store.h"

#include <errno.h>
#include <string.h>

/* The likely mistakes have plainer words than the system's. */
static enum po_status
check_there(const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(path, &info, &exists, err);

    if (st != PO_OK)
        return st;
    if (!exists)
        return po_fail(err, PO_E_IO, "%s: there is no such file", path);
    if (info.type == PO_NODE_DIRECTORY)
        return po_fail(err, PO_E_USAGE, "%s: a directory; name one archive in it", path);
    return PO_OK;
}

enum po_status
po_cli_archive_open_quietly(struct po_cli_archive *archive, const char *path, struct po_err *err)
{
    enum po_status st;

    *archive = (struct po_cli_archive){ .path = path };
    st = check_there(path, err);
    if (st != PO_OK)
        return st;
    st = po_store_file_open(&archive->blob, path, err);
    if (st != PO_OK)
        return st;
    st = po_reader_open(&archive->own, &archive->blob, err);
    if (st != PO_OK)
        return po_err_prefix(err, "%s", path);
    archive->reader = archive->own;
    st = po_reader_manifest(archive->reader, &archive->manifest, err);
    if (st == PO_E_FORMAT) {
        archive->is_manifest_damaged = true;
        po_buf_clear(&archive->manifest);
        return PO_OK;
    }
    return st == PO_OK ? PO_OK : po_err_prefix(err, "%s", path);
}

int
po_cli_archive_failed(struct po_cli *cli, const char *path, const struct po_err *err)
{
    struct po_buf word = { 0 };
    struct po_err told = *err;
    int code;

    /* What is wrong in it was found by those who have no name for it. */
    if (err->status == PO_E_FORMAT && strncmp(err->text, path, strlen(path)) != 0)
        (void)po_err_prefix(&told, "%s", path);
    code = po_cli_failed(cli, &told);
    po_cli_put_word(&word, path);
    if (err->status == PO_E_FORMAT)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "The archive is damaged. Which files are hit: pobackup verify %s",
                        po_buf_text(&word));
    else if (err->status == PO_E_UNSUPPORTED)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "It is no archive of pobackup, or of a newer one than this (%s). What is "
                        "inside a .tar.zst: tar --zstd -tf %s",
                        pobackup_version(), po_buf_text(&word));
    else if (err->status == PO_E_IO && strstr(err->text, "no such file") != NULL)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "Check the name; backup into a directory calls archives "
                        "postoffice-HOST-TIME-full.tar.zst");
    else if (err->status == PO_E_IO && err->os_code == EIO)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "If the disk fails there: take another copy, or pobackup repair %s (with "
                        "recovery data), or pobackup salvage %s -C DIR",
                        po_buf_text(&word), po_buf_text(&word));
    po_buf_deinit(&word);
    return code;
}

bool
po_cli_archive_open(struct po_cli *cli, struct po_cli_archive *archive, const char *path, int *code)
{
    struct po_err err = { 0 };

    *code = PO_EXIT_DONE;
    if (po_cli_archive_open_quietly(archive, path, &err) != PO_OK) {
        *code = po_cli_archive_failed(cli, path, &err);
        return false;
    }
    /* What was opened is what is checked, and read afterwards. */
    if (po_cli_trust_require(cli, path, &archive->blob, archive->own, &err) != PO_OK) {
        *code = po_cli_trust_failed(cli, &err);
        return false;
    }
    if (archive->is_manifest_damaged) {
        *code = PO_EXIT_DAMAGED;
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s: its manifest is damaged; what was saved may be whole: pobackup verify "
                        "tells",
                        path);
    }
    return true;
}

void
po_cli_archive_deinit(struct po_cli_archive *archive)
{
    po_joined_free(archive->joined);
    po_parents_close(&archive->parents);
    po_reader_free(archive->own);
    po_store_blob_free(&archive->blob);
    po_buf_deinit(&archive->manifest);
    *archive = (struct po_cli_archive){ 0 };
}

const char *
po_cli_type_name(unsigned type)
{
    static const char *const names[] = { "unknown",   "file",   "directory", "symlink",
                                         "hard link", "stream", "reparse" };

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : names[0];
}

const char *
po_cli_archive_source(const struct po_cli_archive *archive, uint32_t entry, size_t *name_size)
{
    const struct po_index *index = archive->reader->index;
    uint16_t source = po_index_source(index, entry);
    struct po_parent parent;
    const char *name = NULL;

    if (source == 0)
        return NULL;
    po_index_parent(index, source - 1u, &parent, &name, name_size);
    return name;
}

size_t
po_cli_archive_unmatched(struct po_cli *cli, const struct po_cli_archive *archive,
                         const char *const *patterns, size_t pattern_count)
{
    const struct po_index *index = archive->reader->index;
    size_t unmatched = 0;

    for (size_t i = 0; i < pattern_count; i++) {
        bool is_found = false;

        for (uint32_t entry = 0; entry < index->count && !is_found; entry++) {
            size_t size = 0;
            const char *path = po_index_path(index, entry, &size);

            is_found = po_text_glob(patterns[i], path, size);
        }
        if (is_found)
            continue;
        unmatched++;
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s: selects nothing in %s", patterns[i],
                        archive->path);
    }
    return unmatched;
}
