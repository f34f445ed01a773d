/*
 * Signing and checking when the system or the heap fails: each call in turn, once or for ever. A sidecar
 * is there whole or not at all; and no archive is ever taken for unsigned, foreign or altered because
 * something could not be read.
 */
#include "fault.h"
#include "vault_help.h"

#include "cli/cli_sign.h"
#include "engine/signature.h"

#include <stdlib.h>

static char top[OS_PATH_SIZE];
static char path[OS_PATH_SIZE + 32];
static char sidecar[sizeof path + 8];
static char partial[sizeof sidecar + 8];
static struct po_minisign_secret secret;
static struct po_minisign_public public_key;
static uint8_t archive_id[PO_ID_SIZE];

static void
setup(void)
{
    const struct help_snapshot snapshot = { .created = HELP_NOON, .bytes = 100, .entries = 3 };
    static const uint8_t random_bytes[PO_MINISIGN_RANDOM_SIZE] = { 7 };
    struct po_buf bytes = { 0 };
    struct po_err err;

    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-sign");
    (void)snprintf(path, sizeof path, "%s/a.tar.zst", top);
    (void)snprintf(sidecar, sizeof sidecar, "%s.minisig", path);
    (void)snprintf(partial, sizeof partial, "%s.partial", sidecar);
    help_snapshot_put(&bytes, &snapshot, NULL);
    os_write(path, bytes.bytes, bytes.size);
    po_buf_deinit(&bytes);
    ck_assert_int_eq(po_minisign_make(&secret, &public_key, random_bytes, &err), PO_OK);
}

static void
teardown(void)
{
    fault_disarm();
    os_temp_remove(top);
}

/* As `pobackup sign` does it. */
static enum po_status
sign(struct po_err *err)
{
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct pobackup_blob blob = { 0 };
    struct po_reader *reader = NULL;
    enum po_status st = po_store_file_open(&blob, path, err);

    if (st == PO_OK)
        st = po_reader_open(&reader, &blob, err);
    if (st == PO_OK)
        st = po_signature_hash(hash, &blob, reader, NULL, err);
    if (st == PO_OK)
        st = po_cli_sign_write(&secret, path, hash, archive_id, err);
    po_reader_free(reader);
    po_store_blob_free(&blob);
    return st;
}

static enum po_status
check(struct po_signature *signature, struct po_err *err)
{
    struct pobackup_blob blob = { 0 };
    struct po_reader *reader = NULL;
    enum po_status st = po_store_file_open(&blob, path, err);

    if (st == PO_OK)
        st = po_reader_open(&reader, &blob, err);
    if (st == PO_OK)
        st = po_signature_check(signature, path, &blob, reader, &public_key, 1, NULL, err);
    po_reader_free(reader);
    po_store_blob_free(&blob);
    return st;
}

static bool
is_good(void)
{
    static struct po_signature signature;
    struct po_err err = { 0 };

    ck_assert_msg(check(&signature, &err) == PO_OK, "%s", err.text);
    return signature.state == PO_SIGNATURE_GOOD;
}

static bool
try_sign(enum fault_kind kind, unsigned long nth, bool for_ever)
{
    struct po_err err = { 0 };
    enum po_status st;

    if (os_exists(sidecar))
        os_remove(sidecar);
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = sign(&err);
    fault_disarm();
    if (st != PO_OK && (err.status != st || err.text[0] == 0))
        ck_abort_msg("%d, call %lu: status %d without a word", (int)kind, nth, (int)st);
    if (st == PO_OK && !is_good())
        ck_abort_msg("%d, call %lu: it says that it is signed", (int)kind, nth);
    /* What could not even be removed is whole. */
    if (os_exists(sidecar) && !is_good())
        ck_abort_msg("%d, call %lu: a sidecar that is no good", (int)kind, nth);
    if (st == PO_OK && os_exists(partial))
        ck_abort_msg("%d, call %lu: the partial is left", (int)kind, nth);
    return fault_has_struck(kind);
}

START_TEST(a_sidecar_is_written_whole_or_the_failure_is_told)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long nth = 1;

        while (try_sign((enum fault_kind)_i, nth, for_ever != 0))
            nth++;
        ck_assert_msg(nth > 1, "no call of this kind");
    }
}
END_TEST

START_TEST(nothing_is_judged_by_what_could_not_be_read)
{
    static struct po_signature signature;
    struct po_err err = { 0 };

    ck_assert_int_eq(sign(&err), PO_OK);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        bool has_struck = true;

        for (unsigned long nth = 1; has_struck; nth++) {
            enum po_status st;

            fault_arm((enum fault_kind)_i, nth, _i == FAULT_MEMORY ? ENOMEM : EIO, for_ever != 0);
            st = check(&signature, &err);
            fault_disarm();
            has_struck = fault_has_struck((enum fault_kind)_i);
            if (st == PO_OK && signature.state != PO_SIGNATURE_GOOD)
                ck_abort_msg("%d, call %lu: %s", _i, nth, po_signature_state_name(signature.state));
            if (st != PO_OK && st != PO_E_IO && st != PO_E_NOMEM)
                ck_abort_msg("%d, call %lu: %d, %s", _i, nth, (int)st, err.text);
        }
    }
}
END_TEST

/* Reads that give half of what was asked for are no faults. */
START_TEST(a_file_that_comes_in_halves_is_read_all_the_same)
{
    struct po_err err = { 0 };

    ck_assert_int_eq(sign(&err), PO_OK);
    for (unsigned long nth = 1; nth < 20; nth++) {
        static struct po_signature signature;
        enum po_status st;

        fault_arm(FAULT_READ, nth, 0, false);
        st = check(&signature, &err);
        fault_disarm();
        ck_assert_int_eq(st, PO_OK);
        ck_assert_int_eq(signature.state, PO_SIGNATURE_GOOD);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_sign");
    TCase *tc = tcase_create("sign");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_sidecar_is_written_whole_or_the_failure_is_told, 0, FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, nothing_is_judged_by_what_could_not_be_read, 0, FAULT_KIND_COUNT);
    tcase_add_test(tc, a_file_that_comes_in_halves_is_read_all_the_same);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
