/* BLAKE2b side by side gives what libsodium gives, whatever the lengths. */
#include "archive/blake2b4.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_TRIED 1100u
#define JOBS PO_BLAKE2B_JOBS

static uint8_t bytes[JOBS][SIZE_MAX_TRIED];
static uint64_t seed = 1;

static uint32_t
draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void
fill(void)
{
    for (unsigned lane = 0; lane < JOBS; lane++)
        for (unsigned i = 0; i < SIZE_MAX_TRIED; i++)
            bytes[lane][i] = (uint8_t)draw(256);
}

static void
assert_jobs(enum po_blake2b4_way way, const struct po_blake2b_job *asked, unsigned count)
{
    struct po_blake2b_job jobs[JOBS];

    memcpy(jobs, asked, count * sizeof *jobs);
    for (unsigned lane = 0; lane < count; lane++)
        memset(jobs[lane].digest, 0x55, PO_DIGEST_SIZE);
    po_blake2b4(way, jobs, count);
    for (unsigned lane = 0; lane < count; lane++) {
        uint8_t wanted[PO_DIGEST_SIZE];

        memset(wanted, 0x55, sizeof wanted);
        if (asked[lane].bytes != NULL)
            po_blake2b(asked[lane].bytes, asked[lane].size, wanted);
        ck_assert_msg(memcmp(wanted, jobs[lane].digest, sizeof wanted) == 0,
                      "way %d, job %u of %u, %zu bytes", (int)way, lane, count, asked[lane].size);
    }
}

START_TEST(all_lengths_in_all_lanes)
{
    enum po_blake2b4_way way = (enum po_blake2b4_way)_i;

    fill();
    for (size_t size = 0; po_blake2b4_has(way) && size <= SIZE_MAX_TRIED; size++) {
        struct po_blake2b_job jobs[PO_BLAKE2B_LANES];

        for (unsigned lane = 0; lane < PO_BLAKE2B_LANES; lane++)
            jobs[lane] = (struct po_blake2b_job){ .bytes = bytes[lane], .size = size };
        assert_jobs(way, jobs, PO_BLAKE2B_LANES);
    }
}
END_TEST

START_TEST(any_lengths_beside_each_other_and_jobs_that_have_none)
{
    enum po_blake2b4_way way = (enum po_blake2b4_way)_i;

    fill();
    for (unsigned i = 0; po_blake2b4_has(way) && i < 10000; i++) {
        struct po_blake2b_job jobs[JOBS];
        uint32_t most = i % 3 == 0 ? 260 : SIZE_MAX_TRIED;
        unsigned count = draw(JOBS + 1);

        for (unsigned lane = 0; lane < count; lane++)
            jobs[lane] = (struct po_blake2b_job){ .bytes = draw(6) == 0 ? NULL : bytes[lane],
                                                  .size = draw(most + 1) };
        assert_jobs(way, jobs, count);
    }
}
END_TEST

/* Of "abc", by RFC 7693's reference implementation with a digest of 32 bytes. */
START_TEST(a_known_digest)
{
    static const uint8_t wanted[PO_DIGEST_SIZE] = {
        0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
        0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
        0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19
    };
    static const uint8_t abc[] = { 'a', 'b', 'c' };

    for (int way = 0; way < PO_BLAKE2B4_COUNT; way++) {
        struct po_blake2b_job jobs[PO_BLAKE2B_LANES] = { [2] = { .bytes = abc, .size = 3 } };

        if (!po_blake2b4_has((enum po_blake2b4_way)way))
            continue;
        po_blake2b4((enum po_blake2b4_way)way, jobs, PO_BLAKE2B_LANES);
        ck_assert_mem_eq(jobs[2].digest, wanted, sizeof wanted);
    }
    ck_assert(po_blake2b4_has(po_blake2b4_best()));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("blake2b");
    TCase *tc = tcase_create("lanes");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, all_lengths_in_all_lanes, 0, PO_BLAKE2B4_COUNT);
    tcase_add_loop_test(tc, any_lengths_beside_each_other_and_jobs_that_have_none, 0,
                        PO_BLAKE2B4_COUNT);
    tcase_add_test(tc, a_known_digest);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
