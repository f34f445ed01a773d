#include "archive/blake2b4.h"

#include <string.h>

/* On Windows GCC does not align a stack for such vectors (its bug 54412). */
#if defined(__x86_64__) && defined(__GNUC__) && defined(__ELF__)
#define HAS_LANES 1
#else
#define HAS_LANES 0
#endif

static void
one_by_one(struct po_blake2b_job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (jobs[i].bytes != NULL)
            po_blake2b(jobs[i].bytes, jobs[i].size, jobs[i].digest);
}

#if HAS_LANES

#define LANES PO_BLAKE2B_LANES
#define BLOCK 128u
#define WORDS 16u
#define ROUNDS 12u
#define PARAMETERS 0x01010020u /* 32 bytes of digest, no key, one leaf */

#define INLINE static inline __attribute__((always_inline))
/* Of vectors that are handed over: all is part of run_avx2 and run_avx512. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* A word of each lane. */
typedef uint64_t po_v4 __attribute__((vector_size(8 * LANES)));

static const uint64_t iv[8] = { 0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu,
                                0xa54ff53a5f1d36f1u, 0x510e527fade682d1u, 0x9b05688c2b3e6c1fu,
                                0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u };

static const uint8_t sigma[ROUNDS][WORDS] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
    { 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
    { 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
    { 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
    { 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
    { 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
    { 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
    { 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
    { 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
};

INLINE po_v4
rotated(po_v4 x, unsigned by)
{
    return (x >> by) | (x << (64 - by));
}

INLINE void
mix(po_v4 *a, po_v4 *b, po_v4 *c, po_v4 *d, po_v4 x, po_v4 y)
{
    *a += *b + x;
    *d = rotated(*d ^ *a, 32);
    *c += *d;
    *b = rotated(*b ^ *c, 24);
    *a += *b + y;
    *d = rotated(*d ^ *a, 16);
    *c += *d;
    *b = rotated(*b ^ *c, 63);
}

/* A block of each lane. RFC 7693, section 3.2 */
INLINE void
compress(po_v4 h[8], const uint8_t *const blocks[LANES], po_v4 counts, po_v4 last)
{
    po_v4 m[WORDS];
    po_v4 v[16];

    for (unsigned i = 0; i < WORDS; i++)
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint64_t word;

            memcpy(&word, blocks[lane] + (size_t)i * 8, sizeof(word));
            m[i][lane] = word;
        }
    for (unsigned i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = (po_v4){ 0 } + iv[i];
    }
    v[12] ^= counts;
    v[14] ^= last;
#pragma GCC unroll 12
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint8_t *s = sigma[round];

        mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
        mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
        mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
        mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
        mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
        mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
        mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
        mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

struct state {
    po_v4 h[8];
    const uint8_t *at[LANES]; /* the next block */
    size_t left[LANES];       /* bytes from there on */
    uint64_t done[LANES];
    struct po_blake2b_job *job[LANES]; /* NULL: the lane has nothing to do */
};

/* The longest job that no lane has had, so that a lane is not left alone with it at the end. */
static struct po_blake2b_job *
take_job(struct po_blake2b_job *jobs, unsigned count, unsigned *is_taken)
{
    unsigned found = count;

    for (unsigned i = 0; i < count; i++)
        if (jobs[i].bytes != NULL && (*is_taken >> i & 1) == 0 &&
            (found == count || jobs[i].size > jobs[found].size))
            found = i;
    if (found == count)
        return NULL;
    *is_taken |= 1u << found;
    return &jobs[found];
}

INLINE void
begin_lane(struct state *state, unsigned lane, struct po_blake2b_job *job)
{
    state->job[lane] = job;
    if (job == NULL)
        return;
    for (unsigned i = 0; i < 8; i++)
        state->h[i][lane] = iv[i] ^ (i == 0 ? (uint64_t)PARAMETERS : 0);
    state->at[lane] = job->bytes;
    state->left[lane] = job->size;
    state->done[lane] = 0;
}

/* The active lane that has the least left; LANES: none is active. */
INLINE unsigned
shortest(const struct state *state)
{
    unsigned found = LANES;

    for (unsigned lane = 0; lane < LANES; lane++)
        if (state->job[lane] != NULL && (found == LANES || state->left[lane] < state->left[found]))
            found = lane;
    return found;
}

/* All blocks of the shortest lane but its last. A lane that is not active reads along with it. */
INLINE void
run_blocks(struct state *state, unsigned least)
{
    size_t blocks = state->left[least] > 0 ? (state->left[least] - 1) / BLOCK : 0;
    po_v4 counts = { 0 };

    for (unsigned lane = 0; lane < LANES; lane++) {
        if (state->job[lane] == NULL) {
            state->at[lane] = state->at[least];
            state->left[lane] = state->left[least];
        }
        counts[lane] = state->done[lane];
    }
    for (size_t i = 0; i < blocks; i++) {
        counts += BLOCK;
        compress(state->h, state->at, counts, (po_v4){ 0 });
        for (unsigned lane = 0; lane < LANES; lane++)
            state->at[lane] += BLOCK;
    }
    for (unsigned lane = 0; lane < LANES; lane++) {
        state->left[lane] -= blocks * BLOCK;
        state->done[lane] += blocks * BLOCK;
    }
}

/* The last block of one lane, padded with zeros, and its digest. The other lanes stay as they are. */
INLINE void
end_lane(const struct state *state, unsigned lane)
{
    uint8_t block[BLOCK] = { 0 };
    const uint8_t *const blocks[LANES] = { block, block, block, block };
    po_v4 h[8];

    if (state->left[lane] > 0)
        memcpy(block, state->at[lane], state->left[lane]);
    memcpy(h, state->h, sizeof(h));
    compress(h, blocks, (po_v4){ 0 } + (state->done[lane] + state->left[lane]), ~(po_v4){ 0 });
    for (unsigned i = 0; i < PO_DIGEST_SIZE / 8; i++) {
        uint64_t word = h[i][lane];

        memcpy(state->job[lane]->digest + (size_t)i * 8, &word, sizeof(word));
    }
}

INLINE void
run_lanes(struct po_blake2b_job *jobs, unsigned count)
{
    struct state state = { 0 };
    unsigned is_taken = 0;
    unsigned least;

    for (unsigned lane = 0; lane < LANES; lane++)
        begin_lane(&state, lane, take_job(jobs, count, &is_taken));
    while ((least = shortest(&state)) < LANES) {
        run_blocks(&state, least);
        end_lane(&state, least);
        begin_lane(&state, least, take_job(jobs, count, &is_taken));
    }
}

__attribute__((target("avx2"))) static void
run_avx2(struct po_blake2b_job *jobs, unsigned count)
{
    run_lanes(jobs, count);
}

__attribute__((target("avx512f,avx512vl"))) static void
run_avx512(struct po_blake2b_job *jobs, unsigned count)
{
    run_lanes(jobs, count);
}

bool
po_blake2b4_has(enum po_blake2b4_way way)
{
    switch (way) {
    case PO_BLAKE2B4_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    case PO_BLAKE2B4_AVX2:
        return __builtin_cpu_supports("avx2") != 0;
    case PO_BLAKE2B4_ONE_BY_ONE:
    case PO_BLAKE2B4_COUNT:
        break;
    }
    return way == PO_BLAKE2B4_ONE_BY_ONE;
}

void
po_blake2b4(enum po_blake2b4_way way, struct po_blake2b_job *jobs, unsigned count)
{
    if (way == PO_BLAKE2B4_AVX512)
        run_avx512(jobs, count);
    else if (way == PO_BLAKE2B4_AVX2)
        run_avx2(jobs, count);
    else
        one_by_one(jobs, count);
}

#else

bool
po_blake2b4_has(enum po_blake2b4_way way)
{
    return way == PO_BLAKE2B4_ONE_BY_ONE;
}

void
po_blake2b4(enum po_blake2b4_way way, struct po_blake2b_job *jobs, unsigned count)
{
    (void)way;
    one_by_one(jobs, count);
}

#endif

enum po_blake2b4_way
po_blake2b4_best(void)
{
    unsigned way = PO_BLAKE2B4_AVX512;

    while (!po_blake2b4_has((enum po_blake2b4_way)way))
        way++;
    return (enum po_blake2b4_way)way;
}
