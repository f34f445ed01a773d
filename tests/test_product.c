/* req: R1: which product a program is of. */
#include "base/buf.h"
#include "engine/product.h"

#include <check.h>
#include <stdlib.h>

static void
put_info(struct po_buf *out, uint32_t structure, uint32_t high, uint32_t low)
{
    po_buf_put_u32le(out, 0xFEEF04BD);
    po_buf_put_u32le(out, structure);
    po_buf_put_u32le(out, 1); /* file version */
    po_buf_put_u32le(out, 2);
    po_buf_put_u32le(out, high);
    po_buf_put_u32le(out, low);
    po_buf_put_zeros(out, 28);
}

START_TEST(the_product_version_is_read_from_the_resources)
{
    char version[PO_PRODUCT_VERSION_SIZE] = "";
    struct po_buf program = { 0 };

    po_buf_put_text(&program, "MZ..");
    po_buf_put_zeros(&program, 400);
    put_info(&program, 0x00020000, 9 << 16, 9); /* of another structure */
    put_info(&program, 0x00010000, 4 << 16 | 2, 1 << 16 | 65535);
    ck_assert(po_product_version(version, program.bytes, program.size));
    ck_assert_str_eq(version, "4.2.1.65535");
    po_buf_deinit(&program);
}
END_TEST

START_TEST(a_program_without_or_with_half_of_it_has_none)
{
    char version[PO_PRODUCT_VERSION_SIZE] = "as it was";
    struct po_buf program = { 0 };

    ck_assert(!po_product_version(version, NULL, 0));
    put_info(&program, 0x00010000, 1, 1);
    for (size_t size = 0; size < program.size; size++)
        ck_assert(!po_product_version(version, program.bytes, size));
    ck_assert_str_eq(version, "as it was");
    ck_assert(po_product_version(version, program.bytes, program.size));
    po_buf_deinit(&program);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("product");
    TCase *versions = tcase_create("versions");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(versions, the_product_version_is_read_from_the_resources);
    tcase_add_test(versions, a_program_without_or_with_half_of_it_has_none);
    suite_add_tcase(suite, versions);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
