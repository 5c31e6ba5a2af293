// pg_dump archives: whatever is accepted is encoded again bit by bit; all else is an Error, never a crash.
#include <cstdlib>

#include "base/error.h"
#include "pgdata/dump_archive_data.h"
#include "pgdata/dump_archive_reader.h"

using namespace ark;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    ByteView bytes = std::as_bytes(std::span(data, size));
    std::string copied;
    try {
        DumpArchiveReader reader(PullFromBytes(bytes), [&](ByteView part) { copied += AsText(part); });
        std::string encoded = EncodeHeader(reader.Header());
        while (std::optional<TocEntry> entry = reader.Next()) {
            encoded += EncodeEntry(*entry, reader.Header());
            try {
                LargeObjectsCreated(*entry);
                if (entry->copy_statement) ParseCopyStatement(*entry->copy_statement);
            } catch (const Error &) {}
        }
        if (encoded != copied || AsText(bytes.first(reader.Offset())) != copied) std::abort();
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt && error.code != Code::kUnsupported) std::abort();
    }
    return 0;
}
