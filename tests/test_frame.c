#include "archive/frame.h"

#include "archive/hash.h"
#include "archive_help.h"
#include "base/cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define MIB ((size_t)1 << 20)

/*
 * Linked with --wrap: a machine that computes wrongly. The bit is turned in what the compressor
 * gives, before anyone has seen it.
 */
size_t __real_ZSTD_compress2(ZSTD_CCtx *zstd, void *to, size_t capacity, const void *from,
                             size_t size);
PO_PUBLIC size_t __wrap_ZSTD_compress2(ZSTD_CCtx *zstd, void *to, size_t capacity, const void *from,
                                       size_t size);

static bool is_broken;
static size_t broken_bit;

size_t
__wrap_ZSTD_compress2(ZSTD_CCtx *zstd, void *to, size_t capacity, const void *from, size_t size)
{
    size_t rc = __real_ZSTD_compress2(zstd, to, capacity, from, size);

    if (is_broken && !ZSTD_isError(rc) && broken_bit / 8 < rc)
        ((uint8_t *)to)[broken_bit / 8] ^= (uint8_t)(1 << broken_bit % 8);
    return rc;
}

/* ---- a frame and what it was made of ---- */

enum kind { ZEROS, TEXT, NOISE };

struct sample {
    uint8_t *content;
    uint8_t *kept; /* the content as it was */
    size_t size;
    uint8_t *bytes;
    size_t capacity;
    struct po_frame_info info;
};

static void
fill(uint8_t *content, size_t size, enum kind kind)
{
    static const char words[] = "From: a@example.com\r\nSubject: minutes of the meeting\r\n\r\n";
    struct help_random random = { .state = size };

    for (size_t i = 0; i < size; i++)
        content[i] = kind == ZEROS  ? 0
                     : kind == TEXT ? (uint8_t)words[(i + i / 97) % (sizeof words - 1)]
                                    : (uint8_t)help_random_next(&random);
}

static void
init_sample(struct sample *s, size_t size, enum kind kind)
{
    *s = (struct sample){ .size = size, .capacity = po_frame_encoded_bound(size) };
    s->content = malloc(size);
    s->kept = malloc(size);
    s->bytes = malloc(s->capacity);
    ck_assert(s->content != NULL && s->kept != NULL && s->bytes != NULL);
    fill(s->content, size, kind);
    memcpy(s->kept, s->content, size);
}

static void
free_sample(struct sample *s)
{
    free(s->content);
    free(s->kept);
    free(s->bytes);
}

static struct po_frame_encoder *
new_encoder(int level, size_t frame_size, bool check)
{
    struct po_frame_encoder *encoder = NULL;
    struct po_err err;

    ck_assert_msg(po_frame_encoder_new(&encoder, level, (uint32_t)frame_size, check, &err) == PO_OK,
                  "%s", err.text);
    return encoder;
}

static struct po_frame_decoder *
new_decoder(void)
{
    struct po_frame_decoder *decoder = NULL;
    struct po_err err;

    ck_assert_int_eq(po_frame_decoder_new(&decoder, &err), PO_OK);
    return decoder;
}

static void
make_sample(struct sample *s, size_t size, enum kind kind)
{
    struct po_frame_encoder *encoder = new_encoder(3, 8 * MIB, true);
    struct po_err err;

    init_sample(s, size, kind);
    ck_assert_msg(
        po_frame_encode(encoder, s->content, size, s->bytes, s->capacity, &s->info, &err) == PO_OK,
        "%s", err.text);
    po_frame_encoder_free(encoder);
}

/* ---- round trip ---- */

static const size_t sizes[] = { 1, 2, 511, 512, 513, 65535, 65536, 65537, 1048576, 33554432 };

/* spec-test: FRAME-1, FRAME-2, FRAME-3 */
START_TEST(content_of_any_size_survives_the_round_trip)
{
    static const int levels[] = { -5, 1, 3 };
    size_t size = sizes[_i / 3];
    struct po_frame_decoder *decoder = new_decoder();
    uint8_t *again = malloc(size);

    ck_assert_ptr_nonnull(again);
    for (size_t level = 0; level < HELP_COUNT(levels) && (level == 0 || size < 32 * MIB); level++) {
        struct po_frame_encoder *encoder = new_encoder(levels[level], size, level != 1);
        struct po_frame_info again_info;
        struct sample s;
        struct po_err err;
        uint32_t checksum = 0;

        init_sample(&s, size, (enum kind)(_i % 3));
        ck_assert_int_eq(
            po_frame_encode(encoder, s.content, size, s.bytes, s.capacity, &s.info, &err), PO_OK);
        ck_assert_mem_eq(s.content, s.kept, size);
        ck_assert_uint_eq(s.info.content_size, size);
        ck_assert(po_frame_sizes_are_possible(size, s.info.compressed_size));
        memset(again, 0xEE, size);
        ck_assert_msg(po_frame_decode(decoder, s.bytes, s.info.compressed_size, again, size,
                                      &checksum, &err) == PO_OK,
                      "%s", err.text);
        ck_assert_mem_eq(again, s.kept, size);
        ck_assert_uint_eq(checksum, s.info.checksum);
        ck_assert_uint_eq(checksum, po_xxh64_low(again, size));
        po_frame_describe(&again_info, s.bytes, s.info.compressed_size, size);
        ck_assert_mem_eq(again_info.xxh3, s.info.xxh3, PO_HASH_SIZE);
        ck_assert_mem_eq(again_info.blake2b, s.info.blake2b, PO_DIGEST_SIZE);
        free_sample(&s);
        po_frame_encoder_free(encoder);
    }
    free(again);
    po_frame_decoder_free(decoder);
}
END_TEST

START_TEST(content_beyond_the_limits_is_not_encoded)
{
    struct po_frame_encoder *encoder = new_encoder(1, 64 << 10, true);
    struct po_frame_info info;
    uint8_t byte = 0;
    uint8_t out[1024];
    struct po_err err;

    ck_assert_int_eq(po_frame_encode(encoder, &byte, 0, out, sizeof out, &info, &err), PO_E_USAGE);
    ck_assert_int_eq(po_frame_encode(encoder, &byte, 32 * MIB + 1, out, sizeof out, &info, &err),
                     PO_E_USAGE);
    ck_assert_int_eq(po_frame_encode(encoder, &byte, 1, out, sizeof out, &info, &err), PO_OK);
    po_frame_encoder_free(encoder);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_is_a_failure_and_the_encoder_goes_on)
{
    struct po_frame_encoder *encoder = new_encoder(3, MIB, true);
    struct sample s;
    struct po_err err;

    init_sample(&s, 5000, NOISE);
    for (size_t capacity = 0; capacity < 5000; capacity += 7)
        ck_assert_int_eq(
            po_frame_encode(encoder, s.content, s.size, s.bytes, capacity, &s.info, &err), PO_E_IO);
    ck_assert_int_eq(
        po_frame_encode(encoder, s.content, s.size, s.bytes, s.capacity, &s.info, &err), PO_OK);
    ck_assert_mem_eq(s.content, s.kept, s.size);
    free_sample(&s);
    po_frame_encoder_free(encoder);
}
END_TEST

START_TEST(a_level_beyond_all_levels_is_taken_as_the_highest)
{
    struct po_frame_encoder *encoder = NULL;
    struct po_err err;

    /* zstd clamps it. What counts: no crash, and either an encoder or a failure. */
    if (po_frame_encoder_new(&encoder, 1000, MIB, false, &err) != PO_OK)
        ck_assert_int_eq(err.status, PO_E_USAGE);
    else
        ck_assert_ptr_nonnull(encoder);
    po_frame_encoder_free(encoder);
}
END_TEST

/* ---- wrong frames ---- */

/* Decodes a copy of exactly this size: a read beyond it is seen by the sanitizer. */
static enum po_status
decode_copy(const uint8_t *bytes, size_t compressed_size, uint8_t *content, size_t content_size)
{
    struct po_frame_decoder *decoder = new_decoder();
    uint8_t *copy = malloc(compressed_size + 1);
    uint8_t *exact = realloc(copy, compressed_size > 0 ? compressed_size : 1);
    struct po_err err = { 0 };
    enum po_status st;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, compressed_size);
    st = po_frame_decode(decoder, exact, compressed_size, content, content_size, NULL, &err);
    ck_assert_int_eq(err.status, st);
    free(exact);
    po_frame_decoder_free(decoder);
    return st;
}

/* spec-test: FRAME-2, FRAME-3 */
START_TEST(wrong_sizes_are_refused)
{
    struct sample s;
    uint8_t *again;

    make_sample(&s, 70000, (enum kind)_i);
    again = malloc(s.size + 512);
    ck_assert_ptr_nonnull(again);
    for (size_t i = 1; i < 512; i++) {
        ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size, again, s.size + i),
                         PO_E_FORMAT);
        ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size, again, s.size - i),
                         PO_E_FORMAT);
    }
    for (size_t cut = 1; cut <= s.info.compressed_size && cut < 3000; cut++)
        ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size - cut, again, s.size),
                         PO_E_FORMAT);
    ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size, again, 0), PO_E_FORMAT);
    ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size, again, s.size), PO_OK);
    free(again);
    free_sample(&s);
}
END_TEST

START_TEST(bytes_behind_a_frame_are_refused)
{
    struct sample s;
    uint8_t bytes[4096];
    uint8_t again[1000];
    size_t size;

    make_sample(&s, sizeof again, TEXT);
    size = s.info.compressed_size;
    memcpy(bytes, s.bytes, size);
    bytes[size] = 0;
    ck_assert_int_eq(decode_copy(bytes, size + 1, again, s.size), PO_E_FORMAT);
    memcpy(bytes + size, "\x5E\x2A\x4D\x18\0\0\0\0", 8); /* an empty skippable frame */
    ck_assert_int_eq(decode_copy(bytes, size + 8, again, s.size), PO_E_FORMAT);
    memcpy(bytes + size, s.bytes, size);
    ck_assert_int_eq(decode_copy(bytes, 2 * size, again, s.size), PO_E_FORMAT);
    memcpy(bytes, "\x5E\x2A\x4D\x18\0\0\0\0", 8);
    memcpy(bytes + 8, s.bytes, size);
    ck_assert_int_eq(decode_copy(bytes, size + 8, again, s.size), PO_E_FORMAT);
    free_sample(&s);
}
END_TEST

/* A frame by zstd itself, with these parameters. */
static size_t
compress_with(uint8_t *out, size_t capacity, const uint8_t *content, size_t size, bool has_size,
              bool has_checksum)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_inBuffer in = { content, size, 0 };
    ZSTD_outBuffer to = { out, capacity, 0 };

    ck_assert_ptr_nonnull(zstd);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, has_size);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, has_checksum);
    if (has_size)
        ZSTD_CCtx_setPledgedSrcSize(zstd, size);
    while (ZSTD_compressStream2(zstd, &to, &in, ZSTD_e_end) != 0)
        ck_assert_uint_lt(to.pos, capacity);
    ZSTD_freeCCtx(zstd);
    return to.pos;
}

/* spec-test: FRAME-1 */
START_TEST(frames_without_size_or_checksum_are_refused)
{
    uint8_t content[3000];
    uint8_t again[3000];
    uint8_t out[8192];

    fill(content, sizeof content, TEXT);
    for (int i = 0; i < 4; i++) {
        size_t size =
            compress_with(out, sizeof out, content, sizeof content, (i & 1) != 0, (i & 2) != 0);

        ck_assert_int_eq(decode_copy(out, size, again, sizeof content),
                         i == 3 ? PO_OK : PO_E_FORMAT);
    }
}
END_TEST

/* spec-test: FRAME-2 */
START_TEST(a_window_beyond_32_mebibytes_is_refused)
{
    /* By hand: magic, descriptor (size of two bytes, checksum), window, size, a stored block. */
    static const uint8_t head[] = { 0x28, 0xB5, 0x2F, 0xFD, 0x44, 0, 300 - 256, 0, 0x61, 0x09, 0 };

    for (unsigned log = 25; log <= 26; log++) {
        uint8_t bytes[sizeof head + 300 + 4];
        uint8_t content[300];

        memcpy(bytes, head, sizeof head);
        bytes[5] = (uint8_t)((log - 10) << 3);
        memset(bytes + sizeof head, 'w', 300);
        po_store_u32le(bytes + sizeof head + 300, po_xxh64_low(bytes + sizeof head, 300));
        ck_assert_int_eq(decode_copy(bytes, sizeof bytes, content, 300),
                         log == 25 ? PO_OK : PO_E_FORMAT);
    }
}
END_TEST

/* spec-test: FRAME-1 */
START_TEST(unused_and_reserved_bits_and_a_dictionary_id_are_refused)
{
    struct sample s;
    uint8_t again[2000];

    make_sample(&s, sizeof again, TEXT);
    for (unsigned bit = 0; bit < 8; bit++) {
        s.bytes[4] ^= (uint8_t)(1u << bit);
        ck_assert_msg(decode_copy(s.bytes, s.info.compressed_size, again, s.size) == PO_E_FORMAT,
                      "bit %u of the descriptor", bit);
        s.bytes[4] ^= (uint8_t)(1u << bit);
    }
    free_sample(&s);
}
END_TEST

START_TEST(a_flipped_bit_never_gives_other_content)
{
    static const size_t bit_sizes[] = { 1, 100, 1500, 600 };
    static const enum kind kinds[] = { NOISE, TEXT, TEXT, NOISE };
    struct po_frame_decoder *decoder = new_decoder();
    struct sample s;
    uint8_t again[1500];
    unsigned accepted = 0;

    make_sample(&s, bit_sizes[_i], kinds[_i]);
    for (size_t bit = 0; bit < (size_t)s.info.compressed_size * 8; bit++) {
        struct po_err err;
        struct po_frame_info info;

        s.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (po_frame_decode(decoder, s.bytes, s.info.compressed_size, again, s.size, NULL, &err) ==
            PO_OK) {
            ck_assert_mem_eq(again, s.kept, s.size);
            accepted++;
        }
        /* Whether it decodes or not, its hashes differ (spec-test: INDEX-8). */
        po_frame_describe(&info, s.bytes, s.info.compressed_size, s.size);
        ck_assert_mem_ne(info.xxh3, s.info.xxh3, PO_HASH_SIZE);
        ck_assert_mem_ne(info.blake2b, s.info.blake2b, PO_DIGEST_SIZE);
        s.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    printf("frame: %zu bytes: %u of %u flipped bits change nothing\n", s.size, accepted,
           s.info.compressed_size * 8);
    /* Stored, so that each bit has a meaning; but one byte once is one byte as it is. */
    if (kinds[_i] == NOISE)
        ck_assert_uint_eq(accepted, s.size == 1 ? 1 : 0);
    free_sample(&s);
    po_frame_decoder_free(decoder);
}
END_TEST

/* ---- the frame check ---- */

START_TEST(the_frame_check_catches_every_flipped_bit_of_a_frame)
{
    struct po_frame_encoder *encoder = new_encoder(3, 64 << 10, true);
    struct po_frame_decoder *decoder = new_decoder();
    size_t size = 900;
    size_t bits = 8;
    unsigned harmless = 0;

    for (broken_bit = 0; broken_bit < bits; broken_bit++) {
        struct sample s;
        struct po_err err = { 0 };
        enum po_status st;

        init_sample(&s, size, (enum kind)_i);
        is_broken = true;
        st = po_frame_encode(encoder, s.content, size, s.bytes, s.capacity, &s.info, &err);
        is_broken = false;
        if (st == PO_OK) {
            /* Then nothing is lost: a reader takes it too. */
            uint8_t again[900];

            bits = (size_t)s.info.compressed_size * 8;
            ck_assert_msg(po_frame_decode(decoder, s.bytes, s.info.compressed_size, again, size,
                                          NULL, &err) == PO_OK,
                          "bit %zu: %s", broken_bit, err.text);
            ck_assert_mem_eq(again, s.kept, size);
            harmless++;
        } else {
            ck_assert_int_eq(st, PO_E_IO);
            ck_assert_ptr_nonnull(strstr(err.text, "frame check"));
        }
        if (broken_bit == 0) { /* how long the frame is */
            memcpy(s.content, s.kept, size);
            ck_assert_int_eq(
                po_frame_encode(encoder, s.content, size, s.bytes, s.capacity, &s.info, &err),
                PO_OK);
            bits = (size_t)s.info.compressed_size * 8;
        }
        free_sample(&s);
    }
    printf("frame check: %zu flipped bits, %u change nothing\n", bits, harmless);
    ck_assert_uint_lt(harmless, bits / 20);
    po_frame_encoder_free(encoder);
    po_frame_decoder_free(decoder);
}
END_TEST

START_TEST(without_the_frame_check_the_flipped_bit_goes_through)
{
    struct po_frame_encoder *encoder = new_encoder(3, 64 << 10, false);
    struct sample s;
    uint8_t again[900];
    struct po_err err;

    init_sample(&s, sizeof again, NOISE);
    broken_bit = (size_t)8 * 100;
    is_broken = true;
    ck_assert_int_eq(
        po_frame_encode(encoder, s.content, s.size, s.bytes, s.capacity, &s.info, &err), PO_OK);
    is_broken = false;
    ck_assert_int_eq(decode_copy(s.bytes, s.info.compressed_size, again, s.size), PO_E_FORMAT);
    free_sample(&s);
    po_frame_encoder_free(encoder);
}
END_TEST

/* ---- a glance ---- */

/* spec-test: FILE-4 */
START_TEST(a_glance_shows_the_beginning_and_tells_what_is_missing)
{
    struct sample s;
    uint8_t start[512];
    struct po_err err;
    size_t got = 0;

    make_sample(&s, 5000, NOISE);
    for (size_t size = 0; size <= s.info.compressed_size; size++) {
        ck_assert_int_eq(po_frame_glance(s.bytes, size, false, start, sizeof start, &got, &err),
                         PO_OK);
        ck_assert_mem_eq(start, s.kept, got);
        /* When not all came, a whole file of this size is cut off. */
        ck_assert_int_eq(po_frame_glance(s.bytes, size, true, start, sizeof start, &got, &err),
                         got == sizeof start ? PO_OK : PO_E_FORMAT);
    }
    ck_assert_uint_eq(got, sizeof start);
    free_sample(&s);
    make_sample(&s, 511, TEXT);
    ck_assert_int_eq(
        po_frame_glance(s.bytes, s.info.compressed_size, true, start, sizeof start, &got, &err),
        PO_OK);
    ck_assert_uint_eq(got, 511);
    s.bytes[4] ^= 0x08;
    ck_assert_int_eq(
        po_frame_glance(s.bytes, s.info.compressed_size, true, start, sizeof start, &got, &err),
        PO_E_FORMAT);
    free_sample(&s);
}
END_TEST

/* spec-test: FRAME-2, READ-1 */
START_TEST(impossible_sizes_are_known_before_anything_is_allocated)
{
    ck_assert(!po_frame_sizes_are_possible(0, 20));
    ck_assert(po_frame_sizes_are_possible(1, 20));
    ck_assert(po_frame_sizes_are_possible(1, 513));
    ck_assert(!po_frame_sizes_are_possible(1, 514));
    ck_assert(po_frame_sizes_are_possible(32 * MIB, 1024));
    ck_assert(!po_frame_sizes_are_possible(32 * MIB, 1023));
    ck_assert(!po_frame_sizes_are_possible(32 * MIB + 1, 40000));
    ck_assert(po_frame_sizes_are_possible(32 * MIB, 32 * MIB + 262144 + 512));
    ck_assert(!po_frame_sizes_are_possible(32 * MIB, 32 * MIB + 262144 + 513));
    ck_assert(!po_frame_sizes_are_possible(UINT64_MAX, UINT64_MAX));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tc = tcase_create("frame");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, content_of_any_size_survives_the_round_trip, 0,
                        3 * (int)HELP_COUNT(sizes));
    tcase_add_test(tc, content_beyond_the_limits_is_not_encoded);
    tcase_add_test(tc, a_buffer_that_is_too_small_is_a_failure_and_the_encoder_goes_on);
    tcase_add_test(tc, a_level_beyond_all_levels_is_taken_as_the_highest);
    tcase_add_loop_test(tc, wrong_sizes_are_refused, 0, 3);
    tcase_add_test(tc, bytes_behind_a_frame_are_refused);
    tcase_add_test(tc, frames_without_size_or_checksum_are_refused);
    tcase_add_test(tc, a_window_beyond_32_mebibytes_is_refused);
    tcase_add_test(tc, unused_and_reserved_bits_and_a_dictionary_id_are_refused);
    tcase_add_loop_test(tc, a_flipped_bit_never_gives_other_content, 0, 4);
    tcase_add_loop_test(tc, the_frame_check_catches_every_flipped_bit_of_a_frame, 0, 3);
    tcase_add_test(tc, without_the_frame_check_the_flipped_bit_goes_through);
    tcase_add_test(tc, a_glance_shows_the_beginning_and_tells_what_is_missing);
    tcase_add_test(tc, impossible_sizes_are_known_before_anything_is_allocated);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
