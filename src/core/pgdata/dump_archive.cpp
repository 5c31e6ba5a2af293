#include "pgdata/dump_archive.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kMagic = "PGDMP";
constexpr char kIntSize = 4;
constexpr char kOffsetSize = 8;

void PutByte(std::string &to, unsigned value) { to.push_back(static_cast<char>(value)); }

void PutLittleEndian(std::string &to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) PutByte(to, static_cast<unsigned>(value >> (8 * i)) & 0xFF);
}

// A sign byte and the magnitude, least significant byte first.
void PutInt(std::string &to, std::int32_t value) {
    PutByte(to, value < 0 ? 1 : 0);
    PutLittleEndian(to, static_cast<std::uint64_t>(value < 0 ? -std::int64_t{value} : std::int64_t{value}), kIntSize);
}

void PutText(std::string &to, std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        throw Error(Code::kInvalidArgument, "a string of a dump archive cannot have 2 GiB or more");
    if (text.find('\0') != std::string_view::npos)
        throw Error(Code::kInvalidArgument, "a string of a dump archive cannot hold a zero byte");
    PutInt(to, static_cast<std::int32_t>(text.size()));
    to += text;
}

void PutOptional(std::string &to, const std::optional<std::string> &text) {
    if (text)
        PutText(to, *text);
    else
        PutInt(to, -1);
}

}    // namespace

std::string DumpArchiveVersion::ToString() const { return fmt::format("{}.{}.{}", major, minor, revision); }

void DumpArchiveHeader::SetCompression(DumpCompression kind) {
    if (version < kDumpArchive15 && kind != DumpCompression::kNone && kind != DumpCompression::kGzip)
        throw Error(Code::kUnsupported,
                    fmt::format("a dump archive of version {} knows gzip only", version.ToString()));
    compression = kind;
    gzip_level = version < kDumpArchive15 && kind == DumpCompression::kGzip ? -1 : 0;
}

bool TocEntry::operator==(const TocEntry &o) const {
    return dump_id == o.dump_id && had_dumper == o.had_dumper && catalog_oid == o.catalog_oid &&
           object_oid == o.object_oid && tag == o.tag && description == o.description && section == o.section &&
           definition == o.definition && drop_statement == o.drop_statement && copy_statement == o.copy_statement &&
           schema == o.schema && tablespace == o.tablespace && access_method == o.access_method &&
           relkind == o.relkind && owner == o.owner && dependencies == o.dependencies && data_state == o.data_state &&
           data_offset == o.data_offset && file_name == o.file_name;
}

std::string EncodeHeader(const DumpArchiveHeader &header) {
    std::string to(kMagic);
    PutByte(to, header.version.major);
    PutByte(to, header.version.minor);
    PutByte(to, header.version.revision);
    to.push_back(kIntSize);
    to.push_back(kOffsetSize);
    PutByte(to, static_cast<unsigned>(header.format));
    if (header.version >= kDumpArchive15)
        PutByte(to, static_cast<unsigned>(header.compression));
    else
        PutInt(to, header.gzip_level);
    for (std::int32_t field : header.created) PutInt(to, field);
    PutOptional(to, header.database);
    PutOptional(to, header.server_version);
    PutOptional(to, header.dump_version);
    PutInt(to, header.entry_count);
    return to;
}

std::string EncodeEntry(const TocEntry &entry, const DumpArchiveHeader &header) {
    std::string to;
    PutInt(to, entry.dump_id);
    PutInt(to, entry.had_dumper ? 1 : 0);
    PutText(to, std::to_string(entry.catalog_oid));
    PutText(to, std::to_string(entry.object_oid));
    PutText(to, entry.tag);
    PutText(to, entry.description);
    PutInt(to, static_cast<std::int32_t>(entry.section));
    PutOptional(to, entry.definition);
    PutOptional(to, entry.drop_statement);
    PutOptional(to, entry.copy_statement);
    PutOptional(to, entry.schema);
    PutOptional(to, entry.tablespace);
    PutOptional(to, entry.access_method);
    if (header.version >= kDumpArchive16) PutInt(to, static_cast<unsigned char>(entry.relkind));
    PutOptional(to, entry.owner);
    PutText(to, "false");    // WITH OIDS, gone since PostgreSQL 12
    for (std::int32_t id : entry.dependencies) PutText(to, std::to_string(id));
    PutInt(to, -1);
    if (header.format == DumpArchiveFormat::kCustom) {
        PutByte(to, static_cast<unsigned>(entry.data_state));
        PutLittleEndian(to, static_cast<std::uint64_t>(entry.data_offset), kOffsetSize);
    } else {
        PutText(to, entry.file_name);
    }
    return to;
}

}    // namespace ark
