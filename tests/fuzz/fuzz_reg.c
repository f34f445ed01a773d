/* A .reg document: what is accepted is printed, parsed again and compared. */
#include "fuzz.h"
#include "registry/reg.h"

static enum po_status
count_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    unsigned *count = ctx;

    (void)difference;
    (void)err;
    (*count)++;
    return PO_OK;
}

static void
check_again(const struct po_reg *reg)
{
    struct po_reg *again = NULL;
    struct po_buf out = { 0 };
    struct po_err err;
    unsigned differences = 0;
    enum po_status st = po_reg_print(reg, &out, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_UNSUPPORTED);
    if (st == PO_OK) {
        FUZZ_CHECK(po_reg_parse(&again, out.bytes, out.size, PO_REG_CODE_PAGE_AUTO, &err) == PO_OK);
        FUZZ_CHECK(again->key_count == reg->key_count && again->value_count == reg->value_count);
        FUZZ_CHECK(po_reg_compare(reg, again, 0, count_difference, &differences, &err) == PO_OK);
        FUZZ_CHECK(differences == 0);
    }
    po_reg_free(again);
    po_buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    for (int page = PO_REG_CODE_PAGE_AUTO; page <= PO_REG_CODE_PAGE_LATIN1; page++) {
        struct po_reg *reg = NULL;
        struct po_err err;
        enum po_status st = po_reg_parse(&reg, bytes, size, (enum po_reg_code_page)page, &err);

        FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
        FUZZ_CHECK((st == PO_OK) == (reg != NULL));
        if (st == PO_OK)
            check_again(reg);
        po_reg_free(reg);
    }
    return 0;
}
