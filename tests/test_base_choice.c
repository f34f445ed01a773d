/* What the next archive in a vault builds on. */
#include "engine/base_choice.h"

#include "port/sys.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE PO_RETENTION_NONE
#define DAY INT64_C(864000000000)
#define NOW (1000 * DAY)
#define ROWS 40

static char mailbox[] = "/srv/mailbox";
static char elsewhere[] = "/srv/elsewhere";
static char folder[] = "folder";
static char host_name[256];

static struct po_vault_row rows[ROWS];
static uint32_t parents[ROWS][ROWS];
static struct po_vault vault;
static struct po_base_rules rules;

static const char *
place(struct po_host *host, enum po_part part)
{
    (void)host;
    return part == PO_PART_MAILBOX ? mailbox : NULL;
}

static const struct po_host_ops ops = { .kind = "folder", .place = place };
static struct po_host host = { .ops = &ops };

static void
setup(void)
{
    struct po_buf name = { 0 };

    po_sys_put_host(&name);
    (void)snprintf(host_name, sizeof host_name, "%s", po_buf_text(&name));
    po_buf_deinit(&name);
    memset(rows, 0, sizeof rows);
    vault = (struct po_vault){ .rows = rows };
    rules = (struct po_base_rules){ .kind = PO_BASE_FULL, .full_days = 7, .full_share = 50 };
}

/* One more, of this site: on `base` (a row; NONE: a full), so many days ago, of so many bytes. */
static uint32_t
add(uint32_t base, int days_ago, uint64_t bytes)
{
    uint32_t number = vault.count++;
    struct po_vault_row *row = &rows[number];

    ck_assert_uint_lt(number, ROWS);
    *row = (struct po_vault_row){ .file_bytes = bytes, .copy_of = NONE };
    row->peek.manifest.created = NOW - days_ago * DAY;
    row->peek.manifest.host_name = host_name;
    row->peek.manifest.host_kind = folder;
    row->peek.manifest.mailbox = mailbox;
    row->parents = parents[number];
    if (base != NONE) {
        parents[number][0] = base;
        row->peek.manifest.parent_count = rows[base].peek.manifest.parent_count + 1;
        memcpy(parents[number] + 1, parents[base],
               rows[base].peek.manifest.parent_count * sizeof parents[0][0]);
    }
    return number;
}

static void
assert_choice(uint32_t row, const char *reason)
{
    struct po_base_choice choice;

    po_base_choose(&choice, &vault, &host, &rules, NOW);
    ck_assert_msg(choice.row == row, "row %u, not %u: %s", choice.row, row, choice.reason);
    if (reason != NULL)
        ck_assert_msg(strstr(choice.reason, reason) != NULL, "%s", choice.reason);
}

START_TEST(in_an_empty_vault_there_is_nothing_to_build_on)
{
    assert_choice(NONE, "none of this site");
}
END_TEST

START_TEST(it_is_the_newest_full_or_the_newest_of_all)
{
    uint32_t full;
    uint32_t diff;

    (void)add(NONE, 5, 1000);
    full = add(NONE, 3, 1000);
    diff = add(full, 2, 10);
    diff = add(diff, 1, 10);
    assert_choice(full, NULL);
    rules.kind = PO_BASE_LAST;
    assert_choice(diff, NULL);
}
END_TEST

START_TEST(other_sites_damage_copies_missing_parents_and_the_future_do_not_count)
{
    uint32_t good = add(NONE, 6, 1000);
    uint32_t bad = add(NONE, 5, 1000);

    rows[bad].is_damaged = true;
    bad = add(NONE, 4, 1000);
    rows[bad].copy_of = good;
    bad = add(NONE, 3, 1000);
    rows[bad].peek.manifest.mailbox = elsewhere;
    bad = add(NONE, 2, 1000);
    rows[bad].peek.manifest.host_name = elsewhere;
    bad = add(good, 1, 10);
    rows[bad].missing = 1;
    (void)add(NONE, -1, 1000);
    assert_choice(good, NULL);
    rules.kind = PO_BASE_LAST;
    assert_choice(good, NULL);
}
END_TEST

START_TEST(a_full_is_due_by_its_age)
{
    uint32_t full = add(NONE, 7, 1000);

    assert_choice(NONE, "7 days");
    rows[full].peek.manifest.created += DAY; /* six days old */
    assert_choice(full, NULL);
    rows[full].peek.manifest.created -= DAY * 9 / 10; /* a job that begins a little earlier */
    assert_choice(NONE, "7 days");
    rules.full_days = 0;
    assert_choice(full, NULL);
    rows[full].peek.manifest.created = 0;
    assert_choice(full, NULL);
}
END_TEST

START_TEST(a_full_is_due_by_what_builds_on_it)
{
    uint32_t full = add(NONE, 3, 1000);

    (void)add(full, 2, 900); /* a former one: the last counts */
    (void)add(full, 1, 500);
    assert_choice(full, NULL);
    (void)add(full, 1, 551);
    assert_choice(NONE, "50 %");
    rules.full_share = 0;
    assert_choice(full, NULL);
}
END_TEST

START_TEST(of_a_chain_all_of_it_counts)
{
    uint32_t last = add(NONE, 3, 1000);

    rules.kind = PO_BASE_LAST;
    for (int i = 0; i < 5; i++)
        last = add(last, 1, 100);
    assert_choice(last, NULL);
    last = add(last, 1, 100);
    assert_choice(NONE, "50 %");
}
END_TEST

START_TEST(a_chain_ends_at_its_bound)
{
    uint32_t last = add(NONE, 3, 1000000);

    rules.kind = PO_BASE_LAST;
    for (unsigned i = 1; i < PO_BASE_CHAIN_MAX; i++) {
        assert_choice(last, NULL);
        last = add(last, 1, 1);
    }
    assert_choice(NONE, "chain");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("base choice");
    TCase *tc = tcase_create("choice");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, in_an_empty_vault_there_is_nothing_to_build_on);
    tcase_add_test(tc, it_is_the_newest_full_or_the_newest_of_all);
    tcase_add_test(tc, other_sites_damage_copies_missing_parents_and_the_future_do_not_count);
    tcase_add_test(tc, a_full_is_due_by_its_age);
    tcase_add_test(tc, a_full_is_due_by_what_builds_on_it);
    tcase_add_test(tc, of_a_chain_all_of_it_counts);
    tcase_add_test(tc, a_chain_ends_at_its_bound);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
