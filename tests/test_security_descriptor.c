/* req: R7: security descriptors from archives, as text, by our own rule, and with other accounts. */
#include "base/cursor.h"
#include "base/mem.h"
#include "host/host.h"
#include "host/security_accounts.h"
#include "host/security_descriptor.h"
#include "host/security_private.h"
#include "host/security_rule.h"
#include "host/security_sddl.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OLD "S-1-5-21-1-2-3"
#define NEW "S-1-5-21-100-200-4000000000"

/* ---- helpers ---- */

static struct po_sid
sid(const char *text)
{
    struct po_sid out = { 0 };

    if (!po_sid_parse(&out, text))
        ck_abort_msg("no SID: %s", text);
    return out;
}

static struct po_buf
from_sddl(const char *text)
{
    struct po_buf out = { 0 };
    struct po_err err = { 0 };

    if (po_sddl_parse(&out, text, &err) != PO_OK)
        ck_abort_msg("%s: %s", text, err.text);
    return out;
}

static char *
to_sddl(const void *bytes, size_t size)
{
    struct po_security security;
    struct po_buf out = { 0 };
    struct po_err err = { 0 };
    char *text;

    if (po_security_parse(&security, bytes, size, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
    po_sddl_put(&out, &security);
    text = po_mem_strdup(po_buf_text(&out));
    po_buf_deinit(&out);
    return text;
}

static void
assert_sddl(const void *bytes, size_t size, const char *expected)
{
    char *text = to_sddl(bytes, size);

    ck_assert_str_eq(text, expected);
    po_mem_free(text);
}

/* In a block of exactly this size: a read beyond it is seen by the sanitizer. */
static enum po_status
parse_exactly(const void *bytes, size_t size, struct po_err *err)
{
    void *block = po_mem_new(size, 1);
    struct po_security security;
    struct po_buf again = { 0 };
    enum po_status st;

    ck_assert_ptr_nonnull(block);
    if (size > 0)
        memcpy(block, bytes, size);
    st = po_security_parse(&security, block, size, err);
    if (st == PO_OK) {
        struct po_security second;
        struct po_buf text = { 0 };

        ck_assert_int_eq(po_security_build(&again, &security, NULL, NULL, err), PO_OK);
        ck_assert_int_eq(po_security_parse(&second, again.bytes, again.size, err), PO_OK);
        ck_assert_uint_eq(second.dacl.count, security.dacl.count);
        ck_assert_uint_eq(second.sacl.count, security.sacl.count);
        ck_assert(po_sid_is_equal(&second.owner, &security.owner));
        po_sddl_put(&text, &security);
        ck_assert_int_eq(po_buf_check(&text, err), PO_OK);
        po_buf_deinit(&text);
    }
    po_buf_deinit(&again);
    po_mem_free(block);
    return st;
}

static void
assert_damaged(const struct po_buf *bytes, const char *text)
{
    struct po_err err = { 0 };

    ck_assert_int_eq(parse_exactly(bytes->bytes, bytes->size, &err), PO_E_FORMAT);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" is not in \"%s\"", text, err.text);
}

#define SAMPLE                                                                                     \
    "O:" OLD "-1005G:SYD:PAI(D;;FW;;;BG)(A;OICI;FA;;;BA)(A;OICIID;0x1301bf;;;" OLD "-1005)"        \
    "(A;OICIIO;GR;;;CO)S:AI(AU;SAFA;FA;;;WD)"

/* Makes the first entry one of another type, with bytes before and behind its SID. */
static struct po_buf
with_odd_entry(uint8_t type, const void *before, size_t before_size, size_t behind)
{
    struct po_buf out = { 0 };
    struct po_sid owner = sid("S-1-5-18");
    struct po_sid account = sid(OLD "-1005");
    uint16_t ace = (uint16_t)(8 + before_size + account.size + behind);

    po_buf_put_u8(&out, 1);
    po_buf_put_u8(&out, 0x5a);
    po_buf_put_u16le(&out, 0x8004);
    po_buf_put_u32le(&out, 20);
    po_buf_put_zeros(&out, 8);
    po_buf_put_u32le(&out, (uint32_t)(20 + owner.size));
    po_buf_put(&out, owner.bytes, owner.size);
    po_buf_put_u8(&out, 4);
    po_buf_put_u8(&out, 0);
    po_buf_put_u16le(&out, (uint16_t)(8 + ace + 12)); /* and twelve bytes free */
    po_buf_put_u16le(&out, 1);
    po_buf_put_zeros(&out, 2);
    po_buf_put_u8(&out, type);
    po_buf_put_u8(&out, 0x13);
    po_buf_put_u16le(&out, ace);
    po_buf_put_u32le(&out, 0x1f01ff);
    po_buf_put(&out, before, before_size);
    po_buf_put(&out, account.bytes, account.size);
    for (size_t i = 0; i < behind; i++)
        po_buf_put_u8(&out, (uint8_t)(i + 1));
    po_buf_put_zeros(&out, 12);
    return out;
}

/* ---- SIDs ---- */

START_TEST(a_sid_prints_as_it_was_written)
{
    static const char *const texts[] = { "S-1-0",
                                         "S-1-1-0",
                                         "S-1-5-18",
                                         "S-1-5-32-544",
                                         "S-1-5-21-4294967295-0-1-1005",
                                         "S-1-4294967295-7",
                                         "S-1-0x010203040506-7",
                                         "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15" };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct po_sid one = sid(texts[i]);
        struct po_sid again = { 0 };
        struct po_buf out = { 0 };

        po_sid_put(&out, &one);
        ck_assert_str_eq(po_buf_text(&out), texts[i]);
        ck_assert(po_sid_read(&again, one.bytes, one.size));
        ck_assert(po_sid_is_equal(&one, &again));
        ck_assert(!po_sid_read(&again, one.bytes, (size_t)one.size - 1));
        po_buf_deinit(&out);
    }
}
END_TEST

START_TEST(the_authority_may_be_hexadecimal)
{
    struct po_sid a = sid("S-1-0x05-18");
    struct po_sid b = sid("s-1-5-18");

    ck_assert(po_sid_is_equal(&a, &b));
}
END_TEST

START_TEST(what_is_no_sid_is_refused)
{
    static const char *const texts[] = { "",
                                         "S",
                                         "S-1-",
                                         "S-2-5-18",
                                         "S-1-5-",
                                         "S-1-5-18-",
                                         "S-1-5--18",
                                         "S-1-5-18 ",
                                         "S-1-5-4294967296",
                                         "S-1-281474976710656-1",
                                         "S-1-0x1000000000000-1",
                                         "S-1-5-0x12",
                                         "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
                                         "S-1-5-99999999999999999999" };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct po_sid out;

        ck_assert_msg(!po_sid_parse(&out, texts[i]), "%s", texts[i]);
    }
}
END_TEST

START_TEST(a_sid_of_a_machine_is_told_from_one_that_is_the_same_everywhere)
{
    struct po_sid machine = sid(OLD);
    struct po_sid account;

    ck_assert(po_sid_add_rid(&account, &machine, 500));
    ck_assert(po_sid_is_local(&account));
    ck_assert(!po_sid_is_local(&machine));
    ck_assert_uint_eq(po_sid_rid(&account), 500);
    account = sid("S-1-5-32-544");
    ck_assert(!po_sid_is_local(&account));
    account = sid("S-1-5-80-1-2-3-4");
    ck_assert(!po_sid_is_local(&account));
    account = sid("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15");
    ck_assert(!po_sid_add_rid(&account, &account, 1));
    account = (struct po_sid){ 0 };
    ck_assert_uint_eq(po_sid_rid(&account), 0);
    ck_assert(!po_sid_add_rid(&account, &account, 1));
}
END_TEST

/* ---- text ---- */

START_TEST(sddl_becomes_a_descriptor_and_text_again)
{
    static const char *const texts[] = {
        SAMPLE,
        "",
        "O:BA",
        "D:",
        "D:P",
        "D:NO_ACCESS_CONTROL",
        "O:WDG:S-1-5-21-1-2-3-513D:AR(A;;0x1;;;NS)",
        "D:(A;;GA;;;AN)(A;NP;GX;;;LS)S:PARAI(AU;FA;GW;;;NU)",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct po_buf bytes = from_sddl(texts[i]);

        assert_sddl(bytes.bytes, bytes.size, texts[i]);
        po_buf_deinit(&bytes);
    }
}
END_TEST

START_TEST(who_may_read_beside_the_owner_is_found)
{
    static const char *const others[][2] = {
        { "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)", "" },
        { "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)(A;;FA;;;BA)", "" },
        { "O:BAD:P", "" }, /* nobody */
        { "O:BAD:(A;IOOICI;FA;;;WD)(A;;FA;;;BA)", "" },
        { "O:BAD:(D;;FA;;;WD)(A;;FA;;;BA)", "" },
        { "O:BAD:(A;;0x100;;;WD)", "" }, /* its attributes */
        { "O:BA", "S-1-1-0" },           /* no list: everyone may all */
        { "O:BAD:NO_ACCESS_CONTROL", "S-1-1-0" },
        { "O:BAD:(A;;FA;;;BA)(A;ID;0x1200a9;;;BU)", "S-1-5-32-545" },
        { "O:BAD:(A;;GR;;;WD)", "S-1-1-0" },
        { "O:BAD:(A;;GA;;;AU)", "S-1-5-11" },
        { "O:BAD:(A;;WD;;;AU)", "S-1-5-11" },
        { "O:BAD:(A;;WO;;;S-1-5-21-1-2-3-1001)", "S-1-5-21-1-2-3-1001" },
    };

    for (size_t i = 0; i < COUNT(others); i++) {
        struct po_buf bytes = from_sddl(others[i][0]);
        struct po_buf text = { 0 };
        struct po_security security;
        struct po_err err = { 0 };
        struct po_sid who;

        ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
        if (po_security_is_open(&security, &who))
            po_sid_put(&text, &who);
        ck_assert_msg(strcmp(po_buf_text(&text), others[i][1]) == 0, "%s: %s", others[i][0],
                      po_buf_text(&text));
        po_buf_deinit(&text);
        po_buf_deinit(&bytes);
    }
}
END_TEST

START_TEST(rights_may_be_named_one_by_one)
{
    struct po_buf bytes =
        from_sddl("D:(A;;FRFW;;;WD)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)(A;;;;;WD)");

    assert_sddl(bytes.bytes, bytes.size, "D:(A;;0x12019f;;;WD)(A;;0xf01ff;;;WD)(A;;0x0;;;WD)");
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_descriptor_has_the_bytes_that_windows_has)
{
    /* Of "O:BAD:P(A;OICI;FA;;;SY)", as ConvertStringSecurityDescriptorToSecurityDescriptor lays it out. */
    static const uint8_t expected[] = {
        0x01, 0x00, 0x04, 0x90, 0x14, 0,    0,    0, 0,    0, 0, 0,    0,    0,    0,    0,
        0x24, 0,    0,    0,    0x01, 0x02, 0,    0, 0,    0, 0, 0x05, 0x20, 0,    0,    0,
        0x20, 0x02, 0,    0,    0x02, 0,    0x1c, 0, 0x01, 0, 0, 0,    0,    0x03, 0x14, 0,
        0xff, 0x01, 0x1f, 0,    0x01, 0x01, 0,    0, 0,    0, 0, 0x05, 0x12, 0,    0,    0,
    };
    struct po_buf bytes = from_sddl("O:BAD:P(A;OICI;FA;;;SY)");

    ck_assert_uint_eq(bytes.size, sizeof(expected));
    ck_assert_mem_eq(bytes.bytes, expected, sizeof(expected));
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(wrong_sddl_is_refused_with_its_place)
{
    static const char *const texts[] = { "X:BA",
                                         "O:",
                                         "O:LA",
                                         "O:S-1-",
                                         "O:BA ",
                                         "D:Q",
                                         "D:(A;;FA;;;BA",
                                         "D:(A;;FA;;;)",
                                         "D:(A;XX;FA;;;BA)",
                                         "D:(A;OI",
                                         "D:(OA;;FA;;;BA)",
                                         "D:(A;;FA;{0};;BA)",
                                         "D:(A;;0x;;;BA)",
                                         "D:(A;;0x123456789;;;BA)",
                                         "D:(A;;0x1",
                                         "D:(A;;ZZ;;;BA)",
                                         "D:(A;;F",
                                         "D:()",
                                         "D:D:",
                                         "S:S:(AU;SA;FA;;;WD)",
                                         "D:P(A;;FA;;;BA)P" };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct po_buf out = { 0 };
        struct po_err err = { 0 };

        ck_assert_msg(po_sddl_parse(&out, texts[i], &err) == PO_E_USAGE, "%s", texts[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "SDDL, character "));
        ck_assert_uint_eq(out.size, 0);
        po_buf_deinit(&out);
    }
}
END_TEST

/* ---- hostile bytes ---- */

START_TEST(a_descriptor_cut_anywhere_is_damaged)
{
    struct po_buf bytes = from_sddl(SAMPLE);

    for (size_t size = 0; size < bytes.size; size++) {
        struct po_err err = { 0 };

        ck_assert_int_eq(parse_exactly(bytes.bytes, size, &err), PO_E_FORMAT);
    }
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_changed_byte_is_read_or_refused_and_never_leads_outside)
{
    struct po_buf bytes = from_sddl(SAMPLE);
    unsigned read = 0;

    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t right = bytes.bytes[at];

        for (unsigned value = 0; value < 256; value++) {
            struct po_err err = { 0 };
            enum po_status st;

            bytes.bytes[at] = (uint8_t)value;
            st = parse_exactly(bytes.bytes, bytes.size, &err);
            ck_assert(st == PO_OK || st == PO_E_FORMAT);
            read += st == PO_OK;
        }
        bytes.bytes[at] = right;
    }
    ck_assert_uint_gt(read, 1000);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(random_descriptors_are_read_or_refused)
{
    uint32_t seed = 2463534242u;
    unsigned read = 0;

    for (unsigned round = 0; round < 20000; round++) {
        struct po_buf bytes = from_sddl(SAMPLE);
        struct po_err err = { 0 };

        for (unsigned i = 0; i < 1 + round % 6; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            bytes.bytes[seed % bytes.size] = (uint8_t)(seed >> 16);
        }
        read += parse_exactly(bytes.bytes, bytes.size, &err) == PO_OK;
        po_buf_deinit(&bytes);
    }
    ck_assert_uint_gt(read, 100);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    static const struct {
        size_t at;
        uint32_t value;
        size_t size; /* of the value */
        const char *text;
    } wrongs[] = {
        { 0, 2, 1, "revision 2" },
        { 2, 0x1404, 2, "control 0x1404" }, /* not self-relative */
        { 4, 19, 4, "owner at 19 of" },
        { 4, 22, 4, "owner at 22 of" },
        { 4, 0xfffffffc, 4, "owner at 4294967292 of" },
        { 8, 16, 4, "group at 16 of" },
        { 16, 0x7fffffff, 4, "DACL at 2147483647 of" },
        { 20, 2, 1, "owner at 20 is no SID" },
        { 21, 16, 1, "owner at 20 is no SID" },
    };

    for (size_t i = 0; i < COUNT(wrongs); i++) {
        struct po_buf bytes = from_sddl("O:BAD:P(A;OICI;FA;;;SY)(A;;FR;;;WD)");

        memcpy(bytes.bytes + wrongs[i].at, &wrongs[i].value,
               wrongs[i].size); /* little-endian hosts */
        assert_damaged(&bytes, wrongs[i].text);
        po_buf_deinit(&bytes);
    }
}
END_TEST

/* The list of "O:BAD:..." begins at 36: revision, 0, size, count, then the first entry at 44. */
START_TEST(a_list_that_lies_about_itself_is_damaged)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } wrongs[] = {
        { 36, 1, "DACL of revision 1" }, { 36, 5, "DACL of revision 5" },
        { 38, 7, "DACL of 7 bytes" },    { 39, 1, "bytes; 48 are there" },
        { 40, 3, "entry 3 of 3" },       { 41, 255, "entry 3 of 65282" },
        { 46, 3, "entry 1 of 2" },       { 46, 19, "entry 1 of 2" }, /* not a multiple of 4 */
        { 46, 16, "entry 1 of 2" },                                  /* the SID does not fit */
        { 47, 255, "entry 1 of 2" },     { 53, 15, "entry 1 of 2" },
        { 44, 5, "entry 1 of 2" }, /* of an object: the SID would be elsewhere */
    };

    for (size_t i = 0; i < COUNT(wrongs); i++) {
        struct po_buf bytes = from_sddl("O:BAD:P(A;OICI;FA;;;SY)(A;;FR;;;WD)");

        bytes.bytes[wrongs[i].at] = wrongs[i].value;
        assert_damaged(&bytes, wrongs[i].text);
        po_buf_deinit(&bytes);
    }
}
END_TEST

START_TEST(an_entry_of_an_odd_size_is_damaged)
{
    struct po_buf bytes = with_odd_entry(0x77, NULL, 0, 4);

    /* Header, owner and the list's own header are 40 bytes; the entry's size is 2 behind them. */
    bytes.bytes[42] = (uint8_t)(bytes.bytes[42] - 2);
    assert_damaged(&bytes, "entry 1 of 1 of the DACL is damaged");
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(what_lies_behind_the_last_entry_is_none)
{
    struct po_buf bytes = from_sddl("O:BAD:P(A;OICI;FA;;;SY)(A;;FR;;;WD)");
    struct po_security security;
    struct po_buf out = { 0 };
    struct po_err err = { 0 };

    bytes.bytes[40] = 1; /* one entry, and room for another */
    assert_sddl(bytes.bytes, bytes.size, "O:BAD:P(A;OICI;FA;;;SY)");
    ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
    ck_assert_int_eq(po_security_build(&out, &security, NULL, NULL, &err), PO_OK);
    ck_assert_uint_eq(out.size, bytes.size - 20);
    po_buf_deinit(&out);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(lists_that_are_not_there_are_not_looked_at)
{
    struct po_buf bytes = from_sddl("O:BAD:P(A;OICI;FA;;;SY)");
    struct po_security security;
    struct po_err err;

    bytes.bytes[2] = 0; /* no DACL present, whatever its offset says */
    bytes.bytes[16] = 3;
    bytes.bytes[12] = 3;
    ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
    ck_assert_ptr_null(security.dacl.bytes);
    ck_assert_ptr_null(security.sacl.bytes);
    po_buf_deinit(&bytes);
}
END_TEST

/* ---- building ---- */

/* OLD-1005 becomes NEW-1100, and is a byte shorter or longer as wished. */
struct replacement {
    struct po_sid from;
    struct po_sid to;
};

static const struct po_sid *
replace(const void *ctx, const struct po_sid *given)
{
    const struct replacement *replacement = ctx;

    return po_sid_is_equal(given, &replacement->from) ? &replacement->to : given;
}

START_TEST(sids_are_replaced_by_longer_and_shorter_ones)
{
    static const char *const others[] = { "S-1-5-18", OLD "-1", "S-1-5-21-9-8-7-6-5-4-3-2-1" };
    static const char *const expected[] = { "SY", OLD "-1", "S-1-5-21-9-8-7-6-5-4-3-2-1" };

    for (size_t i = 0; i < COUNT(others); i++) {
        struct replacement replacement = { .from = sid(OLD "-1005"), .to = sid(others[i]) };
        struct po_buf bytes = from_sddl(SAMPLE);
        struct po_security security;
        struct po_buf out = { 0 };
        struct po_buf text = { 0 };
        struct po_err err = { 0 };

        po_buf_put_text(&out, "before");
        po_buf_printf(&text,
                      "O:%sG:SYD:PAI(D;;FW;;;BG)(A;OICI;FA;;;BA)(A;OICIID;0x1301bf;;;%s)"
                      "(A;OICIIO;GR;;;CO)S:AI(AU;SAFA;FA;;;WD)",
                      expected[i], expected[i]);
        ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
        ck_assert_int_eq(po_security_build(&out, &security, replace, &replacement, &err), PO_OK);
        ck_assert_mem_eq(out.bytes, "before", 6);
        assert_sddl(out.bytes + 6, out.size - 6, po_buf_text(&text));
        po_buf_deinit(&text);
        po_buf_deinit(&out);
        po_buf_deinit(&bytes);
    }
}
END_TEST

START_TEST(what_stands_around_a_sid_stays)
{
    static const uint8_t object[] = { 3,  0,  0,  0,  1,  2,  3,  4,  5,  6,  7,  8,
                                      9,  10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24,
                                      25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36 };
    static const uint8_t half_object[] = { 2, 0, 0, 0,  1,  2,  3,  4,  5,  6,
                                           7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    static const uint8_t no_object[] = { 0, 0, 0, 0 };
    static const struct {
        uint8_t type;
        const uint8_t *before;
        size_t before_size;
        size_t behind;
    } entries[] = { { 9, NULL, 0, 8 },          { 5, object, sizeof(object), 0 },
                    { 11, half_object, 20, 4 }, { 6, no_object, 4, 0 },
                    { 0x12, NULL, 0, 40 },      { 0, NULL, 0, 0 } };
    struct replacement replacement = { .from = sid(OLD "-1005"), .to = sid("S-1-5-32-544") };

    for (size_t i = 0; i < COUNT(entries); i++) {
        struct po_buf bytes = with_odd_entry(entries[i].type, entries[i].before,
                                             entries[i].before_size, entries[i].behind);
        struct po_security security;
        struct po_security made;
        struct po_ace ace;
        struct po_err err;
        struct po_buf out = { 0 };
        size_t offset = 0;

        ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
        ck_assert_int_eq(po_security_build(&out, &security, replace, &replacement, &err), PO_OK);
        ck_assert_int_eq(po_security_parse(&made, out.bytes, out.size, &err), PO_OK);
        ck_assert_uint_eq(made.resource_control, 0x5a);
        ck_assert_uint_eq(made.dacl.revision, 4);
        ck_assert(po_acl_next(&made.dacl, &offset, &ace));
        ck_assert_uint_eq(ace.type, entries[i].type);
        ck_assert_uint_eq(ace.flags, 0x13);
        ck_assert_uint_eq(ace.mask, 0x1f01ff);
        ck_assert(po_sid_is_equal(&ace.sid, &replacement.to));
        ck_assert_uint_eq(ace.sid_offset, 8 + entries[i].before_size);
        if (entries[i].before_size > 0)
            ck_assert_mem_eq(ace.bytes + 8, entries[i].before, entries[i].before_size);
        for (size_t k = 0; k < entries[i].behind; k++)
            ck_assert_uint_eq(ace.bytes[ace.size - entries[i].behind + k], k + 1);
        ck_assert(!po_acl_next(&made.dacl, &offset, &ace));
        po_buf_deinit(&out);
        po_buf_deinit(&bytes);
    }
}
END_TEST

START_TEST(an_entry_of_an_unknown_type_is_kept_and_shown)
{
    struct po_buf bytes = with_odd_entry(0x77, NULL, 0, 4);
    struct po_security security;
    struct po_buf out = { 0 };
    struct po_err err;
    struct replacement replacement = { .from = sid(OLD "-1005"), .to = sid("S-1-5-32-544") };

    ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
    ck_assert_int_eq(po_security_build(&out, &security, replace, &replacement, &err), PO_OK);
    ck_assert_uint_eq(out.size, bytes.size - 12); /* what was free is gone */
    ck_assert_mem_eq(out.bytes + 40, bytes.bytes + 40, out.size - 40);
    assert_sddl(out.bytes, out.size, "O:SYD:(0x77;OICIID;0x0;;;)");
    po_buf_deinit(&out);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_list_that_grows_beyond_its_limit_is_refused)
{
    struct replacement replacement = { .from = sid("S-1-5-18"),
                                       .to = sid("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15") };
    struct po_buf sddl = { 0 };
    struct po_buf bytes;
    struct po_buf out = { 0 };
    struct po_security security;
    struct po_err err = { 0 };

    po_buf_put_text(&sddl, "D:");
    for (int i = 0; i < 1000; i++)
        po_buf_put_text(&sddl, "(A;;FA;;;SY)");
    bytes = from_sddl(po_buf_text(&sddl));
    ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
    po_buf_put_text(&out, "x");
    ck_assert_int_eq(po_security_build(&out, &security, replace, &replacement, &err), PO_E_FORMAT);
    ck_assert_uint_eq(out.size, 1);
    ck_assert_ptr_nonnull(strstr(err.text, "DACL of 76008 bytes"));
    for (int i = 0; i < 3000; i++)
        po_buf_put_text(&sddl, "(A;;FA;;;SY)");
    ck_assert_int_eq(po_sddl_parse(&out, po_buf_text(&sddl), &err), PO_E_USAGE);
    po_buf_deinit(&sddl);
    po_buf_deinit(&bytes);
    po_buf_deinit(&out);
}
END_TEST

static enum po_status
note_sid(void *ctx, const struct po_sid *given, struct po_err *err)
{
    struct po_buf *out = ctx;

    if (out->size > 60)
        return po_fail(err, PO_E_CANCELLED, "enough");
    po_sid_put(out, given);
    po_buf_put_text(out, " ");
    return PO_OK;
}

START_TEST(all_sids_are_listed_in_order)
{
    struct po_buf bytes = from_sddl("O:BAG:SYD:(A;;FA;;;WD)(A;;FA;;;BA)S:(AU;SA;FA;;;AN)");
    struct po_security security;
    struct po_buf out = { 0 };
    struct po_err err = { 0 };

    ck_assert_int_eq(po_security_parse(&security, bytes.bytes, bytes.size, &err), PO_OK);
    ck_assert_int_eq(po_security_each_sid(&security, note_sid, &out, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&out), "S-1-5-32-544 S-1-5-18 S-1-5-7 S-1-1-0 S-1-5-32-544 ");
    ck_assert_int_eq(po_security_each_sid(&security, note_sid, &out, &err), PO_E_CANCELLED);
    po_buf_deinit(&out);
    po_buf_deinit(&bytes);
}
END_TEST

/* ---- our own rule ---- */

START_TEST(the_default_rule_is_this_sddl)
{
    struct po_sid account = sid(NEW "-1005");
    struct po_sid group = sid(NEW "-1004");
    struct po_sid system = sid("S-1-5-18");
    struct po_buf out = { 0 };

    po_rule_put_sddl(&out, PO_RULE_ROOT, &account, &group);
    ck_assert_str_eq(po_buf_text(&out),
                     "O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1301bf;;;" NEW
                     "-1005)(A;OICI;0x1301bf;;;" NEW "-1004)");
    po_buf_clear(&out);
    po_rule_put_sddl(&out, PO_RULE_DIRECTORY, &account, &group);
    ck_assert_str_eq(po_buf_text(&out),
                     "O:BAD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1301bf;;;" NEW
                     "-1005)(A;OICIID;0x1301bf;;;" NEW "-1004)");
    po_buf_clear(&out);
    po_rule_put_sddl(&out, PO_RULE_FILE, &account, NULL);
    ck_assert_str_eq(po_buf_text(&out),
                     "O:BAD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;0x1301bf;;;" NEW "-1005)");
    po_buf_clear(&out);
    po_rule_put_sddl(&out, PO_RULE_FILE, &system, &system);
    ck_assert_str_eq(po_buf_text(&out), "O:BAD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)");
    po_buf_deinit(&out);
}
END_TEST

START_TEST(the_default_rule_is_a_descriptor)
{
    struct po_sid account = sid(NEW "-1005");
    struct po_buf sddl = { 0 };
    struct po_buf out = { 0 };
    struct po_err err = { 0 };

    for (int node = PO_RULE_ROOT; node <= PO_RULE_FILE; node++) {
        po_buf_clear(&out);
        po_buf_clear(&sddl);
        po_rule_put_sddl(&sddl, (enum po_rule_node)node, &account, NULL);
        ck_assert_int_eq(po_rule_put(&out, (enum po_rule_node)node, &account, NULL, &err), PO_OK);
        assert_sddl(out.bytes, out.size, po_buf_text(&sddl));
    }
    po_buf_deinit(&sddl);
    po_buf_deinit(&out);
}
END_TEST

START_TEST(ways_to_set_rights_have_names)
{
    enum po_rights rights = PO_RIGHTS_KEEP;

    for (int i = 0; i < PO_RIGHTS_COUNT; i++) {
        ck_assert(po_rights_parse(&rights, po_rights_name((enum po_rights)i)));
        ck_assert_int_eq(rights, i);
    }
    ck_assert(!po_rights_parse(&rights, "Default"));
    ck_assert_str_eq(po_rights_name(PO_RIGHTS_POPERMS), "poperms");
}
END_TEST

/* ---- accounts ---- */

/* A machine "NEWHOST" in the domain "CORP", whose answers can be made to fail from call n on. */
struct known {
    const char *name;
    const char *sid;
    enum po_account_kind kind;
};

static const struct known knowns[] = {
    { "NEWHOST\\MailServer-user", NEW "-1010", PO_ACCOUNT_USER },
    { "MailServer-user", NEW "-1010", PO_ACCOUNT_USER }, /* as Windows looks for it everywhere */
    { "NEWHOST\\other", NEW "-1005", PO_ACCOUNT_USER },
    { "NEWHOST\\person", OLD "-1098", PO_ACCOUNT_USER },
    { "NEWHOST\\MailServer-group", NEW "-1011", PO_ACCOUNT_GROUP },
    { "NEWHOST\\boss", NEW "-500", PO_ACCOUNT_USER },
    { "NEWHOST\\Administrator", NEW "-1012", PO_ACCOUNT_USER }, /* a decoy */
    { "NEWHOST\\staff", NEW "-1013", PO_ACCOUNT_GROUP },
    { "NEWHOST\\renamed", OLD "-1099", PO_ACCOUNT_USER },
    { "CORP\\mail", "S-1-5-21-7-7-7-2000", PO_ACCOUNT_USER },
    { "Everyone", "S-1-1-0", PO_ACCOUNT_GROUP },
    { "EVIL\\Everyone", "S-1-1-0", PO_ACCOUNT_GROUP },
    { "NEWHOST", NEW, PO_ACCOUNT_UNKNOWN },
};

struct machine {
    int calls;
    int fail_at; /* 0 = never */
    bool has_no_sid;
};

struct asked {
    struct machine *machine;
};

static enum po_status
count_call(const void *ctx, struct po_err *err)
{
    const struct asked *asked = ctx;

    if (++asked->machine->calls == asked->machine->fail_at)
        return po_fail(err, PO_E_IO, "call %d", asked->machine->fail_at);
    return PO_OK;
}

static enum po_status
fake_name_of(const void *ctx, const struct po_sid *given, struct po_buf *name,
             enum po_account_kind *kind, bool *is_found, struct po_err *err)
{
    *is_found = false;
    for (size_t i = 0; i < COUNT(knowns); i++) {
        struct po_sid one = sid(knowns[i].sid);

        if (po_sid_is_equal(&one, given) && !*is_found) {
            po_buf_put_text(name, knowns[i].name);
            *kind = knowns[i].kind;
            *is_found = true;
        }
    }
    return count_call(ctx, err);
}

static enum po_status
fake_sid_of(const void *ctx, const char *name, struct po_sid *out, enum po_account_kind *kind,
            bool *is_found, struct po_err *err)
{
    *is_found = false;
    for (size_t i = 0; i < COUNT(knowns); i++) {
        if (strcmp(name, knowns[i].name) == 0) {
            *out = sid(knowns[i].sid);
            *kind = knowns[i].kind;
            *is_found = true;
        }
    }
    return count_call(ctx, err);
}

static enum po_status
fake_machine(const void *ctx, struct po_sid *out, bool *is_found, struct po_err *err)
{
    const struct asked *asked = ctx;

    *out = sid(NEW);
    *is_found = !asked->machine->has_no_sid;
    return count_call(ctx, err);
}

static const struct known olds[] = {
    { "OLDHOST\\MailServer-user", OLD "-1005", PO_ACCOUNT_USER },
    { "oldhost\\MailServer-group", OLD "-1006", PO_ACCOUNT_GROUP },
    { "OLDHOST\\Administrator", OLD "-500", PO_ACCOUNT_USER },
    { "BUILTIN\\Administrators", "S-1-5-32-544", PO_ACCOUNT_GROUP },
    { NULL, "S-1-5-18", PO_ACCOUNT_UNKNOWN },
    { "CORP\\mail", "S-1-5-21-7-7-7-2000", PO_ACCOUNT_USER },
    { "OLDHOST\\staff", OLD "-1007", PO_ACCOUNT_USER }, /* a user there, a group here */
    { "OLDHOST\\gone", OLD "-1008", PO_ACCOUNT_USER },
    { NULL, OLD "-1009", PO_ACCOUNT_UNKNOWN },
    { "OLDHOST\\before", OLD "-1099", PO_ACCOUNT_USER },
    { "EVIL\\Everyone", "S-1-5-21-6-6-6-1001", PO_ACCOUNT_GROUP },
    { "MailServer-user", "S-1-5-21-6-6-6-1002", PO_ACCOUNT_USER },
    { "OLDHOST\\Guest", OLD "-501", PO_ACCOUNT_USER },  /* deleted here */
    { "OLDHOST\\team", OLD "-1098", PO_ACCOUNT_GROUP }, /* somebody else's SID here */
};

static void
add_olds(struct po_account_list *list)
{
    struct po_err err = { 0 };

    for (size_t i = 0; i < COUNT(olds); i++) {
        struct po_sid one = sid(olds[i].sid);
        size_t number = 99;

        ck_assert_int_eq(po_account_list_add(list, &one, &number, &err), PO_OK);
        ck_assert_uint_eq(number, i);
        ck_assert_int_eq(po_account_list_set_name(list, number, olds[i].name, olds[i].kind, &err),
                         PO_OK);
    }
}

/* Makes the choices on the fake machine. */
static enum po_status
choose(struct po_account_map **map, const struct po_account_list *list, const char *old_host,
       const struct po_account_pair *pairs, size_t pair_count, struct machine *machine,
       struct po_err *err)
{
    struct asked asked = { .machine = machine };
    struct po_account_system system = {
        .ctx = &asked, .name_of = fake_name_of, .sid_of = fake_sid_of, .machine = fake_machine
    };
    struct po_account_question question = { .list = list,
                                            .old_host = old_host,
                                            .new_host = "NEWHOST",
                                            .pairs = pairs,
                                            .pair_count = pair_count };

    return po_account_map_make(map, &question, &system, err);
}

static void
assert_choice(const struct po_account_map *map, size_t number, const char *expected)
{
    struct po_buf out = { 0 };

    po_account_map_put(map, number, &out);
    ck_assert_str_eq(po_buf_text(&out), expected);
    po_buf_deinit(&out);
}

START_TEST(accounts_are_found_by_their_names)
{
    struct po_account_list list = { 0 };
    struct po_account_map *map = NULL;
    struct machine machine = { 0 };
    struct po_err err = { 0 };

    add_olds(&list);
    ck_assert_int_eq(choose(&map, &list, "oldhost.example.jp", NULL, 0, &machine, &err), PO_OK);
    assert_choice(map, 0,
                  "OLDHOST\\MailServer-user (" OLD "-1005) -> NEWHOST\\MailServer-user: by name");
    assert_choice(map, 1,
                  "oldhost\\MailServer-group (" OLD "-1006) -> NEWHOST\\MailServer-group: by name");
    assert_choice(map, 2, "OLDHOST\\Administrator (" OLD "-500) -> NEWHOST\\boss: built in");
    assert_choice(map, 3, "BUILTIN\\Administrators (S-1-5-32-544): the same on every machine");
    assert_choice(map, 4, "S-1-5-18: the same on every machine");
    assert_choice(map, 5, "CORP\\mail (S-1-5-21-7-7-7-2000) -> CORP\\mail: by name");
    assert_choice(map, 6, "OLDHOST\\staff (" OLD "-1007): unknown here: kept as it is");
    assert_choice(map, 7, "OLDHOST\\gone (" OLD "-1008): unknown here: kept as it is");
    assert_choice(map, 8, OLD "-1009: unknown here: kept as it is");
    assert_choice(map, 9,
                  "OLDHOST\\before (" OLD "-1099) -> NEWHOST\\renamed: known here by its SID");
    assert_choice(map, 10, "EVIL\\Everyone (S-1-5-21-6-6-6-1001): unknown here: kept as it is");
    assert_choice(map, 11, "MailServer-user (S-1-5-21-6-6-6-1002): unknown here: kept as it is");
    assert_choice(map, 12, "OLDHOST\\Guest (" OLD "-501): unknown here: kept as it is");
    assert_choice(map, 13, "OLDHOST\\team (" OLD "-1098): unknown here: kept as it is");
    ck_assert_uint_eq(map->kept_count, 7);
    po_account_map_free(map);
    po_account_list_deinit(&list);
}
END_TEST

START_TEST(without_the_old_hosts_name_its_accounts_are_not_taken_for_ours)
{
    struct po_account_list list = { 0 };
    struct po_account_map *map = NULL;
    struct machine machine = { .has_no_sid = true };
    struct po_err err = { 0 };

    add_olds(&list);
    ck_assert_int_eq(choose(&map, &list, NULL, NULL, 0, &machine, &err), PO_OK);
    ck_assert_int_eq(map->choices[0].reason, PO_ACCOUNT_KEPT);
    ck_assert_int_eq(map->choices[2].reason, PO_ACCOUNT_KEPT);
    ck_assert_int_eq(map->choices[5].reason, PO_ACCOUNT_BY_NAME);
    po_account_map_free(map);
    /* With it, but no SID of the machine (a domain controller): names alone. */
    ck_assert_int_eq(choose(&map, &list, "OLDHOST", NULL, 0, &machine, &err), PO_OK);
    assert_choice(map, 2,
                  "OLDHOST\\Administrator (" OLD "-500) -> NEWHOST\\Administrator: by name");
    po_account_map_free(map);
    po_account_list_deinit(&list);
}
END_TEST

START_TEST(what_was_asked_for_comes_first)
{
    static const struct po_account_pair pairs[] = { { "oldhost\\mailserver-USER", "CORP\\mail" },
                                                    { OLD "-1009", "MailServer-group" },
                                                    { OLD "-1008", NEW "-1013" },
                                                    { "OLDHOST\\staff", "Everyone" } };
    static const struct po_account_pair bad[] = { { "OLDHOST\\gone", "nobody" } };
    struct po_account_list list = { 0 };
    struct po_account_map *map = NULL;
    struct machine machine = { 0 };
    struct po_err err = { 0 };

    add_olds(&list);
    ck_assert_int_eq(choose(&map, &list, "OLDHOST", pairs, COUNT(pairs), &machine, &err), PO_OK);
    assert_choice(map, 0, "OLDHOST\\MailServer-user (" OLD "-1005) -> CORP\\mail: as asked");
    assert_choice(map, 8, OLD "-1009 -> NEWHOST\\MailServer-group: as asked");
    assert_choice(map, 7, "OLDHOST\\gone (" OLD "-1008) -> NEWHOST\\staff: as asked");
    assert_choice(map, 6, "OLDHOST\\staff (" OLD "-1007) -> Everyone: as asked");
    po_account_map_free(map);
    map = NULL;
    ck_assert_int_eq(choose(&map, &list, "OLDHOST", bad, 1, &machine, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "account \"nobody\" is not known on this machine");
    ck_assert_ptr_null(map);
    po_account_list_deinit(&list);
}
END_TEST

START_TEST(a_machine_that_cannot_be_asked_ends_the_choosing)
{
    struct po_account_list list = { 0 };
    struct machine machine = { 0 };
    struct po_account_map *map = NULL;
    struct po_err err = { 0 };
    int calls;

    add_olds(&list);
    ck_assert_int_eq(choose(&map, &list, "OLDHOST", NULL, 0, &machine, &err), PO_OK);
    po_account_map_free(map);
    calls = machine.calls;
    ck_assert_int_gt(calls, 10);
    for (int n = 1; n <= calls; n++) {
        machine = (struct machine){ .fail_at = n };
        map = NULL;
        ck_assert_int_eq(choose(&map, &list, "OLDHOST", NULL, 0, &machine, &err), PO_E_IO);
        ck_assert_ptr_null(map);
        ck_assert_int_eq(machine.calls, n);
    }
    po_account_list_deinit(&list);
}
END_TEST

START_TEST(a_descriptor_gets_the_accounts_of_this_machine)
{
    struct po_buf bytes = from_sddl(SAMPLE);
    struct po_account_list list = { 0 };
    struct po_account_map *map = NULL;
    struct machine machine = { 0 };
    struct po_buf out = { 0 };
    struct po_err err = { 0 };
    size_t number = 0;

    ck_assert_int_eq(po_account_list_add_security(&list, bytes.bytes, bytes.size, &err), PO_OK);
    ck_assert_uint_eq(list.count, 6);
    {
        struct po_sid one = sid(OLD "-1005");

        ck_assert(po_account_list_find(&list, &one, &number));
    }
    ck_assert_int_eq(
        po_account_list_set_name(&list, number, "OLDHOST\\MailServer-user", PO_ACCOUNT_USER, &err),
        PO_OK);
    ck_assert_int_eq(choose(&map, &list, "OLDHOST", NULL, 0, &machine, &err), PO_OK);
    ck_assert_int_eq(po_account_map_security(map, bytes.bytes, bytes.size, &out, &err), PO_OK);
    assert_sddl(out.bytes, out.size,
                "O:" NEW "-1010G:SYD:PAI(D;;FW;;;BG)(A;OICI;FA;;;BA)(A;OICIID;0x1301bf;;;" NEW
                "-1010)(A;OICIIO;GR;;;CO)S:AI(AU;SAFA;FA;;;WD)");
    ck_assert_int_eq(po_account_map_security(map, bytes.bytes, bytes.size - 1, &out, &err),
                     PO_E_FORMAT);
    ck_assert_int_eq(po_account_list_add_security(&list, bytes.bytes, 10, &err), PO_E_FORMAT);
    po_account_map_free(map);
    po_account_list_deinit(&list);
    po_buf_deinit(&out);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_list_takes_each_account_once_and_not_too_many)
{
    struct po_account_list list = { 0 };
    struct po_sid machine = sid(OLD);
    struct po_err err = { 0 };
    size_t number = 0;
    struct po_sid one;

    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PO_ACCOUNTS_MAX; i++) {
            ck_assert(po_sid_add_rid(&one, &machine, i));
            ck_assert_int_eq(po_account_list_add(&list, &one, &number, &err), PO_OK);
            ck_assert_uint_eq(number, i);
        }
    }
    ck_assert_uint_eq(list.count, PO_ACCOUNTS_MAX);
    one = sid("S-1-5-18");
    ck_assert(!po_account_list_find(&list, &one, &number));
    ck_assert_int_eq(po_account_list_add(&list, &one, &number, &err), PO_E_FORMAT);
    po_account_list_deinit(&list);
    ck_assert(!po_account_list_find(&list, &one, &number));
}
END_TEST

START_TEST(a_backup_records_the_names)
{
    struct po_account_list list = { 0 };
    struct machine machine = { 0 };
    struct asked asked = { .machine = &machine };
    struct po_account_system system = {
        .ctx = &asked, .name_of = fake_name_of, .sid_of = fake_sid_of, .machine = fake_machine
    };
    struct po_sid known = sid(NEW "-1010");
    struct po_sid unknown = sid(NEW "-9999");
    struct po_err err = { 0 };
    size_t number;

    ck_assert_int_eq(po_account_list_add(&list, &known, &number, &err), PO_OK);
    ck_assert_int_eq(po_account_list_add(&list, &unknown, &number, &err), PO_OK);
    ck_assert_int_eq(po_account_list_look_up(&list, &system, &err), PO_OK);
    ck_assert_str_eq(list.items[0].name, "NEWHOST\\MailServer-user");
    ck_assert_int_eq(list.items[0].kind, PO_ACCOUNT_USER);
    ck_assert_ptr_null(list.items[1].name);
    machine.fail_at = machine.calls + 1;
    ck_assert_int_eq(po_account_list_look_up(&list, &system, &err), PO_E_IO);
    po_account_list_deinit(&list);
}
END_TEST

static Suite *
security_suite(void)
{
    Suite *suite = suite_create("security_descriptor");
    TCase *text = tcase_create("text");
    TCase *hostile = tcase_create("hostile");
    TCase *building = tcase_create("building");
    TCase *accounts = tcase_create("accounts");

    tcase_add_test(text, a_sid_prints_as_it_was_written);
    tcase_add_test(text, the_authority_may_be_hexadecimal);
    tcase_add_test(text, what_is_no_sid_is_refused);
    tcase_add_test(text, a_sid_of_a_machine_is_told_from_one_that_is_the_same_everywhere);
    tcase_add_test(text, sddl_becomes_a_descriptor_and_text_again);
    tcase_add_test(text, who_may_read_beside_the_owner_is_found);
    tcase_add_test(text, rights_may_be_named_one_by_one);
    tcase_add_test(text, a_descriptor_has_the_bytes_that_windows_has);
    tcase_add_test(text, wrong_sddl_is_refused_with_its_place);
    suite_add_tcase(suite, text);
    tcase_set_timeout(hostile, 120);
    tcase_add_test(hostile, a_descriptor_cut_anywhere_is_damaged);
    tcase_add_test(hostile, a_changed_byte_is_read_or_refused_and_never_leads_outside);
    tcase_add_test(hostile, random_descriptors_are_read_or_refused);
    tcase_add_test(hostile, what_is_wrong_is_named);
    tcase_add_test(hostile, a_list_that_lies_about_itself_is_damaged);
    tcase_add_test(hostile, an_entry_of_an_odd_size_is_damaged);
    tcase_add_test(hostile, what_lies_behind_the_last_entry_is_none);
    tcase_add_test(hostile, lists_that_are_not_there_are_not_looked_at);
    suite_add_tcase(suite, hostile);
    tcase_add_test(building, sids_are_replaced_by_longer_and_shorter_ones);
    tcase_add_test(building, what_stands_around_a_sid_stays);
    tcase_add_test(building, an_entry_of_an_unknown_type_is_kept_and_shown);
    tcase_add_test(building, a_list_that_grows_beyond_its_limit_is_refused);
    tcase_add_test(building, all_sids_are_listed_in_order);
    tcase_add_test(building, the_default_rule_is_this_sddl);
    tcase_add_test(building, the_default_rule_is_a_descriptor);
    tcase_add_test(building, ways_to_set_rights_have_names);
    suite_add_tcase(suite, building);
    tcase_set_timeout(accounts, 60);
    tcase_add_test(accounts, accounts_are_found_by_their_names);
    tcase_add_test(accounts, without_the_old_hosts_name_its_accounts_are_not_taken_for_ours);
    tcase_add_test(accounts, what_was_asked_for_comes_first);
    tcase_add_test(accounts, a_machine_that_cannot_be_asked_ends_the_choosing);
    tcase_add_test(accounts, a_descriptor_gets_the_accounts_of_this_machine);
    tcase_add_test(accounts, a_list_takes_each_account_once_and_not_too_many);
    tcase_add_test(accounts, a_backup_records_the_names);
    suite_add_tcase(suite, accounts);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(security_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
