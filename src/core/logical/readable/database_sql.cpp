// A whole database as one SQL script: pg_restore prints the schema from pg_dump's own table of contents, the rows stand
// between as COPY.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "logical/child_process.h"
#include "logical/entries.h"
#include "logical/readable.h"
#include "logical/readable/schema_archive.h"
#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

constexpr std::size_t kTablesTogether = 1000;    // whose rows are read in one go

void Section(const std::string &pg_restore, const std::string &file, const char *section, Ticker &ticker,
             const std::function<void(std::string_view)> &write) {
    ChildProcess child({pg_restore, "-f", "-", fmt::format("--section={}", section), file}, {}, ticker);
    Bytes block(64 << 10);
    while (std::size_t n = child.Read(block)) write(AsText(ByteView(block).first(n)));
    if (int status = child.Wait(); status != 0)
        throw Error(Code::kInternal, fmt::format("pg_restore ended with status {} in section {}", status, section),
                    child.Complaints());
}

void LargeObject(ContentStream &objects, std::uint32_t oid, const std::function<void(std::string_view)> &write) {
    constexpr std::size_t kSlice = 16 << 10;
    write(fmt::format("BEGIN;\nSELECT pg_catalog.lo_open('{}', 131072);\n", oid));
    objects.Next([&](ByteView bytes) {
        for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kSlice)))
            write(fmt::format("SELECT pg_catalog.lowrite(0, '\\x{}');\n",
                              HexEncode(bytes.first(std::min(bytes.size(), kSlice)))));
    });
    write("SELECT pg_catalog.lo_close(0);\nCOMMIT;\n\n");
}

}    // namespace

void ExportSql(BackupReader &backup, const std::string &pg_bindir, Ticker &ticker, Log &log,
               const std::function<void(std::string_view)> &write) {
    SchemaFile schema(backup);
    std::string pg_restore = FindPgRestore(pg_bindir, backup);
    SchemaArchive file(schema);
    Progress progress;
    progress.phase = "export";
    progress.total_bytes = backup.manifest().body.value("plain_bytes", std::uint64_t{0});

    Section(pg_restore, file.path(), "pre-data", ticker, write);
    std::vector<std::uint32_t> large_objects;
    std::vector<std::string> paths, statements;    // of tables that are due, in the order of the schema
    auto write_rows = [&] {
        ContentStream contents = backup.Contents(std::exchange(paths, {}));
        for (const std::string &statement : std::exchange(statements, {})) {
            write(statement);
            contents.Next([&](ByteView rows) {
                ticker.Check();
                write(AsText(rows));
                progress.done_bytes += rows.size();
                log.Report(progress);
            });
            write(kCopyEnd);
        }
    };
    schema.ForEach([&](const TocEntry &entry) {
        ticker.Check();
        for (std::uint32_t oid : LargeObjectsCreated(entry)) large_objects.push_back(oid);
        if (!HoldsRows(entry)) return;
        std::optional<BackupTable> table = backup.Table(*entry.schema, entry.tag);
        if (!table)
            throw Error(Code::kCorrupt, fmt::format("the backup's schema names table \"{}.{}\", and its data do not",
                                                    *entry.schema, entry.tag));
        paths.push_back(RowsPath(*table));
        statements.push_back(entry.copy_statement.value_or(""));
        if (paths.size() == kTablesTogether) write_rows();
    });
    write_rows();
    Section(pg_restore, file.path(), "data", ticker,
            write);                      // sequence values; from 17 on, large objects are made here
    std::ranges::sort(large_objects);    // the order of their paths
    std::vector<std::string> object_paths;
    for (std::uint32_t oid : large_objects) object_paths.push_back(LargeObjectPath(oid));
    ContentStream objects = backup.Contents(std::move(object_paths));
    for (std::uint32_t oid : large_objects) LargeObject(objects, oid, write);
    Section(pg_restore, file.path(), "post-data", ticker, write);
}

}    // namespace ark
