#include "engine/restore_journal.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/journal.h"

#include <stdio.h>
#include <string.h>

#define VERSION 1u
#define FOLDER_TRIES 1000

#define NO_RULE 0xFFu
#define FLAG_NO_SERVICES 1u
#define FLAG_NO_SAFETY_COPY 2u

#define STEP_REMOVED 1u
#define STEP_DIRECTORY 2u
#define STEP_HAS_FACTS 4u

/* ---- writing ---- */

static enum po_status
put(struct po_restore *r, enum po_restore_record kind, struct po_buf *record, struct po_err *err)
{
    enum po_status st = po_buf_check(record, err);

    if (st == PO_OK)
        st = po_journal_put(r->journal, (uint8_t)kind, record->bytes, record->size, err);
    po_buf_deinit(record);
    return st;
}

static void
put_text(struct po_buf *record, const char *text)
{
    po_journal_put_text(record, text, strlen(text));
}

/* A folder of its own, named by the time. */
static enum po_status
make_folder(struct po_restore *r, struct po_dir *site, struct po_err *err)
{
    struct po_buf text = { 0 };
    struct po_node_info info;
    bool exists = true;
    enum po_status st;

    po_text_put_time_compact(&text, r->time);
    st = po_buf_check(&text, err);
    for (int i = 1; i <= FOLDER_TRIES && st == PO_OK && exists; i++) {
        (void)snprintf(r->journal_name, sizeof r->journal_name, i == 1 ? "%s" : "%s-%d",
                       po_buf_text(&text), i);
        st = po_dir_stat(site, r->journal_name, strlen(r->journal_name), &info, &exists, err);
    }
    po_buf_deinit(&text);
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_IO, "journal: %s is there already", r->journal_name);
    if (st == PO_OK)
        st = po_dir_make(site, r->journal_name, strlen(r->journal_name), 0700, err);
    if (st == PO_OK)
        st =
            po_dir_open_below(&r->journal_dir, site, r->journal_name, strlen(r->journal_name), err);
    return st == PO_OK ? po_dir_sync(site, err) : st;
}

enum po_status
po_restore_journal_begin(struct po_restore *r, struct po_err *err)
{
    const struct po_restore_options *options = r->options;
    struct po_buf record = { 0 };
    struct po_dir *site = NULL;
    enum po_status st;

    if (options->journal_dir == NULL)
        return PO_OK;
    st = po_dir_open_make(&site, options->journal_dir, err);
    if (st == PO_OK)
        st = make_folder(r, site, err);
    if (st == PO_OK)
        st = po_journal_create(&r->journal, r->journal_dir, PO_RESTORE_JOURNAL, err);
    po_dir_free(site);
    if (st != PO_OK)
        return po_err_prefix(err,
                             "a restore is written down in the state directory, so that it can "
                             "be taken back, and that failed");
    po_buf_put_u32le(&record, VERSION);
    po_buf_put_u32le(&record, (options->no_services ? FLAG_NO_SERVICES : 0) |
                                  (options->no_safety_copy ? FLAG_NO_SAFETY_COPY : 0));
    po_buf_put_u64le(&record, (uint64_t)r->time);
    put_text(&record, options->archive_name != NULL ? options->archive_name : "");
    po_buf_put_u8(&record,
                  po_restore_rights_are_rule(r) ? (uint8_t)r->result->rights.rights : NO_RULE);
    for (int i = 0; i < PO_PART_COUNT; i++)
        po_buf_put_u8(&record, options->parts[i]);
    st = put(r, PO_RESTORE_RECORD_BEGIN, &record, err);
    return st == PO_OK ? po_restore_journal_phase(r, PO_RESTORE_STAGING, err) : st;
}

enum po_status
po_restore_journal_base(struct po_restore *r, const struct po_restore_base *base,
                        struct po_err *err)
{
    struct po_buf record = { 0 };
    enum po_status st;

    if (r->journal == NULL)
        return PO_OK;
    po_buf_put_u8(&record, (uint8_t)(base - r->bases));
    put_text(&record, base->os_path);
    put_text(&record, base->stage);
    put_text(&record, base->aside);
    po_buf_put_u64le(&record, (uint64_t)base->write_time);
    st = put(r, PO_RESTORE_RECORD_BASE, &record, err);
    return st == PO_OK ? po_journal_sync(r->journal, err) : st;
}

enum po_status
po_restore_journal_services(struct po_restore *r, const struct po_services *services,
                            struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; r->journal != NULL && i < services->count && st == PO_OK; i++) {
        struct po_buf record = { 0 };

        if (services->before[i] != PO_SERVICE_RUNNING)
            continue;
        put_text(&record, r->host->ops->service(r->host, i)->name);
        st = put(r, PO_RESTORE_RECORD_SERVICE, &record, err);
    }
    return st;
}

static enum po_status
put_tree(struct po_restore *r, const struct po_restore_tree *tree, struct po_err *err)
{
    struct po_buf record = { 0 };

    po_buf_put_u8(&record, (uint8_t)tree->part);
    po_buf_put_u8(&record, (uint8_t)(tree->base - r->bases));
    put_text(&record, tree->path);
    put_text(&record, tree->rel);
    po_buf_put_u8(&record, tree->exists);
    return put(r, PO_RESTORE_RECORD_TREE, &record, err);
}

static enum po_status
put_step(struct po_restore *r, const struct po_restore_step *step, struct po_err *err)
{
    struct po_buf record = { 0 };
    bool has_facts = step->kind == PO_RESTORE_ENTERED && step->entry != PO_NONE;

    po_buf_put_u8(&record, step->kind);
    po_buf_put_u8(&record, step->tree);
    po_buf_put_u8(&record, (uint8_t)((step->is_removed ? STEP_REMOVED : 0) |
                                     (step->is_directory ? STEP_DIRECTORY : 0) |
                                     (has_facts ? STEP_HAS_FACTS : 0)));
    po_journal_put_text(&record, po_restore_step_path(r, step), step->path_size);
    if (step->kind == PO_RESTORE_ENTERED) {
        const struct po_restore_former *former = &r->log.infos[step->info];

        po_buf_put_u32le(&record, former->info.uid);
        po_buf_put_u32le(&record, former->info.gid);
        po_buf_put_u32le(&record, former->info.mode);
        po_buf_put_u64le(&record, (uint64_t)former->info.write_time);
        po_journal_put_text(&record, (const char *)r->log.securities.bytes + former->security_start,
                            former->security_size);
        po_buf_put_u64le(&record,
                         (uint64_t)(has_facts ? po_index_write_time(r->reader->index, step->entry)
                                              : POBACKUP_TIME_UNKNOWN));
    }
    return put(r, PO_RESTORE_RECORD_STEP, &record, err);
}

enum po_status
po_restore_journal_steps(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (r->journal == NULL)
        return PO_OK;
    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++)
        st = put_tree(r, &r->trees[i], err);
    for (size_t i = 0; i < r->log.count && st == PO_OK; i++)
        st = put_step(r, &r->log.steps[i], err);
    return st;
}

static enum po_status
write_file(struct po_restore *r, const char *name, const struct po_buf *bytes, struct po_err *err)
{
    struct po_file *file = NULL;
    enum po_status st =
        po_file_open(&file, r->journal_dir, name, strlen(name), PO_FILE_REPLACE, 0600, err);

    if (st == PO_OK)
        st = po_file_write_at(file, 0, bytes->bytes, bytes->size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    if (st == PO_OK)
        return po_file_close(file, err);
    po_file_free(file);
    return st;
}

enum po_status
po_restore_journal_registry(struct po_restore *r, const struct po_buf *former, int64_t former_time,
                            struct po_err *err)
{
    struct po_buf record = { 0 };
    enum po_status st;

    if (r->journal == NULL)
        return PO_OK;
    st = write_file(r, PO_RESTORE_NEW_REG, &r->registry, err);
    if (st == PO_OK)
        st = write_file(r, PO_RESTORE_FORMER_REG, former, err);
    if (st == PO_OK)
        st = po_dir_sync(r->journal_dir, err);
    if (st != PO_OK)
        return po_err_prefix(err, "journal");
    po_buf_put_u64le(&record, (uint64_t)po_index_write_time(r->reader->index, r->registry_entry));
    po_buf_put_u64le(&record, (uint64_t)former_time);
    po_buf_put_u8(&record, r->options->is_registry_exact);
    return put(r, PO_RESTORE_RECORD_REGISTRY, &record, err);
}

enum po_status
po_restore_journal_phase(struct po_restore *r, enum po_restore_phase phase, struct po_err *err)
{
    const uint8_t byte = (uint8_t)phase;
    enum po_status st = PO_OK;

    if (r->journal == NULL ||
        (r->has_made_room && phase != PO_RESTORE_MAKING_ROOM && phase != PO_RESTORE_DONE))
        return PO_OK;
    st = po_journal_put(r->journal, PO_RESTORE_RECORD_PHASE, &byte, 1, err);
    return st == PO_OK ? po_journal_sync(r->journal, err) : st;
}

bool
po_restore_journal_drop(struct po_restore *r)
{
    struct po_err failure;
    struct po_dir *site = NULL;
    enum po_status st;

    po_journal_free(r->journal);
    r->journal = NULL;
    po_dir_free(r->journal_dir);
    r->journal_dir = NULL;
    if (r->journal_name[0] == '\0' || r->options->journal_dir == NULL)
        return true;
    st = po_dir_open(&site, r->options->journal_dir, &failure);
    if (st == PO_OK)
        st = po_dir_remove_all(site, r->journal_name, strlen(r->journal_name), &failure);
    po_dir_free(site);
    r->journal_name[0] = '\0';
    return st == PO_OK;
}

/* ---- reading ---- */

static char *
copy_text(struct po_cursor *record)
{
    size_t size;
    const char *text = po_journal_text(record, &size);

    return po_mem_copy(text, size);
}

static enum po_status
copy_name(struct po_cursor *record, char name[80], struct po_err *err)
{
    size_t size;
    const char *text = po_journal_text(record, &size);

    if (size == 0 || size >= 80)
        return po_fail(err, PO_E_FORMAT, "journal: a folder's name of %zu bytes", size);
    memcpy(name, text, size);
    name[size] = '\0';
    return PO_OK;
}

static enum po_status
load_begin(struct po_restore *r, struct po_cursor *record, struct po_err *err)
{
    uint32_t version = po_cursor_u32(record);
    uint32_t flags = po_cursor_u32(record);
    uint8_t rule;

    if (version != VERSION)
        return po_fail(err, PO_E_UNSUPPORTED, "journal: version %u; this program knows %u", version,
                       VERSION);
    r->pending.no_services = (flags & FLAG_NO_SERVICES) != 0;
    r->pending.no_safety_copy = (flags & FLAG_NO_SAFETY_COPY) != 0;
    r->time = (int64_t)po_cursor_u64(record);
    r->pending.archive = copy_text(record);
    rule = po_cursor_u8(record);
    r->pending.has_rule = rule < PO_RIGHTS_COUNT;
    r->pending.rule = r->pending.has_rule ? (enum po_rights)rule : PO_RIGHTS_KEEP;
    for (int i = 0; i < PO_PART_COUNT; i++)
        r->pending.parts[i] = po_cursor_u8(record) != 0;
    return r->pending.archive == NULL ? po_fail_nomem(err, 0) : PO_OK;
}

static enum po_status
load_base(struct po_restore *r, struct po_cursor *record, struct po_err *err)
{
    uint8_t number = po_cursor_u8(record);
    struct po_restore_base *base = &r->bases[number < PO_RESTORE_BASES ? number : 0];
    enum po_status st;

    if (number >= PO_RESTORE_BASES || base->os_path != NULL)
        return po_fail(err, PO_E_FORMAT, "journal: base %u", number);
    if (number >= r->base_count)
        r->base_count = number + 1u;
    base->os_path = copy_text(record);
    if (base->os_path == NULL)
        return po_fail_nomem(err, 0);
    st = copy_name(record, base->stage, err);
    if (st == PO_OK)
        st = copy_name(record, base->aside, err);
    base->write_time = (int64_t)po_cursor_u64(record);
    return st == PO_OK ? po_dir_open(&base->dir, base->os_path, err) : st;
}

static enum po_status
load_tree(struct po_restore *r, struct po_cursor *record, struct po_err *err)
{
    struct po_restore_tree *tree = &r->trees[r->tree_count];
    uint8_t part = po_cursor_u8(record);
    uint8_t base = po_cursor_u8(record);

    if (r->tree_count == PO_RESTORE_TREES || part >= PO_PART_COUNT || base >= r->base_count ||
        r->bases[base].dir == NULL)
        return po_fail(err, PO_E_FORMAT, "journal: tree %u at base %u", part, base);
    r->tree_count++;
    tree->part = (enum po_part)part;
    tree->member = po_part_member(tree->part);
    tree->member_size = strlen(tree->member);
    tree->base = &r->bases[base];
    tree->path = copy_text(record);
    tree->rel = copy_text(record);
    tree->exists = po_cursor_u8(record) != 0;
    if (tree->path == NULL || tree->rel == NULL)
        return po_fail_nomem(err, 0);
    tree->rel_size = strlen(tree->rel);
    return PO_OK;
}

static enum po_status
load_step(struct po_restore *r, struct po_cursor *record, struct po_err *err)
{
    struct po_restore_step step = { .kind = po_cursor_u8(record), .entry = PO_NONE };
    struct po_node_info info = { .type = PO_NODE_DIRECTORY };
    struct po_restore_former *former;
    uint8_t flags;
    size_t size;
    size_t security_size;
    const char *path;
    const char *security;
    enum po_status st;

    step.tree = po_cursor_u8(record);
    flags = po_cursor_u8(record);
    path = po_journal_text(record, &size);
    if (step.kind > PO_RESTORE_NEW || step.tree >= r->tree_count)
        return po_fail(err, PO_E_FORMAT, "journal: step %u in tree %u", step.kind, step.tree);
    step.is_removed = (flags & STEP_REMOVED) != 0;
    step.is_directory = (flags & STEP_DIRECTORY) != 0;
    if (step.kind != PO_RESTORE_ENTERED)
        return po_restore_note(r, step, path, size, err);
    info.uid = po_cursor_u32(record);
    info.gid = po_cursor_u32(record);
    info.mode = po_cursor_u32(record);
    info.write_time = (int64_t)po_cursor_u64(record);
    security = po_journal_text(record, &security_size);
    st = po_restore_note_entered(r, step, &info, path, size, err);
    if (st != PO_OK)
        return st;
    former = &r->log.infos[r->log.info_count - 1];
    former->security_start = r->log.securities.size;
    former->security_size = security_size;
    po_buf_put(&r->log.securities, security, security_size);
    former->has_facts = (flags & STEP_HAS_FACTS) != 0;
    former->new_time = (int64_t)po_cursor_u64(record);
    return po_buf_check(&r->log.securities, err);
}

static enum po_status
load_registry(struct po_restore *r, struct po_cursor *record)
{
    r->pending.has_registry = true;
    r->pending.new_time = (int64_t)po_cursor_u64(record);
    r->pending.former_time = (int64_t)po_cursor_u64(record);
    r->pending.registry_how = po_cursor_u8(record) != 0 ? PO_REGISTRY_EXACT : PO_REGISTRY_MERGED;
    return PO_OK;
}

static enum po_status
load_service(struct po_restore *r, struct po_cursor *record, struct po_err *err)
{
    size_t size;
    const char *name = po_journal_text(record, &size);

    po_buf_put(&r->pending.services, name, size);
    po_buf_put_u8(&r->pending.services, '\0');
    return po_buf_check(&r->pending.services, err);
}

/* A po_journal_fn. Kinds of a later version are passed over: the version tells what must be known. */
static enum po_status
load_record(void *ctx, uint8_t kind, struct po_cursor *record, struct po_err *err)
{
    struct po_restore *r = ctx;
    enum po_status st = PO_OK;

    switch (kind) {
    case PO_RESTORE_RECORD_BEGIN:
        st = load_begin(r, record, err);
        break;
    case PO_RESTORE_RECORD_BASE:
        st = load_base(r, record, err);
        break;
    case PO_RESTORE_RECORD_TREE:
        st = load_tree(r, record, err);
        break;
    case PO_RESTORE_RECORD_SERVICE:
        st = load_service(r, record, err);
        break;
    case PO_RESTORE_RECORD_STEP:
        st = load_step(r, record, err);
        break;
    case PO_RESTORE_RECORD_REGISTRY:
        st = load_registry(r, record);
        break;
    case PO_RESTORE_RECORD_PHASE:
        r->pending.phase = (enum po_restore_phase)po_cursor_u8(record);
        break;
    default:
        break;
    }
    if (st == PO_OK && record->overrun)
        st = po_fail(err, PO_E_FORMAT, "journal: a record of kind %u is too short", kind);
    return st;
}

enum po_status
po_restore_journal_load(struct po_restore *r, struct po_dir *dir, struct po_err *err)
{
    enum po_status st = po_journal_read(dir, PO_RESTORE_JOURNAL, load_record, r, err);

    if (st == PO_OK && r->pending.archive == NULL)
        st = po_fail(err, PO_E_FORMAT, "journal: it has no beginning");
    return st;
}
