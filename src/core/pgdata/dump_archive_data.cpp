#include "pgdata/dump_archive_data.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace ark {
namespace {

std::uint32_t ParseOid(std::string_view text, const TocEntry &entry) {
    std::uint32_t oid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), oid);
    if (error != std::errc() || end != text.data() + text.size() || oid == 0)
        throw Error(Code::kCorrupt, fmt::format("could not read the large objects of dump entry {}", entry.dump_id),
                    fmt::format("\"{}\" is not an oid", text.substr(0, 40)));
    return oid;
}

// Reads identifiers, quoted or not, from the front of a statement.
class Scanner {
public:
    explicit Scanner(std::string_view statement) : statement_(statement) {}

    bool Accept(std::string_view word) {
        if (!statement_.substr(position_).starts_with(word)) return false;
        position_ += word.size();
        return true;
    }
    void Expect(std::string_view word) {
        if (!Accept(word)) Fail();
    }
    std::string Identifier() {
        std::string name;
        if (!Accept("\"")) {
            while (position_ < statement_.size() &&
                   std::string_view(" .,()\";").find(statement_[position_]) == std::string_view::npos)
                name += statement_[position_++];
        } else {
            for (;;) {
                if (position_ == statement_.size()) Fail();
                char c = statement_[position_++];
                if (c == '"' && !Accept("\"")) break;
                name += c;
            }
        }
        if (name.empty()) Fail();
        return name;
    }
    std::size_t Position() const { return position_; }
    bool AtEnd() const { return position_ == statement_.size(); }
    [[noreturn]] void Fail() const {
        throw Error(Code::kCorrupt, "could not read a COPY statement of a pg_dump archive",
                    fmt::format("at character {} of: {}", position_ + 1, statement_.substr(0, 200)));
    }

private:
    std::string_view statement_;
    std::size_t position_ = 0;
};

}    // namespace

std::string DataFileName(const TocEntry &entry, const DumpArchiveVersion &version) {
    if (entry.description == "BLOBS")
        return version < kDumpArchive16 ? "blobs.toc" : fmt::format("blobs_{}.toc", entry.dump_id);
    return entry.had_dumper ? fmt::format("{}.dat", entry.dump_id) : "";
}

std::string_view CompressionSuffix(DumpCompression compression) {
    switch (compression) {
    case DumpCompression::kNone: return "";
    case DumpCompression::kGzip: return ".gz";
    case DumpCompression::kLz4: return ".lz4";
    case DumpCompression::kZstd: return ".zst";
    }
    throw Error(Code::kInvalidArgument, "this compression has no file suffix");
}

std::string LargeObjectFileName(std::uint32_t oid) { return fmt::format("blob_{}.dat", oid); }

std::string LargeObjectLine(std::uint32_t oid) { return fmt::format("{} {}\n", oid, LargeObjectFileName(oid)); }

std::vector<std::uint32_t> LargeObjectsCreated(const TocEntry &entry) {
    std::vector<std::uint32_t> oids;
    if (entry.description == "BLOB") {
        oids.push_back(ParseOid(entry.tag, entry));
    } else if (entry.description == "BLOB METADATA") {
        std::string_view lines = entry.definition ? std::string_view(*entry.definition) : std::string_view();
        while (!lines.empty()) {
            std::size_t end = std::min(lines.find('\n'), lines.size());
            oids.push_back(ParseOid(lines.substr(0, end), entry));
            lines.remove_prefix(std::min(end + 1, lines.size()));
        }
    }
    return oids;
}

CopyTarget ParseCopyStatement(std::string_view statement) {
    CopyTarget target;
    Scanner scanner(statement);
    scanner.Expect("COPY ");
    std::size_t start = scanner.Position();
    scanner.Identifier();
    if (scanner.Accept(".")) scanner.Identifier();
    target.table = statement.substr(start, scanner.Position() - start);
    scanner.Expect(" ");
    start = scanner.Position();
    if (scanner.Accept("(")) {
        do target.column_names.push_back(scanner.Identifier());
        while (scanner.Accept(", "));
        scanner.Expect(")");
    }
    target.columns = statement.substr(start, scanner.Position() - start);
    scanner.Expect(" FROM stdin;\n");
    if (!scanner.AtEnd()) scanner.Fail();
    return target;
}

}    // namespace ark
