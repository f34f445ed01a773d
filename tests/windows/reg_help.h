/*
 * reg_help.h - a key of the registry for tests, made and looked at by nothing but Windows' own calls, so
 * that what is tested is not what tests it. In the 32-bit view unless it says otherwise.
 */
#ifndef PO_TESTS_REG_HELP_H
#define PO_TESTS_REG_HELP_H

#include "base/buf.h"
#include "registry/reg.h"

#include <windows.h>

/* The site of the tests, below HKEY_LOCAL_MACHINE, and as regedit shows it on 64-bit Windows. */
#define REG_ABOVE L"SOFTWARE\\pobackup-test"
#define REG_KEY L"SOFTWARE\\pobackup-test\\post.office"
#define REG_NAME "SOFTWARE\\pobackup-test\\Post.Office"
#define REG_SHOWN "HKEY_LOCAL_MACHINE\\Software\\Wow6432Node\\pobackup-test\\post.office"
#define REG_PLAIN "HKEY_LOCAL_MACHINE\\SOFTWARE\\pobackup-test\\Post.Office"

/* Who may do what with a key. */
void reg_set_access(HKEY parent, const wchar_t *name, REGSAM view, const wchar_t *sddl);
/* Deletes a key and all below it, links themselves and what nobody may read too; or nothing. */
void reg_delete_tree(HKEY parent, const wchar_t *name, REGSAM view);
/* The same of REG_ABOVE in both views. */
void reg_clear(void);

/* A key below REG_KEY (L"" = itself), made if it is not there; to be closed. */
HKEY reg_open(const wchar_t *below);
/* A value of it; size in bytes. */
void reg_set(const wchar_t *below, const wchar_t *name, DWORD type, const void *data, size_t size);
void reg_set_text(const wchar_t *below, const wchar_t *name, const wchar_t *text);
void reg_make(const wchar_t *below);
/* A link that leads to `target` ("\\Registry\\Machine\\..."). */
void reg_make_link(const wchar_t *below, const wchar_t *target);

/*
 * Appends all there is, a line for each key and each value: raw, in the order of the names. The key
 * is any below HKEY_LOCAL_MACHINE in the view (KEY_WOW64_32KEY or 64KEY); what lies below `root` is
 * told with paths from there.
 */
void reg_dump(struct po_buf *out, HKEY root, const wchar_t *key, REGSAM view);
/* The same of REG_KEY. */
void reg_dump_site(struct po_buf *out);
void reg_assert_dump(const char *expected);

/* A document of lines, version 5.00. */
struct po_reg *reg_parse(const char *lines);
/* A document as text, without its header; to be compared with. */
void reg_put_lines(struct po_buf *out, const struct po_reg *reg);
/* The same of a file in UTF-16. */
void reg_put_text_lines(struct po_buf *out, const struct po_buf *file);

/* Runs a program of Windows' own ("regedit /S x") to its end. */
void reg_run(const wchar_t *command);
/* A file in the directory of temporary files, by its whole path. */
void reg_temp(wchar_t path[MAX_PATH], const wchar_t *name);
void reg_write_file(const wchar_t *path, const struct po_buf *bytes);
void reg_read_file(const wchar_t *path, struct po_buf *out);

#endif
