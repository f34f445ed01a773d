// The library from C++: writes an archive into memory, reads it and verifies it, with nothing but pobackup.h. A failure is an
// exception, so that no return value goes unseen.
#include <pobackup.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

const std::string folder = "Post.OfficemailboxBackup/example.com/user01";
const std::string message = folder + "/00000001.MSG";
const std::string text = "Subject: minutes\r\n\r\nThe minutes are attached.\r\n";

void
check(po_status status, const po_err &err)
{
    if (status != PO_OK)
        throw std::runtime_error(std::string(po_status_name(status)) + ": " + err.text);
}

void
check(bool is_right, const char *what)
{
    if (!is_right)
        throw std::runtime_error(what);
}

extern "C" {
static po_status
append(void *ctx, const void *bytes, size_t size, po_err *)
{
    const unsigned char *first = static_cast<const unsigned char *>(bytes);
    std::vector<unsigned char> *memory = static_cast<std::vector<unsigned char> *>(ctx);

    memory->insert(memory->end(), first, first + size);
    return PO_OK;
}

static po_status
read_at(void *ctx, uint64_t offset, void *bytes, size_t size, po_err *)
{
    const std::vector<unsigned char> *memory = static_cast<const std::vector<unsigned char> *>(ctx);

    std::memcpy(bytes, memory->data() + offset, size);
    return PO_OK;
}

static po_status
read_text(void *ctx, void *bytes, size_t size, size_t *got, po_err *)
{
    size_t *done = static_cast<size_t *>(ctx);

    *got = std::min(size, text.size() - *done);
    std::memcpy(bytes, text.data() + *done, *got);
    *done += *got;
    return PO_OK;
}
}

std::vector<unsigned char>
write_archive(unsigned char *digest)
{
    std::vector<unsigned char> memory;
    pobackup_sink sink = { &memory, append };
    pobackup_writer_options options = {};
    pobackup_entry entry = {};
    pobackup_writer *opened = nullptr;
    po_err err = {};
    size_t done = 0;

    options.host = "example";
    options.archive_id[0] = 7;
    check(pobackup_writer_open(&opened, &sink, &options, &err), err);
    std::unique_ptr<pobackup_writer, decltype(&pobackup_writer_free)> writer(opened, pobackup_writer_free);
    entry.path = folder.data();
    entry.path_size = folder.size();
    entry.type = POBACKUP_DIRECTORY;
    entry.write_time = 17639784001234567;
    entry.create_time = entry.change_time = POBACKUP_TIME_UNKNOWN;
    check(pobackup_writer_add(writer.get(), &entry, nullptr, nullptr, &err), err);
    entry.path = message.data();
    entry.path_size = message.size();
    entry.type = POBACKUP_FILE;
    entry.size = text.size();
    check(pobackup_writer_add(writer.get(), &entry, read_text, &done, &err), err);
    check(pobackup_writer_commit(writer.get(), digest, &err), err);
    return memory;
}

void
read_archive(std::vector<unsigned char> &memory, const unsigned char *digest)
{
    pobackup_blob blob = { &memory, memory.size(), read_at };
    pobackup_archive *opened = nullptr;
    pobackup_entry entry = {};
    unsigned char read[POBACKUP_DIGEST_SIZE];
    std::string content(text.size(), '\0');
    po_err err = {};
    size_t got = 0;

    check(pobackup_open(&opened, &blob, &err), err);
    std::unique_ptr<pobackup_archive, decltype(&pobackup_close)> archive(opened, pobackup_close);
    pobackup_digest(archive.get(), read);
    check(std::equal(read, read + sizeof read, digest), "the digest is another");
    check(pobackup_entry_count(archive.get()) == 4, "not four entries: folder, message, manifest, summary");
    const int64_t number = pobackup_entry_find(archive.get(), message.data(), message.size());
    check(number >= 0, "the message is not there");
    check(pobackup_entry_at(archive.get(), static_cast<uint64_t>(number), &entry, &err), err);
    check(std::string(entry.path, entry.path_size) == message && entry.write_time == 17639784001234567, "another entry");
    check(pobackup_read(archive.get(), static_cast<uint64_t>(number), 0, &content[0], content.size(), &got, &err), err);
    check(got == text.size() && content == text, "the message is not the one that was written");
    check(pobackup_verify(archive.get(), 1, nullptr, nullptr, &err), err);
}

/* A flipped bit, as an exception with the library's words. */
void
read_damaged(std::vector<unsigned char> memory)
{
    pobackup_blob blob = { &memory, memory.size(), read_at };
    pobackup_archive *opened = nullptr;
    po_err err = {};

    memory[memory.size() - 600] ^= 1;
    check(pobackup_open(&opened, &blob, &err) == PO_E_FORMAT && opened == nullptr && err.text[0] != '\0',
          "a damaged archive is not refused");
}

} // namespace

int
main()
{
    unsigned char digest[POBACKUP_DIGEST_SIZE];

    try {
        std::vector<unsigned char> memory = write_archive(digest);

        read_archive(memory, digest);
        read_damaged(memory);
        std::cout << "pobackup " << pobackup_version() << ": " << memory.size() << " bytes\n";
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
    return 0;
}
