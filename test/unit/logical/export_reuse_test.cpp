// Forever incremental: what a later backup stores.
#include <gmock/gmock.h>

#include "unit/logical/backup_bench.h"

namespace ark {
namespace {

class ExportReuseTest : public test::BackupBench {
protected:
    ExportRequest Plain(const std::string &database) {
        ExportRequest request = Request(database);
        request.compression = ParseCompression("zstd:1");
        return request;
    }
};

TEST_F(ExportReuseTest, AnUnchangedDatabaseStoresNextToNothing) {
    std::string database = server_.CreateDatabase("unchanged");
    server_.Sql(database,
                "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS m FROM generate_series(1, 400000) g; CREATE "
                "SEQUENCE s; SELECT lo_from_bytea(5, 'lo');"
                "CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..60 LOOP"
                " EXECUTE format('CREATE TABLE small_%s (id int PRIMARY KEY, v text DEFAULT ''x'')', i); END LOOP; END "
                "$$; SELECT fill()");
    ExportResult first = Export(Plain(database));
    ExportResult second = Export(Plain(database));
    EXPECT_LT(static_cast<double>(second.new_bytes), 0.01 * static_cast<double>(first.new_bytes))
        << second.new_bytes << " of " << first.new_bytes;
    BackupReader reader = Reader(second);
    ExpectSameRows(LiveRows(database), AllRows(reader));
    EXPECT_GE(second.clear.stored_bytes, first.new_bytes / 2);

    // It needs nothing of the first but the packs: expiring that one leaves it whole, and the third reuses through it.
    EndBackup(*repository_, first.backup_id, "test", "test", SystemClock());
    ExportResult third = Export(Plain(database));
    EXPECT_LT(static_cast<double>(third.new_bytes), 0.01 * static_cast<double>(first.new_bytes));
    BackupReader last = Reader(third);
    ExpectSameRows(LiveRows(database), AllRows(last));
}

TEST_F(ExportReuseTest, OnePercentOfContiguousRowsStoresFewPercent) {
    std::string database = server_.CreateDatabase("percent");
    server_.Sql(database,
                "CREATE TABLE t (id int PRIMARY KEY, a int, body text);"
                "INSERT INTO t SELECT g, g, repeat(md5(g::text), 6) FROM generate_series(1, 1000000) g");
    ExportResult first = Export(Plain(database));
    server_.Sql(database, "UPDATE t SET a = a + 1 WHERE id BETWEEN 400000 AND 410000");
    ExportResult second = Export(Plain(database));
    double share = static_cast<double>(second.new_bytes) / static_cast<double>(first.new_bytes);
    EXPECT_LE(share, 0.035);
    EXPECT_GT(share, 0.005);
    RecordProperty("share", std::to_string(share));
    BackupReader reader = Reader(second);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportReuseTest, ACopyOfSomeTablesInBetweenIsNotTheBaseOfTheWhole) {
    std::string database = server_.CreateDatabase("between");
    server_.Sql(database,
                "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS m FROM generate_series(1, 50000) g;"
                "CREATE TABLE few AS SELECT 1 AS id");
    ExportResult first = Export(Plain(database));
    ExportRequest some = Plain(database);
    some.entities = ParseEntities("few");
    Export(some);
    ExportResult third = Export(Plain(database));
    EXPECT_LT(static_cast<double>(third.new_bytes), 0.02 * static_cast<double>(first.new_bytes));
    BackupReader reader = Reader(third);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportReuseTest, OldPacksAreStoredAfresh) {
    std::string database = server_.CreateDatabase("old");
    server_.Sql(database, "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS m FROM generate_series(1, 50000) g");
    ExportResult first = Export(Plain(database));
    ExportRequest request = Plain(database);
    request.full_every = std::chrono::microseconds(1);
    ExportResult second = Export(request);
    EXPECT_EQ(second.reused_bytes, 0u);
    EXPECT_GE(second.new_bytes, first.new_bytes * 9 / 10);
}

// A pack of which little is still needed is written anew, within a share of the run, so that it can go some day.
TEST_F(ExportReuseTest, SparsePacksAreLeftBehindLittleByLittle) {
    std::string database = server_.CreateDatabase("sparse");
    server_.Sql(database,
                "CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t SELECT g, repeat(md5(g::text), 6) FROM "
                "generate_series(1, 120000) g");
    ExportRequest request = Plain(database);
    request.jobs = 1;
    ExportResult first = Export(request);
    server_.Sql(database, "DELETE FROM t WHERE id < 90000");
    ExportResult second = Export(request);    // rests upon a quarter of the first's packs
    EXPECT_GT(second.reused_bytes, second.plain_bytes / 2);
    request.rewrite_share = 1.0;
    ExportResult third = Export(request);
    EXPECT_LT(third.clear.stored_bytes, second.clear.stored_bytes / 2);
    ExportResult fourth = Export(request);
    EXPECT_GT(fourth.reused_bytes, fourth.plain_bytes * 9 / 10);
    BackupReader reader = Reader(fourth);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportReuseTest, ReuseNeverCrossesDatabases) {
    std::string one = server_.CreateDatabase("one"), two = server_.CreateDatabase("two");
    for (const std::string &database : {one, two})
        server_.Sql(database, "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS m FROM generate_series(1, 50000) g");
    Export(Plain(one));
    EXPECT_EQ(Export(Plain(two)).reused_bytes, 0u);
    ExportRequest elsewhere = Plain(one);
    elsewhere.source = "other";
    EXPECT_EQ(Export(elsewhere).reused_bytes, 0u);
}

}    // namespace
}    // namespace ark
