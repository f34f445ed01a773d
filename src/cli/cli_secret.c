#include "cli/cli_secret.h"

#include "cli/cli_ask.h"
#include "cli/cli_private.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

void
po_cli_secret_wipe(void *bytes, size_t size)
{
    volatile char *at = bytes;

    for (size_t i = 0; i < size; i++)
        at[i] = 0;
}

/* Whoever can read it is looked at on the file that is read, not on one of the same name. */
enum po_status
po_cli_secret_read(char *text, size_t size, const char *path, const char *what, size_t *got,
                   struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info = { 0 };
    enum po_status st = po_os_file_open(&file, path, PO_FILE_READ, err);

    *got = 0;
    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK)
        st = po_cli_private_check(file, path, what, err);
    if (st == PO_OK && info.size >= size)
        st = po_fail(err, PO_E_USAGE, "%s: too large", path);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, text, size - 1, got, err);
    po_file_free(file);
    text[*got] = '\0';
    return st;
}

static enum po_status
read_line(struct po_cli_passphrase *passphrase, const char *path, const char *option,
          struct po_err *err)
{
    size_t got = 0;
    enum po_status st = po_cli_secret_read(passphrase->text, sizeof(passphrase->text), path,
                                           "the passphrase", &got, err);

    passphrase->size = strcspn(passphrase->text, "\r\n");
    if (st == PO_OK && passphrase->size < got && passphrase->text[passphrase->size] == '\0')
        st = po_fail(err, PO_E_USAGE, "%s: not text", path);
    return st == PO_OK ? st : po_err_prefix(err, "--%s", option);
}

/* For a new key twice: nobody sees what he types. */
static enum po_status
ask(struct po_cli *cli, struct po_cli_passphrase *passphrase, const char *key_path, bool is_new,
    struct po_err *err)
{
    char again[PO_MINISIGN_PASSPHRASE_MAX + 1] = "";
    struct po_buf question = { 0 };
    enum po_status st;

    po_cli_progress_clear(&cli->progress);
    po_buf_put_text(&question, "Passphrase of ");
    po_cli_put_message(&question, key_path);
    po_buf_put_text(&question, ": ");
    st = po_buf_check(&question, err);
    if (st == PO_OK)
        st = po_sys_read_hidden(po_buf_text(&question), passphrase->text, sizeof(passphrase->text),
                                err);
    if (st == PO_OK && is_new) {
        st = po_sys_read_hidden("The same again: ", again, sizeof(again), err);
        if (st == PO_OK && strcmp(again, passphrase->text) != 0)
            st = po_fail(err, PO_E_USAGE, "the two passphrases are not the same");
    }
    passphrase->size = strlen(passphrase->text);
    po_cli_secret_wipe(again, sizeof(again));
    po_buf_deinit(&question);
    return st;
}

enum po_status
po_cli_passphrase_get(struct po_cli *cli, struct po_cli_passphrase *passphrase,
                      enum po_cli_id file_option, const char *key_path, bool is_new,
                      struct po_err *err)
{
    const char *path = po_cli_text(cli, file_option);
    const char *option = po_cli_option_by_id(cli->verb, file_option)->name;
    enum po_status st;

    *passphrase = (struct po_cli_passphrase){ .size = 0 };
    if (path != NULL)
        st = read_line(passphrase, path, option, err);
    else if (po_cli_can_ask(cli))
        st = ask(cli, passphrase, key_path, is_new, err);
    else
        st = po_fail(err, PO_E_USAGE,
                     "%s: its passphrase cannot be asked for here, as there is no terminal: give "
                     "--%s FILE%s",
                     key_path, option, is_new ? ", or --no-passphrase" : "");
    if (st == PO_OK && is_new && passphrase->size == 0)
        st = po_fail(err, PO_E_USAGE,
                     "the passphrase is empty; --no-passphrase makes a key "
                     "without one");
    if (st != PO_OK)
        po_cli_secret_wipe(passphrase, sizeof(*passphrase));
    return st;
}
