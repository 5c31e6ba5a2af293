#include "pgdata/backup_manifest.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace ark {
namespace {

TEST(BackupManifest, NamesTheClusterSinceServer17) {
    std::string text;
    BackupManifestText manifest([&](std::string_view more) { text += more; }, "7577000000000000001");
    manifest.AddFile("PG_VERSION", 3, ParseTime("2026-11-28T08:00:00Z"), 0x12345678);
    manifest.Finish(TimelineId{1}, ParseLsn("0/2000028"), ParseLsn("0/2000120"));
    std::string body =
        "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
        "\"System-Identifier\": 7577000000000000001,\n"
        "\"Files\": [\n"
        "{ \"Path\": \"PG_VERSION\", \"Size\": 3, \"Last-Modified\": \"2026-11-28 08:00:00 GMT\", "
        "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"78563412\" }\n"
        "],\n"
        "\"WAL-Ranges\": [\n"
        "{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000120\" }\n"
        "],\n";
    EXPECT_EQ(text, body + "\"Manifest-Checksum\": \"" + HexEncode(Sha256(AsBytes(body))) + "\"}\n");
}

TEST(BackupManifest, IsWhatPgBasebackupWrites) {
    std::string text;
    BackupManifestText manifest([&](std::string_view more) { text += more; });
    TimePoint modified = ParseTime("2026-11-28T08:00:00Z") + std::chrono::microseconds(999'999);
    manifest.AddFile("base/5/112", 8192, modified, 0x12345678);
    manifest.AddFile("a \"b\" \\ \n", 0, modified, 0);
    manifest.AddFile("\xff", 1, modified, 0xE3069283);
    manifest.Finish(TimelineId{3}, ParseLsn("0/2000028"), ParseLsn("16/B374D848"));

    std::string body =
        "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"
        "\"Files\": [\n"
        "{ \"Path\": \"base/5/112\", \"Size\": 8192, \"Last-Modified\": \"2026-11-28 08:00:00 GMT\", "
        "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"78563412\" },\n"
        "{ \"Path\": \"a \\\"b\\\" \\\\ \\u000a\", \"Size\": 0, \"Last-Modified\": \"2026-11-28 08:00:00 GMT\", "
        "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"00000000\" },\n"
        "{ \"Encoded-Path\": \"ff\", \"Size\": 1, \"Last-Modified\": \"2026-11-28 08:00:00 GMT\", "
        "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"839206e3\" }\n"
        "],\n"
        "\"WAL-Ranges\": [\n"
        "{ \"Timeline\": 3, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"16/B374D848\" }\n"
        "],\n";
    EXPECT_EQ(text, body + "\"Manifest-Checksum\": \"" + HexEncode(Sha256(AsBytes(body))) + "\"}\n");
}

}    // namespace
}    // namespace ark
