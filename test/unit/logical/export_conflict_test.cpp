// Exports of a database whose schema does not hold still, and by roles that may not read everything.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <utility>

#include "unit/logical/backup_bench.h"

namespace ark {
namespace {

using testing::Contains;
using testing::HasSubstr;
using namespace std::chrono_literals;

// Calls back in the export's main thread: at the beginning of each attempt's copying, and whenever a table is through.
class HookedLog : public test::KeptLog {
public:
    std::function<void()> at_begin;    // once an attempt, when locks and snapshot are there and nothing was read
    std::function<void()> at_first_table;

    void Report(const Progress &progress) override {
        KeptLog::Report(progress);
        if (progress.phase == "plan") begun_ = table_seen_ = false;
        if (progress.phase != "copy") return;
        if (!std::exchange(begun_, true) && at_begin) at_begin();
        if (progress.done_items > 0 && !std::exchange(table_seen_, true) && at_first_table) at_first_table();
    }

private:
    bool begun_ = false, table_seen_ = false;
};

class ExportConflictTest : public test::BackupBench {
protected:
    ExportResult Export(const ExportRequest &request) {
        return ExportDatabase(request, repository_, keys_, SystemClock(), SystemRandom(), ticker_, hooked_);
    }
    // Runs a statement in a session of its own, and comes back when it waits for a lock.
    void StartAndAwaitQueue(const std::string &database, const std::string &sql) {
        workers_.emplace_back([this, database, sql] {
            try {
                server_.Sql(database, sql);
                finished_++;
            } catch (const Error &error) {
                std::lock_guard lock(mutex_);
                refused_.push_back(error.sqlstate);
            }
        });
        for (int tries = 0; tries < 200; tries++) {
            if (server_.Sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0") return;
            std::this_thread::sleep_for(20ms);
        }
        ADD_FAILURE() << "nobody waits: " << sql;
    }
    void Join() {
        for (std::thread &worker : workers_) worker.join();
        workers_.clear();
    }
    void TearDown() override { Join(); }

    std::string Database() {
        std::string database = server_.CreateDatabase("conflict");
        server_.Sql(database,
                    "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE a (x int); INSERT INTO a VALUES (1);"
                    "CREATE TABLE moods (id int PRIMARY KEY, m mood); INSERT INTO moods SELECT g, 'happy' FROM "
                    "generate_series(1, 20000) g;"
                    "CREATE TABLE z (x int); INSERT INTO z SELECT generate_series(1, 1000)");
        return database;
    }

    HookedLog hooked_;
    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::vector<std::string> refused_;
    std::atomic<int> finished_{0};
};

TEST_F(ExportConflictTest, ASnapshotIsOneInstantWhateverIsWritten) {
    std::string database = server_.CreateDatabase("instant");
    server_.Sql(database,
                "CREATE TABLE one (id int PRIMARY KEY, v int); CREATE TABLE two (id int PRIMARY KEY, v int);"
                "INSERT INTO one SELECT g, 100 FROM generate_series(1, 3000) g; INSERT INTO two SELECT g, 100 FROM "
                "generate_series(1, 3000) g");
    std::jthread writer([&](std::stop_token stop) {
        Connection connection(server_.Conninfo(database), "", "writer", NeverCancelled(), SilentLog());
        for (std::uint64_t i = 0; !stop.stop_requested(); i++)
            connection.Execute(
                fmt::format("BEGIN; UPDATE one SET v = v - 1 WHERE id = {}; UPDATE two SET v = v + 1 WHERE id = {};"
                            "INSERT INTO one VALUES ({}, 5); COMMIT",
                            1 + i * 7919 % 3000, 1 + i * 104729 % 3000, 10'000 + i));
    });
    for (int round = 0; round < 3; round++) {
        BackupReader reader = Reader(Export(Request(database)));
        std::int64_t sum = 0;
        for (auto &[name, rows] : AllRows(reader))
            for (std::size_t at = 0; at < rows.size(); at = rows.find('\n', at) + 1)
                if (std::atoi(rows.c_str() + at) < 10000) sum += std::atoi(rows.c_str() + rows.find('\t', at) + 1);
        EXPECT_EQ(sum, 600'000);
    }
}

TEST_F(ExportConflictTest, AnEnumLabelRenamedInMidExportRepeatsIt) {
    std::string database = Database();
    hooked_.at_first_table = [&, times = 0]() mutable {
        if (times++ == 0) server_.Sql(database, "ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'");
    };
    ExportResult result = Export(Request(database));
    EXPECT_EQ(result.attempts, 2);
    EXPECT_THAT(hooked_.notes(), Contains(HasSubstr("type public.mood")));
    BackupReader reader = Reader(result);
    EXPECT_THAT(RowsOf(reader, *reader.Table("public", "moods")), testing::StartsWith("1\tglad\n2\tglad\n"));
    EXPECT_THAT(ContentOf(reader, "schema/toc"), HasSubstr("'glad'"));
}

TEST_F(ExportConflictTest, TypesThatNeverRestEndInAnErrorThatNamesThem) {
    std::string database = Database();
    hooked_.at_first_table = [&, times = 0]() mutable {
        server_.Sql(database, "ALTER TYPE mood ADD VALUE 'mood " + std::to_string(times++) + "'");
    };
    Error error = Failure([&] { Export(Request(database)); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.detail, HasSubstr("public.mood"));
    EXPECT_TRUE(OpenBackups(*repository_).empty());
}

// MECHANISMS C: an ALTER TABLE waits for our lock, and each new ACCESS SHARE request would wait behind it, for ever.
TEST_F(ExportConflictTest, AQueuedAlterTableStopsNeitherReadersNorPgDump) {
    std::string database = Database();
    hooked_.at_begin = [&] {
        StartAndAwaitQueue(database, "SET lock_timeout = '3s'; ALTER TABLE moods ADD COLUMN late int");
    };
    ExportRequest request = Request(database);
    request.yield_after = Duration::zero();
    ExportResult result = Export(request);
    Join();
    EXPECT_EQ(result.attempts, 1);
    EXPECT_EQ(refused_, std::vector<std::string>{"55P03"});
    BackupReader reader = Reader(result);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportConflictTest, GivesWayToAWaitingAlterTable) {
    std::string database = Database();
    hooked_.at_begin = [&, times = 0]() mutable {
        if (times++ == 0) StartAndAwaitQueue(database, "ALTER TABLE moods ADD COLUMN late int DEFAULT 7");
    };
    ExportRequest request = Request(database);
    request.yield_after = 300ms;
    // Nothing would hold a small export up for so long: a filter does, in the attempt that meets the ALTER.
    request.entities = {{"moods", {{"public", "moods", "id < 100 AND (id > 1 OR pg_sleep(1.5) IS NOT NULL)"}}}};
    ExportResult result = Export(request);
    Join();
    EXPECT_EQ(finished_, 1);
    EXPECT_EQ(result.attempts, 2);
    EXPECT_THAT(hooked_.notes(), Contains(HasSubstr("gave way to another session")));
    EXPECT_THAT(hooked_.notes(), Contains(HasSubstr("(ALTER TABLE)")));
    BackupReader reader = Reader(result);
    EXPECT_THAT(RowsOf(reader, *reader.Table("public", "moods")), testing::StartsWith("1\thappy\t7\n"));
}

TEST_F(ExportConflictTest, GivingWayTooOftenIsAnErrorThatNamesTheWaiter) {
    std::string database = Database();
    hooked_.at_begin = [&] { StartAndAwaitQueue(database, "ALTER TABLE moods ALTER m SET DEFAULT 'sad'"); };
    ExportRequest request = Request(database);
    request.yield_after = 100ms;
    request.entities = {{"moods", {{"public", "moods", "id > 1 OR pg_sleep(2) IS NOT NULL"}}}};
    Error error = Failure([&] { Export(request); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.detail, HasSubstr("pid "));
    EXPECT_THAT(error.detail, HasSubstr("ALTER TABLE"));
}

TEST_F(ExportConflictTest, WaitsForATableThatIsLockedAtTheBeginning) {
    std::string database = Database();
    Connection holder(server_.Conninfo(database), "", "holder", NeverCancelled(), SilentLog());
    holder.Execute("BEGIN; LOCK TABLE moods IN ACCESS EXCLUSIVE MODE; UPDATE moods SET m = 'sad' WHERE id = 1");
    std::jthread later([&] {
        std::this_thread::sleep_for(2500ms);
        holder.Execute("COMMIT");
    });
    ExportResult result = Export(Request(database));
    later.join();
    EXPECT_EQ(result.attempts, 1);
    EXPECT_THAT(hooked_.notes(), Contains(HasSubstr("moods by pid " + std::to_string(holder.backend_pid()))));
    BackupReader reader = Reader(result);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportConflictTest, ASnapshotThatGetsTooOldEndsTheExport) {
    std::string database = Database();
    ExportRequest request = Request(database);
    request.max_snapshot_age = 300ms;
    request.entities = {{"a", {{"public", "a", "pg_sleep(3600) IS NOT NULL"}}}};
    Error error = Failure([&] { Export(request); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.hint, HasSubstr("max_snapshot_age"));
}

// Whatever is done to the schema meanwhile: an export ends whole and of one instant, or says that it could not.
TEST_F(ExportConflictTest, DefinitionsMayChangeAllTheTime) {
    std::string database = Database();
    server_.Sql(database,
                "CREATE TABLE ledger_a (id int, v int); CREATE TABLE ledger_b (id int, v int); CREATE SCHEMA s1; "
                "CREATE TABLE s1.t AS SELECT 1 AS one;"
                "INSERT INTO ledger_a SELECT g, 10 FROM generate_series(1, 500) g; INSERT INTO ledger_b SELECT g, 10 "
                "FROM generate_series(1, 500) g");
    const char *changes[] = {"CREATE TABLE fresh AS SELECT 1 AS x",
                             "ALTER TABLE fresh RENAME TO stale",
                             "DROP TABLE stale",
                             "ALTER TABLE z ADD COLUMN extra text DEFAULT 'e'",
                             "ALTER TABLE z DROP COLUMN extra",
                             "ALTER TABLE z ALTER x TYPE bigint",
                             "ALTER TABLE z ALTER x TYPE int",
                             "TRUNCATE a; INSERT INTO a VALUES (1)",
                             "VACUUM FULL moods",
                             "CREATE INDEX late ON moods (m)",
                             "REINDEX TABLE moods",
                             "DROP INDEX late",
                             "ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'",
                             "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'",
                             "ALTER SCHEMA s1 RENAME TO s2",
                             "ALTER SCHEMA s2 RENAME TO s1",
                             "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
                             "DROP FUNCTION f",
                             "CREATE SEQUENCE q",
                             "DROP SEQUENCE q",
                             "CREATE VIEW w AS SELECT * FROM a",
                             "DROP VIEW w",
                             "CLUSTER moods USING moods_pkey",
                             "CREATE TYPE loose AS (x int)",
                             "DROP TYPE loose"};
    std::jthread changer([&](std::stop_token stop) {
        for (std::size_t i = 0; !stop.stop_requested(); i++) {
            try {
                server_.Sql(database, std::string("SET lock_timeout = '2s'; SET client_min_messages = error"));
                server_.Sql(database, changes[i % std::size(changes)]);
            } catch (const Error &) {}    // a table that is not there yet, a lock that was not to be had
        }
    });
    std::jthread mover([&](std::stop_token stop) {
        Connection connection(server_.Conninfo(database), "", "mover", NeverCancelled(), SilentLog());
        while (!stop.stop_requested())
            connection.Execute(
                "BEGIN; UPDATE ledger_a SET v = v - 1 WHERE id = 7; UPDATE ledger_b SET v = v + 1 WHERE id = 8; "
                "COMMIT");
    });
    int whole = 0;
    for (int round = 0; round < 8 && whole < 2; round++) {
        try {
            BackupReader reader = Reader(Export(Request(database)));
            std::map<std::string, std::string> rows = AllRows(reader);
            std::int64_t sum = 0;
            for (const char *ledger : {"public.ledger_a", "public.ledger_b"})
                for (std::size_t at = 0; at < rows[ledger].size(); at = rows[ledger].find('\n', at) + 1)
                    sum += std::atoi(rows[ledger].c_str() + rows[ledger].find('\t', at) + 1);
            EXPECT_EQ(sum, 10'000);
            std::string label = rows["public.moods"].find("happy") != std::string::npos ? "happy" : "glad";
            std::string other = label == "happy" ? "glad" : "happy";
            EXPECT_EQ(rows["public.moods"].find(other), std::string::npos) << "labels are mixed";
            EXPECT_THAT(ContentOf(reader, "schema/toc"), HasSubstr("'" + label + "'"));
            whole++;
        } catch (const Error &error) {
            EXPECT_EQ(error.code, Code::kConflict) << error.message << ": " << error.detail;
        }
    }
    EXPECT_GE(whole, 1);
}

class ExportRightsTest : public test::BackupBench {
protected:
    void SetUp() override {
        server_.Sql(
            database_,
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE SCHEMA closed; CREATE TABLE closed.c (x int);"
            "CREATE TABLE open (x int); INSERT INTO open VALUES (1); GRANT SELECT ON open TO reader;"
            "CREATE TABLE guarded (x int); INSERT INTO guarded VALUES (1); ALTER TABLE guarded ENABLE ROW LEVEL "
            "SECURITY;"
            "GRANT SELECT ON guarded TO reader; CREATE TABLE hidden (x int); CREATE SEQUENCE numbers; SELECT "
            "lo_from_bytea(77, 'x')");
    }
    void TearDown() override { server_.Sql(database_, "DROP OWNED BY reader; DROP ROLE reader"); }
    ExportRequest AsReader() const {
        ExportRequest request = Request(database_);
        request.conninfo = server_.Conninfo("postgres", "reader");
        return request;
    }
    std::string database_ = server_.CreateDatabase("rights");
};

TEST_F(ExportRightsTest, WhatARoleCannotReadIsNamed) {
    Error error = Failure([&] { Export(AsReader()); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    for (const char *name : {"closed.c", "hidden", "guarded", "numbers", "77"})
        EXPECT_THAT(error.detail, HasSubstr(name));
    EXPECT_EQ(error.detail.find("open"), std::string::npos);
    EXPECT_THAT(error.hint, HasSubstr("GRANT pg_read_all_data TO reader"));
    EXPECT_THAT(error.hint, HasSubstr("ALTER ROLE reader BYPASSRLS"));
    EXPECT_TRUE(OpenBackups(*repository_).empty());
}

TEST_F(ExportRightsTest, RowSecurityNeverHidesRowsInSilence) {
    server_.Sql(database_, "GRANT pg_read_all_data TO reader");
    Error error = Failure([&] { Export(AsReader()); });
    EXPECT_EQ(error.code, Code::kPermissionDenied);
    EXPECT_THAT(error.detail, HasSubstr("guarded"));
    EXPECT_EQ(error.detail.find("hidden"), std::string::npos);
    server_.Sql(database_, "ALTER ROLE reader BYPASSRLS");
    BackupReader reader = Reader(Export(AsReader()));
    ExpectSameRows(LiveRows(database_), AllRows(reader));
    EXPECT_EQ(ContentOf(reader, "large_object/0000000077"), "x");
    EXPECT_EQ(ContentOf(reader, "globals/roles").find("SCRAM"), std::string::npos);
}

TEST_F(ExportRightsTest, EntitiesNeedOnlyTheirOwnTables) {
    ExportRequest request = AsReader();
    request.entities = ParseEntities("open");
    BackupReader reader = Reader(Export(request));
    EXPECT_EQ(AllRows(reader).at("public.open"), "1\n");
}

}    // namespace
}    // namespace ark
