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
    return {&table, std::move(chunks), table.bytes, 0};
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
    std::ranges::sort(plan.of_extensions, {}, [](const LoadTable *table) { return table->target.place; });
    return plan;
}

LoadQueue::LoadQueue(LoadPlan &plan, int jobs)
    : plan_(plan), others_(static_cast<std::uint64_t>(std::max(jobs, 1) - 1)), bytes_left_(plan.bytes) {}

// One transaction that empties a table and fills it writes rows that no vacuum need freeze. It is done where the other
// connections have as much left to do as this one takes.
bool LoadQueue::MayTakeWhole(const LargeTable &large) const {
    bool untouched = large.bytes_left == large.table->bytes;
    return untouched && !large.table->target.through_root &&
           (large.chunks.size() == 1 || bytes_left_ - large.bytes_left >= others_ * large.bytes_left);
}

std::optional<LoadUnit> LoadQueue::Take() {
    std::scoped_lock lock(mutex_);
    auto rank = [](const LargeTable &large) { return std::pair(large.users == 0, large.bytes_left); };
    LargeTable *best = nullptr;
    for (LargeTable &large : plan_.large)
        if (!large.chunks.empty() && (!best || rank(large) > rank(*best))) best = &large;
    if (best) {
        LoadUnit unit{
            .tables = {best->table}, .chunk = best->chunks.front(), .frozen = MayTakeWhole(*best), .of = best};
        if (unit.frozen) {
            unit.chunk = {TablePrefix(best->table->schema, best->table->name) + "data/", best->bytes_left};
            best->table->chunks_left = 1;
            best->chunks.clear();
        } else {
            best->chunks.pop_front();
        }
        best->bytes_left -= unit.chunk.bytes;
        bytes_left_ -= unit.chunk.bytes;
        best->users++;
        return unit;
    }
    if (next_batch_ == plan_.batches.size()) return std::nullopt;
    return LoadUnit{.tables = std::move(plan_.batches[next_batch_++]), .chunk = {}};
}

void LoadQueue::Done(const LoadUnit &unit) {
    std::scoped_lock lock(mutex_);
    if (unit.of) unit.of->users--;
}

}    // namespace ark
