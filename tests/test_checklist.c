/* req: U2, U3. What an update does not carry over is found by its names, and secrets are not told. */
#include "engine/checklist.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Post.Office]\r\n"

static struct po_checklist list;
static struct po_reg *reg;
static struct po_err err;
static size_t service_count;

static size_t
count_services(struct po_host *host)
{
    (void)host;
    return service_count;
}

static const struct po_service *
service(struct po_host *host, size_t number)
{
    static const struct po_service services[] = { { .name = "mta", .account = "MAIL\\server" },
                                                  { .name = "puf" } };

    (void)host;
    return &services[number];
}

static const struct po_host_ops ops = { .service_count = count_services, .service = service };
static struct po_host host = { .ops = &ops };

static void
setup(void)
{
    service_count = 0;
    reg = NULL;
}

static void
teardown(void)
{
    po_checklist_deinit(&list);
    po_reg_free(reg);
}

static void
make(enum po_checklist_for what, const char *text)
{
    if (text != NULL)
        ck_assert_int_eq(po_reg_parse(&reg, text, strlen(text), PO_REG_CODE_PAGE_AUTO, &err),
                         PO_OK);
    ck_assert_int_eq(po_checklist_make(&list, what, reg, &host, &err), PO_OK);
}

static const struct po_checklist_item *
item(const char *id)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i].id, id) == 0)
            return &list.items[i];
    ck_abort_msg("no %s", id);
    return NULL;
}

static void
assert_one(const char *id, const char *name, const char *data)
{
    const struct po_checklist_item *found = item(id);

    ck_assert_msg(found->count == 1 && found->found == 1, "%s: %zu", id, found->found);
    ck_assert_str_eq(found->values[0].name, name);
    ck_assert_str_eq(found->values[0].data, data);
}

START_TEST(values_are_found_by_their_names_and_keys)
{
    make(PO_CHECKLIST_UPGRADE, HEAD
         "\"DnsServers\"=\"192.0.2.1\"\r\n\"SerialNumber\"=\"4-2\"\r\n\"HTTPSPort\"=dword:"
         "000001bb\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Post.Office\\Ldap]\r\n\"Allow\"=\"10.0.0.0\""
         "\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Post.Office\\Accounts\\3]\r\n\"Mail\"="
         "\"QJSpam@example.jp\"\r\n");
    assert_one("dns", "DnsServers", "192.0.2.1");
    assert_one("licence", "SerialNumber", "4-2");
    assert_one("https", "HTTPSPort", "443");
    assert_one("ldap", "Allow", "10.0.0.0");
    assert_one("quattroj", "Mail", "QJSpam@example.jp");
}
END_TEST

START_TEST(what_is_not_there_is_not_recognised_and_says_where_to_look)
{
    make(PO_CHECKLIST_UPGRADE, HEAD "\"Spool\"=\"C:\\\\spool\"\r\n");
    ck_assert_uint_eq(item("ldap")->found, 0);
    ck_assert_ptr_nonnull(strstr(item("ldap")->where, "[LDAP Server Settings]"));
    ck_assert_uint_eq(item("dns")->found, 0);
    ck_assert_ptr_nonnull(item("dns")->where);
}
END_TEST

START_TEST(without_a_registry_nothing_is_recognised)
{
    make(PO_CHECKLIST_UPGRADE, NULL);
    for (size_t i = 0; i < list.count; i++)
        ck_assert_uint_eq(list.items[i].found, 0);
}
END_TEST

START_TEST(secrets_are_not_told)
{
    make(PO_CHECKLIST_UPGRADE, HEAD "\"LdapPassword\"=\"x\"\r\n\"SslPrivateKey\"=hex:01,02\r\n");
    ck_assert_uint_eq(item("ldap")->found, 0);
    ck_assert_uint_eq(item("https")->found, 0);
}
END_TEST

START_TEST(of_many_values_the_first_are_listed_and_all_counted)
{
    char text[8192] = HEAD;

    for (int i = 0; i < 50; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "\"ldap%d\"=\"x\"\r\n", i);
    make(PO_CHECKLIST_UPGRADE, text);
    ck_assert_uint_eq(item("ldap")->found, 50);
    ck_assert_uint_eq(item("ldap")->count, 20);
}
END_TEST

START_TEST(the_account_of_the_services_is_named)
{
    service_count = 2;
    make(PO_CHECKLIST_UPGRADE, HEAD);
    assert_one("password", "mta", "MAIL\\server");
}
END_TEST

START_TEST(an_uninstall_has_a_list_of_its_own) /* req: K1 */
{
    make(PO_CHECKLIST_UNINSTALL, HEAD "\"LicenseKey\"=\"7\"\r\n\"Ldap\"=\"1\"\r\n");
    assert_one("licence", "LicenseKey", "7");
    ck_assert_ptr_nonnull(strstr(item("accounts")->what, "all accounts"));
    for (size_t i = 0; i < list.count; i++)
        ck_assert_str_ne(list.items[i].id, "ldap");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("checklist");
    TCase *tc = tcase_create("checklist");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_are_found_by_their_names_and_keys);
    tcase_add_test(tc, what_is_not_there_is_not_recognised_and_says_where_to_look);
    tcase_add_test(tc, without_a_registry_nothing_is_recognised);
    tcase_add_test(tc, secrets_are_not_told);
    tcase_add_test(tc, of_many_values_the_first_are_listed_and_all_counted);
    tcase_add_test(tc, the_account_of_the_services_is_named);
    tcase_add_test(tc, an_uninstall_has_a_list_of_its_own);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
