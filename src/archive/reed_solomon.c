#include "archive/reed_solomon.h"

#include "base/mem.h"

#include <isa-l/erasure_code.h>

/* Of each parity, so much is worked on at a time: all of them together fit into the second cache. */
#define SLICE ((size_t)16 << 10)
#define CODE_MAX 256u

struct po_rs {
    unsigned rows;
    unsigned parities;
    uint8_t *tables; /* ISA-L's, of the whole matrix */
};

/* spec: REC-2 */
static uint8_t
coefficient(const struct po_rs *rs, unsigned parity, unsigned row)
{
    return gf_inv((uint8_t)((rs->rows + parity) ^ row));
}

enum po_status
po_rs_new(struct po_rs **out, unsigned rows, unsigned parities, struct po_err *err)
{
    size_t count = (size_t)rows * parities;
    struct po_rs *rs = po_mem_new(1, sizeof(*rs));
    uint8_t *matrix = po_mem_new(count, 1);
    enum po_status st = PO_OK;

    if (rs != NULL)
        rs->tables = po_mem_new(count, 32);
    if (rs == NULL || matrix == NULL || rs->tables == NULL) {
        st = po_fail_nomem(err, count * 32);
        goto done;
    }
    rs->rows = rows;
    rs->parities = parities;
    for (unsigned p = 0; p < parities; p++)
        for (unsigned r = 0; r < rows; r++)
            matrix[(size_t)p * rows + r] = coefficient(rs, p, r);
    ec_init_tables((int)rows, (int)parities, matrix, rs->tables);
    *out = rs;
    rs = NULL;
done:
    po_mem_free(matrix);
    po_rs_free(rs);
    return st;
}

void
po_rs_free(struct po_rs *rs)
{
    if (rs == NULL)
        return;
    po_mem_free(rs->tables);
    po_mem_free(rs);
}

void
po_rs_add(const struct po_rs *rs, unsigned first, unsigned count, uint8_t *const *rows, size_t size,
          uint8_t *const *sums)
{
    uint8_t *at[CODE_MAX];

    for (size_t done = 0; done < size; done += SLICE) {
        size_t part = size - done < SLICE ? size - done : SLICE;

        for (unsigned p = 0; p < rs->parities; p++)
            at[p] = sums[p] + done;
        for (unsigned i = 0; i < count; i++)
            ec_encode_data_update((int)part, (int)rs->rows, (int)rs->parities, (int)(first + i),
                                  rs->tables, rows[i] + done, at);
    }
}

enum po_status
po_rs_solve(const struct po_rs *rs, const unsigned *lost, const unsigned *parities, unsigned count,
            uint8_t *const *sums, uint8_t *const *found, size_t size, struct po_err *err)
{
    size_t cells = (size_t)count * count;
    uint8_t *matrix = po_mem_new(cells, 34); /* it, its inverse, and ISA-L's tables of that */
    uint8_t *inverse;
    uint8_t *tables;
    uint8_t *in[CODE_MAX];
    uint8_t *out[CODE_MAX];
    enum po_status st = PO_OK;

    if (matrix == NULL)
        return po_fail_nomem(err, cells * 34);
    inverse = matrix + cells;
    tables = inverse + cells;
    for (unsigned i = 0; i < count; i++) {
        in[i] = sums[i];
        out[i] = found[i];
        for (unsigned j = 0; j < count; j++)
            matrix[(size_t)i * count + j] = coefficient(rs, parities[i], lost[j]);
    }
    /* A Cauchy matrix always has one. */
    if (gf_invert_matrix(matrix, inverse, (int)count) != 0) {
        st = po_fail(err, PO_E_USAGE, "rows or parities that are the same");
    } else {
        ec_init_tables((int)count, (int)count, inverse, tables);
        ec_encode_data((int)size, (int)count, (int)count, tables, in, out);
    }
    po_mem_free(matrix);
    return st;
}
