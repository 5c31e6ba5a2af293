#include "pgdata/backup_manifest.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace ark {
namespace {

// escape_json of the server
std::string JsonWord(std::string_view text) {
    std::string word = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\')
            word += {'\\', c};
        else if (static_cast<unsigned char>(c) < ' ')
            word += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            word += c;
    }
    return word + "\"";
}

// "2026-11-28 08:00:00 GMT"
std::string ManifestTime(TimePoint time) {
    std::string text = FormatTime(std::chrono::floor<std::chrono::seconds>(time));
    text.replace(text.find('T'), 1, " ");
    text.replace(text.find('Z'), 1, " GMT");
    return text;
}

// The bytes of the number as the server has them in memory, which is not the number that they spell.
std::string ChecksumHex(std::uint32_t crc) {
    std::byte bytes[sizeof crc];
    PutLittleEndian(bytes, crc);
    return HexEncode(bytes);
}

}    // namespace

BackupManifestText::BackupManifestText(std::function<void(std::string_view)> write, std::string_view system_identifier)
    : write_(std::move(write)) {
    Add(fmt::format("{{ \"PostgreSQL-Backup-Manifest-Version\": {},\n", system_identifier.empty() ? 1 : 2));
    if (!system_identifier.empty()) Add(fmt::format("\"System-Identifier\": {},\n", system_identifier));
    Add("\"Files\": [");
}

void BackupManifestText::Add(std::string_view text) {
    digest_.Update(AsBytes(text));
    write_(text);
}

void BackupManifestText::AddFile(std::string_view path, std::uint64_t size, TimePoint modified, std::uint32_t crc32c) {
    std::string name = IsValidUtf8(path) ? "\"Path\": " + JsonWord(path)
                                         : fmt::format("\"Encoded-Path\": \"{}\"", HexEncode(AsBytes(path)));
    Add(
        fmt::format("{}\n{{ {}, \"Size\": {}, \"Last-Modified\": \"{}\", \"Checksum-Algorithm\": \"CRC32C\", "
                    "\"Checksum\": \"{}\" }}",
                    first_ ? "" : ",", name, size, ManifestTime(modified), ChecksumHex(crc32c)));
    first_ = false;
}

void BackupManifestText::Finish(TimelineId timeline, Lsn start, Lsn stop) {
    Add(fmt::format("\n],\n\"WAL-Ranges\": [\n{{ \"Timeline\": {}, \"Start-LSN\": \"{}\", \"End-LSN\": \"{}\" }}\n],\n",
                    timeline.value, start.Text(), stop.Text()));
    // The digest is of all lines before its own.
    write_(fmt::format("\"Manifest-Checksum\": \"{}\"}}\n", HexEncode(digest_.Finish())));
}

}    // namespace ark
