// What a verb works with: settings, stores, keys, a connection to the server, and whom to tell.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/farewell.h"
#include "config/config.h"
#include "pgdata/data_directory.h"
#include "repo/catalog.h"
#include "repo/keys.h"
#include "repo/writers.h"
#include "server/connection.h"

namespace ark::cli {

// getenv, as Config wants it.
std::optional<std::string> ReadVariable(const std::string &name);

// On whose behalf a job runs; all empty when a person runs the program.
struct Caller {
    std::string role, session_user, application_name, client_addr;
};

// What the server's catalog says that a store holds.
struct ExpectedRepository {
    std::string location;    // as LocationOf(), below
    std::string repository;
    std::string backup_id, finished_at;    // of the newest backup there
};

class Engine {
public:
    Engine(Config config, Caller caller, Log &log, Ticker &ticker);
    ~Engine();

    const Config &config() const { return config_; }
    const Caller &caller() const { return caller_; }
    Log &log() { return log_; }
    Ticker &ticker() { return ticker_; }
    Clock &clock() { return SystemClock(); }
    Random &random() { return SystemRandom(); }

    // Who is named in `taken_by` and in events: ark.actor, the caller, or the user of the operating system.
    std::string Actor() const;

    // Before a store is opened: one that does not get ahead is given up within seconds (StoreSettings).
    void Hurry() { hurry_ = true; }

    // The store that is read first, or the one called `name`. Throws kInvalidArgument (no store is set, no such name) with a hint.
    StoragePtr Store(const std::string &name = {});
    std::string StoreName() const { return store_name_; }
    // What must be said of the stores that are listed after the first, known once a store was asked for; empty if there are none.
    std::string Unwritten() const;
    const std::vector<std::string> &UnwrittenStores() const { return unwritten_; }

    // Connects to the source as settings say. `database` empty: ark.database or the conninfo's own.
    std::unique_ptr<Connection> Connect(const std::string &database = {});
    // From here on Connect() takes the room of a standby where the server has none for another session: of a role that may replicate, and
    // for queries without parameters.
    void UseRoomOfStandbys() { uses_room_of_standbys_ = true; }
    std::unique_ptr<Connection> ConnectForReplication(std::string_view application_name);
    const ServerIdentity &Server();    // asked once
    void ForgetServer() { server_.reset(); }
    bool ServerReachable();    // false, and why is noted, if it cannot be asked
    // From here on "this server" is the one of that data directory: what it says of itself is believed, and no connection is made.
    // For commands that the server runs when it takes no connections.
    void UseDataDirectory(const DataDirectory &directory, TimelineId timeline, Lsn position);

    // The cluster path of this server in the store, or, when no server is reachable, the only one there (or that of --cluster).
    std::shared_ptr<Repository> OpenForReading();
    // The one that is named, the only one there, or that of the system identifier; no server is asked. Else as for reading.
    std::shared_ptr<Repository> OpenToRestore(const std::string &system_identifier);
    // As for reading; this server's right to write is claimed (kConflict for a copy of a cluster).
    std::shared_ptr<Repository> OpenForWriting();
    // The same; a promoted server may follow the owner by itself (ClaimWriter).
    std::shared_ptr<Repository> OpenForArchiving(
        const std::function<bool(const Repository &, const Writer &)> &succeeds);
    // As whom it was opened for archiving; nullopt before.
    const std::optional<Writer> &Claimed() const { return claimed_; }
    // The same; made if it does not exist yet, with the directory that it lies in.
    std::shared_ptr<Repository> OpenOrMake();
    // The same as for reading; null if there is none.
    std::shared_ptr<Repository> OpenIfThere();
    // What OpenForWriting gave, through a store that no cancellation stops; calls that are tried again end after seconds.
    std::shared_ptr<Repository> OpenToTidyUp();
    // A repository that must be in its place: if it is not, every way to open throws kNotFound, and makes no other.
    void Expect(ExpectedRepository expected) { expected_.push_back(std::move(expected)); }
    void ExpectNothing() { expected_.clear(); }
    std::shared_ptr<KeyRing> Keys(const std::shared_ptr<Repository> &repository);
    std::optional<Key> ConfiguredKey();
    DomainKey ClusterKey(const std::shared_ptr<Repository> &repository);    // for events
    Writer SelfAsWriter();

    // A backup by id, "latest" or label, among those of `database` where given.
    BackupSummary Find(const std::shared_ptr<Repository> &repository, const std::string &restore_point,
                       const std::string &database = {}, const std::string &kind = {});

    std::function<void(const BackupId &)> begun;    // told once, when a backup has its id
    // Of a restore, as RestoreRequest has them.
    std::function<void(const std::string &transaction, const std::optional<BackupId> &safety_backup)> writing;
    std::function<void()> committed;
    // Of a job that goes on after its request: what the server sends next (nullopt: no more), and what it is answered.
    std::function<std::optional<Json>()> next_request;
    std::function<void(const Json &)> answer;
    Farewell *farewell = nullptr;
    bool is_told_of_the_end = false;    // by the server that started it

private:
    enum class IfMissing { kThrow, kMake, kNull };
    std::shared_ptr<Repository> OpenAsWriter(IfMissing if_missing);
    std::shared_ptr<Repository> OpenPath(IfMissing if_missing);
    std::vector<ClusterName> Clusters(std::string &why_none);
    void CheckExpected(const ClusterName &cluster);
    ClusterName OwnName();    // of this server's path, if it has to be made

    Config config_;
    Caller caller_;
    Log &log_;
    Ticker &ticker_;
    StoragePtr store_;
    std::string store_name_;
    StoreSettings store_settings_;
    std::vector<ExpectedRepository> expected_;
    std::unique_ptr<Ticker> patience_;
    std::vector<std::string> unwritten_;    // names of the stores after the first
    std::optional<ServerIdentity> server_;
    bool without_connection_ = false;    // UseDataDirectory()
    std::string server_error_;
    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
    std::optional<Writer> claimed_;
    bool hurry_ = false, uses_room_of_standbys_ = false;
};

// The backup object of docs/engine-protocol.md.
Json BackupToJson(const BackupSummary &backup, const Repository &repository, const std::string &store);

// What tells the server of that directory from others, on this machine; nullopt if there is no such directory.
std::optional<Fingerprint> FingerprintOf(const std::filesystem::path &data_directory);

std::string HostName();

// "file:///var/backups/ark/main-7123456789012345678": which store, and which cluster in it.
std::string LocationOf(const Storage &store, const ClusterName &cluster);

}    // namespace ark::cli
