#include "logical/export_attempt.h"

#include <fmt/format.h>

#include "logical/globals_task.h"
#include "logical/large_object_task.h"
#include "logical/sequence_task.h"
#include "logical/table_task.h"

namespace ark {
namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kLookForWaiters = std::chrono::milliseconds(500);

// A name that is gone although its table is locked: its schema was renamed, or it is a sequence.
bool IsVanished(const Error &error) {
    return error.sqlstate == "42P01" || error.sqlstate == "3F000" || error.sqlstate == "42703";
}

// Runs a task, and again as long as it knows another way.
template <class First, class Again>
void RunEitherWay(ExportTask &task, First first, Again again) {
    for (bool retry = false;; retry = true) {
        try {
            return retry ? again() : first();
        } catch (const Error &error) {
            if (task.TryAnotherWay(error)) continue;
            if (IsVanished(error)) throw RepeatExport{RepeatExport::kTables, error};
            throw;
        }
    }
}

// Comes where the definitions stand in the order of paths.
class DumpTocSource : public TaskSource {
public:
    explicit DumpTocSource(std::unique_ptr<DumpTocTask> &task) : task_(task) {}
    std::unique_ptr<ExportTask> Next() override { return std::move(task_); }

private:
    std::unique_ptr<DumpTocTask> &task_;
};

}    // namespace

std::unique_ptr<Connection> OpenForExport(const ExportRequest &request, Ticker &ticker, Log &log) {
    auto connection = std::make_unique<Connection>(request.conninfo, request.database, "pg_ark backup", ticker, log);
    ApplySessionContract(*connection, true);
    if (connection->Parameter("server_encoding") != "SQL_ASCII") connection->Execute("SET client_encoding = 'UTF8'");
    return connection;
}

ExportAttempt::ExportAttempt(ExportContext &context)
    : context_(context),
      ticker_(context.ticker),
      reusable_(context.base, context.earlier),
      work_(static_cast<std::size_t>(context.request.jobs), kMemoryUnderWay) {
    // Locks are given back at once when the attempt ends, however slow the store is.
    for (auto &store : context_.stores) store->packs().StopWith(&ticker_);
}

ExportAttempt::~ExportAttempt() {
    JoinThreads();
    for (auto &store : context_.stores) store->packs().StopWith(nullptr);
}

AttemptResult ExportAttempt::Run() {
    AttemptResult result;
    try {
        TakeSnapshot();
        StartThreads();
        TreeWriter tree(context_.stores.back()->packs(), context_.session.key(), context_.base.NodeReuse());
        Work(tree, result);
        CheckFingerprint();
        result.tree = tree.Finish();
        result.facts = SnapshotFacts();
    } catch (...) {    // another thread's failure may be the cause of this one
        Fail(std::current_exception());
    }
    JoinThreads();
    if (failure_) std::rethrow_exception(failure_);
    return result;
}

void ExportAttempt::TakeSnapshot() {
    Progress planning;
    planning.phase = "plan";
    context_.log.Report(planning);
    coordinator_ = OpenForExport(context_.request, ticker_, context_.log);
    AddPid(coordinator_->backend_pid());
    TableLocks locks(*coordinator_, context_.latest, context_.scope);
    // The definitions come from the snapshot, the text of rows from the latest catalog: a change between must be seen too.
    before_ = ReadFingerprint(context_.latest, context_.scope);
    Result snapshot = coordinator_->Query(
        "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE "
        "pg_catalog.pg_current_wal_insert_lsn() END");
    snapshot_taken_ = context_.clock.Steady();
    snapshot_ = snapshot.String(0, 0);
    facts_["snapshot_time"] = snapshot.String(0, 1);
    facts_["lsn"] = snapshot.String(0, 2);
    locks.CompareWithSnapshot(*coordinator_, context_.scope);
    coordinator_->Execute("SET LOCAL lock_timeout = '1min'");
    Result size = coordinator_->Query(
        "SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(c.oid)"
        " + coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0)), 0)" +
        FromRelations(context_.scope, "'r'"));
    total_bytes_ = size.Unsigned(0, 0);
}

void ExportAttempt::StartThreads() {
    DumpRequest dump = QuietDump(*coordinator_, context_.pg_dump, snapshot_,
                                 [this] { return OpenForExport(context_.request, ticker_, SilentLog()); });
    dump.encoding = context_.encoding;
    if (!context_.scope.whole_database) {
        Result tables =
            coordinator_->Query("SELECT n.nspname, c.relname" + FromRelations(context_.scope, "'r', 'p', 'm', 'f'"));
        for (int row = 0; row < tables.rows(); row++)
            dump.tables.emplace_back(tables.String(row, 0), tables.String(row, 1));
    }
    context_.base.Rewind();
    toc_ = std::make_unique<DumpTocTask>(std::move(dump), reusable_.At("schema/toc"));
    toc_running_ = toc_.get();
    context_.base.Rewind();

    auto start = [&](auto body) {
        threads_.emplace_back([this, body] {
            try {
                body();
            } catch (...) {
                Fail(std::current_exception());
            }
        });
    };
    start([this] { FetchDefinitions(); });
    for (std::size_t i = 0; i + 1 < context_.stores.size(); i++)
        start([this, i] { ReadInThread(*context_.stores[i]); });
    start([this] { WatchForWaiters(); });
}

void ExportAttempt::FetchDefinitions() {
    toc_running_->Fetch(ticker_);
    toc_fetched_.store(true);
    work_.Notify();
}

// A transaction a task: what a task locked beyond its tables (their indexes) is free again after it. A lock that cannot be had at once
// means that somebody waits in front of us for a lock which the coordinator holds: waiting would be the deadlock that nobody detects,
// so the coordinator's connection does it.
void ExportAttempt::ReadInThread(FrameStore &store) {
    std::unique_ptr<Connection> connection = OpenForExport(context_.request, ticker_, SilentLog());
    AddPid(connection->backend_pid());
    connection->ReadInLargePieces();
    connection->Execute("SET lock_timeout = '500ms'");
    std::string before = fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
                                     QuoteLiteral(snapshot_));
    bool began = false;
    while (Tasks::Slot *slot = work_.Take()) {
        ExportTask &task = *slot->task;
        std::string lock = task.LockSql();
        auto run = [&] {
            task.Run(*connection,
                     (std::exchange(began, true) ? "ROLLBACK; " : "") + before + (lock.empty() ? "" : "; " + lock),
                     store);
        };
        try {
            RunEitherWay(task, run, run);
            work_.Done(slot);
        } catch (const Error &error) {
            if (error.sqlstate != "55P03") throw;
            work_.Stuck(slot);
        }
    }
}

void ExportAttempt::RunOnCoordinator(Tasks::Slot *slot) {
    ExportTask &task = *slot->task;
    FrameStore &store = *context_.stores.back();
    RunEitherWay(
        task, [&] { task.Run(*coordinator_, "SAVEPOINT ark_task", store); },
        [&] { task.Run(*coordinator_, "ROLLBACK TO SAVEPOINT ark_task", store); });
    coordinator_->Execute("ROLLBACK TO SAVEPOINT ark_task; RELEASE SAVEPOINT ark_task");
    work_.Done(slot);
}

void ExportAttempt::Work(TreeWriter &tree, AttemptResult &result) {
    sources_.push_back(std::make_unique<GlobalsSource>(reusable_));
    if (context_.scope.whole_database)
        sources_.push_back(std::make_unique<LargeObjectSource>(*coordinator_, reusable_));
    sources_.push_back(std::make_unique<DumpTocSource>(toc_));
    sources_.push_back(std::make_unique<SequenceSource>(*coordinator_, context_.scope));
    TableSourceSettings settings{context_.server.block_size, context_.encoding, total_bytes_,
                                 BusyReaders(context_.request.jobs, context_.request.cores),
                                 context_.server.in_recovery};
    sources_.push_back(
        std::make_unique<TableSource>(*coordinator_, context_.scope, settings, reusable_, context_.earlier));

    EntryWriter writer(tree);
    while (!sources_.empty() || !work_.Empty()) {
        ticker_.Check();
        Report(writer);
        if (!Step(writer)) work_.WaitForNews(kTick);
    }
    Report(writer);
    work_.Close();
    result.totals = writer.totals;
}

bool ExportAttempt::Step(EntryWriter &writer) {
    if (Tasks::Slot *slot = work_.TakeStuck()) {
        RunOnCoordinator(slot);
        return true;
    }
    if (toc_slot_ && toc_fetched_.load()) {
        Tasks::Slot *slot = std::exchange(toc_slot_, nullptr);
        slot->task->Run(*coordinator_, "", *context_.stores.back());
        work_.Done(slot);
        return true;
    }
    if (!sources_.empty() && work_.HasRoom()) return Issue();
    if (std::unique_ptr<ExportTask> task = work_.TakeFirstDone()) {
        task->Emit(writer);
        done_bytes_ += task->SourceBytes();
        return true;
    }
    return false;
}

bool ExportAttempt::Issue() {
    std::unique_ptr<ExportTask> task = sources_.front()->Next();
    if (!task) {
        sources_.pop_front();
        return true;
    }
    bool is_toc = task.get() == toc_running_;
    Tasks::Slot *slot = work_.Issue(std::move(task), !is_toc);
    if (is_toc) toc_slot_ = slot;
    return true;
}

// Relations are larger or smaller than their text: the total is what was read and what the rest will be at the same ratio.
void ExportAttempt::Report(const EntryWriter &writer) {
    Progress progress;
    progress.phase = "copy";
    progress.done_bytes = context_.counters.plain_bytes.load();
    double ratio =
        done_bytes_ > 0 ? static_cast<double>(writer.totals.plain_bytes) / static_cast<double>(done_bytes_) : 1.0;
    std::uint64_t left = total_bytes_ > done_bytes_ ? total_bytes_ - done_bytes_ : 0;
    progress.total_bytes = std::max(
        progress.done_bytes, writer.totals.plain_bytes + static_cast<std::uint64_t>(ratio * static_cast<double>(left)));
    progress.stored_bytes = context_.session.new_bytes();
    progress.done_items = writer.totals.tables;
    progress.current = work_.WhatIsFirst();
    context_.log.Report(progress);
}

void ExportAttempt::CheckFingerprint() {
    std::vector<std::string> changed = Differences(before_, ReadFingerprint(context_.latest, context_.scope));
    if (changed.empty()) return;
    std::string names;
    for (const std::string &what : changed) names += (names.empty() ? "" : ", ") + what;
    throw RepeatExport{
        RepeatExport::kTypes,
        Error(Code::kConflict, "definitions that rows are written with kept changing while they were read",
              "changed: " + names, "try again when the schema is at rest")};
}

Json ExportAttempt::SnapshotFacts() {
    Json facts = facts_;
    Json extensions = Json::array(), tablespaces = Json::array();
    Result result = coordinator_->Query(
        "SELECT e.extname, e.extversion, n.nspname FROM pg_catalog.pg_extension e"
        " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname COLLATE \"C\" LIMIT 200");
    for (int row = 0; row < result.rows(); row++)
        extensions.push_back(
            {{"name", result.String(row, 0)}, {"version", result.String(row, 1)}, {"schema", result.String(row, 2)}});
    Result spaces =
        coordinator_->Query("SELECT spcname FROM pg_catalog.pg_tablespace ORDER BY spcname COLLATE \"C\" LIMIT 200");
    for (int row = 0; row < spaces.rows(); row++) tablespaces.push_back(spaces.String(row, 0));
    facts["extensions"] = extensions;
    facts["tablespaces"] = tablespaces;
    return facts;
}

// Sessions that wait behind our locks are let through after a while: everything is given back, and begun again later.
void ExportAttempt::WatchForWaiters() {
    const ExportRequest &request = context_.request;
    if (request.yield_after == Duration::zero() && request.max_snapshot_age == Duration::zero()) return;
    std::unique_ptr<Connection> observer = OpenForExport(request, ticker_, SilentLog());
    std::map<int, SteadyPoint> first_seen;
    for (;;) {
        std::vector<int> pids;
        {
            std::unique_lock lock(mutex_);
            if (stopping_.wait_for(lock, kLookForWaiters, [&] { return over_; })) return;
            pids = pids_;
        }
        SteadyPoint now = context_.clock.Steady();
        if (request.max_snapshot_age != Duration::zero() && now - snapshot_taken_ > request.max_snapshot_age)
            throw Error(
                Code::kConflict,
                fmt::format("the backup's snapshot became older than {}", HumanDuration(request.max_snapshot_age)),
                "an old snapshot keeps VACUUM from removing dead rows", "raise ark.max_snapshot_age, or use more jobs");
        if (request.yield_after == Duration::zero()) continue;
        std::map<int, SteadyPoint> seen;
        for (const Waiter &waiter : WaitersBehind(*observer, pids)) {
            SteadyPoint since = first_seen.contains(waiter.pid) ? first_seen[waiter.pid] : now;
            seen[waiter.pid] = since;
            if (now - since < request.yield_after) continue;
            throw RepeatExport{
                RepeatExport::kWaiter,
                Error(Code::kConflict, "other sessions kept waiting for tables that are being backed up",
                      fmt::format("the last one to let through: pid {} ({})", waiter.pid, waiter.what),
                      "run the backup when the schema is at rest, or raise ark.yield_after (0: never give way)"),
                waiter.pid};
        }
        first_seen = std::move(seen);
    }
}

void ExportAttempt::AddPid(int pid) {
    std::lock_guard lock(mutex_);
    pids_.push_back(pid);
}

void ExportAttempt::Fail(std::exception_ptr failure) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    ticker_.Stop();
    work_.Close();
}

void ExportAttempt::JoinThreads() {
    {
        std::lock_guard lock(mutex_);
        over_ = true;
        stopping_.notify_all();
    }
    work_.Close();
    for (std::thread &thread : threads_) thread.join();
    threads_.clear();
}

}    // namespace ark
