#include "physical/take_backup.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "base/ordered_work.h"
#include "pgdata/data_directory.h"
#include "pgdata/tablespace_map.h"
#include "physical/backup_source.h"
#include "physical/earlier_files.h"
#include "physical/file_task.h"
#include "physical/file_walk.h"
#include "repo/catalog.h"
#include "repo/wal_floors.h"
#include "storage/limit.h"

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark base backup";
constexpr std::string_view kStandbySignal = "standby.signal", kRecoverySignal = "recovery.signal";
constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kWatch = std::chrono::seconds(1);

// The newest one is the base: it holds more of what is the same than any other. What was interrupted before it is of no use.
void ChooseBase(BackupPlan &plan, const Repository &repository, KeyRing *keys, TimePoint now) {
    plan.resumes_after = 0;
    for (const BackupSummary &backup : ListBackups(repository, keys, now)) {
        if (backup.manifest.clear.kind != "physical" || !backup.error.empty() || !backup.manifest.readable()) continue;
        plan.bases = {backup.manifest.clear.backup};
        plan.resumes_after = backup.manifest.clear.sequence;
        return;
    }
}

// Of the directory whose files were read; null where it is not known.
Json ToJson(const std::optional<Fingerprint> &directory) {
    if (!directory) return nullptr;
    return {{"machine", directory->machine}, {"device", directory->device}, {"inode", directory->inode}};
}

class PhysicalBackup {
public:
    PhysicalBackup(const PhysicalRequest &request, std::shared_ptr<Repository> repository,
                   std::shared_ptr<KeyRing> keys, Clock &clock, Random &random, Ticker &ticker, Log &log)
        : request_(request),
          repository_(std::move(repository)),
          keys_(std::move(keys)),
          clock_(clock),
          random_(random),
          ticker_(ticker),
          stoppable_(ticker),
          log_(log) {}

    PhysicalResult Run(const std::function<void(const BackupId &)> &begun) {
        started_ = clock_.Now();
        connection_ =
            std::make_unique<Connection>(request_.conninfo, request_.database, kApplicationName, ticker_, log_);
        ApplySessionContract(*connection_, false);
        server_ = IdentifyServer(*connection_);
        CheckServer();
        directory_.emplace(server_.data_directory);
        if (std::to_string(directory_->control().system_identifier) != server_.system_identifier)
            throw Error(
                Code::kConflict,
                fmt::format("\"{}\" on this machine is not the data directory of the server", server_.data_directory),
                "Their system identifiers differ.", "Run the engine on the server's machine.");
        MakeSource();
        source_->Check();
        BackupPlan plan;
        plan.kind = "physical";
        ChooseBase(plan, *repository_, keys_.get(), started_);
        plan.reason = request_.reason;
        plan.full_every = request_.full_every;
        session_ = BackupSession::Begin(repository_, keys_, plan, clock_, random_);
        try {
            if (begun) begun(session_->id());
            return Take();
        } catch (...) {    // whatever it was: nothing of this backup will be used, but by one that goes on from it
            EndThreads();
            packs_.clear();
            session_->Abort();
            throw;
        }
    }

private:
    using Tasks = OrderedWork<FileTask>;

    void CheckServer() {
        if (server_.system_identifier != repository_->cluster().system_identifier)
            throw Error(Code::kConflict, "the server is not the cluster whose backups are kept here",
                        fmt::format("Its system identifier is {}, the repository's {}.", server_.system_identifier,
                                    repository_->cluster().system_identifier));
        if (!connection_->over_socket())
            throw Error(
                Code::kUnsupported, "a base backup reads the data directory, which is on another machine",
                fmt::format("The server was reached at {}:{}.", connection_->host(), connection_->port()),
                "Run pg_ark on the server's machine, as the server's user, with a conninfo that names its socket.");
        if (server_.data_directory.empty())
            throw Error(Code::kPermissionDenied,
                        fmt::format("role \"{}\" may not see where the data directory is", connection_->user()), {},
                        "GRANT pg_read_all_settings to it.");
    }

    void MakeSource() {
        SourceContext context{.connection = *connection_,
                              .server = server_,
                              .directory = *directory_,
                              .repository = *repository_,
                              .database = request_.database,
                              .wal_patience = request_.wal_patience,
                              .clock = clock_,
                              .ticker = ticker_,
                              .log = log_};
        if (!request_.standby)
            source_ = MakePrimarySource(context);
        else if (request_.standby->asks_primary)
            source_ = MakeStandbySource(context, *request_.standby);
        else
            source_ = MakeStandbyOnlySource(context, *request_.standby);
        if (request_.max_rate > 0) rate_.emplace(request_.max_rate, clock_, stoppable_);
    }

    PhysicalResult Take() {
        Report("start");
        source_->Start("pg_ark " + session_->id(), request_.fast_checkpoint);
        SayWhatIsResumed();
        Compaction compaction = CompactionOf(*session_, *repository_, request_.rewrite_share, request_.jobs, ticker_);
        timeline_ = ReadControl(directory_->path()).timeline;
        EarlierFiles earlier(*session_,
                             {.started = started_,
                              .timeline = timeline_.value,
                              .read_whole_every = request_.read_whole_every,
                              .directory = ToJson(request_.directory),
                              .standby = request_.standby.has_value()},
                             compaction, log_);
        read_whole_ = earlier.read_whole();
        for (int i = 0; i <= request_.jobs; i++)
            packs_.push_back(
                session_->NewPackWriter({.compression = request_.compression, .target_size = request_.pack_size}));
        PackWriter &own = *packs_.back();
        TreeWriter tree(own, session_->key(), earlier.NodeReuse());
        copy_started_ = clock_.Now();
        CopyFiles(earlier, tree);
        source_->Settle();
        Bytes control_file = ReadControlBytes(directory_->path());
        Report("stop");
        StoppedBackup stopped = source_->Stop(ParseControlFile(control_file));
        TimePoint stopped_at = stopped.at.value_or(clock_.Now());
        AddContent(tree, "stop/backup_label", AsBytes(stopped.label), own);
        AddContent(tree, "stop/pg_control", control_file, own);
        // Of the files that were copied: the primary of a standby has its own elsewhere.
        std::string map = request_.standby ? FormatTablespaceMap(tablespaces_) : stopped.tablespace_map;
        if (!map.empty()) AddContent(tree, "stop/tablespace_map", AsBytes(map), own);
        for (const auto &[oid, location] : tablespaces_)
            tree.Add({{"path", fmt::format("tablespace/{:010}", oid)}, {"location", location}});
        Json body = Body(stopped, ToJson(tree.Finish()));
        Report("upload");
        for (auto &packs : packs_) packs->End();
        for (auto &packs : packs_) packs->Finish();
        packs_.clear();
        checkpoints_->Finish();
        source_->AwaitWal(stopped);
        CheckAboveFloor(*repository_, *keys_, stopped.parsed.timeline, source_->start(), directory_->segment_size());
        Report("commit");
        body["stopped"] = FormatTime(stopped_at, true);
        body["finished"] = FormatTime(clock_.Now());
        result_.backup_id = session_->id();
        result_.plain_bytes = counters_.read_bytes;
        result_.reused_bytes = counters_.reused_bytes;
        result_.resumed_bytes = counters_.resumed_bytes;
        result_.rewritten_bytes = counters_.rewritten_bytes;
        result_.unread_bytes = counters_.unread_bytes;
        result_.bad_pages = counters_.bad_pages;
        result_.start_lsn = source_->start().Text();
        result_.stop_lsn = stopped.stop.Text();
        WarnOfBadPages();
        WarnOfSilentChanges(earlier);
        result_.clear = session_->Commit(body);
        return result_;
    }

    void SayWhatIsResumed() {
        for (const std::string &why_not : session_->unused_bases()) log_.Note(why_not);
        for (const ResumedBackup &backup : session_->resumed())
            log_.Note(fmt::format("resumes backup {}, which was interrupted: {} that it had stored are there already",
                                  backup.interrupted.id, HumanBytes(backup.facts.value("stored_bytes", 0ull))));
    }

    // What the next backup has to know of this one to go on from it.
    Json CheckpointFacts() const {
        return {{"timeline", timeline_.value},
                {"from_standby", request_.standby.has_value()},
                {"directory", ToJson(request_.directory)},
                {"copy_started", FormatTime(copy_started_)},
                {"read_whole", FormatTime(read_whole_)},
                {"bad_pages", counters_.bad_pages.load()},
                {"stored_bytes", session_->new_bytes()}};
    }

    void CopyFiles(EarlierFiles &earlier, TreeWriter &tree) {
        Report("copy");    // also where no reading has to be waited for
        checkpoints_.emplace(*session_, request_.checkpoints, [this] { return CheckpointFacts(); });
        StartThreads();
        const ControlFile &control = directory_->control();
        BaseBackupRules rules(server_.version_num / 10000, control.catalog_version, TablespacesInside());
        WalkDataDirectory(directory_->path(), rules,
                          {.visit = [&](const WalkedFile &file) { IssueEntry(file, earlier, tree); },
                           .foreign = [&](const std::string &relative) { LeaveOut(relative); }});
        while (!tasks_.Empty()) Drain(tree);
        EndThreads();
        ThrowIfFailed();
    }

    void LeaveOut(const std::string &relative) {
        if (IsVital(relative))
            throw Error(
                Code::kUnsupported,
                fmt::format("\"{}\" in the data directory is a link or a special file, and no base backup takes "
                            "what is behind it",
                            relative),
                "A cluster that was restored without it could not be used.",
                "Put it back in its place; what shall lie on another disk belongs into a tablespace.");
        log_.Warn(fmt::format("\"{}\" in the data directory is a link or a special file, and not part of the backup",
                              relative));
    }

    void IssueEntry(const WalkedFile &file, EarlierFiles &earlier, TreeWriter &tree) {
        ticker_.Check();
        // What is made of the backup is no standby, and knows by itself that it recovers.
        if (file.relative == kStandbySignal || file.relative == kRecoverySignal) return;
        NoteTablespace(file);
        if (file.path.ends_with('/'))
            Issue({.entry = Json{{"path", file.path}, {"mode", file.facts.st_mode & 07777}}}, tree);
        else
            IssueFile(file, earlier, tree);
    }

    // Where the one that is about to be walked is; nothing of one that lies in pg_tblspc itself (allow_in_place_tablespaces).
    void NoteTablespace(const WalkedFile &file) {
        std::filesystem::path link = directory_->path() / file.relative;
        if (link.parent_path() != directory_->path() / "pg_tblspc") return;
        std::error_code no_link;    // or it was dropped just now
        std::filesystem::path place = std::filesystem::read_symlink(link, no_link);
        if (!no_link) tablespaces_[static_cast<std::uint32_t>(std::stoul(link.filename().string()))] = place.string();
    }

    // Those that somebody put below the data directory: they are reached through pg_tblspc.
    std::vector<std::string> TablespacesInside() const {
        std::vector<std::string> inside;
        for (const Tablespace &space : TablespacesOf(directory_->path())) {
            std::string relative =
                std::filesystem::path(space.location).lexically_relative(directory_->path()).string();
            if (!relative.empty() && !relative.starts_with("..") && relative != ".")
                inside.push_back(std::move(relative));
        }
        return inside;
    }

    void IssueFile(const WalkedFile &walked, EarlierFiles &earlier, TreeWriter &tree) {
        FileFacts facts = FactsOf(walked.facts);
        std::uint64_t unit = earlier.Meet(walked.path, facts);
        bool relation = FirstBlock(walked.relative, directory_->control().blocks_per_file).has_value();
        auto state = std::make_shared<WalkedState>();
        state->facts = facts;
        std::uint64_t pieces = (facts.size + kPieceSize - 1) / kPieceSize;
        std::shared_ptr<SharedFile> shared;
        if (pieces > 1) shared = std::make_shared<SharedFile>(directory_->path() / walked.relative, pieces);
        result_.files++;
        std::optional<Json> entry = FileEntry(walked.path, facts, unit);
        PageRules pages = PagesOf(walked.relative);
        for (std::uint64_t number = 0; number < pieces; number++) {
            FileTask task{.entry = std::exchange(entry, std::nullopt), .file = state};
            task.piece = PieceRequest{.file = directory_->path() / walked.relative,
                                      .shared = shared,
                                      .relative = walked.relative,
                                      .path = PiecePath(walked.path, number),
                                      .number = number,
                                      .length = PieceLength(facts.size, number),
                                      .unit = unit,
                                      .pages = pages,
                                      .rate = rate_ ? &*rate_ : nullptr};
            task.reads_whole_file = !relation && facts.size <= kPieceSize;
            if (std::optional<EarlierPiece> same = earlier.PieceOf(number)) {
                task.piece->base = std::move(same->found.piece);
                task.piece->left = std::move(same->left);
                task.looks_unchanged = same->unchanged;
                if (same->believed) task.unread = std::move(same->found.entry);
            }
            Issue(std::move(task), tree);
        }
        if (entry) Issue({.entry = std::move(entry)}, tree);    // an empty file
    }

    PageRules PagesOf(const std::string &relative) {
        PageRules pages;
        pages.block_size = server_.block_size;
        pages.start = source_->start();
        pages.flushed = [this] {
            std::scoped_lock lock(connection_mutex_);
            return source_->Reached();
        };
        if (server_.data_checksums) pages.first_block = FirstBlock(relative, directory_->control().blocks_per_file);
        return pages;
    }

    void Issue(FileTask task, TreeWriter &tree) {
        while (!tasks_.HasRoom()) Drain(tree);
        bool reads = task.piece.has_value();
        Tasks::Slot *slot = tasks_.Issue(std::make_unique<FileTask>(std::move(task)), reads);
        if (!reads) tasks_.Done(slot);
    }

    void Drain(TreeWriter &tree) {
        ThrowIfFailed();
        ticker_.Check();
        Watch();
        if (std::unique_ptr<FileTask> task = tasks_.TakeFirstDone()) {
            task->Emit(tree);
            Checkpoint(*task);
            return;
        }
        Report("copy");
        tasks_.WaitForNews(kTick);
    }

    void Watch() {
        SteadyPoint now = clock_.Steady();
        if (now < watch_at_) return;
        watch_at_ = now + kWatch;
        std::scoped_lock lock(connection_mutex_);
        source_->Watch();
    }

    void Checkpoint(const FileTask &task) {
        if (task.entry) file_entry_ = *task.entry;
        if (task.piece_entry && task.IsPartOfBackup()) checkpoints_->Add(*task.piece_entry, task.frames, &file_entry_);
    }

    void StartThreads() {
        for (int i = 0; i < request_.jobs; i++)
            threads_.emplace_back([this, packs = packs_[static_cast<std::size_t>(i)].get()] {
                try {
                    while (Tasks::Slot *slot = tasks_.Take()) {
                        slot->task->Run(*session_, *packs, counters_, stoppable_);
                        tasks_.Done(slot);
                    }
                } catch (...) {    // carried to the main thread
                    std::scoped_lock lock(mutex_);
                    if (!failure_) failure_ = std::current_exception();
                    tasks_.Notify();
                }
            });
    }

    void EndThreads() {
        tasks_.Close();
        stoppable_.Stop();
        threads_.clear();
    }

    void ThrowIfFailed() {
        std::scoped_lock lock(mutex_);
        if (failure_) std::rethrow_exception(failure_);
    }

    void AddContent(TreeWriter &tree, const char *path, ByteView content, PackWriter &packs) {
        tree.Add({{"path", path}, {"size", content.size()}, {"frames", Json::array({ToJson(packs.Append(content))})}});
    }

    void WarnOfBadPages() {
        if (result_.bad_pages == 0) return;
        std::string places;
        for (std::size_t i = 0; i < std::min<std::size_t>(counters_.first_bad.size(), 5); i++)
            places +=
                fmt::format("{}{} block {}", i ? ", " : "", counters_.first_bad[i].path, counters_.first_bad[i].block);
        result_.warnings.push_back(
            fmt::format("{} page{} a wrong checksum, and {} stored as {}: {}{}", result_.bad_pages,
                        result_.bad_pages == 1 ? " has" : "s have", result_.bad_pages == 1 ? "is" : "are",
                        result_.bad_pages == 1 ? "it is" : "they are", places, result_.bad_pages > 5 ? ", …" : ""));
    }

    void WarnOfSilentChanges(const EarlierFiles &earlier) {
        if (std::uint64_t pieces = counters_.silent_changes)
            result_.warnings.push_back(fmt::format(
                "{} piece{} of files differ from the last base backup although size, times and inode of the files do "
                "not: "
                "a clock or the storage cannot be trusted, and base backups since {} may hold them as they were",
                pieces, pieces == 1 ? "" : "s", FormatTime(earlier.base_read_whole().value_or(started_))));
    }

    void Report(const char *phase) {
        Progress progress;
        progress.phase = phase;
        progress.done_bytes = counters_.read_bytes;
        progress.stored_bytes = session_->new_bytes();
        progress.done_items = result_.files;
        progress.current = tasks_.WhatIsFirst();
        log_.Report(progress);
    }

    Json Body(const StoppedBackup &stopped, Json tree) {
        Json bad = Json::array(), made_meanwhile = Json::array();
        std::set<std::uint32_t> at_start = OidsOfTablespaceMap(stopped.tablespace_map);
        for (const auto &[oid, location] : tablespaces_)
            if (!at_start.contains(oid)) made_meanwhile.push_back(oid);
        for (const BadPage &page : counters_.first_bad) bad.push_back({{"path", page.path}, {"block", page.block}});
        struct stat root {};
        stat(directory_->path().c_str(), &root);
        return {{"tool", "pg_ark " ARK_VERSION},
                {"label", request_.label},
                {"reason", request_.reason},
                {"taken_by", request_.taken_by},
                {"environment", request_.environment},
                {"source", request_.source},
                {"system_identifier", server_.system_identifier},
                {"server_version_num", server_.version_num},
                {"catalog_version", server_.catalog_version},
                {"block_size", server_.block_size},
                {"segment_size", server_.segment_size},
                {"wal_segment_size", server_.segment_size},
                {"blocks_per_file", directory_->control().blocks_per_file},
                {"timeline", stopped.parsed.timeline.value},
                {"stop_timeline", stopped.stop_timeline.value},
                {"lsn", stopped.stop.Text()},
                {"start_lsn", source_->start().Text()},
                {"stop_lsn", stopped.stop.Text()},
                {"stop_snapshot", stopped.snapshot},
                {"from_standby", request_.standby.has_value()},
                {"host", request_.host},
                {"directory", ToJson(request_.directory)},
                {"started", FormatTime(started_)},
                {"copy_started", FormatTime(copy_started_)},
                {"read_whole", FormatTime(read_whole_)},
                {"data_checksums", server_.data_checksums},
                {"data_directory", server_.data_directory},
                {"data_directory_mode", root.st_mode & 07777},
                {"new_tablespaces", made_meanwhile},
                {"compression", request_.compression.Name()},
                {"files", result_.files},
                {"plain_bytes", counters_.read_bytes.load()},
                {"bad_pages", counters_.bad_pages.load()},
                {"first_bad_pages", bad},
                {"silent_changes", counters_.silent_changes.load()},
                {"annotations", request_.annotations},
                {"tree", std::move(tree)}};
    }

    const PhysicalRequest &request_;
    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
    Clock &clock_;
    Random &random_;
    Ticker &ticker_;
    StoppableTicker stoppable_;
    Log &log_;
    TimePoint started_{}, copy_started_{}, read_whole_{};
    TimelineId timeline_{};    // of the files, when the copy began
    std::unique_ptr<Connection> connection_;
    std::mutex connection_mutex_;    // while files are read: a reader may ask it
    ServerIdentity server_;
    std::optional<DataDirectory> directory_;
    std::unique_ptr<BackupSource> source_;
    std::optional<RateLimit> rate_;    // of reading
    SteadyPoint watch_at_{};
    std::unique_ptr<BackupSession> session_;
    std::vector<std::unique_ptr<PackWriter>> packs_;    // one a reader, and the tree's last
    PhysicalCounters counters_;
    PhysicalResult result_;
    std::optional<CheckpointWriter> checkpoints_;
    Json file_entry_;                                     // of the file whose pieces come
    std::map<std::uint32_t, std::string> tablespaces_;    // that were walked, and where they are
    std::mutex mutex_;
    std::exception_ptr failure_;
    Tasks tasks_{static_cast<std::size_t>(request_.jobs), std::size_t{64} << 20};
    std::vector<std::jthread> threads_;
};

}    // namespace

PhysicalResult TakePhysicalBackup(const PhysicalRequest &request, std::shared_ptr<Repository> repository,
                                  std::shared_ptr<KeyRing> keys, Clock &clock, Random &random, Ticker &ticker, Log &log,
                                  const std::function<void(const BackupId &)> &begun) {
    return PhysicalBackup(request, std::move(repository), std::move(keys), clock, random, ticker, log).Run(begun);
}

}    // namespace ark
