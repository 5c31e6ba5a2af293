// Base backups of a real standby, with what may happen to it and to its primary at chosen moments. What must not become a backup does not.
#include <gmock/gmock.h>

#include <stop_token>
#include <thread>

#include "physical/standby_side.h"
#include "physical/take_backup.h"
#include "repo/writers.h"
#include "unit/physical/cluster_bench.h"
#include "wal/same_segment.h"

namespace ark::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class StandbyBackup : public ClusterBench {
protected:
    StandbyBackup() {
        ClaimWriter(*repository, OnHost("owner"), clock, SystemRandom());
        Sql("CREATE TABLE IF NOT EXISTS followed (id int)");
        Sql("INSERT INTO followed SELECT generate_series(1, 1000)");
        NewStandby();
    }

    Writer OnHost(const std::string &host) const {
        Writer writer;
        writer.system_identifier = repository->cluster().system_identifier;
        writer.host = host;
        return writer;
    }
    void NewStandby(const std::vector<std::string> &copying = {}) {
        standby = PrivatePostgres::StandbyOf(Server(), {"archive_mode = off", "wal_retrieve_retry_interval = 100ms"},
                                             copying);
        request.conninfo = standby->Conninfo();
        StandbyCopy copy;
        copy.stored_same = [this](const SegmentName &segment, std::uint64_t length, const Sha256Digest &digest) {
            return FindSameSegment(*repository, *keys, WalFileName::OfSegment(segment), length, [&] { return digest; })
                .has_value();
        };
        request.standby = copy;
    }
    // From here on it gets whole segments, from the archive.
    void CutOffFromItsPrimary() {
        for (const std::string &set :
             {fmt::format("restore_command = 'cp {}/%f %p'", Archive().string()), std::string("primary_conninfo = ''")})
            standby->Sql("postgres", "ALTER SYSTEM SET " + set);
        standby->Sql("postgres", "SELECT pg_reload_conf()");
        Await(*standby, "SELECT count(*) = 0 FROM pg_stat_wal_receiver");
        request.standby->primary_conninfo = Server().Conninfo();
    }
    static void Await(const PrivatePostgres &server, const std::string &condition) {
        while (server.Sql("postgres", condition) != "t") std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    void WhenEntering(const std::string &phase, const std::function<void()> &act) {
        log.entered = [=](const std::string &entered) {
            if (entered == phase) act();
        };
    }
    void WhileReadingTheLastFile(const std::function<void()> &act) {
        std::filesystem::path file = standby->data_directory() / "postgresql.conf";
        ticker.hook = [file, act, done = std::make_shared<bool>(false), main = std::this_thread::get_id()] {
            if (*done || std::this_thread::get_id() == main) return;
            std::error_code gone;
            for (const auto &fd : std::filesystem::directory_iterator("/proc/self/fd"))
                *done = *done || std::filesystem::read_symlink(fd.path(), gone) == file;
            if (*done) act();
        };
    }
    // Its primary as it was: in production, on its timeline, and parted from it.
    std::unique_ptr<PrivatePostgres> Clone() const {
        std::unique_ptr<PrivatePostgres> clone = PrivatePostgres::StandbyOf(Server(), {"archive_command = false"});
        clone->Stop(SIGINT);
        std::filesystem::remove(clone->data_directory() / "standby.signal");
        clone->Start();
        return clone;
    }
    // The store has other WAL than the cluster under the names that come next.
    void StoreOtherWal(const std::string &segment_name, int segments) {
        SegmentName segment = ParseSegmentName(segment_name);
        for (int i = 0; i < segments; i++, segment = segment.Next(WalSegmentSize(1 << 20))) {
            Bytes file = SampleText(1 << 20, static_cast<std::uint64_t>(i));
            MemorySource other(file);
            WriteSegment(*repository, *keys, keys->Newest("cluster", true, SystemRandom()),
                         {WalFileName::OfSegment(segment), repository->cluster().system_identifier, {}}, other,
                         SystemRandom());
        }
    }

    std::unique_ptr<PrivatePostgres> standby;
};

// Of the segment from 100 to 200.
TEST(StandbyReach, KnowsWhichFilesAreWhole) {
    auto has = [](std::optional<Lsn> received, std::uint64_t replayed) {
        return StandbyReach{received, {replayed}}.HasWhole({100}, {200});
    };
    EXPECT_TRUE(has(Lsn{200}, 150)) << "received, not replayed yet";
    EXPECT_FALSE(has(Lsn{130}, 130));
    EXPECT_FALSE(has(Lsn{130}, 200)) << "replay skips the rest behind a switch, and that is still on its way";
    EXPECT_TRUE(has(Lsn{260}, 260));
    EXPECT_TRUE(has(std::nullopt, 200)) << "restored from an archive";
    EXPECT_TRUE(has(Lsn{90}, 200)) << "streamed was what came before";
    EXPECT_TRUE(has(Lsn{130}, 201)) << "streaming ended in it, the archive went on behind it";
    EXPECT_FALSE(has(std::nullopt, 199));
}

TEST_F(StandbyBackup, ComesBackWithWhatWasCommittedUntilItsEnd) {
    WhenEntering("copy", [&] { Sql("INSERT INTO followed SELECT generate_series(2001, 3000)"); });
    PhysicalResult taken = Take();
    const Json body = Backup(taken).body;
    EXPECT_EQ(body.at("from_standby"), true);
    Flush();
    std::unique_ptr<PrivatePostgres> copy = Restored(taken);
    EXPECT_EQ(Rows(*copy, "followed"), Rows(Server(), "followed"));
    EXPECT_FALSE(std::filesystem::exists(copy->data_directory() / "standby.signal"));
    Sql("UPDATE followed SET id = id + 1 WHERE id = 5");
    PhysicalResult second = Take();
    EXPECT_LT(second.clear.new_bytes, taken.clear.new_bytes / 5);
}

TEST_F(StandbyBackup, APromotionEndsItInEveryPhase) {
    bool first = true;
    for (const char *phase : {"start", "copy", "stop", "upload"}) {
        if (!std::exchange(first, false)) NewStandby();
        WhenEntering(phase, [&] { standby->Sql("postgres", "SELECT pg_promote()"); });
        Error error = ErrorOf([&] { Take(); });
        EXPECT_EQ(error.code, Code::kConflict) << phase;
        EXPECT_THAT(error.message, HasSubstr("the standby was promoted during the base backup")) << phase;
        EXPECT_EQ(Listed(), 0u) << phase;
    }
}

// The primary that was asked lives on, and would end the backup as if nothing had been.
TEST_F(StandbyBackup, AnotherTimelineEndsIt) {
    request.standby->primary_conninfo = Server().Conninfo();
    std::unique_ptr<PrivatePostgres> next = PrivatePostgres::StandbyOf(Server(), {"archive_mode = off"});
    WhileReadingTheLastFile([&] {
        std::string at = Sql("SELECT pg_current_wal_flush_lsn()");
        Await(*next, "SELECT pg_last_wal_replay_lsn() >= '" + at + "'");
        next->Sql("postgres", "SELECT pg_promote()");
        standby->Sql("postgres", "ALTER SYSTEM SET primary_conninfo = '" + next->Conninfo() + "'");
        standby->Sql("postgres", "SELECT pg_reload_conf()");
        next->Sql("postgres", "CREATE TABLE gone_over (id int)");
        Await(*standby, "SELECT count(*) = 1 FROM pg_class WHERE relname = 'gone_over'");
    });
    Error error = ErrorOf([&] { Take(); });
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.message, HasSubstr("went over to another timeline"));
    EXPECT_EQ(Listed(), 0u);
}

TEST_F(StandbyBackup, OneThatLagsIsNotCopied) {
    standby->Sql("postgres", "SELECT pg_wal_replay_pause()");
    Sql("INSERT INTO followed SELECT generate_series(3001, 6000)");
    request.standby->max_lag = std::chrono::milliseconds(300);
    Error error = ErrorOf([&] { Take(); });
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_THAT(error.message, HasSubstr("lags too far behind"));
    EXPECT_THAT(error.detail, AllOf(HasSubstr("kB behind"), HasSubstr("Its replay is paused.")));
    EXPECT_EQ(Listed(), 0u);
    standby->Sql("postgres", "SELECT pg_wal_replay_resume()");
    request.standby->max_lag = std::chrono::minutes(1);
    Take();
    EXPECT_EQ(Listed(), 1u);
}

TEST_F(StandbyBackup, ALagThatBeginsLaterCountsTooAndNoLimitIsNone) {
    request.standby->max_lag = std::chrono::milliseconds(300);
    WhenEntering("start", [&] { standby->Sql("postgres", "SELECT pg_wal_replay_pause()"); });
    Error error = ErrorOf([&] { Take(); });
    log.entered = nullptr;
    EXPECT_THAT(error.message, HasSubstr("lags too far behind"));
    EXPECT_EQ(Listed(), 0u);
    Await(Server(), "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pg_ark base backup'");

    request.standby->max_lag = Duration::zero();
    PhysicalResult taken;
    {
        std::jthread later([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
            standby->Sql("postgres", "SELECT pg_wal_replay_resume()");
        });
        taken = Take();
    }
    EXPECT_EQ(Listed(), 1u);
    Flush();
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));
}

TEST_F(StandbyBackup, TheServerThatIsAskedMustBeItsPrimary) {
    std::unique_ptr<PrivatePostgres> clone = Clone();
    clone->Sql("postgres", "INSERT INTO followed SELECT generate_series(1, 10); CHECKPOINT");
    Sql("INSERT INTO followed SELECT generate_series(1, 10)");
    request.standby->primary_conninfo = clone->Conninfo();
    request.standby->max_lag = std::chrono::seconds(2);
    Error error = ErrorOf([&] { Take(); });
    EXPECT_THAT(error.message, testing::AnyOf(HasSubstr("follows another server"), HasSubstr("lags too far"),
                                              HasSubstr("did not make a restartpoint that belongs")));
    clone->Sql("postgres", "SELECT 1");
    EXPECT_EQ(Listed(), 0u);

    request.standby->primary_conninfo = standby->Conninfo();
    EXPECT_THAT(ErrorOf([&] { Take(); }).message, HasSubstr("is a standby itself"));
    PrivatePostgres other({"archive_mode = on"});
    request.standby->primary_conninfo = other.Conninfo();
    EXPECT_THAT(ErrorOf([&] { Take(); }).message, HasSubstr("another cluster's"));
    other.Stop(SIGINT);
    EXPECT_THAT(ErrorOf([&] { Take(); }).message, HasSubstr("cannot be asked"));
    EXPECT_EQ(Listed(), 0u);
}

TEST_F(StandbyBackup, ALostPrimaryIsToldAndSoIsAnotherOwner) {
    WhenEntering("copy", [&] {
        Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_ark base backup'");
    });
    Error lost = ErrorOf([&] { Take(); });
    EXPECT_EQ(lost.code, Code::kUnavailable);
    EXPECT_THAT(lost.message, HasSubstr("the primary was lost"));
    WhenEntering("upload", [&] {
        std::uint64_t epoch = repository->epoch();
        TakeOver(*repository, OnHost("taker"), "test", clock, SystemRandom());
        repository->SetEpoch(epoch);
    });
    Error taken = ErrorOf([&] { Take(); });
    EXPECT_EQ(taken.code, Code::kConflict);
    EXPECT_THAT(taken.message, HasSubstr("went to another owner"));
    EXPECT_EQ(Listed(), 0u);
}

// A clone's standby, whose WAL is not the store's: before, and in the segment in which the backup ends.
TEST_F(StandbyBackup, ItsWalMustBeTheStores) {
    Flush();
    std::string segment = Sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    WhenEntering("stop", [&] { StoreOtherWal(Sql("SELECT pg_walfile_name(pg_current_wal_lsn())"), 3); });
    CloseArchive();
    Error late = ErrorOf([&] { Take(); });
    EXPECT_EQ(late.code, Code::kConflict);
    EXPECT_THAT(late.message, HasSubstr("with another content"));
    log.entered = nullptr;
    Sql("SELECT pg_create_restore_point('something to write'), pg_switch_wal()");
    EXPECT_THAT(ErrorOf([&] { Take(); }).message, HasSubstr("with another content"));
    EXPECT_EQ(Listed(), 0u);
}

TEST_F(StandbyBackup, AStandbyOnlyWaitsForItsPrimarysWal) {
    request.standby->asks_primary = false;
    request.standby->primary_conninfo = "host=/nowhere";
    request.standby->deadline = std::chrono::milliseconds(300);
    Sql("INSERT INTO followed SELECT generate_series(1, 10)");
    Error error = ErrorOf([&] { Take(); });
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_THAT(error.message, HasSubstr("did not receive the rest of WAL segment"));
    EXPECT_THAT(error.hint, HasSubstr("SELECT pg_switch_wal()"));
    EXPECT_EQ(Listed(), 0u);

    // What is replayed while files are copied is before the end, also where no page was written.
    request.standby->deadline = std::chrono::minutes(1);
    std::string replayed;
    WhileReadingTheLastFile([&] {
        Sql("SELECT pg_logical_emit_message(false, 'test', 'no page'), txid_current()");
        replayed = Sql("SELECT pg_current_wal_flush_lsn()");
        Await(*standby, "SELECT pg_last_wal_replay_lsn() >= '" + replayed + "'");
    });
    WhenEntering("upload", [&] { Flush(); });
    PhysicalResult taken = Take();
    ASSERT_NE(replayed, "");
    EXPECT_GE(ParseLsn(taken.stop_lsn), ParseLsn(replayed));
    EXPECT_EQ(Backup(taken).body.at("stop_lsn"), taken.stop_lsn);
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));
    Sql("INSERT INTO followed SELECT generate_series(1, 10)");
    Flush();
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));
}

TEST_F(StandbyBackup, AStandbyOnlyIsOfNoUseWithoutFullPageWrites) {
    request.standby->asks_primary = false;
    Sql("ALTER SYSTEM SET full_page_writes = off");
    Sql("SELECT pg_reload_conf()");
    while (Sql("SHOW full_page_writes") != "off") std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Sql("CHECKPOINT");
    Sql("INSERT INTO followed SELECT generate_series(1, 10)");
    Sql("CHECKPOINT");
    Await(*standby, "SELECT pg_last_wal_replay_lsn() >= '" + Sql("SELECT pg_current_wal_flush_lsn()") + "'");
    Error error = ErrorOf([&] { Take(); });
    Sql("ALTER SYSTEM RESET full_page_writes");
    Sql("SELECT pg_reload_conf()");
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.message, HasSubstr("full_page_writes=off"));
    EXPECT_EQ(Listed(), 0u);
}

// On a quiet primary no segment is finished but by the backup itself.
TEST_F(StandbyBackup, OneThatIsFedByTheArchiveAloneIsCopied) {
    CutOffFromItsPrimary();
    Sql("INSERT INTO followed SELECT generate_series(4001, 5000)");
    WhenEntering("copy", [&] { Sql("INSERT INTO followed SELECT generate_series(5001, 6000)"); });
    PhysicalResult taken = Take();
    log.entered = nullptr;
    EXPECT_EQ(standby->Sql("postgres", "SELECT count(*) FROM pg_stat_wal_receiver"), "0");
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));

    // Of the standby only: it has whole segments, and waits for none.
    Sql("INSERT INTO followed SELECT generate_series(6001, 6100)");
    std::string replayed = standby->Sql("postgres", "SELECT pg_last_wal_replay_lsn()");
    request.standby->asks_primary = false;
    request.standby->primary_conninfo = "host=/nowhere";
    request.standby->deadline = std::chrono::seconds(5);
    taken = Take();
    EXPECT_LE(ParseLsn(taken.stop_lsn), ParseLsn(replayed)) << "that is as far as its files go";
    Flush();
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));
}

// A role that may only begin and end backups waits for whoever finishes segments, and is told what it lacks.
TEST_F(StandbyBackup, OneThatIsFedByTheArchiveWaitsForASegmentThatItMayNotFinish) {
    Each({"CREATE ROLE begins LOGIN", "GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO begins",
          "GRANT pg_read_all_settings, pg_monitor TO begins"});
    CutOffFromItsPrimary();
    Sql("INSERT INTO followed SELECT generate_series(7001, 8000)");
    request.standby->primary_conninfo = Server().Conninfo("postgres", "begins");
    request.standby->max_lag = std::chrono::milliseconds(300);
    Error error = ErrorOf([&] { Take(); });
    EXPECT_THAT(error.message, HasSubstr("lags too far behind"));
    EXPECT_THAT(error.detail, HasSubstr("It receives no WAL by streaming."));
    EXPECT_THAT(log.notes, testing::Contains(HasSubstr("GRANT EXECUTE ON FUNCTION pg_switch_wal TO \"begins\"")));
    EXPECT_EQ(Listed(), 0u);

    request.standby->max_lag = std::chrono::minutes(1);
    PhysicalResult taken;
    {
        std::jthread others([](const std::stop_token &stop) {    // archive_timeout, or other writers
            while (!stop.stop_requested()) {
                Sql("SELECT pg_create_restore_point('something to write'), pg_switch_wal()");
                std::this_thread::sleep_for(std::chrono::milliseconds(200));
            }
        });
        taken = Take();
    }
    Flush();
    EXPECT_EQ(Rows(*Restored(taken), "followed"), Rows(Server(), "followed"));
    Sql("DROP OWNED BY begins");
    Sql("DROP ROLE begins");
}

// They lie elsewhere than the primary's, and that is what the backup says.
TEST_F(StandbyBackup, TablespacesAreWhereTheStandbyHasThem) {
    standby.reset();    // it would make the tablespace where the primary has it
    Space of_primary, of_standby;
    Sql("CREATE TABLESPACE apart LOCATION '" + of_primary.path().string() + "'");
    std::string oid = Sql("SELECT oid FROM pg_tablespace WHERE spcname = 'apart'");
    Each({"CREATE TABLE placed TABLESPACE apart AS SELECT generate_series(1, 1000) AS id",
          "CREATE TABLE goes TABLESPACE apart AS SELECT 1 AS id"});
    NewStandby({"--tablespace-mapping=" + of_primary.path().string() + "=" + of_standby.path().string()});
    for (bool asks : {true, false}) {
        request.standby->asks_primary = asks;
        WhenEntering("copy", [&] {
            Sql("INSERT INTO placed SELECT generate_series(2001, 3000)");
            Sql("DROP TABLE IF EXISTS goes");
        });
        if (!asks) WhenEntering("upload", [&] { Flush(); });
        PhysicalResult taken = Take();
        log.entered = nullptr;
        Manifest backup = Backup(taken);
        std::map<std::uint32_t, std::string> spaces = TablespacesOfBackup(backup, Frames());
        ASSERT_EQ(spaces.size(), 1u);
        EXPECT_EQ(spaces.begin()->second, of_standby.path().string());
        EXPECT_EQ(std::string(AsText(SmallContent(backup, Frames(), "stop/tablespace_map"))),
                  oid + " " + of_standby.path().string() + "\n");
        Flush();
        std::unique_ptr<PrivatePostgres> copy = Restored(taken);
        EXPECT_EQ(Rows(*copy, "placed"), Rows(Server(), "placed"));
        EXPECT_EQ(copy->Sql("postgres", "SELECT pg_tablespace_location(" + oid + ")"),
                  (copy->directory() / ("space-" + oid)).string());
    }
    standby.reset();
    Sql("DROP TABLE placed");
    Sql("DROP TABLE IF EXISTS goes");
    Sql("DROP TABLESPACE apart");
}

}    // namespace
}    // namespace ark::test
