// A whole export of many small tables: few requests, and pg_restore takes it.
#include <gtest/gtest.h>

#include "logical/readable.h"
#include "support/temporary_directory.h"
#include "unit/logical/backup_bench.h"
#include "unit/repo/watched_storage.h"

namespace ark {
namespace {

using DirectoryArchiveTest = test::BackupBench;

TEST_F(DirectoryArchiveTest, OfManySmallTablesIsReadInFewRequests) {
    std::string database = server_.CreateDatabase("many");
    server_.Sql(
        database,
        "CREATE SCHEMA \"Odd name\"; CREATE TABLE \"Odd name\".\"t/1\" AS SELECT 'x' AS x;"
        "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 4) AS m FROM generate_series(1, 60000) g;"
        "CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..400 LOOP"
        " EXECUTE format('CREATE TABLE small_%s (id int, v text)', i);"
        " EXECUTE format('INSERT INTO small_%s SELECT g, md5(g::text) FROM generate_series(1, %s) g', i, i % 7); "
        "END LOOP; END $$; SELECT fill(); SELECT lo_from_bytea(0, convert_to('object ' || g, 'UTF8')) FROM "
        "generate_series(1, 150) g; SELECT lo_create(0)");
    ExportRequest request = Request(database);
    request.jobs = 2;
    ExportResult result = Export(request);

    auto watched = std::make_shared<test::WatchedStorage>(
        StoragePtr(&repository_->storage(), [](Storage *) { /* the repository's */ }));
    auto repository = Repository::Open(watched, repository_->cluster());
    BackupReader reader(repository, std::make_shared<KeyRing>(repository, std::nullopt), result.backup_id);
    test::TemporaryDirectory directory;
    watched->Forget();
    ArchiveResult archive = ExportDirectoryArchive(reader, directory.path() / "archive", 0, 2, ticker_, log_);
    std::size_t requests = watched->lengths().size() + watched->headers();
    RecordProperty("requests", std::to_string(requests));
    EXPECT_LT(requests, 60u);
    EXPECT_EQ(archive.rows, result.rows);
    EXPECT_GT(archive.files, 550u);

    for (const auto &file : std::filesystem::recursive_directory_iterator(directory.path()))    // for the server's user
        std::filesystem::permissions(file, std::filesystem::perms(0755));
    std::string copy = server_.CreateDatabase("copy");
    server_.Run("pg_restore", {"-d", copy, "--exit-on-error", (directory.path() / "archive").string()});
    ExpectSameRows(LiveRows(database), LiveRows(copy));
    std::string objects = "SELECT string_agg(oid || lo_get(oid)::text, ',' ORDER BY oid) FROM pg_largeobject_metadata";
    EXPECT_EQ(server_.Sql(database, objects), server_.Sql(copy, objects));

    watched->Forget();
    std::string script;
    ExportSql(reader, test::PrivatePostgres::Bindir(), ticker_, log_, [&](std::string_view part) { script += part; });
    EXPECT_LT(watched->lengths().size() + watched->headers(), 60u);
    for (const auto &[table, rows] : LiveRows(database))
        EXPECT_NE(script.find(" FROM stdin;\n" + rows + "\\.\n"), std::string::npos) << table;
}

}    // namespace
}    // namespace ark
