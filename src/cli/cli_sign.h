/* cli_sign.h - signing an archive: the key, the bytes as they are written, the sidecar. */
#ifndef PO_CLI_CLI_SIGN_H
#define PO_CLI_CLI_SIGN_H

#include "cli/cli.h"

#include "archive/minisign.h"
#include "archive/trailer.h"
#include "store/store.h"

/* { 0 } signs nothing. */
struct po_cli_signer {
    bool is_on;
    struct po_minisign_secret secret;
    struct po_minisign_hasher *hasher;
};

/*
 * Opens the key that the option `key` names, with its passphrase; nothing when it is not given. false:
 * told, *code. To be closed in any case.
 */
bool po_cli_signer_open(struct po_cli *cli, struct po_cli_signer *signer, enum po_cli_id key,
                        enum po_cli_id passphrase_file, int *code);
/*
 * Whether a run that nobody looks on could sign: --sign names a key that needs no passphrase, or
 * --sign-passphrase-file is given. PO_E_USAGE. Without --sign: PO_OK.
 */
PO_NODISCARD enum po_status po_cli_sign_check_unattended(const struct po_cli *cli,
                                                         struct po_err *err);
void po_cli_signer_close(struct po_cli_signer *signer);

/* "ARCHIVE.minisig" must not be there yet: PO_E_USAGE. */
PO_NODISCARD enum po_status po_cli_signer_check(const struct po_cli_signer *signer,
                                                const char *path, struct po_err *err);
/* From now on what is written is hashed: so nothing but that is signed. *sink is taken and replaced,
 * or freed and NULL. */
PO_NODISCARD enum po_status po_cli_signer_tap(struct po_cli_signer *signer,
                                              struct po_store_sink **sink, struct po_err *err);
/*
 * Of the archive that was written and has its name: signs it. In JSON it is the member "signature".
 * The exit code: PO_EXIT_PARTLY when it stands unsigned, which is told.
 */
int po_cli_signer_finish(struct po_cli *cli, struct po_cli_signer *signer, const char *path,
                         const uint8_t archive_id[PO_ID_SIZE]);

/*
 * The text of "ARCHIVE.minisig", whatever it says; *is_there = false when there is none. Anything but a
 * small regular file is PO_E_IO, a link too.
 */
PO_NODISCARD enum po_status po_cli_sign_read(struct po_buf *text, bool *is_there, const char *path,
                                             struct po_err *err);
/* Writes it as the sidecar of another file of the same bytes. PO_E_USAGE: it is there already. */
PO_NODISCARD enum po_status po_cli_sign_store(const struct po_buf *text, const char *path,
                                              struct po_err *err);

/* Writes the sidecar of an archive whose bytes have this hash. PO_E_USAGE: it is there already. */
PO_NODISCARD enum po_status po_cli_sign_write(const struct po_minisign_secret *secret,
                                              const char *path,
                                              const uint8_t hash[PO_MINISIGN_HASH_SIZE],
                                              const uint8_t archive_id[PO_ID_SIZE],
                                              struct po_err *err);

#endif
