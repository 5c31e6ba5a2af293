// Which rows are loaded together: the tables of a backup, in units that connections take one after another.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "logical/backup_reader.h"
#include "logical/whole/dump_contents.h"

namespace ark {

struct LoadChunk {
    std::string path;    // ends with "/": all rows of the table
    std::uint64_t bytes = 0;
};

struct LoadTable {
    std::string schema, name;
    TableRows target;
    std::uint64_t rows = 0, bytes = 0;
    std::atomic<std::uint64_t> loaded{0};    // rows that the server took
    std::atomic<std::size_t> chunks_left{1};
};

// A table that several connections may load at once.
struct LargeTable {
    LoadTable *table = nullptr;
    std::deque<LoadChunk> chunks;    // not given out yet
    std::uint64_t bytes_left = 0;    // of these
    int users = 0;
};

// What one connection loads in one go: a chunk of a large table, a table, or some small ones.
struct LoadUnit {
    std::vector<LoadTable *> tables;
    LoadChunk chunk;        // of a single table
    bool frozen = false;    // the whole table, in a transaction of its own that empties it first
    LargeTable *of = nullptr;
};

struct LoadPlan {
    std::deque<LoadTable> tables;
    // Tables of extensions, which may refer to one another and hold rows already: in this order, by one connection.
    std::vector<LoadTable *> of_extensions;
    std::vector<LargeTable> large;
    std::vector<std::vector<LoadTable *>> batches;    // of small ones
    std::uint64_t bytes = 0, rows = 0;
};

// Reads the tree once. Memory: names and numbers of tables, and names of chunks. Throws kCorrupt when the definitions and
// the rows are not of the same tables. Takes `contents.rows`.
LoadPlan PlanLoad(BackupReader &backup, DumpContents &contents, Ticker &ticker);

// Gives out a plan's units, safe for concurrent calls: connections keep to tables of their own while there are any, then
// help with the one that has most left; small tables come last.
class LoadQueue {
public:
    LoadQueue(LoadPlan &plan, int jobs);
    std::optional<LoadUnit> Take();
    void Done(const LoadUnit &unit);

private:
    bool MayTakeWhole(const LargeTable &large) const;

    LoadPlan &plan_;
    std::uint64_t others_;    // connections but one
    std::mutex mutex_;
    std::uint64_t bytes_left_;    // not given out yet
    std::size_t next_batch_ = 0;
};

}    // namespace ark
