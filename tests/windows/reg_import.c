/*
 * For tests/check_reg_corpus.py: imports the files 0000.reg, 0001.reg, ... of a directory by our own
 * parser and writer, and tells what that and what regedit left.
 *
 *   reg_import prepare COUNT           makes both keys of each file, with what the files delete
 *   reg_import import COUNT DIRECTORY OUT   "NNNN status: message" a file
 *   reg_import dump COUNT OUT          "== NNNN regedit" and "== NNNN pobackup" before each content
 *   reg_import clear COUNT
 *
 * Files are about HKEY_CURRENT_USER\Software\Wine\KEYBASE_NNNN, which regedit writes; ours go to
 * REG_ABOVE\KEYBASE_NNNN, because po_win32_registry_write knows but HKEY_LOCAL_MACHINE.
 */
#include "host/host_win32.h"
#include "reg_help.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THEIRS L"Software\\Wine"
#define THEIRS_TEXT "HKEY_CURRENT_USER\\Software\\Wine"
#define OURS_TEXT "HKEY_LOCAL_MACHINE\\SOFTWARE\\pobackup-test"

static const char *verb;
static int count;
static const wchar_t *directory;
static FILE *out;

static void
key_of(wchar_t key[64], const wchar_t *above, int number)
{
    (void)swprintf(key, 64, L"%ls\\KEYBASE_%04d", above, number);
}

/* What the files delete, so that it can be seen to go. */
static void
fill(HKEY root, const wchar_t *key, REGSAM view)
{
    static const wchar_t *const subkeys[] = { L"Subkey2a", L"Subkey2b", L"Subkey3a",
                                              L"Subkey3b", L"Subkey4a", L"Subkey4b" };
    static const wchar_t *const values[] = { L"Wine46a", L"Wine46b", L"Wine46c",
                                             L"Wine46d", L"Wine46e", L"Wine46f" };
    HKEY top = NULL;

    ck_assert_int_eq(
        RegCreateKeyExW(root, key, 0, NULL, 0, KEY_ALL_ACCESS | view, NULL, &top, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        HKEY sub = NULL;

        ck_assert_int_eq(
            RegCreateKeyExW(top, subkeys[i], 0, NULL, 0, KEY_ALL_ACCESS, NULL, &sub, NULL), 0);
        ck_assert_int_eq(RegSetValueExW(sub, L"x", 0, REG_SZ, (const void *)L"1", 4), 0);
        RegCloseKey(sub);
        ck_assert_int_eq(RegSetValueExW(top, values[i], 0, REG_SZ, (const void *)L"1", 4), 0);
    }
    RegCloseKey(top);
}

/* The document with ours in the place of their key; what is elsewhere stays there. */
static struct po_reg *
move(const struct po_reg *reg)
{
    struct po_reg *moved = NULL;
    struct po_err err = { 0 };
    size_t size = strlen(THEIRS_TEXT);

    ck_assert_int_eq(po_reg_new(&moved, &err), PO_OK);
    for (size_t i = 0; i < reg->key_count; i++) {
        const struct po_reg_key *key = &reg->keys[i];
        struct po_buf path = { 0 };

        if (po_reg_path_is_within(key->path, key->path_size, THEIRS_TEXT, size)) {
            po_buf_put_text(&path, OURS_TEXT);
            po_buf_put(&path, key->path + size, key->path_size - size);
        } else {
            po_buf_put(&path, key->path, key->path_size);
        }
        ck_assert_int_eq(
            po_reg_add_key(moved, (const char *)path.bytes, path.size, key->is_delete, NULL, &err),
            PO_OK);
        po_buf_deinit(&path);
        for (size_t j = 0; j < key->value_count; j++) {
            const struct po_reg_value *value = &key->values[j];
            enum po_status st =
                value->is_delete
                    ? po_reg_add_delete(moved, value->name, value->name_size, &err)
                    : po_reg_add_value(moved, value->name, value->name_size, value->type,
                                       value->data, value->data_size, &err);

            ck_assert_int_eq(st, PO_OK);
        }
    }
    return moved;
}

static enum po_status
import(int number, struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_reg *reg = NULL;
    struct po_reg *moved;
    wchar_t path[MAX_PATH];
    char key[64];
    enum po_status st;

    (void)swprintf(path, MAX_PATH, L"%ls\\%04d.reg", directory, number);
    (void)snprintf(key, sizeof(key), "SOFTWARE\\pobackup-test\\KEYBASE_%04d", number);
    reg_read_file(path, &bytes);
    st = po_reg_parse(&reg, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, err);
    po_buf_deinit(&bytes);
    if (st != PO_OK)
        return st;
    moved = move(reg);
    po_reg_free(reg);
    st = po_win32_registry_write(moved, key, false, err);
    po_reg_free(moved);
    return st;
}

static void
dump(int number)
{
    struct po_buf text = { 0 };
    wchar_t key[64];

    key_of(key, THEIRS, number);
    reg_dump(&text, HKEY_CURRENT_USER, key, 0);
    (void)fprintf(out, "== %04d regedit\n%s", number, po_buf_text(&text));
    po_buf_clear(&text);
    key_of(key, REG_ABOVE, number);
    reg_dump(&text, HKEY_LOCAL_MACHINE, key, KEY_WOW64_32KEY);
    (void)fprintf(out, "== %04d pobackup\n%s", number, po_buf_text(&text));
    po_buf_deinit(&text);
}

START_TEST(work)
{
    if (strcmp(verb, "import") != 0 && strcmp(verb, "dump") != 0)
        reg_clear();
    for (int i = 0; i < count; i++) {
        struct po_err err = { 0 };
        wchar_t key[64];

        if (strcmp(verb, "import") == 0) {
            enum po_status st = import(i, &err);

            (void)fprintf(out, "%04d %s: %s\n", i, st == PO_OK ? "ok" : po_status_name(st),
                          err.text);
            continue;
        }
        if (strcmp(verb, "dump") == 0) {
            dump(i);
            continue;
        }
        key_of(key, THEIRS, i);
        reg_delete_tree(HKEY_CURRENT_USER, key, 0);
        if (strcmp(verb, "prepare") == 0) {
            fill(HKEY_CURRENT_USER, key, 0);
            key_of(key, REG_ABOVE, i);
            fill(HKEY_LOCAL_MACHINE, key, KEY_WOW64_32KEY);
        }
    }
}
END_TEST

/* As a test, so that what the helpers assert is told. */
int
main(int argc, char **argv)
{
    Suite *suite = suite_create("reg_import");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    wchar_t path[MAX_PATH] = L"";
    int failed;

    if (argc < 3)
        return 3;
    verb = argv[1];
    count = (int)strtol(argv[2], NULL, 10);
    if (argc > 4)
        (void)MultiByteToWideChar(CP_UTF8, 0, argv[3], -1, path, MAX_PATH);
    directory = path;
    if (argc > 3)
        out = fopen(argv[argc - 1], "wb");
    tcase_add_test(all, work);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_MINIMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (out != NULL && fclose(out) != 0)
        failed++;
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
