#include "server/connection.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/private_postgres.h"

namespace ark {
namespace {

using test::PrivatePostgres;
using namespace std::chrono_literals;

class LogOfWarnings : public Log {
public:
    void Note(std::string_view) override {}
    void Warn(std::string_view message) override { warnings.emplace_back(message); }
    void Report(const Progress &) override {}
    std::vector<std::string> warnings;
};

class ConnectionTest : public testing::Test {
protected:
    PrivatePostgres &server_ = PrivatePostgres::Shared();
    FlagTicker ticker_;
    LogOfWarnings log_;
    Connection connection_{server_.Conninfo(), "", "connection test", ticker_, log_};

    Error Failure(const std::function<void()> &act) {
        try {
            act();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return {Code::kInternal, ""};
    }
};

TEST_F(ConnectionTest, AsksAndAnswers) {
    Result result = connection_.Query("SELECT $1::int + 1, NULL, true, $2::text", {{"41", std::nullopt}});
    EXPECT_EQ(result.Int(0, 0), 42);
    EXPECT_TRUE(result.IsNull(0, 1));
    EXPECT_TRUE(result.Bool(0, 2));
    EXPECT_TRUE(result.IsNull(0, 3));
    EXPECT_EQ(connection_.user(), "postgres");
    EXPECT_TRUE(connection_.over_socket());
    EXPECT_GE(connection_.server_version_num(), 150000);
}

TEST_F(ConnectionTest, AsksAsAStandbyWhereSessionsHaveNoRoom) {
    Connection standby(server_.Conninfo(), "", "asks", ticker_, log_, ConnectionKind::kSqlOfStandby);
    EXPECT_EQ(standby
                  .Query("SELECT a.backend_type, pg_is_in_recovery(), current_database() FROM pg_stat_activity AS a "
                         "WHERE a.pid = pg_backend_pid()")
                  .Text(0, 0),
              "walsender");
    EXPECT_EQ(Failure([&] { standby.Query("SELECT $1::int", {"1"}); }).sqlstate, "08P01");
    EXPECT_EQ(standby.Query("SHOW server_version_num").Int(0, 0), standby.server_version_num());
}

TEST_F(ConnectionTest, KnowsThatItIsLostWithoutAsking) {
    Connection idle(server_.Conninfo(), "", "idle", ticker_, log_, ConnectionKind::kReplication);
    EXPECT_FALSE(idle.IsLost());
    connection_.Query("SELECT pg_terminate_backend($1::int, 60000)", {std::to_string(idle.backend_pid())});
    while (!idle.IsLost()) std::this_thread::yield();
    EXPECT_TRUE(idle.IsLost());
    EXPECT_FALSE(connection_.IsLost());
}

TEST_F(ConnectionTest, ServerErrorsKeepWordsAndSqlstate) {
    Error error = Failure([&] { connection_.Query("SELECT 1/0"); });
    EXPECT_EQ(error.sqlstate, "22012");
    EXPECT_EQ(error.message, "division by zero");
    EXPECT_EQ(error.code, Code::kInternal);
    EXPECT_EQ(connection_.Query("SELECT 1").Int(0, 0), 1);
    EXPECT_EQ(Failure([&] { connection_.Query("DO $$ BEGIN RAISE SQLSTATE '42501' USING HINT = 'ask'; END $$"); }).code,
              Code::kPermissionDenied);
}

TEST_F(ConnectionTest, WarningsReachTheLogAndNoticesDoNot) {
    connection_.Execute("DO $$ BEGIN RAISE WARNING 'careful'; RAISE NOTICE 'by the way'; END $$");
    EXPECT_EQ(log_.warnings, std::vector<std::string>{"careful"});
}

TEST_F(ConnectionTest, CopiesOutAndIn) {
    connection_.Execute("CREATE TEMP TABLE t (a int, b text)");
    auto in = connection_.BeginCopyIn("COPY t FROM STDIN");
    std::string rows;
    for (int i = 0; i < 100'000; i++) rows += std::to_string(i) + "\trow " + std::to_string(i) + "\n";
    in.Write(AsBytes(rows));
    EXPECT_EQ(in.Finish(), 100'000u);
    std::string out;
    EXPECT_EQ(connection_.CopyOut("COPY t TO STDOUT", [&](std::string_view row) { out += row; }), 100'000u);
    EXPECT_EQ(out, rows);
}

TEST_F(ConnectionTest, ReadsSeveralCopiesOfOneStringIntoMemory) {
    auto stream = connection_.BeginCopyOut(
        "BEGIN; COPY (SELECT 1 UNION ALL SELECT 2) TO STDOUT; COPY (SELECT 'x' WHERE false) TO STDOUT; "
        "COPY (SELECT repeat('y', 100000)) TO STDOUT; COMMIT");
    std::vector<std::string> copies;
    Bytes memory(1000);
    while (stream.NextCopy()) {
        copies.emplace_back();
        while (std::size_t length = stream.Read(memory)) copies.back() += AsText({memory.data(), length});
    }
    EXPECT_EQ(copies, (std::vector<std::string>{"1\n2\n", "", std::string(100000, 'y') + "\n"}));
    EXPECT_EQ(connection_.Query("SELECT 1").Int(0, 0), 1);
}

TEST_F(ConnectionTest, AFailingCopyIsAnErrorAndNotAnEnd) {
    auto stream = connection_.BeginCopyOut("COPY (SELECT 10 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT");
    ASSERT_TRUE(stream.NextCopy());
    Bytes memory(1000);
    EXPECT_EQ(Failure([&] {
                  while (stream.Read(memory) > 0) {}
                  stream.NextCopy();
              }).sqlstate,
              "22012");
    EXPECT_EQ(Failure([&] { connection_.CopyOut("COPY (SELECT 1/0) TO STDOUT", [](std::string_view) {}); }).sqlstate,
              "22012");
    EXPECT_EQ(connection_.Query("SELECT 1").Int(0, 0), 1);
}

TEST_F(ConnectionTest, ARefusedRowEndsACopyIn) {
    connection_.Execute("CREATE TEMP TABLE n (a int)");
    auto in = connection_.BeginCopyIn("COPY n FROM STDIN");
    in.Write(AsBytes("1\nno number\n"));
    EXPECT_EQ(Failure([&] { in.Finish(); }).sqlstate, "22P02");
    auto other = connection_.BeginCopyIn("COPY n FROM STDIN");
    other.Write(AsBytes("1\n"));
    other.Fail("changed our mind");
    EXPECT_EQ(connection_.Query("SELECT count(*) FROM n").Int(0, 0), 0);
}

TEST_F(ConnectionTest, TheTickerEndsAWait) {
    std::thread later([&] {
        std::this_thread::sleep_for(200ms);
        ticker_.Cancel();
    });
    EXPECT_EQ(Failure([&] { connection_.Query("SELECT pg_sleep(3600)"); }).code, Code::kCancelled);
    later.join();
}

TEST_F(ConnectionTest, RequestCancelIsKnownAsOurs) {
    std::thread later([&] {
        std::this_thread::sleep_for(100ms);
        connection_.RequestCancel();
    });
    EXPECT_EQ(Failure([&] { connection_.Query("SELECT pg_sleep(30)"); }).code, Code::kCancelled);
    later.join();
    EXPECT_EQ(connection_.Query("SELECT 1").Int(0, 0), 1);
}

TEST_F(ConnectionTest, SaysWhyItCouldNotConnect) {
    auto connect = [&](const std::string &conninfo, std::string_view database) {
        return Failure([&] { Connection(conninfo, database, "x", ticker_, log_); });
    };
    EXPECT_EQ(connect(server_.Conninfo(), "no such database").code, Code::kNotFound);
    EXPECT_EQ(connect("host=/nowhere user=postgres", "").code, Code::kUnavailable);
    EXPECT_EQ(connect("host=/nowhere user=postgres", "").sqlstate, "08001");
    Error denied = connect(server_.Conninfo("postgres", "nobody_here"), "");
    EXPECT_EQ(denied.code, Code::kPermissionDenied);
    EXPECT_EQ(denied.detail.find("LOCATION"), std::string::npos);
    Error unreadable = connect("host=/x password=hunter2 huch", "");
    EXPECT_EQ(unreadable.code, Code::kInvalidArgument);
    EXPECT_EQ(unreadable.detail.find("hunter2"), std::string::npos);
}

TEST_F(ConnectionTest, ALostServerIsUnavailable) {
    server_.Sql("postgres", "SELECT pg_terminate_backend(" + std::to_string(connection_.backend_pid()) + ")");
    EXPECT_EQ(Failure([&] { connection_.Query("SELECT pg_sleep(1)"); }).code, Code::kUnavailable);
}

TEST_F(ConnectionTest, ChildrenGetEverythingButThePassword) {
    Connection with_password(server_.Conninfo() + " password=hunter2", "postgres", "x", ticker_, log_);
    EXPECT_EQ(with_password.ChildConninfo().find("hunter2"), std::string::npos);
    EXPECT_NE(with_password.ChildConninfo().find("user='postgres'"), std::string::npos);
    EXPECT_EQ(with_password.ChildPassword().Reveal(), "hunter2");
    Connection again(with_password.ChildConninfo(), "", "x", ticker_, log_);
    EXPECT_EQ(again.Query("SELECT current_database()").Text(0, 0), "postgres");
}

TEST_F(ConnectionTest, TheSessionContractHoldsWhateverTheDatabaseSays) {
    std::string database = server_.CreateDatabase("contract");
    server_.Sql(database, "ALTER DATABASE " + database + " SET DateStyle = 'German'; ALTER DATABASE " + database +
                              " SET extra_float_digits = 0; ALTER DATABASE " + database + " SET search_path = public");
    Connection reader(server_.Conninfo(database), "", "x", ticker_, log_);
    ApplySessionContract(reader, true);
    EXPECT_EQ(reader.Query("SELECT current_setting('search_path') || '|' || '2024-02-03'::date || '|' || 0.1::float8")
                  .Text(0, 0),
              "|2024-02-03|0.1");
    EXPECT_EQ(Failure([&] { reader.Query("CREATE TABLE public.no (a int)"); }).sqlstate, "25006");
    for (const auto &[name, value] : SessionContract(reader, true)) EXPECT_FALSE(name.empty());
}

TEST_F(ConnectionTest, IdentifiesTheServer) {
    ServerIdentity server = IdentifyServer(connection_);
    EXPECT_EQ(server.system_identifier, server_.Sql("postgres", "SELECT system_identifier FROM pg_control_system()"));
    EXPECT_EQ(server.block_size, 8192u);
    EXPECT_EQ(server.timeline, 1u);
    EXPECT_EQ(server.data_directory, server_.data_directory().string());
    EXPECT_FALSE(server.in_recovery);
}

TEST(Quoting, SurvivesTheServer) {
    Connection connection(PrivatePostgres::Shared().Conninfo(), "", "x", NeverCancelled(), SilentLog());
    for (std::string text : {"plain", "it's", "a\\b", "\\'", "ä\"b", ""}) {
        EXPECT_EQ(connection.Query("SELECT " + QuoteLiteral(text)).Text(0, 0), text);
        std::string column = QuoteIdentifier("c" + text);
        EXPECT_EQ(connection.Query("SELECT t." + column + " FROM (SELECT 1 AS " + column + ") t").rows(), 1);
    }
    EXPECT_EQ(QualifiedName("a", "b\"c"), "\"a\".\"b\"\"c\"");
}

}    // namespace
}    // namespace ark
