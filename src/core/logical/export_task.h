// A piece of an export: made in path order, run by whichever connection is free, its entries written in path order again.
#pragma once

#include "logical/entries.h"
#include "logical/frame_store.h"
#include "logical/rows_digest.h"

namespace ark {

struct ExportTotals {
    std::uint64_t tables = 0, rows = 0, plain_bytes = 0;
};

// The tree of the new backup, and what is counted on the way. The main thread's.
class EntryWriter {
public:
    explicit EntryWriter(TreeWriter &tree) : tree_(tree) {}
    void Add(const Json &entry) { tree_.Add(entry); }
    ExportTotals totals;

private:
    TreeWriter &tree_;
};

class ExportTask {
public:
    virtual ~ExportTask() = default;
    // A statement that takes the locks it needs or fails at once (55P03); may be empty.
    virtual std::string LockSql() const { return {}; }
    // In any thread. `before` begins the transaction and is to be sent in front of the first statement. Keeps its result.
    virtual void Run(Connection &connection, const std::string &before, FrameStore &store) = 0;
    // After Run threw: shall it be run again, because it will do it in another way?
    virtual bool TryAnotherWay(const Error &) { return false; }
    // In the main thread, in the order in which tasks were made, after Run.
    virtual void Emit(EntryWriter &writer) = 0;
    virtual std::string What() const = 0;                      // for progress: a table's name
    virtual std::size_t MemoryCost() const = 0;                // bytes, roughly, until it is emitted
    virtual std::uint64_t SourceBytes() const { return 0; }    // of relations, for progress
};

// Makes tasks in ascending order of their entries' paths; nullptr at the end.
class TaskSource {
public:
    virtual ~TaskSource() = default;
    virtual std::unique_ptr<ExportTask> Next() = 0;
};

// Frames that may be reused for an entry: the base's and those of an earlier attempt. Asked in ascending order of paths.
class ReusableFrames {
public:
    ReusableFrames(BaseBackup &base, const EarlierFrames &earlier) : base_(base), earlier_(earlier) {}
    Candidates At(const std::string &path) {
        std::vector<FrameRef> frames = base_.FramesAt(path);
        earlier_.Add(path, frames);
        return Candidates(std::move(frames));
    }
    // For all entries whose paths begin so; what an earlier attempt kept is under the beginning itself.
    Candidates Below(const std::string &prefix) {
        std::vector<FrameRef> frames = base_.FramesBelow(prefix);
        earlier_.Add(prefix, frames);
        return Candidates(std::move(frames));
    }

private:
    BaseBackup &base_;
    const EarlierFrames &earlier_;
};

}    // namespace ark
