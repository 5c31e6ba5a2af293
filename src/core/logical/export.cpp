#include "logical/export.h"

#include <fmt/format.h>

#include "logical/export_attempt.h"
#include "logical/readable_check.h"
#include "logical/rights.h"

namespace ark {
namespace {

constexpr int kMostLockTries = 40;    // about a second each, with a pause between
constexpr int kMostTypeTries = 3;
constexpr int kMostTableTries = 5;
constexpr int kMostYields = 5;
constexpr std::size_t kMostNotes = 16 << 10;    // bytes in a manifest's root, which has 64 KiB for everything
constexpr auto kLetThrough = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(200);

// The newest backup of the whole database that is still there, else the newest of some of its tables (a safety copy holds
// few rows of few tables). Reuse needs the same domain.
std::vector<BackupId> FindBase(const Repository &repository, KeyRing *keys, TimePoint now, const ExportRequest &request,
                               const std::string &domain) {
    std::optional<BackupId> of_some_tables;
    for (const BackupSummary &backup : ListBackups(repository, keys, now)) {
        const ManifestClear &clear = backup.manifest.clear;
        if (!backup.error.empty() || !backup.manifest.readable() || clear.domain != domain) continue;
        const Json &body = backup.manifest.body;
        if (body.value("source", "") != request.source || body.value("database", "") != request.database) continue;
        if (clear.kind == "logical") return {clear.backup};
        if (clear.kind == "entities" && !of_some_tables) of_some_tables = clear.backup;
    }
    if (of_some_tables) return {*of_some_tables};
    return {};
}

void LetThrough(Connection &observer, int pid, Ticker &ticker, Clock &clock) {
    SteadyPoint deadline = clock.Steady() + kLetThrough;
    while (clock.Steady() < deadline) {
        ticker.Check();
        Result result = observer.Query(
            "SELECT FROM pg_catalog.pg_locks WHERE pid = $1 AND locktype = 'relation' AND mode = 'AccessExclusiveLock'",
            {std::to_string(pid)});
        if (result.rows() == 0) return;
        clock.Sleep(kPause);
    }
}

// Counts why attempts were given up, and says when it is enough.
class Patience {
public:
    // Throws the attempt's error when it happened too often. What it says is kept with the backup too, for whoever did not wait for it.
    void Use(const RepeatExport &repeat, Log &log, std::vector<std::string> &said) {
        int &times = times_[repeat.why];
        const int most[] = {kMostLockTries, kMostTableTries, kMostTypeTries, kMostYields};
        if (++times > most[repeat.why]) throw repeat.error;
        if (repeat.why == RepeatExport::kLocks && times > 1) return;
        log.Note(Words(repeat));
        said.push_back(Words(repeat));
    }

private:
    static std::string Words(const RepeatExport &repeat) {
        switch (repeat.why) {
        case RepeatExport::kLocks: return fmt::format("waiting for locks: {}", repeat.error.detail);
        case RepeatExport::kTables: return "tables were created, dropped or renamed meanwhile: the backup began again";
        case RepeatExport::kTypes: return fmt::format("{}: the backup began again", repeat.error.detail);
        case RepeatExport::kWaiter:
            return fmt::format("gave way to another session, {}: the backup began again", repeat.error.detail);
        }
        return {};
    }

    int times_[4] = {};
};

class Exporter {
public:
    Exporter(const ExportRequest &request, std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys,
             Clock &clock, Random &random, Ticker &ticker, Log &log)
        : request_(request),
          repository_(std::move(repository)),
          keys_(std::move(keys)),
          clock_(clock),
          random_(random),
          ticker_(ticker),
          log_(log) {}

    ExportResult Run(const std::function<void(const BackupId &)> &begun) {
        started_ = clock_.Now();
        CheckNotes();
        latest_ = OpenForExport(request_, ticker_, log_);
        request_.database = latest_->Query("SELECT current_database()").String(0, 0);
        server_ = IdentifyServer(*latest_);
        if (server_.system_identifier != repository_->cluster().system_identifier)
            throw Error(
                Code::kConflict,
                fmt::format("database \"{}\" is not of the cluster whose backups are kept here", request_.database),
                fmt::format("its system identifier is {}, the repository's {}", server_.system_identifier,
                            repository_->cluster().system_identifier));
        ExportScope scope = ResolveEntities(*latest_, request_.entities);
        CheckReadable(*latest_, scope);
        std::string pg_dump = FindPgDump(request_.pg_bindir, server_.version_num);
        database_oid_ =
            latest_->Query("SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()").Unsigned(0, 0);

        BackupPlan plan;
        plan.kind = scope.whole_database ? "logical" : "entities";
        plan.domain = fmt::format("database-{}", database_oid_);
        plan.bases = FindBase(*repository_, keys_.get(), started_, request_, plan.domain);
        plan.reason = request_.reason;
        plan.full_every = request_.full_every;
        session_ = BackupSession::Begin(repository_, keys_, plan, clock_, random_);
        try {
            if (begun) begun(session_->id());
            return Export(std::move(scope), std::move(pg_dump));
        } catch (...) {    // whatever it was: nothing of this backup will be used
            stores_.clear();
            session_->Abort();
            throw;
        }
    }

private:
    ExportResult Export(ExportScope scope, std::string pg_dump) {
        bool has_base = !session_->bases().empty();
        Compaction compaction =
            has_base ? Compaction(*repository_, session_->frames(), session_->BaseManifest(session_->bases().front()),
                                  CompactionFor(request_.rewrite_share, request_.jobs), ticker_)
                     : Compaction();
        BaseBackup base(*session_, compaction, log_);
        StoreCounters counters;
        EarlierFrames earlier;
        PackSettings packs{.compression = request_.compression};
        for (int i = 0; i <= request_.jobs; i++)
            stores_.push_back(std::make_unique<FrameStore>(*session_, packs, compaction, counters));
        ExportContext context{request_,
                              std::move(scope),
                              std::move(pg_dump),
                              server_,
                              latest_->Parameter("server_encoding"),
                              *session_,
                              base,
                              compaction,
                              earlier,
                              counters,
                              stores_,
                              *latest_,
                              clock_,
                              ticker_,
                              log_};
        ExportResult result;
        AttemptResult attempt = AttemptUntilWhole(context, result);
        Json body = Body(attempt);
        latest_.reset();    // the database is not needed any more: a slow store keeps nobody from dropping it
        Progress progress;
        progress.phase = "upload";
        progress.done_bytes = progress.total_bytes = counters.plain_bytes;
        progress.done_items = progress.total_items = attempt.totals.tables;
        for (auto &store : stores_) store->packs().End();
        for (auto &store : stores_) {
            progress.stored_bytes = session_->new_bytes();
            log_.Report(progress);
            store->packs().Finish();
        }
        stores_.clear();
        progress.phase = "commit";
        progress.stored_bytes = session_->new_bytes();
        log_.Report(progress);
        result.backup_id = session_->id();
        result.tables = attempt.totals.tables;
        result.rows = attempt.totals.rows;
        result.plain_bytes = attempt.totals.plain_bytes;
        result.reused_bytes = counters.reused_bytes;
        result.rewritten_bytes = compaction.tidied();
        body["finished"] = FormatTime(clock_.Now());
        result.clear = session_->Commit(body);
        result.new_bytes = result.clear.new_bytes;
        return result;
    }

    // What people wrote goes into the root as it is: too much of it is refused now, not at the commit.
    void CheckNotes() {
        entities_ = request_.entities.empty() ? Json() : Json::array();
        for (const Entity &entity : request_.entities) {
            Json tables = Json::array();
            for (const EntityTable &table : entity.tables)
                tables.push_back({{"schema", table.schema}, {"table", table.table}, {"filter", table.filter}});
            entities_.push_back({{"name", entity.name}, {"tables", tables}});
        }
        std::size_t size = request_.label.size() + request_.reason.size() + request_.taken_by.size() +
                           JsonText(request_.annotations).size();
        if (size > kMostNotes)
            throw Error(Code::kInvalidArgument,
                        fmt::format("label, reason and annotations of a backup have {} bytes", size),
                        fmt::format("they may have {} together", kMostNotes));
        if (entities_.is_array() && JsonText(entities_).size() > kMostNotes) {
            Json names = Json::array();
            for (std::size_t i = 0; i < std::min<std::size_t>(request_.entities.size(), 100); i++)
                names.push_back({{"name", request_.entities[i].name}});
            entities_ = names;
        }
    }

    AttemptResult AttemptUntilWhole(ExportContext &context, ExportResult &result) {
        Patience patience;
        for (;;) {
            try {
                return ExportAttempt(context).Run();
            } catch (const RepeatExport &repeat) {
                patience.Use(repeat, log_, result.warnings);
                if (repeat.why != RepeatExport::kLocks) result.attempts++;
                if (repeat.why == RepeatExport::kWaiter) LetThrough(*latest_, repeat.waiter, ticker_, clock_);
            }
            ticker_.Check();
            clock_.Sleep(kPause);
            if (!request_.entities.empty()) context.scope = ResolveEntities(*latest_, request_.entities);
        }
    }

    Json Body(const AttemptResult &attempt) {
        Result facts = latest_->Query(
            fmt::format("SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, {} FROM "
                        "pg_catalog.pg_database d WHERE d.datname = current_database()",
                        server_.version_num >= 150000 ? "d.datlocprovider, d.datcollversion" : "'c', NULL"));
        Json session = Json::object();
        for (const auto &[name, value] : SessionContract(*latest_, true)) session[name] = value;
        return {{"tool", "pg_ark " ARK_VERSION},
                {"label", request_.label},
                {"reason", request_.reason},
                {"taken_by", request_.taken_by},
                {"environment", request_.environment},
                {"source", request_.source},
                {"database", request_.database},
                {"database_oid", database_oid_},
                {"system_identifier", server_.system_identifier},
                {"server_version_num", server_.version_num},
                {"catalog_version", server_.catalog_version},
                {"block_size", server_.block_size},
                {"segment_size", server_.segment_size},
                {"timeline", server_.timeline},
                {"lsn", attempt.facts.at("lsn")},
                {"snapshot_time", attempt.facts.at("snapshot_time")},
                {"started", FormatTime(started_)},
                {"encoding", facts.String(0, 0)},
                {"collate", facts.String(0, 1)},
                {"ctype", facts.String(0, 2)},
                {"locale_provider", facts.Text(0, 3) == "i"   ? "icu"
                                    : facts.Text(0, 3) == "b" ? "builtin"
                                                              : "libc"},
                {"collation_version", facts.IsNull(0, 4) ? Json() : Json(facts.String(0, 4))},
                {"extensions", attempt.facts.at("extensions")},
                {"tablespaces", attempt.facts.at("tablespaces")},
                {"session", session},
                {"data_checksums", server_.data_checksums},
                {"compression", request_.compression.Name()},
                {"tables", attempt.totals.tables},
                {"rows", attempt.totals.rows},
                {"plain_bytes", attempt.totals.plain_bytes},
                {"entities", entities_},
                {"consistent_with", nullptr},
                {"annotations", request_.annotations},
                {"tree", ToJson(attempt.tree)}};
    }

    ExportRequest request_;
    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
    Clock &clock_;
    Random &random_;
    Ticker &ticker_;
    Log &log_;
    TimePoint started_{};
    std::unique_ptr<Connection> latest_;
    ServerIdentity server_;
    Json entities_;
    std::uint64_t database_oid_ = 0;
    std::unique_ptr<BackupSession> session_;
    std::vector<std::unique_ptr<FrameStore>> stores_;
};

}    // namespace

ExportResult ExportDatabase(const ExportRequest &request, std::shared_ptr<Repository> repository,
                            std::shared_ptr<KeyRing> keys, Clock &clock, Random &random, Ticker &ticker, Log &log,
                            const std::function<void(const BackupId &)> &begun) {
    return Exporter(request, std::move(repository), std::move(keys), clock, random, ticker, log).Run(begun);
}

}    // namespace ark
