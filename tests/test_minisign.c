/*
 * Keys and signatures. What stock minisign 0.11 made is accepted, what it would refuse is refused: the
 * vectors are its files, as text. The other way round, ours by stock, is test_sign.py's.
 */
#include "archive/minisign.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The passphrase is "pass". */
static const char stock_locked[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWRTY0IyxoGRje6lK/boxBiEMVqwH6r/Z7QnSHiTd0TLqLhne3AAAAACAAAAAAAAAEAAAAAAcPQkU4WX"
    "Ox7B6foxAPjXYxVDp37fXHPzKYjyEMuIEv2S4eNmk10WRijlsrRTuWOMjxzBOKpcJxxM9cPc39tH2VLs"
    "j489ZwZfTtSGj7thW0hQWIAJeq0Uc7o5K/0oGRs41jPTh3HC6cU=\n";
static const char stock_locked_public[] =
    "untrusted comment: minisign public key 90F208E162C258E5\n"
    "RWTlWMJi4QjykPii8qlKckjUZ2l3a8zqAt7farXutetL7m/cBC6fninV\n";
/* -W: not encrypted. */
static const char stock_secret[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAljsIQArT"
    "+rKHT+0XNe4COz3rhYIrLVUlNinXdSa2I2YT0SUDGMJ9KZyeHFm3dpgrYDMWKvXGJvXLWSBHsEFCecMm"
    "pNlzDFH/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
static const char stock_public[] = "untrusted comment: minisign public key B2FAD30A40083B96\n"
                                   "RWSWOwhACtP6spyeHFm3dpgrYDMWKvXGJvXLWSBHsEFCecMmpNlzDFH/\n";
/* Of "hello\n", by that key. */
static const char stock_signature[] =
    "untrusted comment: signature from minisign secret key\n"
    "RUSWOwhACtP6ssIqSV7030ZcON2BPUI7YA4EZm7caabQGsRi7VjMMt54JuEbJNTKFqnNyeu+3+6mPOll"
    "iPxeszaExtOt42Vdqwo=\n"
    "trusted comment: timestamp:1795872572\tfile:f\thashed\n"
    "rgMCDPbfL8y/tPm5lNspBrZunTQL8cekKleuhpL3V12+fnSltGfOsPLThmSIVzNl10finSOfqaFFYRCo"
    "z3WNAw==\n";
/* -l: legacy, over the bytes themselves. */
static const char stock_legacy[] =
    "untrusted comment: signature from minisign secret key\n"
    "RWSWOwhACtP6snMegEV9qi4i/TonmNzbJHubzLH3ICyrwlkjSpY0EcRkWmQugc/xmDoSn67V3qIKJvAI"
    "WsA5O/azceV+wiRUOw4=\n"
    "trusted comment: timestamp:1795872572\tfile:f\n"
    "APUPSkLMp5YdGUqTg2zHw03lYvwbgM15cLDr8MMmbNDti25o1TGIjwVJazlMhB6aqE7wPQ6OHuaD1g3i"
    "9RGhBw==\n";
static const char message[] = "hello\n";
#define MESSAGE_SIZE (sizeof message - 1)

static struct po_err err;

static void
hash_of(const void *bytes, size_t size, uint8_t hash[PO_MINISIGN_HASH_SIZE])
{
    struct po_minisign_hasher *hasher = NULL;

    ck_assert_int_eq(po_minisign_hasher_new(&hasher, &err), PO_OK);
    /* In pieces. */
    for (size_t i = 0; i < size; i++)
        po_minisign_hasher_add(hasher, (const uint8_t *)bytes + i, 1);
    po_minisign_hasher_end(hasher, hash);
    po_minisign_hasher_free(hasher);
}

static struct po_minisign_public
public_of(const char *text)
{
    struct po_minisign_public key;

    ck_assert_msg(po_minisign_public_parse(&key, text, strlen(text), &err) == PO_OK, "%s",
                  err.text);
    return key;
}

static struct po_minisign_secret
secret_of(const char *text)
{
    struct po_minisign_secret secret;

    ck_assert_msg(po_minisign_secret_parse(&secret, text, strlen(text), &err) == PO_OK, "%s",
                  err.text);
    return secret;
}

/* Whether the text is a signature of the message by the key: what a caller does. */
static bool
is_accepted(const void *text, size_t size, const struct po_minisign_public *key,
            const uint8_t hash[PO_MINISIGN_HASH_SIZE])
{
    static struct po_minisign_signature signature;

    if (po_minisign_signature_parse(&signature, text, size, &err) != PO_OK ||
        memcmp(signature.key_id, key->key_id, sizeof key->key_id) != 0)
        return false;
    return signature.is_hashed ? po_minisign_is_good(&signature, key, hash, PO_MINISIGN_HASH_SIZE)
                               : po_minisign_is_good(&signature, key, message, MESSAGE_SIZE);
}

/* ---- what stock minisign makes ---- */

START_TEST(a_public_key_is_a_file_or_its_second_line)
{
    struct po_minisign_public whole = public_of(stock_public);
    struct po_minisign_public line = public_of(strchr(stock_public, '\n') + 1);
    struct po_buf id = { 0 };
    struct po_buf text = { 0 };

    ck_assert_mem_eq(&whole, &line, sizeof whole);
    po_minisign_put_id(&id, whole.key_id);
    ck_assert_str_eq(po_buf_text(&id), "B2FAD30A40083B96");
    ck_assert_int_eq(po_minisign_public_print(&text, &whole, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&text), stock_public);
    po_buf_deinit(&text);
    po_buf_deinit(&id);
}
END_TEST

START_TEST(ends_of_lines_may_be_those_of_windows)
{
    struct po_minisign_public key = public_of(stock_public);
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf text = { 0 };

    hash_of(message, MESSAGE_SIZE, hash);
    for (const char *at = stock_signature; *at != '\0'; at++)
        po_buf_printf(&text, *at == '\n' ? "\r%c" : "%c", *at);
    ck_assert(is_accepted(text.bytes, text.size, &key, hash));
    /* The last line needs no end. */
    ck_assert(is_accepted(text.bytes, text.size - 2, &key, hash));
    po_buf_deinit(&text);
}
END_TEST

START_TEST(signatures_of_stock_are_good)
{
    struct po_minisign_public key = public_of(stock_public);
    static struct po_minisign_signature signature;
    uint8_t hash[PO_MINISIGN_HASH_SIZE];

    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert(is_accepted(stock_signature, strlen(stock_signature), &key, hash));
    ck_assert(is_accepted(stock_legacy, strlen(stock_legacy), &key, hash));
    ck_assert_int_eq(
        po_minisign_signature_parse(&signature, stock_signature, strlen(stock_signature), &err),
        PO_OK);
    ck_assert(signature.is_hashed);
    ck_assert_str_eq(signature.comment, "timestamp:1795872572\tfile:f\thashed");
    ck_assert_int_eq(
        po_minisign_signature_parse(&signature, stock_legacy, strlen(stock_legacy), &err), PO_OK);
    ck_assert(!signature.is_hashed);
}
END_TEST

START_TEST(other_bytes_or_another_key_are_not_good)
{
    struct po_minisign_public key = public_of(stock_public);
    struct po_minisign_public other = public_of(stock_locked_public);
    uint8_t hash[PO_MINISIGN_HASH_SIZE];

    hash_of("hello", 5, hash);
    ck_assert(!is_accepted(stock_signature, strlen(stock_signature), &key, hash));
    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert(!is_accepted(stock_signature, strlen(stock_signature), &other, hash));
    /* Whoever makes a key chooses its id. */
    memcpy(other.key_id, key.key_id, sizeof other.key_id);
    ck_assert(!is_accepted(stock_signature, strlen(stock_signature), &other, hash));
}
END_TEST

START_TEST(a_bit_that_flips_in_a_signature_is_refused)
{
    const char *const texts[] = { stock_signature, stock_legacy };
    const char *text = texts[_i];
    struct po_minisign_public key = public_of(stock_public);
    size_t size = strlen(text);
    size_t untrusted_end = (size_t)(strchr(text, '\n') - text);
    char changed[1024];
    uint8_t hash[PO_MINISIGN_HASH_SIZE];

    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert_uint_lt(size, sizeof changed);
    for (size_t at = 0; at < size; at++) {
        /* The comment that nobody trusts is anybody's to change; not what says that it is one. */
        if (at >= strlen("untrusted comment: ") && at < untrusted_end)
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(changed, text, size);
            changed[at] = (char)((unsigned char)changed[at] ^ (1u << bit));
            if (is_accepted(changed, size, &key, hash))
                ck_abort_msg("byte %zu, bit %u", at, bit);
        }
    }
}
END_TEST

START_TEST(a_signature_that_is_cut_or_longer_is_refused)
{
    struct po_minisign_public key = public_of(stock_public);
    size_t size = strlen(stock_signature);
    char longer[1024];
    uint8_t hash[PO_MINISIGN_HASH_SIZE];

    hash_of(message, MESSAGE_SIZE, hash);
    for (size_t cut = 0; cut < size - 1; cut++) /* the last newline may be missing */
        ck_assert_msg(!is_accepted(stock_signature, cut, &key, hash), "%zu", cut);
    memcpy(longer, stock_signature, size);
    longer[size] = '\n';
    ck_assert(!is_accepted(longer, size + 1, &key, hash));
    longer[size] = 'A';
    ck_assert(!is_accepted(longer, size + 1, &key, hash));
}
END_TEST

START_TEST(a_comment_of_another_signature_is_refused)
{
    struct po_minisign_secret secret = secret_of(stock_secret);
    struct po_minisign_public key = public_of(stock_public);
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf one = { 0 };
    struct po_buf other = { 0 };
    struct po_buf mixed = { 0 };
    const char *tail;

    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert_int_eq(po_minisign_sign(&one, &secret, hash, "of today", &err), PO_OK);
    hash_of("other", 5, hash);
    ck_assert_int_eq(po_minisign_sign(&other, &secret, hash, "of old", &err), PO_OK);
    tail = strstr(po_buf_text(&other), "trusted comment: of old");
    po_buf_put(
        &mixed, one.bytes,
        (size_t)(strstr(po_buf_text(&one), "trusted comment: of today") - po_buf_text(&one)));
    po_buf_put_text(&mixed, tail);
    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert(is_accepted(one.bytes, one.size, &key, hash));
    ck_assert(!is_accepted(mixed.bytes, mixed.size, &key, hash));
    po_buf_deinit(&one);
    po_buf_deinit(&other);
    po_buf_deinit(&mixed);
}
END_TEST

/* ---- secret keys ---- */

START_TEST(a_key_of_stock_opens_with_its_passphrase_alone)
{
    struct po_minisign_secret secret = secret_of(stock_locked);
    struct po_minisign_public key = public_of(stock_locked_public);
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf text = { 0 };

    ck_assert(secret.is_encrypted);
    ck_assert_uint_eq(secret.ops, PO_MINISIGN_OPS_MAX);
    ck_assert_uint_eq(secret.memory, PO_MINISIGN_MEMORY_MAX);
    ck_assert_int_eq(po_minisign_secret_open(&secret, "Pass", 4, &err), PO_E_AUTH);
    ck_assert(secret.is_encrypted);
    ck_assert_int_eq(po_minisign_secret_open(&secret, "pass", 4, &err), PO_OK);
    ck_assert(!secret.is_encrypted);
    ck_assert_mem_eq(secret.key_id, key.key_id, sizeof key.key_id);
    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert_int_eq(po_minisign_sign(&text, &secret, hash, "x", &err), PO_OK);
    ck_assert(is_accepted(text.bytes, text.size, &key, hash));
    po_buf_deinit(&text);
}
END_TEST

START_TEST(a_key_without_a_passphrase_is_printed_as_stock_has_it)
{
    struct po_minisign_secret secret = secret_of(stock_secret);
    struct po_buf text = { 0 };

    ck_assert(!secret.is_encrypted);
    ck_assert_int_eq(po_minisign_secret_print(&text, &secret, NULL, &err), PO_OK);
    ck_assert_str_eq(strchr(po_buf_text(&text), '\n'), strchr(stock_secret, '\n'));
    po_buf_deinit(&text);
}
END_TEST

static const uint8_t random_bytes[PO_MINISIGN_RANDOM_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
/* What costs next to nothing. */
static const struct po_minisign_lock cheap = {
    .passphrase = "secret", .passphrase_size = 6, .salt = { 42 }, .ops = 32768, .memory = 16u << 20
};

START_TEST(a_new_key_opens_signs_and_is_checked)
{
    struct po_minisign_secret made;
    struct po_minisign_secret read;
    struct po_minisign_public key;
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf text = { 0 };
    struct po_buf signature = { 0 };

    ck_assert_int_eq(po_minisign_make(&made, &key, random_bytes, &err), PO_OK);
    ck_assert_int_eq(po_minisign_secret_print(&text, &made, &cheap, &err), PO_OK);
    read = secret_of(po_buf_text(&text));
    ck_assert_int_eq(po_minisign_secret_open(&read, "secre", 5, &err), PO_E_AUTH);
    ck_assert_int_eq(po_minisign_secret_open(&read, "secret", 6, &err), PO_OK);
    ck_assert_mem_eq(read.key, made.key, sizeof read.key);
    hash_of(message, MESSAGE_SIZE, hash);
    ck_assert_int_eq(po_minisign_sign(&signature, &read, hash, "a comment", &err), PO_OK);
    ck_assert(is_accepted(signature.bytes, signature.size, &key, hash));
    po_buf_deinit(&signature);
    po_buf_deinit(&text);
}
END_TEST

/* The second line as bytes, and back: through the library's own base64, by hand. */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
#define SECRET_BYTES 158

static void
to_bytes(const char *text, uint8_t bytes[SECRET_BYTES + 2])
{
    for (size_t i = 0; i * 3 < SECRET_BYTES; i++) {
        uint32_t value = 0;

        for (size_t k = 0; k < 4; k++) {
            const char *digit = strchr(digits, text[i * 4 + k]);

            value = value << 6 | (uint32_t)(text[i * 4 + k] == '=' ? 0 : digit - digits);
        }
        for (size_t k = 0; k < 3; k++)
            bytes[i * 3 + k] = (uint8_t)(value >> (16 - 8 * k));
    }
}

static const char *
to_text(const uint8_t bytes[SECRET_BYTES + 2])
{
    static char text[512];
    size_t size = (size_t)sprintf(text, "untrusted comment: x\n");

    for (size_t i = 0; i * 3 < SECRET_BYTES; i++) {
        uint32_t value = (uint32_t)bytes[i * 3] << 16 | (uint32_t)bytes[i * 3 + 1] << 8;

        value |= i * 3 + 2 < SECRET_BYTES ? bytes[i * 3 + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            text[size++] = digits[value >> (18 - 6 * k) & 63];
    }
    text[size - 1] = '='; /* 158 bytes leave one over */
    text[size] = '\0';
    return text;
}

static enum po_status
open_bytes(const uint8_t bytes[SECRET_BYTES + 2])
{
    struct po_minisign_secret secret;
    const char *text = to_text(bytes);
    enum po_status st = po_minisign_secret_parse(&secret, text, strlen(text), &err);

    return st == PO_OK ? po_minisign_secret_open(&secret, "secret", 6, &err) : st;
}

START_TEST(each_field_of_a_secret_key_that_is_changed_is_refused)
{
    struct po_minisign_secret made;
    struct po_minisign_public key;
    struct po_buf text = { 0 };
    uint8_t bytes[SECRET_BYTES + 2];

    ck_assert_int_eq(po_minisign_make(&made, &key, random_bytes, &err), PO_OK);
    ck_assert_int_eq(po_minisign_secret_print(&text, &made, &cheap, &err), PO_OK);
    to_bytes(strchr(po_buf_text(&text), '\n') + 1, bytes);
    ck_assert_int_eq(open_bytes(bytes), PO_OK);
    for (size_t at = 0; at < SECRET_BYTES; at++) {
        if (at >= 38 && at < 54) /* scrypt's limits: the next test */
            continue;
        bytes[at] ^= 0x10;
        if (open_bytes(bytes) == PO_OK)
            ck_abort_msg("byte %zu", at);
        bytes[at] ^= 0x10;
    }
    po_buf_deinit(&text);
}
END_TEST

START_TEST(a_hostile_key_gets_no_more_memory_or_time_than_stocks)
{
    struct po_minisign_secret made;
    struct po_minisign_public key;
    struct po_buf text = { 0 };
    uint8_t bytes[SECRET_BYTES + 2];

    ck_assert_int_eq(po_minisign_make(&made, &key, random_bytes, &err), PO_OK);
    ck_assert_int_eq(po_minisign_secret_print(&text, &made, &cheap, &err), PO_OK);
    to_bytes(strchr(po_buf_text(&text), '\n') + 1, bytes);
    /* 2^25 operations and 2^30 bytes are the most; every higher bit is more. */
    for (size_t bit = 25; bit < 64; bit++) {
        uint8_t *ops = bytes + 38 + bit / 8;
        uint8_t *memory = bytes + 46 + bit / 8;
        uint8_t flip = (uint8_t)(1u << bit % 8);

        *ops ^= flip;
        ck_assert_msg(open_bytes(bytes) == PO_E_UNSUPPORTED, "ops, bit %zu", bit);
        *ops ^= flip;
        if (bit < 30)
            continue;
        *memory ^= flip;
        ck_assert_msg(open_bytes(bytes) == PO_E_UNSUPPORTED, "memory, bit %zu", bit);
        *memory ^= flip;
    }
    po_buf_deinit(&text);
}
END_TEST

/* A seed with the public key of another gives itself away with two signatures. */
START_TEST(a_secret_key_whose_halves_do_not_belong_together_is_refused)
{
    uint8_t bytes[SECRET_BYTES + 2];

    to_bytes(strchr(stock_secret, '\n') + 1, bytes);
    ck_assert_int_eq(open_bytes(bytes), PO_OK);
    /* Behind the key id, which nothing vouches for: seed, public key, checksum. */
    for (size_t at = SECRET_BYTES - 96; at < SECRET_BYTES; at++) {
        bytes[at] ^= 1;
        if (open_bytes(bytes) != PO_E_FORMAT)
            ck_abort_msg("byte %zu", at);
        bytes[at] ^= 1;
    }
}
END_TEST

START_TEST(a_comment_is_one_line_that_fits)
{
    struct po_minisign_secret secret = secret_of(stock_secret);
    struct po_minisign_public key = public_of(stock_public);
    uint8_t hash[PO_MINISIGN_HASH_SIZE] = { 0 };
    static char comment[PO_MINISIGN_COMMENT_MAX + 2];
    struct po_buf text = { 0 };

    ck_assert_int_eq(po_minisign_sign(&text, &secret, hash, "a\nb", &err), PO_E_USAGE);
    ck_assert_int_eq(po_minisign_sign(&text, &secret, hash, "a\rb", &err), PO_E_USAGE);
    memset(comment, 'c', sizeof comment - 1);
    ck_assert_int_eq(po_minisign_sign(&text, &secret, hash, comment, &err), PO_E_USAGE);
    ck_assert_uint_eq(text.size, 0);
    comment[PO_MINISIGN_COMMENT_MAX] = '\0';
    ck_assert_int_eq(po_minisign_sign(&text, &secret, hash, comment, &err), PO_OK);
    ck_assert(is_accepted(text.bytes, text.size, &key, hash));
    ck_assert_uint_lt(text.size, PO_MINISIGN_TEXT_MAX);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(what_is_something_else_is_told_apart)
{
    struct po_minisign_public key;
    struct po_minisign_secret secret;
    static struct po_minisign_signature signature;
    const char *const texts[] = {
        "", "\n", "\n\n\n\n", "untrusted comment: x\n", stock_public, stock_secret, stock_signature
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t size = strlen(texts[i]);

        ck_assert(texts[i] == stock_public ||
                  po_minisign_public_parse(&key, texts[i], size, &err) == PO_E_FORMAT);
        ck_assert(texts[i] == stock_secret ||
                  po_minisign_secret_parse(&secret, texts[i], size, &err) == PO_E_FORMAT);
        ck_assert(texts[i] == stock_signature ||
                  po_minisign_signature_parse(&signature, texts[i], size, &err) == PO_E_FORMAT);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("minisign");
    TCase *tc = tcase_create("minisign");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_public_key_is_a_file_or_its_second_line);
    tcase_add_test(tc, ends_of_lines_may_be_those_of_windows);
    tcase_add_test(tc, signatures_of_stock_are_good);
    tcase_add_test(tc, other_bytes_or_another_key_are_not_good);
    tcase_add_loop_test(tc, a_bit_that_flips_in_a_signature_is_refused, 0, 2);
    tcase_add_test(tc, a_signature_that_is_cut_or_longer_is_refused);
    tcase_add_test(tc, a_comment_of_another_signature_is_refused);
    tcase_add_test(tc, a_key_of_stock_opens_with_its_passphrase_alone);
    tcase_add_test(tc, a_key_without_a_passphrase_is_printed_as_stock_has_it);
    tcase_add_test(tc, a_new_key_opens_signs_and_is_checked);
    tcase_add_test(tc, each_field_of_a_secret_key_that_is_changed_is_refused);
    tcase_add_test(tc, a_hostile_key_gets_no_more_memory_or_time_than_stocks);
    tcase_add_test(tc, a_secret_key_whose_halves_do_not_belong_together_is_refused);
    tcase_add_test(tc, a_comment_is_one_line_that_fits);
    tcase_add_test(tc, what_is_something_else_is_told_apart);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
