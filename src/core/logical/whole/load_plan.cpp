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
    return {.table = &table, .chunks = std::move(chunks), .bytes_left = table.bytes};
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
    : plan_(plan), others_(static_cast<std::uint64_t>(std::max(jobs, 1) - 1)) {
    for (const LargeTable &large : plan.large) bytes_left_ += large.bytes_left;
    for (const std::vector<LoadTable *> &batch : plan.batches)
        for (const LoadTable *table : batch) bytes_left_ += table->bytes;
}

// What others still have to take is compared with the chunk that would keep them waiting.
bool LoadQueue::OthersAreBusyWithout(const LargeTable &large) const {
    return waiting_ == 0 && bytes_left_ - large.bytes_left >= others_ * large.chunks.front().bytes;
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

std::optional<LoadUnit> LoadQueue::Take(Ticker &ticker) {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (LargeTable *best = Best()) return Give(*best);
        if (next_batch_ < plan_.batches.size()) {
            LoadUnit unit{.tables = std::move(plan_.batches[next_batch_++]), .chunks = {}};
            for (const LoadTable *table : unit.tables) bytes_left_ -= table->bytes;
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
    if (!unit.of) return;
    unit.of->users--;
    if (unit.frozen) unit.of->frozen = false;
    changed_.notify_all();
}

}    // namespace ark
