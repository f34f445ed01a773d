/* cli_rec.h - what protect, repair and verify --recovery share: the sidecar beside an archive, and what is told of it. */
#ifndef PO_CLI_CLI_REC_H
#define PO_CLI_CLI_REC_H

#include "cli/cli.h"
#include "engine/rec_state.h"
#include "engine/vault_lock.h"

/* An archive's sidecar, and both looked at. */
struct po_cli_rec {
    struct po_buf path; /* of the sidecar */
    struct pobackup_blob sidecar;
    struct po_rec_state state;
    bool is_there;    /* there is a sidecar */
    bool is_usable;   /* its header is good, and not of another archive: `state` is filled in */
    bool is_foreign;  /* its header is good, and names another archive than the one that is there */
    bool is_mendable; /* what is lost can be computed; or nothing is lost */
    struct po_err err; /* why it is not usable, or not mendable */
};

/* ARCHIVE.rec */
void po_cli_rec_put_path(struct po_buf *path, const char *archive_path);
/* Whether it exists. */
bool po_cli_rec_exists(const char *archive_path);

/* The lock of the vault that the archive lies in, if that is one: no other writes there meanwhile. false:
 * told. */
bool po_cli_rec_lock(struct po_cli *cli, const char *archive_path, struct po_vault_lock **lock,
                     int *code);

/*
 * Opens the sidecar and looks at every block of both. PO_OK also when there is none, or none that can
 * be used; what ends the run otherwise: cancelled, out of memory.
 */
PO_NODISCARD enum po_status po_cli_rec_open(struct po_cli *cli, struct po_cli_rec *recovery,
                                            const char *archive_path,
                                            const struct pobackup_blob *archive,
                                            struct po_err *err);
void po_cli_rec_deinit(struct po_cli_rec *recovery);

/* The archive has all its blocks, and so has the sidecar. */
bool po_cli_rec_is_whole(const struct po_cli_rec *recovery);
/* Two sentences at most, without a full stop. */
void po_cli_rec_put_text(struct po_buf *out, const struct po_cli_rec *recovery);
json_t *po_cli_rec_json(const struct po_cli_rec *recovery);

/*
 * Writes the sidecar of an archive beside it: in place of one that is there if `may_replace`. `digest`
 * and `layout` (else as percent says) may be NULL; so may `header`.
 */
PO_NODISCARD enum po_status po_cli_rec_write(struct po_cli *cli, const char *archive_path,
                                             const struct pobackup_blob *archive, unsigned percent,
                                             const struct po_rec_layout *layout,
                                             const uint8_t *digest, bool may_replace,
                                             struct po_rec_header *header, struct po_err *err);
/* A copy of what was opened, beside an archive that is the same byte for byte; of a sidecar that is whole. */
PO_NODISCARD enum po_status po_cli_rec_copy(struct po_cli *cli, const struct po_cli_rec *recovery,
                                            const char *archive_path, struct po_err *err);
struct po_cli_rec_wish {
    unsigned percent;
    bool may_replace;
    bool is_fresh; /* it was written a moment ago, each frame checked before that */
};
/* The same for an archive that is verified quickly before, if it is not fresh: what is damaged is
 * PO_E_FORMAT. Tells what was made. */
PO_NODISCARD enum po_status po_cli_rec_protect(struct po_cli *cli, const char *path,
                                               const struct po_cli_rec_wish *wish,
                                               struct po_rec_header *header, double *seconds,
                                               struct po_err *err);
/* Of a header that is all zeros: that there is none. */
json_t *po_cli_rec_header_json(const char *archive_path, const struct po_rec_header *header,
                               double seconds);

#endif
