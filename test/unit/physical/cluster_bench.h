// A server that archives, a repository in memory into which its WAL goes, and what tests of base backups do with them: take one while
// something happens at a chosen moment, make a cluster from it, compare.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "physical/restore_cluster.h"
#include "physical/take_backup.h"
#include "repo/catalog.h"
#include "storage/file_source.h"
#include "support/fault_storage.h"
#include "support/private_postgres.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"
#include "wal/segment_object.h"

namespace ark::test {

// The system's, and so much later.
class MovedClock : public Clock {
public:
    TimePoint Now() override { return SystemClock().Now() + ahead; }
    SteadyPoint Steady() override { return SystemClock().Steady(); }
    void Sleep(Duration time) override { SystemClock().Sleep(time); }
    Duration ahead{0};
};

// Calls `hook` from whoever asks whether to go on, of any thread, one at a time.
class HookedTicker : public Ticker {
public:
    bool Cancelled() override {
        std::unique_lock lock(mutex_, std::try_to_lock);
        if (lock && hook) hook();
        return false;
    }
    std::function<void()> hook;

private:
    std::mutex mutex_;
};

class PhaseLog : public Log {
public:
    void Note(std::string_view message) override {
        std::scoped_lock lock(mutex_);
        notes.emplace_back(message);
    }
    void Warn(std::string_view message) override {
        std::scoped_lock lock(mutex_);
        warnings.emplace_back(message);
    }
    // `entered` is told when a phase begins.
    void Report(const Progress &progress) override {
        {
            std::scoped_lock lock(mutex_);
            if (progress.phase == phase_) return;
            phase_ = progress.phase;
        }
        if (entered) entered(progress.phase);
    }
    std::vector<std::string> warnings, notes;
    std::function<void(const std::string &phase)> entered;

private:
    std::mutex mutex_;
    std::string phase_;
};

// A store that may be out of reach; whoever looks for WAL in it waits for `before_wal`.
class OutageStorage : public FaultStorage {
public:
    explicit OutageStorage(StoragePtr inner)
        : FaultStorage(std::move(inner),
                       [this](std::uint64_t, Verb, std::string_view) { return down ? Fault::kBefore : Fault::kNone; }) {
    }
    std::optional<ObjectInfo> Stat(std::string_view name) override {
        if (before_wal && name.find("/wal/") != std::string_view::npos) before_wal(name);
        return FaultStorage::Stat(name);
    }
    std::atomic<bool> down{false};
    std::function<void(std::string_view name)> before_wal;
};

class ClusterBench : public ::testing::Test {
public:
    // One for all tests; it has checksums, segments of 1 MiB, and archives into Archive() unless that is closed.
    static PrivatePostgres &Server() {
        static PrivatePostgres server({"archive_mode = on",
                                       fmt::format("archive_command = 'test ! -e {0}/closed && cp %p {0}/%f.part && mv "
                                                   "{0}/%f.part {0}/%f'",
                                                   Archive().string()),
                                       "max_wal_size = 256MB"},
                                      {"--data-checksums", "--wal-segsize=1"});
        return server;
    }

protected:
    static std::filesystem::path Archive() {
        static TemporaryDirectory directory;
        std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
        return directory.path();
    }
    static void CloseArchive() { WriteFileAtomically(Archive() / "closed", {}); }
    static void OpenArchive() { std::filesystem::remove(Archive() / "closed"); }
    static std::string Sql(std::string_view sql) { return Server().Sql("postgres", sql); }
    // Each in a transaction of its own, in one session.
    static void Each(const std::vector<std::string> &statements) {
        std::vector<std::string> arguments = {"-qX", "-v", "ON_ERROR_STOP=1", "-d", "postgres"};
        for (const std::string &statement : statements) arguments.insert(arguments.end(), {"-c", statement});
        Server().Run("psql", arguments);
    }
    static std::filesystem::path FileOf(const std::string &relation) {
        return Server().data_directory() / Sql("SELECT pg_relation_filepath('" + relation + "')");
    }
    // What can be told without the server of a table with a column "id".
    static std::string Rows(const PrivatePostgres &server, const std::string &table) {
        return server.Sql(
            "postgres",
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY id)), '') FROM " + table + " t");
    }

    ClusterBench() {
        storage->before_wal = [this](std::string_view name) { TakeIn(name); };
        repository = Repository::Init(storage, {"main", Sql("SELECT system_identifier FROM pg_control_system()")},
                                      false, clock, SystemRandom());
        repository->SetEpoch(1);
        keys = std::make_shared<KeyRing>(repository, std::nullopt);
        request.conninfo = Server().Conninfo();
        request.database = "postgres";
        request.compression = {CompressionKind::kZstd, 1};
        request.jobs = 1;
    }
    ~ClusterBench() override { OpenArchive(); }

    PhysicalResult Take() { return TakePhysicalBackup(request, repository, keys, clock, SystemRandom(), ticker, log); }
    Manifest Backup(const PhysicalResult &taken) { return *ReadManifest(*repository, taken.backup_id, keys.get()); }
    std::shared_ptr<FrameReader> Frames() { return std::make_shared<FrameReader>(repository, keys); }
    std::size_t Listed() { return ListBackups(*repository, keys.get(), clock.Now()).size(); }
    // Everything that was committed before is in the archive on return.
    static void Flush() {
        Sql("SELECT pg_create_restore_point('something to write')");
        std::string segment = Sql("SELECT pg_walfile_name(pg_switch_wal() - 1)");
        while (!std::filesystem::exists(Archive() / segment)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // A server made from the backup, recovered to the end of the archive.
    std::unique_ptr<PrivatePostgres> Restored(const PhysicalResult &taken, std::vector<std::string> settings = {}) {
        std::unique_ptr<PrivatePostgres> copy = PrivatePostgres::WithoutData();
        Manifest backup = Backup(taken);
        ClusterRestore restore;
        restore.pgdata = copy->data_directory();
        for (const auto &[oid, place] : TablespacesOfBackup(backup, Frames()))
            restore.tablespaces[std::to_string(oid)] = copy->directory() / ("space-" + std::to_string(oid));
        restore.restore_command = fmt::format("cp {}/%f %p", Archive().string());
        RestoreCluster(restore, PlanClusterRestore(restore, backup, Frames()), backup, Frames(), NeverCancelled(), log);
        settings.emplace_back("archive_mode = off");
        copy->Adopt(settings);
        return copy;
    }

    MovedClock clock;
    HookedTicker ticker;
    PhaseLog log;
    std::shared_ptr<OutageStorage> storage = std::make_shared<OutageStorage>(MakeMemoryStorage(clock));
    std::shared_ptr<Repository> repository;
    std::shared_ptr<KeyRing> keys;
    PhysicalRequest request;

private:
    // What pg_ark wal-push does, with the file that is asked for.
    void TakeIn(std::string_view object) {
        std::string name(object.substr(object.rfind('/') + 1));
        if (!std::filesystem::exists(Archive() / name) || !taken_in_.insert(name).second) return;
        FileSource plain(Archive() / name);
        WriteSegment(*repository, *keys, keys->Newest("cluster", true, SystemRandom()),
                     {ParseWalFileName(name), repository->cluster().system_identifier, {CompressionKind::kZstd, 1}},
                     plain, SystemRandom());
    }

    std::set<std::string> taken_in_;
};

// A directory that the server may make a tablespace of.
class Space {
public:
    explicit Space(const std::filesystem::path &below = std::filesystem::temp_directory_path())
        : path_(below / ("ark-space-" + SystemRandom().Hex(8))) {
        std::filesystem::create_directory(path_);
        struct stat owner {};
        stat(ClusterBench::Server().data_directory().c_str(), &owner);
        if (geteuid() == 0 && chown(path_.c_str(), owner.st_uid, owner.st_gid) != 0)
            throw std::runtime_error("could not give the server a tablespace");
    }
    ~Space() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path &path() const { return path_; }

private:
    std::filesystem::path path_;
};

}    // namespace ark::test
