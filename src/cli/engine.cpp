#include "cli/engine.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "pgdata/owner_mark.h"
#include "pgdata/restore_origin.h"
#include "storage/storage.h"

namespace ark::cli {
namespace {

constexpr const char *kApplicationName = "pg_ark";
constexpr std::string_view kTooManyConnections = "53300";

std::string OsUser() {
    const passwd *user = getpwuid(geteuid());
    return user ? user->pw_name : fmt::format("uid {}", geteuid());
}

// Cluster paths use A-Z a-z 0-9 _ - only; a cluster_name may hold anything.
std::string PlainClusterName(const std::string &name) {
    std::string out;
    for (char c : name) {
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        out += plain ? c : '-';
    }
    return out.empty() ? "main" : out;
}

// "standby db2"; null for what is no copy of files. Older base backups do not say on which machine it was.
Json CopiedFrom(const std::string &kind, const Json &body) {
    if (kind != "physical" || !body.is_object()) return {};
    std::string host = body.value("host", "");
    return (body.value("from_standby", false) ? "standby" : "primary") + (host.empty() ? host : " " + host);
}

constexpr auto kTidyUpPatience = std::chrono::seconds(10);

class Deadline : public Ticker {
public:
    bool Cancelled() override { return SystemClock().Steady() > end_; }

private:
    SteadyPoint end_ = SystemClock().Steady() + kTidyUpPatience;
};

}    // namespace

std::optional<std::string> ReadVariable(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
}

Engine::Engine(Config config, Caller caller, Log &log, Ticker &ticker)
    : config_(std::move(config)), caller_(std::move(caller)), log_(log), ticker_(ticker) {}
Engine::~Engine() = default;

std::string Engine::Actor() const {
    std::string actor = config_.Text("actor");
    if (!actor.empty()) return actor;
    if (!caller_.session_user.empty()) return caller_.session_user;
    return OsUser();
}

StoragePtr Engine::Store(const std::string &name) {
    if (store_ && (name.empty() || name == store_name_)) return store_;
    std::string list = config_.Text("store");
    if (list.empty())
        throw Error(Code::kInvalidArgument, "no store is set", {},
                    "Give --store (or set ark.store, or ARK_STORE), for example file:///var/backups/ark or "
                    "s3://bucket/prefix?region=eu-central-1.");
    std::vector<StoreSettings> stores = ParseStoreList(list, config_.Text("tls_min_version"), config_.Size("max_rate"));
    const StoreSettings *chosen = &stores.front();
    if (!name.empty()) {
        chosen = nullptr;
        std::string names;
        for (const StoreSettings &store : stores) {
            if (store.name == name) chosen = &store;
            names += (names.empty() ? "" : ", ") + store.name;
        }
        if (!chosen)
            throw Error(Code::kInvalidArgument, fmt::format("there is no store \"{}\"", name),
                        fmt::format("The stores are: {}.", names));
    }
    unwritten_.clear();
    for (std::size_t i = 1; i < stores.size(); i++) unwritten_.push_back(stores[i].name);
    if (std::string unwritten = Unwritten(); !unwritten.empty() && name.empty()) log_.Warn(unwritten);
    store_settings_ = *chosen;
    store_settings_.hurry = hurry_;
    store_ = OpenStorage(store_settings_, ticker_, log_);
    store_name_ = chosen->name;
    repository_ = nullptr;
    keys_ = nullptr;
    return store_;
}

std::string Engine::Unwritten() const {
    if (unwritten_.empty()) return "";
    std::string names;
    for (const std::string &name : unwritten_) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
    return fmt::format("{} {} no backups yet: this version keeps them in the first store only, and WAL in all",
                       unwritten_.size() == 1 ? "store " + names : "stores " + names,
                       unwritten_.size() == 1 ? "gets" : "get");
}

std::unique_ptr<Connection> Engine::Connect(const std::string &database) {
    std::string name = database.empty() ? config_.Text("database") : database;
    auto connect = [&](ConnectionKind kind) {
        return std::make_unique<Connection>(config_.Text("conninfo"), name, kApplicationName, ticker_, log_, kind);
    };
    try {
        return connect(ConnectionKind::kSql);
    } catch (Error &error) {
        if (!uses_room_of_standbys_ || error.sqlstate != kTooManyConnections) throw;
        try {
            return connect(ConnectionKind::kSqlOfStandby);
        } catch (const Error &again) {
            if (again.code == Code::kCancelled) throw;
            error.detail += "; nor as a standby: " + again.detail;
        }
        throw;
    }
}

std::unique_ptr<Connection> Engine::ConnectForReplication(std::string_view application_name) {
    return std::make_unique<Connection>(config_.Text("conninfo"), "", application_name, ticker_, log_,
                                        ConnectionKind::kReplication);
}

const ServerIdentity &Engine::Server() {
    if (!server_) server_ = IdentifyServer(*Connect());
    return *server_;
}

void Engine::UseDataDirectory(const DataDirectory &directory, TimelineId timeline, Lsn position) {
    const ControlFile &control = directory.control();
    ServerIdentity server;
    server.system_identifier = std::to_string(control.system_identifier);
    server.timeline = timeline.value;
    server.version_num = control.server_major * 10000;
    server.catalog_version = control.catalog_version;
    server.block_size = control.block_size;
    server.segment_size = control.wal_segment_size;
    server.data_checksums = control.data_checksum_version != 0;
    server.in_recovery = directory.InRecovery();
    server.data_directory = std::filesystem::canonical(directory.path()).string();
    server.lsn = position.Text();
    server_ = server;
    without_connection_ = true;
}

bool Engine::ServerReachable() {
    if (server_) return true;
    if (!server_error_.empty()) return false;
    try {
        Server();
        return true;
    } catch (const Error &error) {    // one that lets us not in cannot be asked either
        if (error.code != Code::kUnavailable && error.code != Code::kPermissionDenied) throw;
        server_error_ = error.message;
        return false;
    }
}

std::optional<Key> Engine::ConfiguredKey() {
    std::string reference = config_.Text("encryption_key");
    if (reference.empty()) return std::nullopt;
    return LoadKey(reference);
}

// None, and why, where there is no store at all.
std::vector<ClusterName> Engine::Clusters(std::string &why_none) {
    try {
        return Repository::Clusters(*Store());
    } catch (const Error &error) {
        if (error.code != Code::kNotFound || !store_->CanBeMade()) throw;
        why_none = error.message;
        return {};
    }
}

void Engine::CheckExpected(const ClusterName &cluster) {
    std::string location = LocationOf(*store_, cluster);
    for (const ExpectedRepository &expected : expected_)
        if (expected.location == location)
            throw Error(
                Code::kNotFound,
                fmt::format("store {} holds no repository, but backups were taken into it", store_->Describe()),
                fmt::format("Repository {} at {} is missing; its newest backup is {} of {}.", expected.repository,
                            location, expected.backup_id, expected.finished_at),
                "If it is on another file system, mount that; or correct ark.store. If the store was emptied on "
                "purpose: SELECT * FROM ark.rebuild_catalog(accept_empty => true); then the next backup begins anew.");
}

std::shared_ptr<Repository> Engine::OpenPath(IfMissing if_missing) {
    if (repository_) return repository_;
    StoragePtr store = Store();
    std::string wanted = config_.Text("cluster");
    // A path given in full needs no server: the way in on an empty machine.
    if (auto full = ParseClusterPath(wanted)) return repository_ = Repository::Open(store, *full);

    std::string listed, why_none;
    std::vector<ClusterName> clusters;
    try {
        clusters = Clusters(why_none);
    } catch (const Error &error) {    // not even the directory above is there
        if (error.code == Code::kNotFound && !expected_.empty() && ServerReachable()) CheckExpected(OwnName());
        throw;
    }
    for (const ClusterName &cluster : clusters) listed += (listed.empty() ? "" : ", ") + cluster.Path();
    if (ServerReachable()) {
        const ServerIdentity &server = Server();
        for (const ClusterName &cluster : clusters)
            if (cluster.system_identifier == server.system_identifier && (wanted.empty() || cluster.name == wanted))
                return repository_ = Repository::Open(store, cluster);
        CheckExpected(OwnName());
        if (if_missing == IfMissing::kNull) return nullptr;
        if (if_missing == IfMissing::kMake)
            return repository_ = Repository::Init(store, OwnName(), ConfiguredKey().has_value(), clock(), random());
        if (clusters.empty())
            throw Error(Code::kNotFound, fmt::format("there is no repository in store {}", store->Describe()), why_none,
                        "Check ark.store, or take a first backup with ark.backup_now() or pg_ark backup.");
        throw Error(Code::kNotFound, fmt::format("store {} has no backups of this server", store->Describe()),
                    fmt::format("The system identifier is {}; the store has {}.", server.system_identifier, listed),
                    "Take one with ark.backup_now() or pg_ark backup; to read another cluster's, give --cluster "
                    "with its full name.");
    }
    if (if_missing == IfMissing::kMake) Server();    // throws why the server cannot be reached
    std::erase_if(clusters, [&](const ClusterName &cluster) { return !wanted.empty() && cluster.name != wanted; });
    if (clusters.empty() && if_missing == IfMissing::kNull) return nullptr;
    if (clusters.empty())
        throw Error(
            Code::kNotFound,
            fmt::format("store {} has no cluster{}", store->Describe(), wanted.empty() ? "" : " \"" + wanted + "\""),
            listed.empty() ? why_none : fmt::format("It has {}.", listed),
            "Check the store's URL: bucket, prefix and endpoint.");
    if (clusters.size() > 1)
        throw Error(Code::kInvalidArgument, fmt::format("store {} has {} clusters", store->Describe(), clusters.size()),
                    fmt::format("They are {}.", listed), "Say which one with --cluster.");
    return repository_ = Repository::Open(store, clusters.front());
}

std::shared_ptr<Repository> Engine::OpenForReading() { return OpenPath(IfMissing::kThrow); }

std::shared_ptr<Repository> Engine::OpenToRestore(const std::string &system_identifier) {
    std::string wanted = config_.Text("cluster"), why_none;
    if (repository_ || ParseClusterPath(wanted)) return OpenForReading();
    StoragePtr store = Store();
    std::vector<ClusterName> clusters = Clusters(why_none);
    auto keep = [&](const auto &fits) {
        if (std::ranges::any_of(clusters, fits)) std::erase_if(clusters, [&](const auto &one) { return !fits(one); });
    };
    if (!wanted.empty()) std::erase_if(clusters, [&](const ClusterName &cluster) { return cluster.name != wanted; });
    keep([&](const ClusterName &cluster) { return cluster.system_identifier == system_identifier; });
    if (clusters.size() != 1) return OpenForReading();
    return repository_ = Repository::Open(store, clusters.front());
}

std::shared_ptr<Repository> Engine::OpenIfThere() { return OpenPath(IfMissing::kNull); }

std::shared_ptr<Repository> Engine::OpenToTidyUp() {
    std::shared_ptr<Repository> known = OpenForWriting();
    patience_ = std::make_unique<Deadline>();
    auto again = Repository::Open(OpenStorage(store_settings_, *patience_), known->cluster());
    again->SetEpoch(known->epoch());
    return again;
}

ClusterName Engine::OwnName() {
    std::string wanted = config_.Text("cluster");
    const ServerIdentity &server = Server();
    return {wanted.empty() ? PlainClusterName(server.cluster_name) : wanted, server.system_identifier};
}

Writer Engine::SelfAsWriter() {
    std::unique_ptr<Connection> connection = without_connection_ ? nullptr : Connect();
    const ServerIdentity &server = Server();
    Writer self;
    self.system_identifier = server.system_identifier;
    self.timeline = server.timeline;
    self.start_lsn = server.lsn;
    self.host = HostName();
    if (connection && !connection->over_socket()) {
        self.fingerprint.source =
            fmt::format("{}:{}/{}", connection->host(), connection->port(), server.system_identifier);
        return self;
    }
    if (server.data_directory.empty())
        throw Error(Code::kPermissionDenied,
                    fmt::format("role \"{}\" may not see where the data directory is", connection->user()), {},
                    "GRANT pg_read_all_settings to it: pg_ark recognises a copy of a cluster by its data directory.");
    std::optional<Fingerprint> fingerprint = FingerprintOf(server.data_directory);
    if (!fingerprint)
        ThrowErrno(ENOENT, fmt::format("could not look at the data directory \"{}\"", server.data_directory));
    self.fingerprint = *fingerprint;
    self.restored_from = RestoreOriginOf(
        server.data_directory, server.in_recovery ? std::nullopt : std::optional(TimelineId{server.timeline}));
    return self;
}

std::shared_ptr<Repository> Engine::OpenForArchiving(
    const std::function<bool(const Repository &, const Writer &)> &succeeds) {
    std::shared_ptr<Repository> repository = OpenPath(IfMissing::kThrow);
    claimed_ = ClaimWriter(*repository, SelfAsWriter(), clock(), random(),
                           [&](const Writer &owner) { return succeeds(*repository, owner); });
    return repository;
}

std::shared_ptr<Repository> Engine::OpenForWriting() { return OpenAsWriter(IfMissing::kThrow); }

std::shared_ptr<Repository> Engine::OpenOrMake() { return OpenAsWriter(IfMissing::kMake); }

std::shared_ptr<Repository> Engine::OpenAsWriter(IfMissing if_missing) {
    std::shared_ptr<Repository> repository = OpenPath(if_missing);
    if (repository->epoch() == 0) ClaimWriter(*repository, SelfAsWriter(), clock(), random());
    return repository;
}

std::shared_ptr<KeyRing> Engine::Keys(const std::shared_ptr<Repository> &repository) {
    if (!keys_) keys_ = std::make_shared<KeyRing>(repository, ConfiguredKey());
    return keys_;
}

DomainKey Engine::ClusterKey(const std::shared_ptr<Repository> &repository) {
    return Keys(repository)->Newest("cluster", true, random());
}

BackupSummary Engine::Find(const std::shared_ptr<Repository> &repository, const std::string &restore_point,
                           const std::string &database, const std::string &kind) {
    return FindBackup(*repository, Keys(repository).get(), clock().Now(),
                      restore_point.empty() ? "latest" : restore_point, database, kind);
}

std::optional<Fingerprint> FingerprintOf(const std::filesystem::path &data_directory) {
    std::optional<DirectoryIdentity> identity = IdentityOf(data_directory);
    if (!identity) return std::nullopt;
    return Fingerprint{identity->machine, identity->device, identity->inode, {}};
}

std::string HostName() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return name;
}

std::string LocationOf(const Storage &store, const ClusterName &cluster) {
    return store.Describe() + "/" + cluster.Path();
}

Json BackupToJson(const BackupSummary &backup, const Repository &repository, const std::string &store) {
    const ManifestClear &clear = backup.manifest.clear;
    const Json &body = backup.manifest.body;
    auto member = [&](const char *name) -> Json {
        auto at = body.is_object() ? body.find(name) : body.end();
        return body.is_object() && at != body.end() ? *at : Json();
    };
    Json out;
    out["backup_id"] = clear.backup;
    out["sequence"] = clear.sequence;
    out["kind"] = clear.kind;
    out["state"] = backup.ended ? "ended" : clear.state;
    for (const char *name : {"source", "database", "database_oid", "label", "reason", "taken_by", "environment"})
        out[name] = member(name);
    // The newest annotation speaks for the backup.
    for (const Event &event : backup.events)
        if (event.type == "annotate" && event.body.is_object())
            for (const char *name : {"label", "note"})
                if (event.body.contains(name) && !event.body[name].is_null()) out[name] = event.body[name];
    out["started_at"] = member("started");
    out["finished_at"] = FormatTime(clear.finished, true);
    out["snapshot_time"] = member("snapshot_time");
    out["stored_at"] = FormatTime(backup.stored_at, true);
    out["size_bytes"] = member("plain_bytes");
    out["stored_bytes"] = clear.stored_bytes;
    out["new_bytes"] = clear.new_bytes;
    for (const char *name : {"tables", "rows", "entities", "server_version_num"}) out[name] = member(name);
    out["store"] = store;
    out["location"] = LocationOf(repository.storage(), repository.cluster());
    out["repository"] = repository.id();
    out["encrypted"] = repository.encrypted();
    out["held"] = backup.hold.held;
    out["held_until"] = backup.hold.until ? Json(FormatTime(*backup.hold.until)) : Json();
    out["hold_reason"] = backup.hold.held ? Json(backup.hold.reason) : Json();
    out["held_by"] = backup.hold.held ? Json(backup.hold.by) : Json();
    bool verified = backup.verified && backup.verified->body.is_object();
    out["verified_at"] = backup.verified ? Json(FormatTime(backup.verified->at)) : Json();
    out["verified_level"] = verified ? backup.verified->body.value("level", Json()) : Json();
    out["verified_ok"] = verified ? backup.verified->body.value("ok", Json()) : Json();
    std::string why_not = backup.error;
    if (why_not.empty() && !backup.manifest.readable()) why_not = "it is encrypted and no key was given";
    if (why_not.empty() && verified && backup.verified->body.value("ok", true) == false)
        why_not = "the newest verification failed";
    out["restorable"] = why_not.empty();
    out["why_not"] = why_not.empty() ? Json() : Json(why_not);
    out["compression"] = member("compression");
    out["copied_from"] = CopiedFrom(clear.kind, body);
    out["timeline"] = clear.kind == "physical" ? member("timeline") : Json();
    out["from_standby"] = body.is_object() && body.value("from_standby", false);
    return out;
}

}    // namespace ark::cli
