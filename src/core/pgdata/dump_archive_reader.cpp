#include "pgdata/dump_archive_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr std::size_t kBufferSize = 64 << 10;
constexpr std::int32_t kMaxInt = std::numeric_limits<std::int32_t>::max();

}    // namespace

DumpArchivePull PullFromFd(int fd, std::string name) {
    return [fd, name = std::move(name)](MutableBytes into) { return ReadSome(fd, into, name); };
}

DumpArchivePull PullFromBytes(ByteView bytes) {
    return [bytes](MutableBytes into) mutable {
        std::size_t count = std::min(into.size(), bytes.size());
        std::copy_n(bytes.begin(), count, into.begin());
        bytes = bytes.subspan(count);
        return count;
    };
}

DumpArchiveReader::DumpArchiveReader(DumpArchivePull pull, DumpArchiveSink sink)
    : pull_(std::move(pull)), sink_(std::move(sink)), buffer_(kBufferSize) {
    ReadHeader();
}

void DumpArchiveReader::Fail(std::string_view evidence) const {
    throw Error(Code::kCorrupt, "could not read the table of contents of a pg_dump archive",
                fmt::format("at byte {}: {}", offset_ + raw_.size(), evidence));
}

// The view is good until the next call.
std::string_view DumpArchiveReader::Take(std::size_t count) {
    std::size_t start = raw_.size();
    for (std::size_t missing = count; missing > 0;) {
        if (begin_ == end_) {
            begin_ = end_ = 0;
            end_ = pull_(buffer_);
            if (end_ == 0) Fail("the archive ends early");
        }
        std::size_t part = std::min(missing, end_ - begin_);
        raw_ += AsText({buffer_.data() + begin_, part});
        begin_ += part;
        missing -= part;
    }
    return std::string_view(raw_).substr(start);
}

unsigned DumpArchiveReader::Byte() { return static_cast<unsigned char>(Take(1)[0]); }

std::int32_t DumpArchiveReader::Int() {
    std::string_view bytes = Take(5);
    std::uint32_t magnitude = 0;
    for (std::size_t i = 4; i > 0; i--) magnitude = (magnitude << 8) | static_cast<unsigned char>(bytes[i]);
    bool negative = bytes[0] == 1;
    if (static_cast<unsigned char>(bytes[0]) > 1 || magnitude > static_cast<std::uint32_t>(kMaxInt) ||
        (negative && magnitude == 0))
        Fail("an integer that pg_dump does not write");
    auto value = static_cast<std::int32_t>(magnitude);
    return negative ? -value : value;
}

std::optional<std::string> DumpArchiveReader::Text() {
    std::int32_t length = Int();
    if (length == -1) return std::nullopt;
    if (length < 0) Fail(fmt::format("a string of {} bytes", length));
    std::string_view text = Take(static_cast<std::size_t>(length));
    if (text.find('\0') != std::string_view::npos) Fail("a string with a zero byte inside");
    return std::string(text);
}

std::string DumpArchiveReader::Required(std::string_view what) {
    std::optional<std::string> text = Text();
    if (!text) Fail(fmt::format("{} is missing", what));
    return std::move(*text);
}

std::uint32_t DumpArchiveReader::Number(std::string_view text, std::string_view what) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text[0] == '0'))
        Fail(fmt::format("{} is not a number", what));
    return value;
}

void DumpArchiveReader::ReadHeader() {
    if (Take(5) != "PGDMP") Fail("it does not begin with PGDMP");
    header_.version.major = static_cast<std::uint8_t>(Byte());
    header_.version.minor = static_cast<std::uint8_t>(Byte());
    header_.version.revision = static_cast<std::uint8_t>(Byte());
    if (header_.version < kOldestDumpArchive || header_.version > kNewestDumpArchive)
        throw Error(Code::kUnsupported,
                    fmt::format("pg_dump archives of version {} cannot be read", header_.version.ToString()),
                    fmt::format("known are {} to {}", kOldestDumpArchive.ToString(), kNewestDumpArchive.ToString()),
                    header_.version > kNewestDumpArchive
                        ? "upgrade pg_ark, or use an older pg_dump that suits the server"
                        : "use a pg_dump of PostgreSQL 15 or later");
    unsigned int_size = Byte();
    unsigned offset_size = Byte();
    if (int_size != 4 || offset_size != 8)
        throw Error(Code::kUnsupported, "pg_dump archives of this machine type cannot be read",
                    fmt::format("integers of {} and offsets of {} bytes", int_size, offset_size));
    unsigned format = Byte();
    if (format != static_cast<unsigned>(DumpArchiveFormat::kCustom) &&
        format != static_cast<unsigned>(DumpArchiveFormat::kDirectory))
        throw Error(Code::kUnsupported, fmt::format("pg_dump archives of format {} cannot be read", format));
    header_.format = static_cast<DumpArchiveFormat>(format);
    if (header_.version >= kDumpArchive15) {
        unsigned algorithm = Byte();
        if (algorithm > static_cast<unsigned>(DumpCompression::kZstd))
            throw Error(Code::kUnsupported,
                        fmt::format("pg_dump archives of compression {} cannot be read", algorithm));
        header_.compression = static_cast<DumpCompression>(algorithm);
    } else {
        header_.gzip_level = Int();
        header_.compression = header_.gzip_level == 0 ? DumpCompression::kNone : DumpCompression::kGzip;
    }
    for (std::int32_t &field : header_.created) field = Int();
    header_.database = Text();
    header_.server_version = Text();
    header_.dump_version = Text();
    header_.entry_count = Int();
    if (header_.entry_count < 0) Fail(fmt::format("{} entries", header_.entry_count));
    HandOver();
}

std::optional<TocEntry> DumpArchiveReader::Next() {
    if (entries_read_ == header_.entry_count) return std::nullopt;
    TocEntry entry;
    entry.dump_id = Int();
    if (entry.dump_id <= 0) Fail(fmt::format("entry id {}", entry.dump_id));
    std::int32_t had_dumper = Int();
    if (had_dumper != 0 && had_dumper != 1) Fail("a flag that is neither 0 nor 1");
    entry.had_dumper = had_dumper == 1;
    entry.catalog_oid = Number(Required("a catalog's oid"), "a catalog's oid");
    entry.object_oid = Number(Required("an object's oid"), "an object's oid");
    entry.tag = Required("an entry's name");
    entry.description = Required("an entry's kind");
    std::int32_t section = Int();
    if (section < 1 || section > 4) Fail(fmt::format("section {}", section));
    entry.section = static_cast<DumpSection>(section);
    entry.definition = Text();
    entry.drop_statement = Text();
    entry.copy_statement = Text();
    entry.schema = Text();
    entry.tablespace = Text();
    entry.access_method = Text();
    if (header_.version >= kDumpArchive16) {
        std::int32_t relkind = Int();
        if (relkind < 0 || relkind > 255) Fail(fmt::format("relation kind {}", relkind));
        entry.relkind = static_cast<char>(relkind);
    }
    entry.owner = Text();
    if (Required("the WITH OIDS mark") != "false") Fail("a table WITH OIDS");
    while (std::optional<std::string> id = Text()) {
        std::uint32_t number = Number(*id, "a dependency");
        if (number > static_cast<std::uint32_t>(kMaxInt)) Fail("a dependency out of range");
        entry.dependencies.push_back(static_cast<std::int32_t>(number));
    }
    ReadPlace(entry);
    entries_read_++;
    entry.raw = raw_;
    HandOver();
    return entry;
}

void DumpArchiveReader::ReadPlace(TocEntry &entry) {
    if (header_.format == DumpArchiveFormat::kDirectory) {
        entry.file_name = Required("a file name");
        return;
    }
    unsigned state = Byte();
    if (state < 1 || state > 3) Fail(fmt::format("data state {}", state));
    entry.data_state = static_cast<DumpDataState>(state);
    std::uint64_t offset = 0;
    std::string_view bytes = Take(8);
    for (std::size_t i = 8; i > 0; i--) offset = (offset << 8) | static_cast<unsigned char>(bytes[i - 1]);
    entry.data_offset = static_cast<std::int64_t>(offset);
}

void DumpArchiveReader::HandOver() {
    if (sink_) sink_(AsBytes(raw_));
    offset_ += raw_.size();
    raw_.clear();
}

}    // namespace ark
