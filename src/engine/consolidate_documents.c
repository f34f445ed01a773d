/*
 * The differential's two documents, made those of a full. What they say of the site, and whatever a newer
 * program has put in, stays; they were proven when they were read.
 */
#include "engine/consolidate_run.h"

#include <jansson.h>
#include <string.h>

#define LISTED_MAX 10000u /* as in the summary of a backup */

/*
 * Where jansson has no memory for a character it drops it without a word. So what is taken over is read
 * twice. NULL is out of memory.
 */
static json_t *
load(const struct po_buf *json)
{
    const char *text = (const char *)json->bytes;
    json_t *root = json_loadb(text, json->size, JSON_REJECT_DUPLICATES, NULL);
    json_t *again = json_loadb(text, json->size, JSON_REJECT_DUPLICATES, NULL);

    if (root == NULL || again == NULL || json_equal(root, again) == 0) {
        json_decref(root);
        root = NULL;
    }
    json_decref(again);
    return root;
}

/* Sets a member, taking the value over; *root becomes NULL when something could not be made. */
static void
set_take(json_t **root, const char *key, json_t *value)
{
    if (*root == NULL)
        json_decref(value);
    else if (json_object_set_new(*root, key, value) != 0) {
        json_decref(*root);
        *root = NULL;
    }
}

enum po_status
po_consolidate_put_manifest(const struct po_consolidate_run *run, struct po_buf *json,
                            struct po_err *err)
{
    struct po_buf source = { 0 };
    json_t *root = NULL;
    enum po_status st = po_reader_manifest(run->own, &source, err);

    if (st == PO_OK) {
        root = load(&source);
        set_take(&root, "format",
                 json_pack("{s:s, s:i, s:[]}", "name", "pobackup", "version",
                           (int)PO_FORMAT_VERSION, "critical"));
        set_take(&root, "archive_id", po_json_hex(run->result->archive_id, PO_ID_SIZE));
        set_take(&root, "kind", json_string("full"));
        set_take(&root, "parents", json_array());
        set_take(&root, "program",
                 json_pack("{s:s, s:s}", "name", "pobackup", "version", pobackup_version()));
        st = po_json_print_take(json, root, err);
    }
    po_buf_deinit(&source);
    return st;
}

/* ---- summary ---- */

static json_t *
json_archive(const uint8_t id[PO_ID_SIZE], const uint8_t digest[PO_DIGEST_SIZE])
{
    return json_pack("{s:o, s:o}", "archive_id", po_json_hex(id, PO_ID_SIZE), "digest",
                     po_json_hex(digest, PO_DIGEST_SIZE));
}

/* The differential, then its parents as it names them. NULL is out of memory. */
static json_t *
json_sources(const struct po_reader *own)
{
    json_t *list = json_array();
    int rc = json_array_append_new(list, json_archive(own->trailer.archive_id, own->digest));

    for (uint32_t i = 0; i < own->index->parent_count && rc == 0; i++) {
        struct po_parent parent;
        const char *name;
        size_t size;

        po_index_parent(own->index, i, &parent, &name, &size);
        rc = json_array_append_new(list, json_archive(parent.archive_id, parent.digest));
    }
    if (rc == 0)
        return list;
    json_decref(list);
    return NULL;
}

/*
 * All files are in this archive now, and members that had vanished are not in it any more. Counts that
 * are not there stay away. false is out of memory.
 */
static bool
adapt(json_t *root)
{
    json_t *counts = json_object_get(root, "counts");
    const json_t *files = json_object_get(counts, "files");
    const json_t *bytes = json_object_get(root, "bytes");
    int rc = json_object_set_new(root, "vanished", json_array());

    if (rc == 0 && json_is_integer(bytes))
        rc = json_object_set_new(root, "bytes_new", json_integer(json_integer_value(bytes)));
    if (rc == 0 && json_is_integer(files))
        rc = json_object_set_new(counts, "files_new", json_integer(json_integer_value(files)));
    if (rc == 0 && json_object_get(counts, "vanished") != NULL)
        rc = json_object_set_new(counts, "vanished", json_integer(0));
    return rc == 0;
}

/* At most so many in each list, but of what somebody asked for. */
static enum po_status
shorten(json_t *root, size_t listed_max, struct po_err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "excludes") == 0 || strcmp(key, "consolidated_from") == 0)
            continue;
        while (json_array_size(value) > listed_max)
            if (json_array_remove(value, json_array_size(value) - 1) != 0)
                return po_fail_nomem(err, 0);
    }
    return PO_OK;
}

enum po_status
po_consolidate_put_summary(const struct po_consolidate_run *run, size_t size_max,
                           struct po_buf *json, struct po_err *err)
{
    struct po_buf source = { 0 };
    json_t *root = NULL;
    enum po_status st = po_reader_summary(run->own, &source, err);

    if (st != PO_OK)
        goto done;
    root = load(&source);
    if (root != NULL && !adapt(root)) {
        json_decref(root);
        root = NULL;
    }
    set_take(&root, "consolidated_from", json_sources(run->own));
    for (size_t listed = LISTED_MAX; st == PO_OK; listed /= 10) {
        po_buf_clear(json);
        if (root != NULL)
            st = shorten(root, listed, err);
        if (st == PO_OK)
            st = po_json_print_take(json, json_incref(root), err);
        if (listed == 0 || json->size <= size_max)
            break; /* what is still too long is an error of the writer */
    }
done:
    json_decref(root);
    po_buf_deinit(&source);
    return st;
}
