/* The .reg document when memory runs out: each allocation fails in turn, is told, and leaves nothing behind. */
#include "fault.h"
#include "registry/reg.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "Windows Registry Editor Version 5.00\n"
                           "[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\n@=\"1\"\n\"x\"=hex:01,02\n\"y\"=-\n"
                           "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\A\\old]\n"
                           "[HKEY_LOCAL_MACHINE\\SOFTWARE\\A\\b\\c]\n\"z\"=hex(2):61,00,00,00\n"
                           "[HKEY_LOCAL_MACHINE\\SOFTWARE\\A\\d]\n\"x\"=dword:1\n";

static enum po_status
ignore_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    (void)ctx;
    (void)difference;
    (void)err;
    return PO_OK;
}

static enum po_status
count_word(void *ctx, const struct po_reg_key *key, const struct po_reg_value *value, size_t word,
           struct po_err *err)
{
    (void)key;
    (void)value;
    (void)word;
    (void)err;
    ++*(size_t *)ctx;
    return PO_OK;
}

/* All that a document goes through from a file of another machine to one of this. */
static enum po_status
work(size_t *found, struct po_err *err)
{
    static const struct po_reg_move move = { "1", "other text" };
    const char *word = "other";
    struct po_reg *reg = NULL;
    struct po_reg *moved = NULL;
    struct po_reg *merged = NULL;
    struct po_buf printed = { 0 };
    enum po_status st = po_reg_parse(&reg, text, strlen(text), PO_REG_CODE_PAGE_AUTO, err);

    if (st == PO_OK)
        st = po_reg_in_view(&moved, reg, PO_REG_VIEW_32, err);
    if (st == PO_OK)
        st = po_reg_rewrite(moved, &move, 1, NULL, NULL, err);
    if (st == PO_OK)
        st = po_reg_find_words(moved, &word, 1, count_word, found, err);
    if (st == PO_OK)
        st = po_reg_merge(&merged, moved, moved, err);
    if (st == PO_OK)
        st = po_reg_compare(reg, merged, PO_REG_IGNORE_WOW64, ignore_difference, NULL, err);
    if (st == PO_OK)
        st = po_reg_print(merged, &printed, err);
    po_buf_deinit(&printed);
    po_reg_free(merged);
    po_reg_free(moved);
    po_reg_free(reg);
    return st;
}

START_TEST(each_allocation_that_fails_is_told)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (unsigned long nth = 1;; nth++) {
            struct po_err err = { 0 };
            size_t found = 0;
            enum po_status st;

            fault_arm(FAULT_MEMORY, nth, ENOMEM, for_ever != 0);
            st = work(&found, &err);
            fault_disarm();
            if (!fault_has_struck(FAULT_MEMORY)) {
                ck_assert_int_eq(st, PO_OK);
                ck_assert_uint_eq(found, 1);
                ck_assert_uint_gt(nth, 50);
                break;
            }
            ck_assert_msg(st == PO_E_NOMEM, "allocation %lu: %s: %s", nth, po_status_name(st),
                          err.text);
            ck_assert_int_eq(err.status, PO_E_NOMEM);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_reg");
    TCase *memory = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(memory, 120);
    tcase_add_test(memory, each_allocation_that_fails_is_told);
    suite_add_tcase(suite, memory);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
