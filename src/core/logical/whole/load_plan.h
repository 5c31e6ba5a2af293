// Which rows are loaded together: the tables of a backup, in units that connections take one after another.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "logical/backup_reader.h"
#include "logical/whole/dump_contents.h"

namespace ark {

struct LoadChunk {
    std::string path;    // ends with "/": all rows of the table
    std::uint64_t bytes = 0;
};

// Indexes that are built together, once the rows of their tables are there: of one large table, or of many small ones.
struct IndexGroup {
    std::vector<std::int32_t> entries;    // dump ids, see Definitions
    std::uint64_t work = 0;               // as the bytes of rows whose loading takes about as long
    std::size_t tables_left = 0;          // whose rows are not all there
    bool given = false;
};

struct LoadTable {
    std::string schema, name;
    TableRows target;
    std::uint64_t rows = 0, bytes = 0;
    std::atomic<std::uint64_t> loaded{0};    // rows that the server took
    std::atomic<std::size_t> chunks_left{1};
    IndexGroup *indexes = nullptr;
};

// A table that several connections may load at once.
struct LargeTable {
    LoadTable *table = nullptr;
    std::deque<LoadChunk> chunks;    // not given out yet
    std::uint64_t bytes_left = 0;    // of these
    int users = 0;
    bool frozen = false;    // by one connection, in a transaction that others must not wait for
};

// What one connection does in one go: it loads a chunk of a large table or more of them, or some small tables, or builds indexes.
struct LoadUnit {
    std::vector<LoadTable *> tables;
    std::vector<std::string> chunks;    // of a single table; empty: all rows of the tables
    // In a transaction that empties the table first: the first of the chunks, and then the next ones while More() says so.
    bool frozen = false;
    LargeTable *of = nullptr;
    IndexGroup *indexes = nullptr;
};

struct LoadPlan {
    std::deque<LoadTable> tables;
    std::deque<IndexGroup> indexes;    // of those, except where there are none
    // Tables of extensions, which may refer to one another and hold rows already: in this order, by one connection.
    std::vector<LoadTable *> of_extensions;
    std::vector<LargeTable> large;
    std::vector<std::vector<LoadTable *>> batches;    // of small ones
    std::uint64_t bytes = 0, rows = 0;
};

// Reads the tree once. Memory: names and numbers of tables, and names of chunks. Throws kCorrupt when the definitions and
// the rows are not of the same tables. Takes `contents.rows`.
LoadPlan PlanLoad(BackupReader &backup, DumpContents &contents, Ticker &ticker);

// Gives out a plan's units, safe for concurrent calls. Connections keep to tables of their own while there are any, and freeze
// them: rows that are loaded by the transaction that made their table empty need no vacuum, and no index build dirties their pages
// again. Then they help with the one that has most left, a chunk at a time. Small tables come last, but before a wait for
// another's transaction; and before that too, while others still work, indexes of what is loaded are built.
class LoadQueue {
public:
    LoadQueue(LoadPlan &plan, int jobs);

    // Nothing left: nullopt. Waits while all that is left is in the hands of transactions that freeze, which then end soon; throws
    // what `ticker` says meanwhile.
    std::optional<LoadUnit> Take(Ticker &ticker);
    // Whether a frozen unit goes on with its next chunk: as long as others have enough to do without this table.
    bool More(const LoadUnit &unit);
    void Done(const LoadUnit &unit);    // committed
    // What Take() did not give out because nobody would have worked beside it; the most work first. When all is done.
    std::vector<const IndexGroup *> IndexesLeft() const;

private:
    LargeTable *Best();
    LoadUnit Give(LargeTable &large);
    bool OthersAreBusyWithout(const LargeTable &large) const;
    void PopChunk(LargeTable &large);
    std::optional<LoadUnit> Indexes();

    LoadPlan &plan_;
    std::uint64_t others_;    // connections but one
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t bytes_left_ = 0;    // not given out yet
    std::uint64_t index_work_left_ = 0;
    std::size_t next_batch_ = 0;
    int waiting_ = 0, working_ = 0;
};

}    // namespace ark
