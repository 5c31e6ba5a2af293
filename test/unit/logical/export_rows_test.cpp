// Rows that are hard to read: too long for one message of the server's, or damaged.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "base/digest.h"
#include "base/encoding.h"
#include "logical/long_rows.h"
#include "unit/logical/backup_bench.h"

namespace ark {
namespace {

using testing::HasSubstr;

class ExportRowsTest : public test::BackupBench {};

// COPY of the row would take 1.1 GB of hexadecimal text, and the server's messages end at 1 GB.
TEST_F(ExportRowsTest, RowsTooLongForOneMessageAreReadInSlices) {
    std::string database = server_.CreateDatabase("long");
    server_.Sql(database,
                "CREATE TABLE t (id int, b bytea, gone text, n text, \"T\" text); ALTER TABLE t DROP gone;"
                "INSERT INTO t VALUES (1, 'x', NULL, 'before'), (2, convert_to(repeat(E'0123456789abcde\\n', "
                "35000000), 'UTF8'), NULL, E'ta\\tb\\\\ \\n ü'),"
                " (3, 'y', NULL, 'after'), (4, convert_to('end', 'UTF8'), 'z', '')");
    EXPECT_EQ(Failure([&] { server_.Sql(database, "DO $$ BEGIN PERFORM length(b::text) FROM t; END $$"); }).sqlstate,
              "XX000");
    BackupReader reader = Reader(Export(database));
    BackupTable table = reader.Table("public", "t").value();
    EXPECT_EQ(table.rows, 4u);
    Sha256Stream expected, found;
    expected.Update(AsBytes("1\t\\\\x78\t\\N\tbefore\n2\t\\\\x"));
    std::string piece;
    for (int i = 0; i < 10'000; i++)
        piece +=
            "303132333435363738396162636465"
            "0a";
    for (int i = 0; i < 3'500; i++) expected.Update(AsBytes(piece));
    expected.Update(AsBytes("\t\\N\tta\\tb\\\\ \\n ü\n3\t\\\\x79\t\\N\tafter\n4\t\\\\x656e64\tz\t\n"));
    reader.Rows(table, [&](ByteView rows) { found.Update(rows); });
    EXPECT_EQ(HexEncode(found.Finish()), HexEncode(expected.Finish()));
}

// A row of 90 MB among short ones: the same bytes as COPY gives, whether it is read whole or value by value.
TEST_F(ExportRowsTest, LongRowsAreReadValueByValue) {
    std::string database = server_.CreateDatabase("longer");
    server_.Sql(
        database,
        "CREATE DOMAIN note AS text; CREATE TABLE t (id int, \"Text\" note, b bytea, gone text, c varchar, j jsonb);"
        "ALTER TABLE t DROP gone, ALTER \"Text\" SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;"
        "INSERT INTO t VALUES (1, 'short', 'x', NULL, '{}'), (2, repeat(E'ä\t\\\\\n', 8000000), "
        "convert_to(repeat('0123456789', 1500000), 'UTF8'), NULL, '{\"a\": [1, null]}'), (3, NULL, '', '', NULL)");
    Ticker &ticker = NeverCancelled();
    Connection connection(server_.Conninfo(), database, "long rows test", ticker, SilentLog());
    std::string expected;
    connection.CopyOut("COPY t TO STDOUT", [&](std::string_view row) { expected += row; });
    BackupReader reader = Reader(Export(database));
    BackupTable table = reader.Table("public", "t").value();
    std::string found;
    reader.Rows(table, [&](ByteView rows) { found += AsText(rows); });
    EXPECT_TRUE(found == expected);    // not EXPECT_EQ, which would print them
    found.clear();
    connection.Execute("BEGIN; SET LOCAL log_statement = 'all'");
    RowFramer framer([&](ByteView rows, std::uint64_t) { found += AsText(rows); });
    ReadWithLongRows(connection, table, BlockRange{0, 1}, "UTF8", LongRowSearch::kUsual, framer);
    framer.Finish();
    EXPECT_TRUE(found == expected);
    EXPECT_EQ(framer.rows(), 3u);
    std::stringstream log;
    log << std::ifstream(server_.log()).rdbuf();
    EXPECT_THAT(log.str(), HasSubstr("COPY (SELECT \"Text\" FROM ONLY \"public\".\"t\" WHERE ctid = '(0,2)'"));
}

class DamagedTableTest : public test::BackupBench {
protected:
    // Writes bytes into block 3 of a table's file, as a bad disk would.
    void Damage(const std::string &table, std::size_t offset, const std::string &bytes) {
        std::string path = own_.Sql(
            "postgres", "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('" + table + "')");
        own_.Sql("postgres", "CHECKPOINT");
        own_.Stop(SIGINT);
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(3 * 8192 + offset));
        file << bytes;
        file.close();
        own_.Start();
    }
    Error ExportFailure() {
        repository_ = NewRepository(own_);
        keys_ = std::make_shared<KeyRing>(repository_, std::nullopt);
        ExportRequest request = Request("postgres");
        request.conninfo = own_.Conninfo();
        return Failure([&] { Export(request); });
    }
    test::PrivatePostgres own_{
        {"ignore_checksum_failure = on"}};    // 18 has checksums by itself; the damage is to be met behind them
};

TEST_F(DamagedTableTest, ADamagedPageIsAnErrorThatNamesItsBlock) {
    own_.Sql("postgres",
             "CREATE TABLE t AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 1000) g;"
             "CREATE TABLE u AS SELECT 1 AS id");    // read in the same statement, after t
    Damage("t", 0, std::string(64, '\xee'));
    Error error = ExportFailure();
    EXPECT_THAT(error.message, HasSubstr("could not read table \"public\".\"t\""));
    EXPECT_THAT(error.detail, HasSubstr("block 3"));
    EXPECT_TRUE(ListBackups(*repository_, keys_.get(), SystemClock().Now()).empty());
}

TEST_F(DamagedTableTest, ADamagedRowIsAnErrorThatNamesIt) {
    own_.Sql("postgres",
             "CREATE TABLE t (id int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN;"
             "INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 1000) g");
    // The first row of a page is the last in it: 24 bytes of header, the integer, then the text, which becomes a pointer
    // (varatt_external) into a TOAST table that does not exist. A text of a mad length would bring the server down.
    std::string pointer("\x01\x12\x10\x27\x00\x00\x0c\x27\x00\x00\x01\x00\x00\x00\xff\xff\xff\x7f", 18);
    Damage("t", 8192 - 232 + 24 + 4, pointer);
    Error error = ExportFailure();
    EXPECT_THAT(error.message, HasSubstr("could not read table \"public\".\"t\""));
    EXPECT_THAT(error.detail, HasSubstr("row (3,1)"));
}

}    // namespace
}    // namespace ark
