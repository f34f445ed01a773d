/*
 * budget.h - how many threads a run may have, and how large its buffers, so that it stays within
 * the memory that the program promises: 96 MiB for 200,000 files, whatever the machine.
 */
#ifndef PO_ENGINE_BUDGET_H
#define PO_ENGINE_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#define PO_BUDGET_BYTES ((uint64_t)96 << 20)

struct po_budget {
    uint64_t used;       /* by what is there already, in bytes */
    size_t per_thread;   /* buffers that each thread needs */
    size_t fixed;        /* buffers that the run needs whatever their number */
    unsigned threads;    /* in: wished for; out: at least 1 */
    uint32_t buffer;     /* in: wished for, bytes; out */
    uint32_t buffer_min; /* smaller ones are worse than fewer threads; = buffer: never smaller */
};

/*
 * Fits it into PO_BUDGET_BYTES: first with smaller buffers, then with fewer threads, then with
 * buffers smaller still (a quarter of buffer_min at the least, unless that is the wish itself).
 */
void po_budget_fit(struct po_budget *budget);

#endif
