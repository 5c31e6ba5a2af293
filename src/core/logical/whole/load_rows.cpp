#include "logical/whole/load_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_set>

#include "base/encoding.h"
#include "logical/entries.h"
#include "logical/whole/workers.h"

namespace ark {
namespace {

// A stream of contents holds a window of frames and the reads ahead of it.
constexpr std::uint64_t kMemoryOfStream = 48 << 20;
constexpr std::size_t kObjectsTogether = 1000;
constexpr std::size_t kStatementBytes = 1 << 20;

class Loader {
public:
    Loader(const DatabaseRestoreRequest &request, BackupReader &backup, LoadPlan &plan, Definitions &definitions,
           const std::vector<std::uint32_t> &large_objects, Ticker &ticker, Log &log)
        : request_(request),
          backup_(backup),
          plan_(plan),
          definitions_(definitions),
          jobs_(std::clamp(request.jobs, 1,
                           static_cast<int>(std::max<std::uint64_t>(1, request.memory_limit / kMemoryOfStream)))),
          queue_(plan, jobs_),
          large_objects_(large_objects),
          ticker_(ticker),
          log_(log),
          encoding_(backup.manifest().body.value("encoding", "UTF8")) {
        progress_.phase = "rows";
        progress_.total_bytes = plan.bytes;
        progress_.total_items = plan.tables.size();
    }

    void Run() {
        if (!plan_.of_extensions.empty())
            RunWorkers(request_, 1, ticker_, log_, [&](Connection &connection, Ticker &) {
                SpeakEncoding(connection);
                LoadTogether(connection, plan_.of_extensions);
            });
        RunWorkers(request_, jobs_, ticker_, log_, [&](Connection &connection, Ticker &ticker) {
            SpeakEncoding(connection);
            while (std::optional<LoadUnit> unit = queue_.Take(ticker)) {
                if (unit->indexes)
                    BuildIndexes(*unit->indexes, ticker);
                else if (unit->chunks.empty())
                    LoadTogether(connection, unit->tables);
                else
                    LoadChunks(connection, *unit);
                queue_.Done(*unit);
            }
            for (std::size_t from = NextObjects(); from < large_objects_.size(); from = NextObjects())
                LoadObjects(connection, from);
        });
    }

    const LoadQueue &queue() const { return queue_; }

private:
    void BuildIndexes(const IndexGroup &group, Ticker &ticker) {
        Advance(0, "indexes");
        definitions_.RestoreBeside(group.entries, ticker);
    }

    // Text and names of the archive's statements are in the backup's encoding; the target's may be another.
    void SpeakEncoding(Connection &connection) {
        connection.Execute("SET client_encoding = " + QuoteLiteral(encoding_));
    }

    void LoadTogether(Connection &connection, const std::vector<LoadTable *> &tables) {
        std::vector<std::string> paths;
        for (const LoadTable *table : tables) paths.push_back(TablePrefix(table->schema, table->name) + "data/");
        ContentStream contents = backup_.Contents(std::move(paths));
        for (LoadTable *table : tables) Copy(connection, *table, contents, "");
    }

    void LoadChunks(Connection &connection, const LoadUnit &unit) {
        LoadTable &table = *unit.tables.front();
        ContentStream contents = backup_.Contents(unit.chunks);
        if (!unit.frozen) return Copy(connection, table, contents, "");
        connection.Execute("BEGIN; TRUNCATE ONLY " + table.target.table);
        Copy(connection, table, contents, " WITH (FREEZE)", [&] { return queue_.More(unit); });
        connection.Execute("COMMIT");
    }

    // The next contents are rows of `table`, as are those behind them while `more` says so.
    void Copy(
        Connection &connection, LoadTable &table, ContentStream &contents, const char *options,
        const std::function<bool()> &more = [] { return false; }) {
        std::string shown = table.schema + "." + table.name;
        std::size_t chunks = 0;
        try {
            Connection::CopyIn copy = connection.BeginCopyIn(
                fmt::format("COPY {} {} FROM STDIN{}", table.target.table, table.target.columns, options));
            do {
                contents.Next([&](ByteView rows) {
                    copy.Write(rows);
                    Advance(rows.size(), shown);
                });
                chunks++;
            } while (more());
            table.loaded += copy.Finish();
        } catch (Error &error) {
            if (error.code != Code::kCancelled) error.InContext(fmt::format("could not load table \"{}\"", shown));
            throw;
        }
        if ((table.chunks_left -= chunks) > 0) return;
        if (table.loaded != table.rows)
            throw Error(Code::kCorrupt,
                        fmt::format("table \"{}\" came back with {} rows, the backup has {}", shown,
                                    table.loaded.load(), table.rows),
                        {}, "pg_ark verify tells whether the backup is sound.");
        std::scoped_lock lock(mutex_);
        progress_.done_items++;
    }

    void Advance(std::uint64_t bytes, const std::string &current) {
        std::scoped_lock lock(mutex_);
        progress_.done_bytes += bytes;
        progress_.current = current;
        log_.Report(progress_);
    }

    std::size_t NextObjects() {
        std::scoped_lock lock(mutex_);
        std::size_t from = next_object_;
        next_object_ += std::min(kObjectsTogether, large_objects_.size() - next_object_);
        return from;
    }

    // They were made with the definitions, empty. One statement of many parts is one transaction.
    void LoadObjects(Connection &connection, std::size_t from) {
        std::size_t end = std::min(from + kObjectsTogether, large_objects_.size());
        std::vector<std::string> paths;
        for (std::size_t i = from; i < end; i++) paths.push_back(LargeObjectPath(large_objects_[i]));
        ContentStream contents = backup_.Contents(std::move(paths));
        std::string sql;
        auto flush = [&] {
            if (!sql.empty()) connection.Execute(std::exchange(sql, {}));
        };
        for (std::size_t i = from; i < end; i++) {
            std::uint64_t offset = 0;
            contents.Next([&](ByteView bytes) {
                sql += fmt::format("SELECT pg_catalog.lo_put({}, {}, '\\x{}');\n", large_objects_[i], offset,
                                   HexEncode(bytes));
                offset += bytes.size();
                if (sql.size() >= kStatementBytes) flush();
                Advance(bytes.size(), "large objects");
            });
        }
        flush();
    }

    const DatabaseRestoreRequest &request_;
    BackupReader &backup_;
    LoadPlan &plan_;
    Definitions &definitions_;
    int jobs_;    // that the memory allows
    LoadQueue queue_;
    const std::vector<std::uint32_t> &large_objects_;
    Ticker &ticker_;
    Log &log_;
    std::string encoding_;
    std::mutex mutex_;
    Progress progress_;
    std::size_t next_object_ = 0;
};

}    // namespace

std::vector<std::int32_t> LoadRows(const DatabaseRestoreRequest &request, BackupReader &backup, LoadPlan &plan,
                                   const IndexEntries &indexes, Definitions &definitions,
                                   const std::vector<std::uint32_t> &large_objects, Ticker &ticker, Log &log) {
    Loader loader(request, backup, plan, definitions, large_objects, ticker, log);
    loader.Run();
    std::vector<std::int32_t> first;
    for (const IndexGroup *group : loader.queue().IndexesLeft())
        first.insert(first.end(), group->entries.begin(), group->entries.end());
    std::unordered_set<std::int32_t> done;
    for (const IndexGroup &group : plan.indexes)
        if (group.given) done.insert(group.entries.begin(), group.entries.end());
    return indexes.Rest(first, done);
}

}    // namespace ark
