// Against archives that stock pg_dump 15 to 18 wrote (test/data/dump_archive/record) and, where a version
// suits, the real pg_restore: of $PG_BINDIR, else of pg_config --bindir, else of the PATH.
#include "pgdata/dump_archive_writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

namespace fs = std::filesystem;

std::string Recorded(const std::string &name) { return ReadWholeFile(fs::path(ARK_TEST_DATA) / "dump_archive" / name); }

TocEntry Entry(std::string description, std::string tag, std::optional<std::string> definition = {}) {
    TocEntry entry;
    entry.dump_id = 1;
    entry.description = std::move(description);
    entry.tag = std::move(tag);
    entry.definition = std::move(definition);
    return entry;
}

struct Archive {
    DumpArchiveHeader header;
    std::vector<TocEntry> entries;
    std::uint64_t end = 0;
};

Archive Read(const std::string &bytes) {
    DumpArchiveReader reader(PullFromBytes(AsBytes(bytes)));
    Archive archive{reader.Header(), {}, 0};
    while (std::optional<TocEntry> entry = reader.Next()) archive.entries.push_back(std::move(*entry));
    archive.end = reader.Offset();
    return archive;
}

DumpArchiveSink Into(std::string &to) {
    return [&to](ByteView bytes) { to += AsText(bytes); };
}

std::string Rewrite(const std::string &bytes, DumpArchiveFormat format, DumpCompression compression,
                    const DumpEntryFilter &keep = {}) {
    std::string to;
    RewriteDumpArchive([&] { return PullFromBytes(AsBytes(bytes)); }, format, compression, keep, Into(to));
    return to;
}

class TempFolder {
public:
    TempFolder() {
        std::string pattern = (fs::temp_directory_path() / "dump_archive_XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~TempFolder() { fs::remove_all(path); }
    fs::path Put(const fs::path &name, std::string_view content) const {
        WriteFileAtomically(path / name, AsBytes(content));
        return path / name;
    }
    fs::path path;
};

struct Outcome {
    int status;
    std::string output;
};

Outcome RunShell(const std::string &command) {
    FILE *pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("popen");
    Outcome outcome{0, {}};
    char buffer[4096];
    while (std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, count);
    outcome.status = WEXITSTATUS(::pclose(pipe));
    return outcome;
}

std::string PgRestore() {
    const char *given = ::getenv("PG_BINDIR");
    if (given != nullptr) return std::string(given) + "/pg_restore";
    Outcome bindir = RunShell("pg_config --bindir");
    if (bindir.status != 0) return "pg_restore";
    bindir.output.pop_back();
    return bindir.output + "/pg_restore";
}

int PgRestoreMajor() {
    int major = 0;
    std::string version = RunShell(PgRestore() + " --version").output;
    if (std::sscanf(version.c_str(), "pg_restore (PostgreSQL) %d", &major) != 1) throw std::runtime_error(version);
    return major;
}

// Without the lines that differ from run to run or by format alone.
std::string Stable(const std::string &text) {
    std::string kept;
    for (std::size_t start = 0; start < text.size();) {
        std::size_t end = std::min(text.find('\n', start), text.size() - 1) + 1;
        std::string_view line = std::string_view(text).substr(start, end - start);
        if (!line.starts_with("\\restrict") && !line.starts_with("\\unrestrict") && !line.starts_with(";     Format") &&
            !line.starts_with(";     Compression"))
            kept += line;
        start = end;
    }
    return kept;
}

std::string Restore(const std::string &options, const fs::path &archive) {
    Outcome outcome = RunShell(fmt::format("{} {} '{}'", PgRestore(), options, archive.string()));
    EXPECT_EQ(outcome.status, 0) << options << '\n' << outcome.output;
    return Stable(outcome.output);
}

// The data behind the table of contents of an uncompressed custom archive, by dump id (rows) and "blob oid".
struct DataBlocks {
    std::map<std::int32_t, std::string> rows;
    std::map<std::int32_t, std::vector<std::pair<std::uint32_t, std::string>>> large_objects;
};

DataBlocks ReadData(std::string_view bytes) {
    DataBlocks blocks;
    auto number = [&] {
        std::uint32_t value = 0;
        for (std::size_t i = 4; i > 0; i--) value = (value << 8) | static_cast<unsigned char>(bytes.at(i));
        bytes.remove_prefix(5);
        return value;
    };
    auto chunks = [&] {
        std::string data;
        while (std::uint32_t size = number()) {
            data += bytes.substr(0, size);
            bytes.remove_prefix(size);
        }
        return data;
    };
    while (!bytes.empty()) {
        char kind = bytes.at(0);
        bytes.remove_prefix(1);
        auto id = static_cast<std::int32_t>(number());
        if (kind == 1) {
            blocks.rows[id] = chunks();
        } else {
            auto &list = blocks.large_objects[id];
            while (std::uint32_t oid = number()) list.emplace_back(oid, chunks());
        }
    }
    return blocks;
}

class RecordedArchive : public testing::TestWithParam<const char *> {
protected:
    std::string Name(const std::string &what) const { return fmt::format("{}{}", GetParam(), what); }
    bool PgRestoreReadsIt() const {
        return PgRestoreMajor() >= Read(Recorded(Name("-pipe.dump"))).header.version.minor + 1;    // 1.14: 15 and so on
    }
    static void ExpectRefusal(const fs::path &archive) {
        EXPECT_NE(RunShell(fmt::format("{} -l '{}'", PgRestore(), archive.string())).output.find("unsupported version"),
                  std::string::npos);
    }
};

INSTANTIATE_TEST_SUITE_P(DumpArchive, RecordedArchive, testing::Values("pg15", "pg16", "pg17", "pg18"),
                         [](const auto &archive) { return std::string(archive.param); });

TEST_P(RecordedArchive, IsReadAndEncodedBitByBit) {
    for (const char *form : {"-file.dump", "-pipe.dump", "-toc.dat"}) {
        std::string bytes = Recorded(Name(form));
        Archive archive = Read(bytes);
        std::string encoded = EncodeHeader(archive.header);
        for (const TocEntry &entry : archive.entries) {
            EXPECT_EQ(EncodeEntry(entry, archive.header), entry.raw) << entry.description << ' ' << entry.tag;
            encoded += entry.raw;
        }
        EXPECT_EQ(encoded.size(), archive.end);
        EXPECT_TRUE(bytes.starts_with(encoded)) << form;
        EXPECT_EQ(archive.entries.size(), static_cast<std::size_t>(archive.header.entry_count));
    }
}

TEST_P(RecordedArchive, SaysWhatPgRestoreListed) {
    Archive archive = Read(Recorded(Name("-pipe.dump")));
    const std::set<std::string> unlisted = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE"};    // without -C
    std::string listing;
    for (const TocEntry &e : archive.entries) {
        if (unlisted.count(e.description) > 0) continue;
        std::string schema = e.schema.value_or("");
        listing += fmt::format("{}; {} {} {} {} {} {}\n", e.dump_id, e.catalog_oid, e.object_oid, e.description,
                               schema.empty() ? "-" : schema, e.tag, e.owner.value_or(""));
    }
    std::string recorded = Recorded(Name(".list"));
    EXPECT_EQ(listing, recorded.substr(recorded.find("; Selected TOC Entries:\n;\n") + 26));
    EXPECT_EQ(archive.header.database, "source");
    EXPECT_NE(recorded.find("database version: " + archive.header.server_version.value()), std::string::npos);
    EXPECT_NE(recorded.find("pg_dump version: " + archive.header.dump_version.value()), std::string::npos);
}

TEST_P(RecordedArchive, EndsItsTableOfContentsWhereTheFirstDataBlockBegins) {
    std::string bytes = Recorded(Name("-file.dump"));
    Archive archive = Read(bytes);
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (const TocEntry &entry : archive.entries)
        if (entry.data_state == DumpDataState::kOffsetKnown) first = std::min(first, entry.data_offset);
    EXPECT_EQ(archive.end, static_cast<std::uint64_t>(first));

    std::string copied;
    DumpArchiveReader reader(PullFromBytes(AsBytes(bytes)), Into(copied));
    while (reader.Next()) {}
    EXPECT_EQ(copied, bytes.substr(0, archive.end));
    EXPECT_TRUE(std::string_view(bytes).substr(archive.end).starts_with(AsText(reader.Beyond())));
}

TEST_P(RecordedArchive, IsReadByteByByteToo) {
    std::string bytes = Recorded(Name("-pipe.dump"));
    DumpArchivePull whole = PullFromBytes(AsBytes(bytes));
    DumpArchiveReader reader([&](MutableBytes into) { return whole(into.first(1)); });
    std::size_t entries = 0;
    while (reader.Next()) entries++;
    EXPECT_EQ(entries, Read(bytes).entries.size());
    EXPECT_TRUE(reader.Beyond().empty());
}

TEST_P(RecordedArchive, BecomesTheTocOfADirectoryThatPgDumpItselfWrote) {
    std::string ours = Rewrite(Recorded(Name("-pipe.dump")), DumpArchiveFormat::kDirectory, DumpCompression::kGzip);
    Archive rewritten = Read(ours);
    Archive recorded = Read(Recorded(Name("-toc.dat")));
    EXPECT_EQ(rewritten.header.format, DumpArchiveFormat::kDirectory);
    EXPECT_EQ(rewritten.header.compression, recorded.header.compression);
    ASSERT_EQ(rewritten.entries.size(), recorded.entries.size());
    for (std::size_t i = 0; i < recorded.entries.size(); i++)
        EXPECT_EQ(rewritten.entries[i].raw, recorded.entries[i].raw) << recorded.entries[i].tag;
}

TEST_P(RecordedArchive, NamesTheFilesThatPgDumpMade) {
    std::string bytes = Recorded(Name("-pipe.dump"));
    Archive archive = Read(bytes);
    std::vector<std::string> names = {"toc.dat"};
    for (const TocEntry &entry : archive.entries) {
        std::string name = DataFileName(entry, archive.header.version);
        if (!name.empty()) names.push_back(name + (name.ends_with(".dat") ? ".gz" : ""));
        for (std::uint32_t oid : LargeObjectsCreated(entry)) names.push_back(LargeObjectFileName(oid) + ".gz");
    }
    std::sort(names.begin(), names.end());
    std::string listing;
    for (const std::string &name : names) listing += name + "\n";
    EXPECT_EQ(listing, Recorded(Name("-directory.names")));
}

TEST_P(RecordedArchive, HasCopyStatementsThatNameTableAndColumns) {
    std::map<std::string, CopyTarget> targets;
    for (const TocEntry &entry : Read(Recorded(Name("-pipe.dump"))).entries)
        if (entry.description == "TABLE DATA") targets[entry.tag] = ParseCopyStatement(entry.copy_statement.value());
    EXPECT_EQ(targets.size(), 11U);
    CopyTarget odd = targets.at("Odd, (Table)");
    EXPECT_EQ(odd.table, "\"Odd \"\"Schema\"\"\".\"Odd, (Table)\"");
    EXPECT_EQ(odd.columns, "(\"Col One\", \"select\", \"co,l\"\"2)\", \"héllo\")");
    EXPECT_EQ(odd.column_names, (std::vector<std::string>{"Col One", "select", "co,l\"2)", "héllo"}));
    EXPECT_EQ(targets.at("client").column_names, (std::vector<std::string>{"id", "name", "mood", "tags", "doc"}));
    EXPECT_EQ(targets.at("no_columns").columns, "");
    EXPECT_EQ(targets.at("by_mood_0").table, "shop.by_mood");
}

TEST_P(RecordedArchive, WithoutItsDataIsListedAlike) {
    TempFolder folder;
    std::string bytes = Recorded(Name("-pipe.dump"));
    fs::path original = folder.Put("original", bytes);
    if (!PgRestoreReadsIt()) return ExpectRefusal(original);
    fs::path ours = folder.Put("ours", Rewrite(bytes, DumpArchiveFormat::kCustom, DumpCompression::kNone));
    std::string listing = Restore("-l", original);
    folder.Put("list", listing);
    EXPECT_EQ(Restore("-l", ours), listing);
    std::string from_list = fmt::format("-f - -s -L '{}'", (folder.path / "list").string());
    for (const std::string &options : {std::string("-f - --schema-only"), std::string("-f - --section=pre-data"),
                                       std::string("-f - --section=post-data"), from_list}) {
        std::string script = Restore(options, ours);
        EXPECT_EQ(script, Restore(options, original)) << options;
        EXPECT_GT(script.size(), 1000U) << options;
    }
    EXPECT_NE(Restore("-f -", ours).find("SELECT pg_catalog.setval('shop.counter', 105, true);"), std::string::npos);
}

TEST_P(RecordedArchive, AsADirectoryRestoresToTheSameScript) {
    std::string bytes = Recorded(Name("-pipe.dump"));
    Archive archive = Read(bytes);
    DataBlocks data = ReadData(std::string_view(bytes).substr(archive.end));
    TempFolder folder;
    fs::path original = folder.Put("original", bytes);
    if (!PgRestoreReadsIt()) return ExpectRefusal(original);
    for (DumpCompression compression : {DumpCompression::kNone, DumpCompression::kGzip}) {
        fs::path directory = folder.path / fmt::format("directory{}", CompressionSuffix(compression));
        fs::create_directory(directory);
        folder.Put(directory / "toc.dat", Rewrite(bytes, DumpArchiveFormat::kDirectory, compression));
        auto put = [&](const std::string &name, const std::string &content) {
            folder.Put(directory / name, content);
            if (compression == DumpCompression::kGzip) {
                EXPECT_EQ(RunShell(fmt::format("gzip '{}'", (directory / name).string())).status, 0);
            }
        };
        for (const TocEntry &entry : archive.entries) {
            if (entry.description == "BLOBS") {
                std::string list;
                for (const auto &[oid, content] : data.large_objects.at(entry.dump_id)) {
                    list += LargeObjectLine(oid);
                    put(LargeObjectFileName(oid), content);
                }
                folder.Put(directory / DataFileName(entry, archive.header.version), list);
            } else if (entry.had_dumper) {
                EXPECT_TRUE(data.rows.at(entry.dump_id).ends_with(kCopyEnd));
                put(DataFileName(entry, archive.header.version), data.rows.at(entry.dump_id));
            }
        }
        EXPECT_EQ(Restore("-l", directory), Restore("-l", original));
        std::string script = Restore("-f -", directory);
        EXPECT_EQ(script, Restore("-f -", original));
        EXPECT_NE(script.find("70004"), std::string::npos);
    }
}

TEST_P(RecordedArchive, CanLeaveEntriesOut) {
    auto keep = [](const TocEntry &entry) { return entry.description != "ACL" && entry.description != "BLOBS"; };
    std::string bytes = Recorded(Name("-pipe.dump"));
    std::string ours = Rewrite(bytes, DumpArchiveFormat::kCustom, DumpCompression::kNone, keep);
    Archive before = Read(bytes);
    Archive after = Read(ours);
    auto left_out = std::count_if(before.entries.begin(), before.entries.end(), std::not_fn(keep));
    EXPECT_GE(left_out, 4);
    EXPECT_EQ(after.entries.size() + static_cast<std::size_t>(left_out), before.entries.size());
    for (const TocEntry &entry : after.entries) EXPECT_TRUE(keep(entry)) << entry.description;
    if (!PgRestoreReadsIt()) return;
    TempFolder folder;
    EXPECT_EQ(Restore("-f -", folder.Put("ours", ours)).find("GRANT SELECT ON TABLE shop.client"), std::string::npos);
}

TEST_P(RecordedArchive, CutShortAnywhereIsCorrupt) {
    std::string bytes = Recorded(Name("-pipe.dump"));
    std::uint64_t end = Read(bytes).end;
    for (std::uint64_t size = 0; size < end; size += size < 400 || size > end - 400 ? 1 : 211) {
        try {
            Read(bytes.substr(0, size));
            FAIL() << "read from " << size << " bytes";
        } catch (const Error &error) {
            EXPECT_EQ(error.code, Code::kCorrupt);
            EXPECT_EQ(error.detail, fmt::format("at byte {}: the archive ends early", size));
        }
    }
}

TEST_P(RecordedArchive, DamagedAnywhereIsRefusedOrReadAsItStands) {
    std::string bytes = Recorded(Name("-pipe.dump"));
    bytes.resize(Read(bytes).end);
    int refused = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 31) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x81);
        try {
            Archive archive = Read(damaged);
            std::string encoded = EncodeHeader(archive.header);
            for (const TocEntry &entry : archive.entries) encoded += EncodeEntry(entry, archive.header);
            EXPECT_EQ(encoded, damaged) << "byte " << at;
        } catch (const Error &error) {
            EXPECT_TRUE(error.code == Code::kCorrupt || error.code == Code::kUnsupported) << error.message;
            refused++;
        }
    }
    EXPECT_GT(refused, 100);
}

TEST(DumpArchive, OfANewerVersionIsUnsupportedByName) {
    std::string bytes = Recorded("pg18-pipe.dump");
    bytes[6] = 17;
    try {
        Read(bytes);
        FAIL();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kUnsupported);
        EXPECT_NE(error.message.find("1.17.0"), std::string::npos) << error.message;
    }
}

TEST(DumpArchive, ThatIsNoneIsCorrupt) {
    EXPECT_THROW(Read("SELECT 1;\n"), Error);
    EXPECT_THROW(Read(""), Error);
}

TEST(DumpArchive, WriterInsistsOnTheAnnouncedNumberOfEntries) {
    std::string to;
    DumpArchiveHeader header;
    header.entry_count = 2;
    DumpArchiveWriter writer(header, DumpArchiveFormat::kCustom, Into(to));
    writer.Put(Entry("TABLE", "one"));
    EXPECT_THROW(writer.Close(), Error);
    writer.Put(Entry("TABLE", "two"));
    writer.Close();
    EXPECT_EQ(Read(to).entries.size(), 2U);
}

TEST(DumpArchive, CompressionOfVersion14IsALevel) {
    DumpArchiveHeader header;
    header.SetCompression(DumpCompression::kGzip);
    EXPECT_EQ(header.gzip_level, -1);
    EXPECT_THROW(header.SetCompression(DumpCompression::kZstd), Error);
    header.version = kDumpArchive15;
    header.SetCompression(DumpCompression::kZstd);
    EXPECT_EQ(Read(EncodeHeader(header)).header.compression, DumpCompression::kZstd);
}

TEST(DumpArchive, CopyStatementsOfAnotherFormAreRefused) {
    for (const char *statement :
         {"", "COPY", "COPY t (a) FROM stdin", "COPY t (a FROM stdin;\n", "COPY \"t (a) FROM stdin;\n",
          "COPY t (a) FROM PROGRAM 'x';\n", "COPY t (a) FROM stdin;\n;"})
        EXPECT_THROW(ParseCopyStatement(statement), Error) << statement;
    EXPECT_EQ(ParseCopyStatement("COPY t (a, b) FROM stdin;\n").column_names, (std::vector<std::string>{"a", "b"}));
}

TEST(DumpArchive, LargeObjectsAreReadFromTheirEntries) {
    TocEntry metadata = Entry("BLOB METADATA", "16385..16390", "16385\n16386\n16390\n");
    EXPECT_EQ(LargeObjectsCreated(metadata), (std::vector<std::uint32_t>{16385, 16386, 16390}));
    EXPECT_EQ(LargeObjectsCreated(Entry("BLOB", "4294967295")), std::vector<std::uint32_t>{4294967295U});
    EXPECT_TRUE(LargeObjectsCreated(Entry("TABLE", "1")).empty());
    EXPECT_THROW(LargeObjectsCreated(Entry("BLOB", "x")), Error);
    EXPECT_THROW(LargeObjectsCreated(Entry("BLOB METADATA", "12..13", "12 13\n")), Error);
}

}    // namespace
}    // namespace ark
