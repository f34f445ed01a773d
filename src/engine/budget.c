#include "engine/budget.h"

#include <stdbool.h>

/* The program, its libraries, stacks, and what they allocate for themselves. */
#define OWN_BYTES ((uint64_t)10 << 20)
/* What a compressor or decompressor has besides its buffers. */
#define CONTEXT_BYTES ((uint64_t)3 << 19)

static uint32_t
buffer_for(const struct po_budget *budget, unsigned threads)
{
    uint64_t used = budget->used + OWN_BYTES + CONTEXT_BYTES * threads;
    uint64_t count = budget->per_thread * threads + budget->fixed;
    uint64_t size = used >= PO_BUDGET_BYTES ? 0 : (PO_BUDGET_BYTES - used) / count;

    return size < budget->buffer ? (uint32_t)size : budget->buffer;
}

void
po_budget_fit(struct po_budget *budget)
{
    bool is_fixed = budget->buffer_min >= budget->buffer;
    uint32_t size;

    while (budget->threads > 1 && buffer_for(budget, budget->threads) < budget->buffer_min)
        budget->threads--;
    if (is_fixed)
        return;
    size = buffer_for(budget, budget->threads);
    budget->buffer = size > budget->buffer_min / 4 ? size : budget->buffer_min / 4;
}
