// pg_dump's archive format: the header and table of contents with which its custom format begins and of which
// a directory archive's toc.dat consists (pg_backup_archiver.c: WriteHead, WriteToc). Values only; reading is
// dump_archive_reader.h, writing dump_archive_writer.h, the data files beside a toc.dat dump_archive_data.h.
//
// Versions 1.14 (pg_dump 14 and 15; 12 and 13 too), 1.15 (16) and 1.16 (17 and 18) are spoken.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ark {

// Takes bytes in order; called once for the header and once an entry.
using DumpArchiveSink = std::function<void(ByteView)>;

struct DumpArchiveVersion {
    std::uint8_t major = 1;
    std::uint8_t minor = 14;
    std::uint8_t revision = 0;

    auto operator<=>(const DumpArchiveVersion &) const = default;
    std::string ToString() const;    // "1.14.0", as pg_restore -l prints it
};

// What the header calls format; it decides what ends each entry.
enum class DumpArchiveFormat : std::uint8_t {
    kCustom = 1,       // an offset into the same file
    kDirectory = 3,    // a file name; a toc.dat says "tar", whose layout it shares
};

enum class DumpCompression : std::uint8_t { kNone = 0, kGzip = 1, kLz4 = 2, kZstd = 3 };

struct DumpArchiveHeader {
    DumpArchiveVersion version;
    DumpArchiveFormat format = DumpArchiveFormat::kCustom;
    DumpCompression compression = DumpCompression::kNone;
    std::int32_t gzip_level = 0;    // 1.14 only: zlib's level, -1 its default; there compression is gzip unless 0
    // Local time of the dump: second, minute, hour, day, month from 0, year from 1900, summer time.
    std::array<std::int32_t, 7> created{};
    std::optional<std::string> database;
    std::optional<std::string> server_version;
    std::optional<std::string> dump_version;
    std::int32_t entry_count = 0;

    void SetCompression(DumpCompression kind);
    bool operator==(const DumpArchiveHeader &) const = default;
};

enum class DumpSection : std::uint8_t { kNone = 1, kPreData = 2, kData = 3, kPostData = 4 };

enum class DumpDataState : std::uint8_t {
    kOffsetUnknown = 1,    // data follow somewhere; pg_restore searches for them
    kOffsetKnown = 2,
    kNoData = 3,
};

// One entry. An absent string is a NULL in the archive, which is not the empty string.
struct TocEntry {
    std::int32_t dump_id = 0;
    bool had_dumper = false;    // it has data: rows or large objects
    std::uint32_t catalog_oid = 0;
    std::uint32_t object_oid = 0;
    std::string tag;            // the object's name
    std::string description;    // "TABLE", "TABLE DATA", "SEQUENCE SET", "BLOBS", "ACL", …
    DumpSection section = DumpSection::kNone;
    std::optional<std::string> definition;
    std::optional<std::string> drop_statement;
    std::optional<std::string> copy_statement;
    std::optional<std::string> schema;
    std::optional<std::string> tablespace;
    std::optional<std::string> access_method;
    char relkind = 0;    // 1.16 on
    std::optional<std::string> owner;
    std::vector<std::int32_t> dependencies;

    DumpDataState data_state = DumpDataState::kNoData;    // custom format
    std::int64_t data_offset = 0;
    std::string file_name;    // directory format; empty: no data

    std::string raw;    // the entry's bytes as they were read; ignored when written

    bool operator==(const TocEntry &other) const;    // all but raw
};

// The bytes pg_dump would write. What the reader accepts, these give back bit by bit.
// Throw Error(kInvalidArgument) for a value that the format cannot hold.
std::string EncodeHeader(const DumpArchiveHeader &header);
std::string EncodeEntry(const TocEntry &entry, const DumpArchiveHeader &header);

inline constexpr DumpArchiveVersion kOldestDumpArchive{1, 14, 0};
inline constexpr DumpArchiveVersion kDumpArchive15{1, 15, 0};    // compression algorithm instead of level
inline constexpr DumpArchiveVersion kDumpArchive16{1, 16, 0};    // relkind; several BLOBS entries
inline constexpr DumpArchiveVersion kNewestDumpArchive{1, 16, 255};

}    // namespace ark
