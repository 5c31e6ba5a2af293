// One try at an export: locks, snapshot, comparison, fingerprints, readers. It ends whole, or with an error, or with RepeatExport;
// in each case all its connections are gone afterwards and with them its locks.
#pragma once

#include <condition_variable>
#include <exception>
#include <thread>

#include "base/ordered_work.h"
#include "logical/dump_toc.h"
#include "logical/export.h"
#include "logical/fingerprint.h"
#include "logical/table_locks.h"

namespace ark {

// What outlives an attempt.
struct ExportContext {
    const ExportRequest &request;
    ExportScope scope;
    std::string pg_dump;    // path
    ServerIdentity server;
    std::string encoding;    // the server's
    BackupSession &session;
    BaseBackup &base;
    const Compaction &compaction;
    EarlierFrames &earlier;
    StoreCounters &counters;
    std::vector<std::unique_ptr<FrameStore>> &stores;    // one a reader, and the main thread's last
    Connection &latest;                                  // outside any transaction
    Clock &clock;
    Ticker &ticker;
    Log &log;
};

struct AttemptResult {
    TreeRoot tree;
    ExportTotals totals;
    Json facts = Json::object();    // of the snapshot: lsn, snapshot_time, extensions, tablespaces
};

// Opens a connection under the session contract; statements travel as UTF-8 whatever the server's encoding.
std::unique_ptr<Connection> OpenForExport(const ExportRequest &request, Ticker &ticker, Log &log);

class ExportAttempt {
public:
    explicit ExportAttempt(ExportContext &context);
    ~ExportAttempt();
    AttemptResult Run();

private:
    using Tasks = OrderedWork<ExportTask>;
    void TakeSnapshot();
    void StartThreads();
    void ReadInThread(FrameStore &store);
    void FetchDefinitions();
    void WatchForWaiters();
    void Work(TreeWriter &tree, AttemptResult &result);
    bool Step(EntryWriter &writer);    // one thing that could be done without waiting; false if there was none
    bool Issue();
    void RunOnCoordinator(Tasks::Slot *slot);
    void Report(const EntryWriter &writer);
    void CheckFingerprint();
    Json SnapshotFacts();
    void AddPid(int pid);
    void Fail(std::exception_ptr failure);
    void JoinThreads();

    ExportContext &context_;
    StoppableTicker ticker_;    // ends all threads of the attempt when one of them fails
    std::unique_ptr<Connection> coordinator_;
    ReusableFrames reusable_;
    Tasks work_;
    std::deque<std::unique_ptr<TaskSource>> sources_;
    std::string snapshot_;
    Json facts_ = Json::object();
    Fingerprint before_;
    SteadyPoint snapshot_taken_{};
    std::uint64_t total_bytes_ = 0;    // of relations
    std::uint64_t done_bytes_ = 0;

    std::unique_ptr<DumpTocTask> toc_;    // until its turn comes
    DumpTocTask *toc_running_ = nullptr;
    Tasks::Slot *toc_slot_ = nullptr;
    std::atomic<bool> toc_fetched_{false};

    std::mutex mutex_;    // guards what follows
    std::condition_variable stopping_;
    std::exception_ptr failure_;
    std::vector<int> pids_;
    bool over_ = false;
    std::vector<std::thread> threads_;
};

}    // namespace ark
