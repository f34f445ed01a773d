/* cli_secret.h - what nobody else is to read: passwords, passphrases, secret keys. */
#ifndef PO_CLI_CLI_SECRET_H
#define PO_CLI_CLI_SECRET_H

#include "cli/cli.h"

#include "archive/minisign.h"

/* The compiler would leave out a memset of what is not read again. */
void po_cli_secret_wipe(void *bytes, size_t size);
/*
 * A small file, of at most size - 1 bytes, with a NUL behind; PO_E_USAGE when others can read it (where
 * the system has modes) or it is larger. `what` it holds: "the password".
 */
PO_NODISCARD enum po_status po_cli_secret_read(char *text, size_t size, const char *path,
                                               const char *what, size_t *got, struct po_err *err);

struct po_cli_passphrase {
    char text[PO_MINISIGN_PASSPHRASE_MAX + 1];
    size_t size;
};
/*
 * The passphrase for a new key (typed twice) or one that is there: the first line of the file that the
 * option names, else typed at the terminal. PO_E_USAGE when there is neither, or two that differ.
 */
PO_NODISCARD enum po_status po_cli_passphrase_get(struct po_cli *cli,
                                                  struct po_cli_passphrase *passphrase,
                                                  enum po_cli_id file_option, const char *key_path,
                                                  bool is_new, struct po_err *err);

#endif
