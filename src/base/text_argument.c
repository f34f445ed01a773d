#include "base/text.h"

/* Backslashes count only before a quotation mark: there each is doubled, and one more escapes it. */
void
po_text_put_argument(struct po_buf *out, const char *text)
{
    size_t slashes = 0;

    po_buf_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            slashes++;
            continue;
        }
        for (size_t i = 0; i < (*text == '"' ? slashes * 2 + 1 : slashes); i++)
            po_buf_put_u8(out, '\\');
        slashes = 0;
        po_buf_put(out, text, 1);
    }
    for (size_t i = 0; i < slashes * 2; i++)
        po_buf_put_u8(out, '\\');
    po_buf_put_u8(out, '"');
}
