/* cli_trust.h - the keys whose signatures are trusted (--trusted-key). */
#ifndef PO_CLI_CLI_TRUST_H
#define PO_CLI_CLI_TRUST_H

#include "cli/cli.h"

#include "engine/signature.h"

struct po_cli_trust {
    struct po_minisign_public *keys;
    size_t count;
};

/* Each is the text of a key, or a file. PO_E_USAGE: neither. To be freed in any case. */
PO_NODISCARD enum po_status po_cli_trust_load(const struct po_cli *cli, struct po_cli_trust *trust,
                                              struct po_err *err);
void po_cli_trust_deinit(struct po_cli_trust *trust);

/*
 * With --trusted-key: PO_OK only when the archive, which was opened as `blob` (and `reader`, or NULL),
 * is signed by one of the keys. PO_E_AUTH: it is not signed, or by another; PO_E_FORMAT: the signature
 * is bad. Without: PO_OK.
 */
PO_NODISCARD enum po_status po_cli_trust_require(const struct po_cli *cli, const char *path,
                                                 const struct pobackup_blob *blob,
                                                 const struct po_reader *reader,
                                                 struct po_err *err);
/* Tells that it is not so; the exit code. */
int po_cli_trust_failed(struct po_cli *cli, const struct po_err *err);

#endif
