#include "host/host_win32_poperms.h"

#include "base/mem.h"
#include "port/file.h"

#define FOLDER "others"
#define PROGRAM "poperms.exe"
#define ARGUMENTS "-a -u"
/* It may name every file. */
#define OUTPUT_MAX ((size_t)256 * 1024)

/* BIN\others and the program in it; both are freed by the caller, whatever this returns. */
static bool
find(const char *bin, char **folder, char **program)
{
    *folder = po_os_path_join(bin, FOLDER);
    *program = *folder == NULL ? NULL : po_os_path_join(*folder, PROGRAM);
    return *program != NULL;
}

bool
po_win32_poperms_exists(const char *bin)
{
    char *folder = NULL;
    char *program = NULL;
    struct po_node_info info = { 0 };
    struct po_err ignored;
    bool exists = false;

    if (!find(bin, &folder, &program) || po_os_stat(program, &info, &exists, &ignored) != PO_OK ||
        info.type != PO_NODE_FILE)
        exists = false;
    po_mem_free(folder);
    po_mem_free(program);
    return exists;
}

enum po_status
po_win32_poperms(const struct po_win32_poperms *what, po_win32_run_fn run, struct po_buf *output,
                 uint32_t *exit_code, struct po_err *err)
{
    struct po_win32_run how = { .arguments = ARGUMENTS,
                                .output_max = OUTPUT_MAX,
                                .cancel = what->cancel,
                                .waiting = what->waiting,
                                .ctx = what->ctx };
    struct po_win32_run_result result = { 0 };
    struct po_buf tail = { 0 };
    char *folder = NULL;
    char *program = NULL;
    enum po_status st;

    if (!find(what->bin, &folder, &program)) {
        st = po_fail_nomem(err, 0);
        goto done;
    }
    how.program = program;
    how.directory = folder;
    st = run(&how, &result, output, err);
    if (st != PO_OK)
        goto done;
    *exit_code = result.exit_code;
    po_win32_run_put_tail(&tail, output);
    if (result.exit_code >= 0xC0000000u)
        st = po_fail(err, PO_E_IO, "%s " ARGUMENTS " was ended by exception 0x%08X%s", program,
                     (unsigned)result.exit_code, po_buf_text(&tail));
    else if (result.exit_code != 0)
        st = po_fail(err, PO_E_IO, "%s " ARGUMENTS " ended with exit code %u%s", program,
                     (unsigned)result.exit_code, po_buf_text(&tail));
done:
    po_buf_deinit(&tail);
    po_mem_free(folder);
    po_mem_free(program);
    return st;
}
