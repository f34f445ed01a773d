/* The signature of an opened archive: what is hashed is the file, and the tables are those of it. */
#include "engine/signature.h"

#include "archive/hash.h"
#include "os_help.h"
#include "vault_help.h"

#define PART (1u << 20)
#define SIZE (2 * PART + 4096)

static char top[OS_PATH_SIZE];
static char path[OS_PATH_SIZE + 32];
static struct po_minisign_secret secret;
static struct po_minisign_public public_key;
static struct po_err err;

/* A file that somebody else may change: what it holds is up to `bytes`. */
struct memory {
    const uint8_t *bytes;
    size_t size;
};

static enum po_status
read_memory(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *read_err)
{
    const struct memory *memory = ctx;

    if (offset + size > memory->size)
        return po_fail(read_err, PO_E_IO, "shorter");
    memcpy(bytes, memory->bytes + offset, size);
    return PO_OK;
}

static struct pobackup_blob
blob_of(struct memory *memory)
{
    return (struct pobackup_blob){ .ctx = memory, .size = memory->size, .read_at = read_memory };
}

static void
setup(void)
{
    static const uint8_t random_bytes[PO_MINISIGN_RANDOM_SIZE] = { 7 };

    os_temp_make(top, "signature");
    (void)snprintf(path, sizeof path, "%s/a.tar.zst", top);
    ck_assert_int_eq(po_minisign_make(&secret, &public_key, random_bytes, &err), PO_OK);
}

static void
teardown(void)
{
    os_temp_remove(top);
}

static void
write_sidecar(struct memory *memory)
{
    const struct pobackup_blob blob = blob_of(memory);
    const uint8_t id[PO_ID_SIZE] = { 0xab };
    uint8_t hash[PO_MINISIGN_HASH_SIZE];
    struct po_buf text = { 0 };
    char name[sizeof path + 16];

    ck_assert_int_eq(po_signature_hash(hash, &blob, NULL, NULL, &err), PO_OK);
    ck_assert_int_eq(po_signature_put(&text, &secret, hash, path, id, 17950000000000000, &err),
                     PO_OK);
    (void)snprintf(name, sizeof name, "%s.minisig", path);
    os_write(name, text.bytes, text.size);
    po_buf_deinit(&text);
}

static void
make_archive(struct po_buf *out, int64_t created)
{
    const struct help_snapshot snapshot = { .created = created, .bytes = 100, .entries = 3 };

    help_snapshot_put(out, &snapshot, NULL);
}

START_TEST(a_signed_archive_is_good_and_tells_what_it_was_called)
{
    struct po_buf bytes = { 0 };
    struct po_reader *reader = NULL;
    static struct po_signature signature;
    struct memory memory;
    struct pobackup_blob blob;

    make_archive(&bytes, HELP_NOON);
    memory = (struct memory){ bytes.bytes, bytes.size };
    blob = blob_of(&memory);
    write_sidecar(&memory);
    ck_assert_int_eq(po_reader_open(&reader, &blob, &err), PO_OK);
    ck_assert_int_eq(
        po_signature_check(&signature, path, &blob, reader, &public_key, 1, NULL, &err), PO_OK);
    ck_assert_int_eq(signature.state, PO_SIGNATURE_GOOD);
    ck_assert_str_eq(signature.comment, "timestamp:1795000000\tfile:a.tar.zst\thashed\t"
                                        "archive:ab000000000000000000000000000000");
    ck_assert_int_eq(po_signature_require(&signature, &err), PO_OK);
    /* Without a key nothing is said of it. */
    ck_assert_int_eq(po_signature_check(&signature, path, &blob, reader, NULL, 0, NULL, &err),
                     PO_OK);
    ck_assert_int_eq(signature.state, PO_SIGNATURE_UNCHECKED);
    ck_assert_str_eq(signature.comment, "");
    ck_assert_int_eq(po_signature_require(&signature, &err), PO_E_AUTH);
    po_reader_free(reader);
    po_buf_deinit(&bytes);
}
END_TEST

/* The file was another when it was opened: its tables are in memory, and would be restored by. */
START_TEST(an_archive_that_was_exchanged_after_it_was_opened_is_refused)
{
    struct po_buf signed_bytes = { 0 };
    struct po_buf other_bytes = { 0 };
    struct po_reader *reader = NULL;
    static struct po_signature signature;
    struct memory memory;
    struct pobackup_blob blob;

    make_archive(&signed_bytes, HELP_NOON);
    make_archive(&other_bytes, HELP_NOON + HELP_DAY);
    ck_assert_uint_eq(signed_bytes.size, other_bytes.size);
    memory = (struct memory){ signed_bytes.bytes, signed_bytes.size };
    write_sidecar(&memory);
    blob = blob_of(&memory);
    memory.bytes = other_bytes.bytes;
    ck_assert_int_eq(po_reader_open(&reader, &blob, &err), PO_OK);
    memory.bytes = signed_bytes.bytes;
    ck_assert_int_eq(
        po_signature_check(&signature, path, &blob, reader, &public_key, 1, NULL, &err),
        PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "changed after it had been opened"));
    /* The other way round it is simply not what was signed. */
    po_reader_free(reader);
    reader = NULL;
    ck_assert_int_eq(po_reader_open(&reader, &blob, &err), PO_OK);
    memory.bytes = other_bytes.bytes;
    ck_assert(po_signature_check(&signature, path, &blob, reader, &public_key, 1, NULL, &err) !=
                  PO_OK ||
              signature.state == PO_SIGNATURE_BAD);
    po_reader_free(reader);
    po_buf_deinit(&signed_bytes);
    po_buf_deinit(&other_bytes);
}
END_TEST

/* The trailer may lie in two of the pieces that are read: at each place it is found whole. */
START_TEST(the_trailer_is_found_wherever_it_lies)
{
    uint8_t *bytes = malloc(SIZE);
    struct memory memory = { bytes, SIZE };
    const struct pobackup_blob blob = blob_of(&memory);
    uint8_t hash[PO_MINISIGN_HASH_SIZE];

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t shift = 0; shift <= PO_TRAILER_SIZE; shift += 64) {
        uint64_t offset = PART - PO_TRAILER_AT - shift;
        struct po_reader reader = { .offsets = &offset, .frame_count = 1 };

        po_blake2b(bytes + offset + PO_TRAILER_AT, PO_TRAILER_SIZE, reader.digest);
        ck_assert_msg(po_signature_hash(hash, &blob, &reader, NULL, &err) == PO_OK, "%zu", shift);
        reader.digest[0] ^= 1;
        ck_assert_int_eq(po_signature_hash(hash, &blob, &reader, NULL, &err), PO_E_FORMAT);
    }
    free(bytes);
}
END_TEST

START_TEST(a_name_with_a_newline_stays_in_its_line)
{
    static struct po_minisign_signature signature;
    const uint8_t id[PO_ID_SIZE] = { 0 };
    uint8_t hash[PO_MINISIGN_HASH_SIZE] = { 0 };
    struct po_buf text = { 0 };

    ck_assert_int_eq(po_signature_put(&text, &secret, hash, "/d/a\nb\r\tc\x1b", id, 0, &err),
                     PO_OK);
    ck_assert_int_eq(po_minisign_signature_parse(&signature, text.bytes, text.size, &err), PO_OK);
    ck_assert(po_minisign_is_good(&signature, &public_key, hash, sizeof hash));
    ck_assert_msg(strstr(signature.comment, "\tfile:a\\nb\\x0D\\tc\\x1B\thashed\t") != NULL, "%s",
                  signature.comment);
    po_buf_deinit(&text);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("signature");
    TCase *tc = tcase_create("signature");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_signed_archive_is_good_and_tells_what_it_was_called);
    tcase_add_test(tc, an_archive_that_was_exchanged_after_it_was_opened_is_refused);
    tcase_add_test(tc, the_trailer_is_found_wherever_it_lies);
    tcase_add_test(tc, a_name_with_a_newline_stays_in_its_line);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
