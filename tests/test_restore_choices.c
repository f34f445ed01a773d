/* req: R3, R4, R11, W1, W2: what a restore does with registry data and queue, by what is chosen. */
#include "base/utf16.h"
#include "engine/recover.h"
#include "engine/restore.h"
#include "host/host.h"
#include "restore_help.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REG "Post.OfficeRegKeyBackup.reg"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"
#define HELD "PostOfficeBackup/held-queue-"

struct rig {
    struct rig_archive archive;
    struct po_host *host;
    struct po_restore_options options;
    struct po_restore_result result;
    struct po_err err;
};

static void
open_rig(struct rig *rig, const struct rig_item *items, size_t count)
{
    struct po_err err;

    *rig = (struct rig){ .options = { .threads = 2 } };
    rig_directory("site");
    rig_make(&rig->archive, items, count);
    ck_assert_msg(po_host_folder_open(&rig->host, rig_at("site"), &err) == PO_OK, "%s", err.text);
}

static void
close_rig(struct rig *rig)
{
    po_restore_result_deinit(&rig->result);
    rig->host->ops->free(rig->host);
    rig_close(&rig->archive);
}

static enum po_status
run(struct rig *rig)
{
    po_restore_result_deinit(&rig->result);
    rig->result = (struct po_restore_result){ .outage_seconds = -1 };
    return po_restore_run(rig->archive.reader, rig->host, &rig->options, NULL, &rig->result,
                          &rig->err);
}

static void
plan_well(struct rig *rig)
{
    po_restore_result_deinit(&rig->result);
    ck_assert_msg(po_restore_plan(rig->archive.reader, rig->host, &rig->options, NULL, &rig->result,
                                  &rig->err) == PO_OK,
                  "%s", rig->err.text);
}

static void
run_well(struct rig *rig)
{
    enum po_status st = run(rig);

    ck_assert_msg(st == PO_OK, "%s", rig->err.text);
    ck_assert_msg(rig->result.problems.count == 0, "%s", rig->result.problems.items[0].reason);
}

/* ---- registry ---- */

#define KEY "HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office"
#define HEAD "REGEDIT4\n\n[" KEY "]\n"

static const char set_registry[] =
    HEAD "\"Root\"=\"C:\\\\Post.Office\\\\spool\"\n\"Both\"=\"2\"\n\"New\"=\"x\"\n"
         "\"Smtp\"=\"" RIG_HOST ".example.jp:25\"\n"
         "\"Raw\"=hex:43,3a,5c,50,6f,73,74,2e,4f,66,66,69,63,65,5c,73,70,6f,6f,6c,00\n";
static const char site_registry[] = HEAD "\"Both\"=\"1\"\n\"Only\"=\"here\"\n";

static const struct rig_item registry_set[] = {
    { .path = REG, .text = set_registry },
};

static const struct po_restore_value *
find_value(const struct rig *rig, enum po_restore_value_kind kind, const char *name)
{
    for (size_t i = 0; i < rig->result.registry.count; i++)
        if (rig->result.registry.values[i].kind == kind &&
            strcmp(rig->result.registry.values[i].name, name) == 0)
            return &rig->result.registry.values[i];
    ck_abort_msg("%s is not told", name);
    return NULL;
}

static const char *
read_registry(void)
{
    static char text[4096];
    struct po_buf utf8 = { 0 };
    char bytes[4096];
    FILE *file = fopen(rig_at("site/" REG), "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    if (size >= 2 && (uint8_t)bytes[0] == 0xFF)
        po_wtf8_put_utf16(&utf8, bytes + 2, size - 2, false);
    else
        po_buf_put(&utf8, bytes, size);
    (void)snprintf(text, sizeof text, "%s", po_buf_text(&utf8));
    po_buf_deinit(&utf8);
    return text;
}

/* req: R3, R4 */
START_TEST(the_plan_tells_of_each_value_and_the_import_does_just_that)
{
    static const struct po_reg_move maps[] = { { "C:/Post.Office/spool", "E:/Spool" } };
    struct rig rig;
    const struct po_restore_value *value;
    const uint64_t *counts;

    rig_write("site/" REG, site_registry);
    open_rig(&rig, registry_set, 1);
    rig.options.parts[PO_PART_REGISTRY] = true;
    rig.options.maps = maps;
    rig.options.map_count = 1;
    plan_well(&rig);
    ck_assert(rig.result.registry.is_compared);
    counts = rig.result.registry.counts;
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_CHANGED], 1);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_ADDED], 4);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_LEFT], 1);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_REMOVED], 0);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_REWRITTEN], 1);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_OLD_PLACE], 1);
    ck_assert_uint_eq(counts[PO_RESTORE_VALUE_OLD_HOST], 1);
    value = find_value(&rig, PO_RESTORE_VALUE_OLD_HOST, "Smtp"); /* req: W2 */
    ck_assert_str_eq(value->before, RIG_HOST);
    ck_assert_str_eq(value->after, RIG_HOST ".example.jp:25");
    value = find_value(&rig, PO_RESTORE_VALUE_REWRITTEN, "Root");
    ck_assert_str_eq(value->key, KEY);
    ck_assert_str_eq(value->before, "C:\\Post.Office\\spool");
    ck_assert_str_eq(value->after, "E:\\Spool");
    value = find_value(&rig, PO_RESTORE_VALUE_OLD_PLACE, "Raw");
    ck_assert_str_eq(value->before, "C:/Post.Office/spool");
    ck_assert_ptr_null(value->after);
    (void)find_value(&rig, PO_RESTORE_VALUE_LEFT, "Only");
    ck_assert_str_eq(read_registry(), site_registry);
    run_well(&rig);
    ck_assert_ptr_nonnull(strstr(read_registry(), "\"Root\"=\"E:\\\\Spool\""));
    ck_assert_ptr_nonnull(strstr(read_registry(), "\"Both\"=\"2\""));
    ck_assert_ptr_nonnull(strstr(read_registry(), "\"Only\"=\"here\""));
    ck_assert_ptr_nonnull(strstr(read_registry(), "\"Raw\"=hex:43,3a"));
    close_rig(&rig);
}
END_TEST

/* req: R3 */
START_TEST(an_exact_registry_is_the_sets_byte_for_byte)
{
    struct rig rig;

    rig_write("site/" REG, site_registry);
    open_rig(&rig, registry_set, 1);
    rig.options.parts[PO_PART_REGISTRY] = true;
    rig.options.is_registry_exact = true;
    run_well(&rig);
    ck_assert_uint_eq(rig.result.registry.counts[PO_RESTORE_VALUE_REMOVED], 1);
    ck_assert_uint_eq(rig.result.registry.counts[PO_RESTORE_VALUE_LEFT], 0);
    ck_assert_str_eq(read_registry(), set_registry);
    close_rig(&rig);
}
END_TEST

START_TEST(what_is_no_registry_is_a_reason_unless_all_is_replaced)
{
    struct rig rig;

    rig_write("site/" REG, "no registry");
    open_rig(&rig, registry_set, 1);
    rig.options.parts[PO_PART_REGISTRY] = true;
    ck_assert_int_eq(run(&rig), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "the one that is there"));
    ck_assert_ptr_nonnull(strstr(rig.err.text, "--registry=exact"));
    ck_assert_str_eq(rig_read("site/" REG), "no registry");
    rig.options.is_registry_exact = true;
    run_well(&rig);
    ck_assert_str_eq(read_registry(), set_registry);
    close_rig(&rig);
}
END_TEST

/* A host whose import says that all is well, and does nothing. */
struct liar {
    struct po_host host;
    struct po_host_ops ops;
    struct po_host *folder;
};

static const char *
liar_place(struct po_host *host, enum po_part part)
{
    struct po_host *folder = ((struct liar *)(void *)host)->folder;

    return folder->ops->place(folder, part);
}

static size_t
liar_services(struct po_host *host)
{
    (void)host;
    return 0;
}

static enum po_status
liar_export(struct po_host *host, struct po_buf *out, int64_t *write_time, struct po_err *err)
{
    struct po_host *folder = ((struct liar *)(void *)host)->folder;

    return folder->ops->registry_export(folder, out, write_time, err);
}

static enum po_status
liar_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
            enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    (void)bytes;
    (void)size;
    (void)how;
    return liar_export(host, former, &write_time, err);
}

START_TEST(an_import_that_did_not_take_is_a_failure)
{
    struct rig rig;
    struct liar liar = { .ops = { .kind = "folder",
                                  .place = liar_place,
                                  .service_count = liar_services,
                                  .registry_export = liar_export,
                                  .registry_import = liar_import } };

    rig_write("site/" REG, site_registry);
    open_rig(&rig, registry_set, 1);
    liar.host.ops = &liar.ops;
    liar.folder = rig.host;
    rig.options.parts[PO_PART_REGISTRY] = true;
    ck_assert_int_eq(
        po_restore_run(rig.archive.reader, &liar.host, &rig.options, NULL, &rig.result, &rig.err),
        PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "it is not what was imported"));
    ck_assert_str_eq(read_registry(), site_registry);
    close_rig(&rig);
}
END_TEST

/* ---- queue ---- */

static const struct rig_item queue_set[] = {
    { .path = SPOOL, .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/config", .text = "new" },
    { .path = SPOOL "/control", .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/control/1-Control", .text = "control 1" },
    { .path = SPOOL "/control/2-Control", .text = "control 2" },
    { .path = SPOOL "/control/other", .text = "other" },
    { .path = SPOOL "/messages", .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/messages/1-Body", .text = "body 1" },
    { .path = SPOOL "/messages/1-Header", .text = "header 1" },
};

static const struct rig_item queue_set_with_folder[] = {
    { .path = SPOOL, .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/control/1-Control", .text = "control 1" },
    { .path = SPOOL "/postofficebackup", .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/postofficebackup/saved.reg", .text = "saved" },
};

static const char *
held_path(const struct rig *rig, const char *folder, const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "site/" SPOOL "/%s/%s/%s", folder, rig->result.queue.held,
                   name);
    return path;
}

/* req: R11, W1 */
START_TEST(messages_that_wait_are_counted_and_restored)
{
    struct rig rig;

    open_rig(&rig, queue_set, RIG_COUNT(queue_set));
    rig.options.parts[PO_PART_SPOOL] = true;
    run_well(&rig);
    ck_assert_uint_eq(rig.result.queue.whole, 1);
    ck_assert_uint_eq(rig.result.queue.broken, 1);
    ck_assert_str_eq(rig.result.queue.texts, "2: Control without Header and Body");
    ck_assert_str_eq(rig.result.queue.held, "");
    ck_assert_str_eq(rig_read("site/" SPOOL "/control/1-Control"), "control 1");
    close_rig(&rig);
}
END_TEST

/* Into spools of every kind; and taken back. req: R11 */
START_TEST(messages_that_are_held_come_into_a_folder_of_their_own)
{
    static const char *const there[] = { NULL, "local", "PostOfficeBackup/mine",
                                         "PostOfficeBackup" };

    for (size_t i = 0; i < RIG_COUNT(there); i++) {
        for (int exact = 0; exact < 2; exact++) {
            struct po_recover_result undone = { 0 };
            struct rig rig;
            char path[256];
            char *before;
            char *after;

            rig_directory("site");
            (void)snprintf(path, sizeof path, "site/" SPOOL "/%s",
                           there[i] == NULL ? "" : there[i]);
            if (there[i] != NULL)
                rig_write(path, "local");
            open_rig(&rig, queue_set, RIG_COUNT(queue_set));
            before = rig_picture("site", NULL, false);
            rig.options.parts[PO_PART_SPOOL] = true;
            rig.options.holds_queue = true;
            rig.options.is_exact = exact != 0;
            rig.options.journal_dir = rig_at("journals");
            run_well(&rig);
            ck_assert_uint_eq(rig.result.queue.whole, 1);
            ck_assert_str_eq(rig_read(held_path(&rig, "PostOfficeBackup", "control/1-Control")),
                             "control 1");
            ck_assert_str_eq(rig_read(held_path(&rig, "PostOfficeBackup", "control/2-Control")),
                             "control 2");
            ck_assert_str_eq(rig_read(held_path(&rig, "PostOfficeBackup", "messages/1-Body")),
                             "body 1");
            ck_assert(!rig_exists("site/" SPOOL "/control/1-Control"));
            ck_assert(!rig_exists("site/" SPOOL "/messages/1-Body"));
            ck_assert_str_eq(rig_read("site/" SPOOL "/control/other"), "other");
            ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "new");
            ck_assert_int_eq(rig_exists(path), exact == 0 || i == 0 || i == 3);
            ck_assert_int_eq(po_recover_undo(rig.host, rig_at("journals"), NULL, &undone, &rig.err),
                             PO_OK);
            ck_assert_uint_eq(undone.problems.count, 0);
            ck_assert_int_eq(po_recover_forget(rig_at("journals"), &rig.err), PO_OK);
            after = rig_picture("site", NULL, false);
            ck_assert_str_eq(after, before);
            po_recover_result_deinit(&undone);
            free(before);
            free(after);
            close_rig(&rig);
            rig_leave();
            rig_enter();
        }
    }
}
END_TEST

/* req: R11 */
START_TEST(the_folder_of_held_messages_is_the_sets_own)
{
    for (int is_there = 0; is_there < 2; is_there++) {
        struct rig rig;

        if (is_there)
            rig_write("site/" SPOOL "/postofficebackup/local", "local");
        else
            rig_write("site/" SPOOL "/local", "local");
        open_rig(&rig, queue_set_with_folder, RIG_COUNT(queue_set_with_folder));
        rig.options.parts[PO_PART_SPOOL] = true;
        rig.options.holds_queue = true;
        run_well(&rig);
        ck_assert_str_eq(rig_read(held_path(&rig, "postofficebackup", "control/1-Control")),
                         "control 1");
        ck_assert_str_eq(rig_read("site/" SPOOL "/postofficebackup/saved.reg"), "saved");
        /* Where names have a case. */
        ck_assert(!OS_HAS_POSIX || !rig_exists("site/" SPOOL "/PostOfficeBackup"));
        close_rig(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST

START_TEST(nothing_but_held_messages_is_no_restore)
{
    static const char *const pattern[] = { "**/*-Control" };
    struct rig rig;

    open_rig(&rig, queue_set, RIG_COUNT(queue_set));
    rig.options.parts[PO_PART_SPOOL] = true;
    rig.options.holds_queue = true;
    rig.options.patterns = pattern;
    rig.options.pattern_count = 1;
    ck_assert_int_eq(run(&rig), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "--queue=hold"));
    close_rig(&rig);
}
END_TEST

/* ---- live ---- */

static const struct rig_item box_set[] = {
    { .path = BOX, .type = POBACKUP_DIRECTORY },
    { .path = BOX "/user01", .type = POBACKUP_DIRECTORY },
    { .path = BOX "/user01/1.MSG", .text = "one" },
};

START_TEST(files_are_added_while_the_services_run_and_none_is_replaced)
{
    struct rig rig;

    rig_write("site/" BOX "/user01/2.MSG", "two");
    rig_set_time("site/" BOX "/user01/2.MSG", RIG_TIME + 5);
    open_rig(&rig, box_set, RIG_COUNT(box_set));
    rig.options.parts[PO_PART_MAILBOX] = true;
    rig.options.is_live = rig.options.no_services = true;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "one");
    ck_assert_str_eq(rig_read("site/" BOX "/user01/2.MSG"), "two");
    /* A directory in use stays as it is. */
    ck_assert_int_ne(rig_time("site/" BOX "/user01"), RIG_TIME);
    /* Now it is there. */
    ck_assert_int_eq(run(&rig), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "1 would be replaced"));
    rig.options.parts[PO_PART_SPOOL] = true;
    ck_assert_int_eq(run(&rig), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "spool"));
    close_rig(&rig);
}
END_TEST

/* ---- what is read ---- */

static const struct rig_item many_set[] = {
    { .path = REG, .text = set_registry },
    { .path = "Post.OfficeexeBackup/program", .size = 3 * RIG_FRAME },
    { .path = BOX "/user01/1.MSG", .size = RIG_FRAME / 2 },
    { .path = BOX "/user01/2.MSG", .size = RIG_FRAME / 2 },
    { .path = BOX "/user02/1.MSG", .size = 8 * RIG_FRAME },
    { .path = BOX "/user03/1.MSG", .size = RIG_FRAME / 2 },
};

/* Bytes of the frames that an entry is in. */
static uint64_t
frames_of(const struct rig *rig, const char *path)
{
    const struct po_reader *reader = rig->archive.reader;
    uint32_t entry = po_index_find(reader->index, path, strlen(path));

    ck_assert_uint_ne(entry, PO_NONE);
    return reader->seeks[po_index_frame(reader->index, entry)].compressed_size;
}

/* The index is read when an archive is opened; summary and manifest tell where it is from. */
START_TEST(one_message_is_one_frame)
{
    static const char *const message[] = { BOX "/user03/1.MSG" };
    uint64_t read = 0;
    uint64_t documents;
    struct rig rig;

    open_rig(&rig, many_set, RIG_COUNT(many_set));
    rig.archive.bytes_read = &read;
    rig.options.threads = 1;
    rig.options.parts[PO_PART_MAILBOX] = true;
    rig.options.patterns = message;
    rig.options.pattern_count = 1;
    plan_well(&rig);
    documents = read;
    ck_assert_uint_lt(documents, RIG_FRAME / 2);
    read = 0;
    run_well(&rig);
    ck_assert_uint_eq(read, documents + frames_of(&rig, message[0]));
    ck_assert(!rig.result.is_verified);
    rig_assert_made_up("site/" BOX "/user03/1.MSG", BOX "/user03/1.MSG", RIG_FRAME / 2);
    close_rig(&rig);
}
END_TEST

/* Its frame is checked as deeply as in a verification, and once. req: R1 */
START_TEST(a_part_is_held_against_the_digests_of_its_frames)
{
    static const char *const message[] = { BOX "/user03/1.MSG" };
    const struct po_index *index;
    struct rig rig;
    size_t at;

    open_rig(&rig, many_set, RIG_COUNT(many_set));
    index = rig.archive.reader->index;
    rig.options.parts[PO_PART_MAILBOX] = true;
    rig.options.patterns = message;
    rig.options.pattern_count = 1;
    at = po_index_frame(index, po_index_find(index, message[0], strlen(message[0])));
    /* As if the frame were another one of the same XXH3. */
    at = at * PO_INDEX_FRAME_SIZE + 8 + PO_HASH_SIZE;
    ((uint8_t *)(uintptr_t)index->frame_table)[at] ^= 1;
    ck_assert_int_eq(run(&rig), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(rig.result.problems.items[0].reason, "its digest does not match"));
    ck_assert(!rig_exists("site/" BOX));
    rig.options.is_verified = true;
    run_well(&rig);
    close_rig(&rig);
}
END_TEST

/* req: R1 */
START_TEST(all_of_an_archive_is_verified_and_read_once)
{
    uint64_t read = 0;
    uint64_t documents;
    struct rig rig;

    open_rig(&rig, many_set, RIG_COUNT(many_set));
    rig.archive.bytes_read = &read;
    rig.options.threads = 1;
    rig.options.parts[PO_PART_MAILBOX] = true;
    plan_well(&rig);
    documents = read;
    read = 0;
    run_well(&rig);
    ck_assert(rig.result.is_verified);
    /* Manifest and summary are looked at again by the audit. */
    ck_assert_uint_le(read, rig.archive.bytes.size + 2 * documents);
    close_rig(&rig);
}
END_TEST

/* What is damaged is not wanted: it is an archive that nobody should trust. req: R1 */
START_TEST(damage_anywhere_changes_nothing)
{
    static const char *const program = "Post.OfficeexeBackup/program";
    const enum po_part parts[] = { PO_PART_MAILBOX, PO_PART_REGISTRY };

    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        uint32_t frame;

        rig_write("site/" REG, site_registry);
        open_rig(&rig, many_set, RIG_COUNT(many_set));
        frame = po_index_frame(rig.archive.reader->index,
                               po_index_find(rig.archive.reader->index, program, strlen(program)));
        rig_damage_frame(&rig.archive, frame + 1);
        rig.options.parts[parts[i]] = true;
        ck_assert_int_eq(run(&rig), PO_E_FORMAT);
        ck_assert(!rig.result.is_changed);
        ck_assert(!rig.result.is_verified);
        ck_assert(!rig_exists("site/" BOX));
        ck_assert_str_eq(rig_read("site/" REG), site_registry);
        close_rig(&rig);
    }
}
END_TEST

/* ---- the machine ---- */

static char warned[512];

static void
note_warning(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_WARNING)
        (void)snprintf(warned, sizeof warned, "%s", event->text);
}

static const struct po_watch listening = { .event = note_warning };

static void
write_program(const char *path, uint16_t minor)
{
    struct po_buf program = { 0 };

    po_buf_put_u32le(&program, 0xFEEF04BD);
    po_buf_put_u32le(&program, 0x00010000);
    po_buf_put_zeros(&program, 8);
    po_buf_put_u32le(&program, 4u << 16 | minor);
    po_buf_put_zeros(&program, 32);
    rig_write_bytes(path, program.bytes, program.size);
    po_buf_deinit(&program);
}

/* req: R1 */
START_TEST(the_version_here_and_a_clock_that_is_wrong_are_told)
{
    struct rig rig;

    warned[0] = '\0';
    rig_created = RIG_TIME + INT64_C(100) * 365 * 24 * 3600 * 10000000;
    open_rig(&rig, registry_set, 1);
    rig_created = 0;
    rig.options.parts[PO_PART_REGISTRY] = true;
    write_program("site/Post.OfficeexeBackup/Post.Office.exe", 2);
    ck_assert_int_eq(po_restore_plan(rig.archive.reader, rig.host, &rig.options, &listening,
                                     &rig.result, &rig.err),
                     PO_OK);
    ck_assert_str_eq(rig.result.version_here, "4.2.0.0");
    ck_assert_str_eq(rig.result.version_set, "");
    ck_assert_ptr_nonnull(strstr(warned, "set the clock first"));
    /* What the plan has told is not told again. */
    warned[0] = '\0';
    po_restore_result_deinit(&rig.result);
    rig.options.is_planned = true;
    ck_assert_int_eq(po_restore_run(rig.archive.reader, rig.host, &rig.options, &listening,
                                    &rig.result, &rig.err),
                     PO_OK);
    ck_assert_str_eq(warned, "");
    close_rig(&rig);
}
END_TEST

/* ---- room ---- */

static uint64_t space_left; /* 0: as it is */

enum po_status __real_po_dir_space(struct po_dir *dir, uint64_t *space, uint64_t *total,
                                   struct po_err *err);
enum po_status __wrap_po_dir_space(struct po_dir *dir, uint64_t *space, uint64_t *total,
                                   struct po_err *err);
enum po_status
__wrap_po_dir_space(struct po_dir *dir, uint64_t *space, uint64_t *total, struct po_err *err)
{
    enum po_status st = __real_po_dir_space(dir, space, total, err);

    if (space_left > 0)
        *space = space_left;
    return st;
}

static const char *unremovable; /* a path that ends so */

enum po_status __real_po_dir_remove(struct po_dir *dir, const char *path, size_t path_size,
                                    struct po_err *err);
enum po_status __wrap_po_dir_remove(struct po_dir *dir, const char *path, size_t path_size,
                                    struct po_err *err);
enum po_status
__wrap_po_dir_remove(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    size_t size = unremovable == NULL ? 0 : strlen(unremovable);

    if (size > 0 && path_size >= size && memcmp(path + path_size - size, unremovable, size) == 0)
        return po_fail(err, PO_E_IO, "held fast");
    return __real_po_dir_remove(dir, path, path_size, err);
}

#define BIG (2u << 20)
static const struct rig_item big_set[] = {
    { .path = BOX, .type = POBACKUP_DIRECTORY },
    { .path = BOX "/u/1.MSG", .size = BIG },
    { .path = BOX "/u/2.MSG", .text = "two" },
};

static volatile int fails_reads;

/* The old file and the new one do not fit at once; either alone does. */
static void
open_tight(struct rig *rig)
{
    static char bytes[BIG];

    rig_write_bytes("site/" BOX "/u/1.MSG", bytes, sizeof bytes);
    rig_write("site/" BOX "/u/3.MSG", "local");
    open_rig(rig, big_set, RIG_COUNT(big_set));
    rig->archive.fail_reads = &fails_reads;
    rig->options.parts[PO_PART_MAILBOX] = true;
    rig->options.journal_dir = rig_at("journals");
    space_left = (16u << 20) + (1u << 20);
}

static enum po_recovery_state
recovery_state(void)
{
    struct po_recovery recovery = { 0 };
    struct po_err err;
    enum po_recovery_state state;

    ck_assert_int_eq(po_recovery_find(&recovery, rig_at("journals"), &err), PO_OK);
    state = recovery.state;
    po_recovery_deinit(&recovery);
    return state;
}

START_TEST(what_does_not_fit_at_once_is_told_with_the_way_out)
{
    struct rig rig;

    open_tight(&rig);
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "with --no-safety-copy the old files go first"));
    space_left = 1u << 20;
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "also not enough if the old files went first"));
    rig.options.no_safety_copy = true;
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert_uint_eq(rig_stat("site/" BOX "/u/1.MSG").size, BIG);
    space_left = 0;
    close_rig(&rig);
}
END_TEST

START_TEST(old_files_go_first_where_both_do_not_fit)
{
    struct rig rig;

    open_tight(&rig);
    rig.options.no_safety_copy = true;
    plan_well(&rig);
    ck_assert(rig.result.makes_room);
    run_well(&rig);
    rig_assert_made_up("site/" BOX "/u/1.MSG", BOX "/u/1.MSG", BIG);
    ck_assert_str_eq(rig_read("site/" BOX "/u/2.MSG"), "two");
    ck_assert_str_eq(rig_read("site/" BOX "/u/3.MSG"), "local");
    ck_assert_int_eq(recovery_state(), PO_RECOVERY_NONE);
    space_left = 0;
    close_rig(&rig);
}
END_TEST

/* Nothing is staged then: it would not fit. */
START_TEST(an_old_file_that_stays_ends_it_and_that_is_told)
{
    struct rig rig;

    open_tight(&rig);
    rig.options.no_safety_copy = true;
    unremovable = "/u/1.MSG";
    ck_assert_int_eq(run(&rig), PO_E_IO);
    unremovable = NULL;
    ck_assert(rig.result.is_changed);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "held fast"));
    ck_assert_ptr_nonnull(strstr(rig.err.text, "run the restore again"));
    ck_assert_uint_eq(rig_stat("site/" BOX "/u/1.MSG").size, BIG);
    ck_assert_int_eq(recovery_state(), PO_RECOVERY_INCOMPLETE);
    run_well(&rig);
    ck_assert_int_eq(recovery_state(), PO_RECOVERY_NONE);
    space_left = 0;
    close_rig(&rig);
}
END_TEST

static void
fail_when_removing(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_PHASE && strstr(event->text, "removing") != NULL)
        fails_reads = 1;
}

/* Nothing lies: files are missing, and that is what is told until they are there. */
START_TEST(a_failure_without_the_old_files_is_told_and_run_again)
{
    static const struct po_watch watch = { .event = fail_when_removing };
    struct po_recover_result recovered = { 0 };
    struct rig rig;

    open_tight(&rig);
    rig.options.no_safety_copy = true;
    ck_assert_int_ne(
        po_restore_run(rig.archive.reader, rig.host, &rig.options, &watch, &rig.result, &rig.err),
        PO_OK);
    ck_assert(rig.result.is_changed);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "run the restore again"));
    ck_assert(!rig_exists("site/" BOX "/u/1.MSG"));
    ck_assert_str_eq(rig_read("site/" BOX "/u/3.MSG"), "local");
    ck_assert_int_eq(recovery_state(), PO_RECOVERY_INCOMPLETE);
    ck_assert_int_eq(po_recover_undo(rig.host, rig_at("journals"), NULL, &recovered, &rig.err),
                     PO_E_USAGE);
    po_recover_result_deinit(&recovered);
    ck_assert_int_eq(po_recover_resume(rig.host, rig_at("journals"), NULL, &recovered, &rig.err),
                     PO_E_USAGE);
    po_recover_result_deinit(&recovered);
    ck_assert_int_eq(po_recover_clear_room(rig_at("journals"), &rig.err), PO_OK);
    fails_reads = 0;
    space_left = 0;
    run_well(&rig);
    rig_assert_made_up("site/" BOX "/u/1.MSG", BOX "/u/1.MSG", BIG);
    ck_assert_int_eq(recovery_state(), PO_RECOVERY_NONE);
    close_rig(&rig);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("restore_choices");
    TCase *registry = tcase_create("registry");
    TCase *queue = tcase_create("queue");
    TCase *live = tcase_create("live");
    TCase *reading = tcase_create("reading");
    TCase *room = tcase_create("room");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(registry, rig_enter, rig_leave);
    tcase_add_checked_fixture(queue, rig_enter, rig_leave);
    tcase_add_checked_fixture(live, rig_enter, rig_leave);
    tcase_set_timeout(queue, 60);
    tcase_add_test(registry, the_plan_tells_of_each_value_and_the_import_does_just_that);
    tcase_add_test(registry, an_exact_registry_is_the_sets_byte_for_byte);
    tcase_add_test(registry, what_is_no_registry_is_a_reason_unless_all_is_replaced);
    tcase_add_test(registry, an_import_that_did_not_take_is_a_failure);
    tcase_add_test(queue, messages_that_wait_are_counted_and_restored);
    tcase_add_test(queue, messages_that_are_held_come_into_a_folder_of_their_own);
    tcase_add_test(queue, the_folder_of_held_messages_is_the_sets_own);
    tcase_add_test(queue, nothing_but_held_messages_is_no_restore);
    tcase_add_test(live, files_are_added_while_the_services_run_and_none_is_replaced);
    suite_add_tcase(suite, registry);
    suite_add_tcase(suite, queue);
    suite_add_tcase(suite, live);
    tcase_add_checked_fixture(reading, rig_enter, rig_leave);
    tcase_add_test(reading, one_message_is_one_frame);
    tcase_add_test(reading, a_part_is_held_against_the_digests_of_its_frames);
    tcase_add_test(reading, all_of_an_archive_is_verified_and_read_once);
    tcase_add_test(reading, damage_anywhere_changes_nothing);
    tcase_add_test(reading, the_version_here_and_a_clock_that_is_wrong_are_told);
    suite_add_tcase(suite, reading);
    tcase_add_checked_fixture(room, rig_enter, rig_leave);
    tcase_add_test(room, what_does_not_fit_at_once_is_told_with_the_way_out);
    tcase_add_test(room, old_files_go_first_where_both_do_not_fit);
    tcase_add_test(room, an_old_file_that_stays_ends_it_and_that_is_told);
    tcase_add_test(room, a_failure_without_the_old_files_is_told_and_run_again);
    suite_add_tcase(suite, room);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
