#include "logical/whole/load_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "logical/entries.h"

namespace ark {
namespace {

constexpr std::uint64_t kSmallTable = 1 << 20;
constexpr std::uint64_t kBatchBytes = 8 << 20;
constexpr std::size_t kBatchTables = 200;

// Groups are large enough to be worth a pg_restore, which reads the whole table of contents, and there are at most 64.
constexpr std::uint64_t kSmallestGroup = 32 << 20;
constexpr std::uint64_t kMostGroups = 64;
// A statement, sorting a row, and reading its table, as bytes of rows that are loaded meanwhile: measured with integer and text keys.
constexpr std::uint64_t kIndexWork = 100 << 10, kIndexWorkOfRow = 40, kIndexShareOfBytes = 20;

// The tables of the tree one by one, with the chunks of their rows.
class TableWalk {
public:
    explicit TableWalk(BackupReader &backup) : cursor_(backup.Entries()) { cursor_.SkipTo("table/"); }

    bool Next(Ticker &ticker) {
        chunks.clear();
        bool found = false;
        for (; cursor_.Current() && cursor_.Path().starts_with("table/"); cursor_.Next()) {
            ticker.Check();
            std::string_view leaf = LeafOf(cursor_.Path());
            if (leaf == "columns") {
                table = TableFromEntry(*cursor_.Current());
                data_path_ = RowsPath(table);
                found = true;
            } else if (leaf == "totals" && found) {
                AddTotals(table, *cursor_.Current());
                cursor_.Next();
                return true;
            } else if (found && cursor_.Path().starts_with(data_path_)) {
                chunks.push_back({cursor_.Path(), JsonNumber(*cursor_.Current(), "bytes", "rows of a backup")});
            }
        }
        return false;
    }

    BackupTable table;
    std::deque<LoadChunk> chunks;

private:
    TreeCursor cursor_;
    std::string data_path_;
};

LargeTable InChunks(LoadTable &table, std::deque<LoadChunk> chunks) {
    table.chunks_left = chunks.size();
    return {.table = &table, .chunks = std::move(chunks), .bytes_left = table.bytes};
}

void GroupIndexes(LoadPlan &plan, const IndexEntries &entries) {
    auto work_of = [](const LoadTable &table, std::size_t indexes) {
        return indexes * (kIndexWork + table.rows * kIndexWorkOfRow + table.bytes / kIndexShareOfBytes);
    };
    std::uint64_t all = 0;
    for (const LoadTable &table : plan.tables) all += work_of(table, entries.Of(table.schema, table.name).size());
    std::uint64_t smallest = std::max(kSmallestGroup, all / kMostGroups);
    IndexGroup *open = nullptr;
    for (LoadTable &table : plan.tables) {
        std::vector<std::int32_t> indexes = entries.Of(table.schema, table.name);
        if (indexes.empty() || !table.target.created || table.target.through_root) continue;
        std::uint64_t work = work_of(table, indexes.size());
        bool alone = work >= smallest;
        IndexGroup &group = alone || !open ? plan.indexes.emplace_back() : *open;
        group.entries.insert(group.entries.end(), indexes.begin(), indexes.end());
        group.work += work;
        group.tables_left++;
        table.indexes = &group;
        if (!alone) open = group.work < smallest ? &group : nullptr;
    }
}

}    // namespace

LoadPlan PlanLoad(BackupReader &backup, DumpContents &contents, Ticker &ticker) {
    LoadPlan plan;
    std::vector<LoadTable *> batch;
    std::uint64_t batch_bytes = 0;
    auto close = [&] {
        if (!batch.empty()) plan.batches.push_back(std::exchange(batch, {}));
        batch_bytes = 0;
    };
    for (TableWalk walk(backup); walk.Next(ticker);) {
        auto found = contents.rows.find({walk.table.schema, walk.table.name});
        if (found == contents.rows.end()) continue;    // it holds no rows of its own
        auto entry = contents.rows.extract(found);
        if (walk.table.rows == 0) continue;
        LoadTable &table = plan.tables.emplace_back();
        table.schema = std::move(walk.table.schema);
        table.name = std::move(walk.table.name);
        table.target = std::move(entry.mapped());
        table.rows = walk.table.rows;
        table.bytes = walk.table.bytes;
        plan.bytes += table.bytes;
        plan.rows += table.rows;
        if (!table.target.created) {
            plan.of_extensions.push_back(&table);
        } else if (table.bytes >= kSmallTable) {
            plan.large.push_back(InChunks(table, std::exchange(walk.chunks, {})));
        } else {    // neighbours in the tree are neighbours in the store
            batch.push_back(&table);
            batch_bytes += table.bytes;
            if (batch.size() == kBatchTables || batch_bytes >= kBatchBytes) close();
        }
    }
    close();
    if (!contents.rows.empty())
        throw Error(Code::kCorrupt,
                    fmt::format("the backup's schema names table \"{}.{}\", and its data do not",
                                contents.rows.begin()->first.first, contents.rows.begin()->first.second));
    GroupIndexes(plan, contents.indexes);
    std::ranges::sort(plan.of_extensions, {}, [](const LoadTable *table) { return table->target.place; });
    return plan;
}

LoadQueue::LoadQueue(LoadPlan &plan, int jobs)
    : plan_(plan), others_(static_cast<std::uint64_t>(std::max(jobs, 1) - 1)) {
    for (const LargeTable &large : plan.large) bytes_left_ += large.bytes_left;
    for (const std::vector<LoadTable *> &batch : plan.batches)
        for (const LoadTable *table : batch) bytes_left_ += table->bytes;
    for (const IndexGroup &group : plan.indexes) index_work_left_ += group.work;
}

// What others still have to take, or build, is compared with the chunk that would keep them waiting.
bool LoadQueue::OthersAreBusyWithout(const LargeTable &large) const {
    std::uint64_t index_work = index_work_left_ - (large.table->indexes ? large.table->indexes->work : 0);
    return waiting_ == 0 && bytes_left_ - large.bytes_left + index_work >= others_ * large.chunks.front().bytes;
}

LargeTable *LoadQueue::Best() {
    auto rank = [](const LargeTable &large) { return std::pair(large.users == 0, large.bytes_left); };
    LargeTable *best = nullptr;
    for (LargeTable &large : plan_.large)
        if (!large.chunks.empty() && !large.frozen && (!best || rank(large) > rank(*best))) best = &large;
    return best;
}

void LoadQueue::PopChunk(LargeTable &large) {
    large.bytes_left -= large.chunks.front().bytes;
    bytes_left_ -= large.chunks.front().bytes;
    large.chunks.pop_front();
}

LoadUnit LoadQueue::Give(LargeTable &large) {
    bool untouched = large.bytes_left == large.table->bytes && large.users == 0;
    LoadUnit unit{.tables = {large.table}, .chunks = {}, .of = &large};
    unit.frozen =
        untouched && !large.table->target.through_root && (large.chunks.size() == 1 || OthersAreBusyWithout(large));
    for (const LoadChunk &chunk : large.chunks) {
        unit.chunks.push_back(chunk.path);
        if (!unit.frozen) break;
    }
    large.frozen = unit.frozen;
    large.users++;
    PopChunk(large);
    return unit;
}

std::optional<LoadUnit> LoadQueue::Indexes() {
    for (IndexGroup &group : plan_.indexes) {
        if (group.given || group.tables_left > 0) continue;
        group.given = true;
        return LoadUnit{.tables = {}, .chunks = {}, .indexes = &group};
    }
    return std::nullopt;
}

std::optional<LoadUnit> LoadQueue::Take(Ticker &ticker) {
    std::unique_lock lock(mutex_);
    for (;;) {
        std::optional<LoadUnit> unit;
        if (LargeTable *best = Best()) {
            unit = Give(*best);
        } else if (next_batch_ < plan_.batches.size()) {
            unit = LoadUnit{.tables = std::move(plan_.batches[next_batch_++]), .chunks = {}};
            for (const LoadTable *table : unit->tables) bytes_left_ -= table->bytes;
        } else if (working_ > 0) {
            unit = Indexes();
        }
        if (unit) {
            working_++;
            return unit;
        }
        if (std::ranges::all_of(plan_.large, [](const LargeTable &large) { return large.chunks.empty(); }))
            return std::nullopt;
        waiting_++;
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        waiting_--;
        ticker.Check();
    }
}

bool LoadQueue::More(const LoadUnit &unit) {
    std::scoped_lock lock(mutex_);
    LargeTable &large = *unit.of;
    if (large.chunks.empty() || !OthersAreBusyWithout(large)) return false;
    PopChunk(large);
    return true;
}

void LoadQueue::Done(const LoadUnit &unit) {
    std::scoped_lock lock(mutex_);
    working_--;
    if (unit.indexes) index_work_left_ -= unit.indexes->work;
    if (unit.of) {
        unit.of->users--;
        if (unit.frozen) unit.of->frozen = false;
    }
    bool loaded = !unit.of || (unit.of->chunks.empty() && unit.of->users == 0);
    for (const LoadTable *table : unit.tables)
        if (loaded && table->indexes) table->indexes->tables_left--;
    changed_.notify_all();
}

std::vector<const IndexGroup *> LoadQueue::IndexesLeft() const {
    std::vector<const IndexGroup *> left;
    for (const IndexGroup &group : plan_.indexes)
        if (!group.given) left.push_back(&group);
    std::ranges::sort(left, std::greater<>{}, [](const IndexGroup *group) { return group->work; });
    return left;
}

}    // namespace ark
