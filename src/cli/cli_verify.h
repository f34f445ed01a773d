/* cli_verify.h - one archive verified, and told: for `verify`, all of it or a share (cli_scrub.h). */
#ifndef PO_CLI_CLI_VERIFY_H
#define PO_CLI_CLI_VERIFY_H

#include "cli/cli.h"
#include "cli/cli_rec.h"
#include "cli/cli_trust.h"
#include "engine/verify.h"

/* What is wanted of an archive, if not all. */
struct po_cli_share {
    /* frames[i] becomes PO_VERIFY_WANTED where it is; they are all unwanted. */
    void (*choose)(void *ctx, const struct po_reader *reader, uint8_t *frames);
    /* They were all read; those that are bad are PO_VERIFY_BAD. */
    void (*done)(void *ctx, const struct po_reader *reader, const uint8_t *frames,
                 const struct po_verify_result *result);
    void *ctx;
};

struct po_cli_check {
    const char *path;
    const char *verdict; /* "ok", "damaged", "unsupported", "untrusted", "error" */
    bool is_deep;
    const struct po_cli_share
        *share;                 /* NULL = all; else quick, parents are not looked for, and what
                                         is whole is told in JSON alone */
    struct po_problems missing; /* parents that are not beside it */
    uint64_t files;             /* that lie in it */
    double seconds;
    struct po_err err;                /* PO_OK when whole */
    const struct po_cli_trust *trust; /* NULL: the signature is not looked at */
    bool has_signature;               /* it was */
    bool is_altered;                  /* whole, but the signature is not of it */
    struct po_signature signature;
    struct po_verify_result result;
    bool has_recovery; /* its recovery data were looked at */
    struct po_cli_rec recovery;
};

/*
 * Verifies the archive *check names, tells what was found, and returns the exit code. A line of the
 * history: of a share only when it is damaged, as a share that is good says nothing of the rest.
 */
int po_cli_verify_one(struct po_cli *cli, struct po_cli_check *check);

#endif
