#include "logical/restore/safety.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "logical/entries.h"
#include "logical/row_framer.h"
#include "repo/catalog.h"
#include "repo/events.h"

namespace ark {
namespace {

constexpr const char *kOnlyChunk = "0000000000";

std::string Path(const Target &target, std::string_view rest) {
    return TablePrefix(target.live.schema, target.live.name) + std::string(rest);
}

std::vector<std::string> StoredColumns(const LiveTable &live) {
    std::vector<std::string> out;
    for (const LiveColumn &column : live.columns)
        if (!column.generated) out.push_back(column.name);
    return out;
}

// What an inserted row is found by again: the live key if the backup has it, else all that was inserted.
std::vector<std::string> KeyNames(const Target &target) {
    std::vector<std::string> out;
    for (const KeyColumn &column : target.live.key) {
        if (!target.reached && std::ranges::find(target.columns, column.name) == target.columns.end())
            return target.columns;
        out.push_back(column.name);
    }
    return out.empty() ? target.columns : out;
}

// The live table as a backup describes one; what the copy holds stands under change/, so it has no rows of its own.
BackupTable Described(const Target &target) {
    BackupTable table;
    table.schema = target.live.schema;
    table.name = target.live.name;
    table.oid = target.live.oid;
    table.kind = target.live.kind;
    for (const LiveColumn &column : target.live.columns)
        table.columns.push_back({.name = column.name,
                                 .type = column.type,
                                 .base_type = column.type,
                                 .not_null = column.not_null,
                                 .generated = column.generated ? "s" : "",
                                 .identity = column.identity_always ? "a" : "",
                                 .plain = column.plain});
    table.copy = StoredColumns(target.live);
    table.key = KeyNames(target);
    table.rows_digest = std::string(32, '0');
    return table;
}

std::string LiveRows(const Target &target, std::string_view which) {
    std::vector<std::string> columns = StoredColumns(target.live);
    if (columns.empty()) return fmt::format("SELECT FROM {} d WHERE {}", target.diff, which);
    std::string query =
        fmt::format("SELECT {} FROM {} d JOIN {} l ON l.tableoid = d.live_table AND l.ctid = d.live_row WHERE {}",
                    ColumnList(columns, "l."), target.diff, target.live.Only(), which);
    return "SELECT * FROM " + RunAs::SelectAsOwner(target.live.owner, query, TypedColumns(target.live, columns));
}

class SafetyWriter {
public:
    SafetyWriter(Connection &connection, BackupSession &session, const Compression &compression)
        : connection_(connection),
          packs_(session.NewPackWriter(
              {.compression = compression, .target_size = 64 << 20, .part_size = 4 << 20, .parts_queued = 2})),
          nodes_(session.NewPackWriter(
              {.compression = compression, .target_size = 64 << 20, .part_size = 4 << 20, .parts_queued = 2})),
          key_(session.key()),
          tree_(*nodes_, key_) {}

    void Table(const Target &target) {
        std::string inserted = fmt::format("SELECT FROM {} WHERE false", target.diff);
        if (!target.reached)
            inserted = fmt::format("SELECT {} FROM {} d JOIN {} s ON s.ark_row = d.ark_row WHERE d.op = 'i'",
                                   ColumnList(KeyNames(target), "s."), target.diff, target.stage);
        Rows(Path(target, fmt::format("change/deleted/{}", kOnlyChunk)), LiveRows(target, "d.op = 'd'"));
        Rows(Path(target, fmt::format("change/inserted/{}", kOnlyChunk)), inserted);
        Rows(Path(target, fmt::format("change/updated/{}", kOnlyChunk)), LiveRows(target, "d.op IN ('u', 'x', 'f')"));
        BackupTable table = Described(target);
        tree_.Add(ColumnsEntry(table));
        tree_.Add(TotalsEntry(table));
    }
    TreeRoot Finish() {
        packs_->Finish();
        TreeRoot root = tree_.Finish();
        nodes_->Finish();
        return root;
    }
    std::uint64_t rows = 0, bytes = 0;

private:
    void Rows(const std::string &path, const std::string &query) {
        Json frames = Json::array();
        RowFramer framer([&](ByteView frame, std::uint64_t count) {
            FrameRef ref = packs_->Append(frame);
            ref.rows = count;
            frames.push_back(ToJson(ref));
        });
        connection_.CopyOut(fmt::format("COPY ({}) TO STDOUT WITH (ENCODING {})", query,
                                        QuoteLiteral(connection_.Parameter("server_encoding"))),
                            [&](std::string_view row) {
                                while (!row.empty()) {
                                    MutableBytes space = framer.Space();
                                    std::size_t n = std::min(space.size(), row.size());
                                    std::memcpy(space.data(), row.data(), n);
                                    framer.Added(n);
                                    row.remove_prefix(n);
                                }
                            });
        framer.Finish();
        rows += framer.rows();
        bytes += framer.bytes();
        tree_.Add({{"path", path},
                   {"rows", framer.rows()},
                   {"bytes", framer.bytes()},
                   {"blocks", nullptr},
                   {"frames", std::move(frames)}});
    }

    Connection &connection_;
    std::unique_ptr<PackWriter> packs_, nodes_;
    DomainKey key_;
    TreeWriter tree_;
};

Json Body(Connection &connection, const RestoreRequest &request, const std::vector<MergeStep> &steps,
          const SafetyWriter &written, const TreeRoot &tree, TimePoint started, Clock &clock) {
    ServerIdentity server = IdentifyServer(connection);
    Result database = connection.Query(
        "SELECT current_database(), oid, pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database WHERE "
        "datname = current_database()");
    Json session = Json::object(), entities = Json::array();
    for (const auto &[name, value] : SessionContract(connection, false)) session[name] = value;
    for (const MergeStep &step : steps) entities.push_back(step.target->Name());
    return {{"tool", "pg_ark " ARK_VERSION},
            {"label", fmt::format("before restore {}", request.restore_id)},
            {"reason", request.reason},
            {"taken_by", request.caller},
            {"environment", request.environment},
            {"source", "local"},
            {"database", database.String(0, 0)},
            {"database_oid", database.Unsigned(0, 1)},
            {"system_identifier", server.system_identifier},
            {"server_version_num", server.version_num},
            {"snapshot_time", FormatTime(started, true)},
            {"started", FormatTime(started, true)},
            {"finished", FormatTime(clock.Now(), true)},
            {"encoding", database.String(0, 2)},
            {"session", session},
            {"compression", request.compression.Name()},
            {"tables", steps.size()},
            {"rows", written.rows},
            {"plain_bytes", written.bytes},
            {"entities", entities},
            {"tree", ToJson(tree)}};
}

std::string GoneTable(const Target &target) { return target.stage + "_gone"; }

}    // namespace

BackupId WriteSafetyCopy(Connection &connection, const std::vector<MergeStep> &steps, const RestoreRequest &request,
                         const SafetyContext &context) {
    TimePoint started = context.clock.Now();
    std::string oid =
        connection.Query("SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()").String(0, 0);
    BackupPlan plan{.kind = "entities",
                    .domain = "database-" + oid,
                    .bases = {},
                    .reason = request.reason,
                    .full_every = std::chrono::hours(24)};
    std::unique_ptr<BackupSession> session =
        BackupSession::Begin(context.repository, context.keys, plan, context.clock, context.random);
    try {
        SafetyWriter writer(connection, *session, request.compression);
        std::vector<const Target *> targets;
        for (const MergeStep &step : steps) targets.push_back(step.target);
        std::ranges::sort(targets, {}, [](const Target *target) { return Path(*target, ""); });
        for (const Target *target : targets) writer.Table(*target);
        TreeRoot tree = writer.Finish();
        // The hold comes first: between commit and hold a policy could end the copy.
        WriteEvent(*context.repository, context.keys->Newest("cluster", true, context.random),
                   {.subject = session->id(),
                    .type = "hold",
                    .body = {{"by", request.caller},
                             {"reason", fmt::format("undo of restore {}", request.restore_id)},
                             {"until", nullptr}}},
                   context.clock, context.random);
        session->Commit(Body(connection, request, steps, writer, tree, started, context.clock));
        return session->id();
    } catch (...) {    // rethrown: only the fence is added
        session->Abort();
        throw;
    }
}

void GiveUpSafetyCopy(const BackupId &copy, const std::string &transaction, const RestoreRequest &request,
                      const SafetyContext &context, Error &why) {
    try {
        std::shared_ptr<Repository> repository =
            request.open_to_tidy_up ? request.open_to_tidy_up() : context.repository;
        EndBackup(*repository, copy, "the restore it was made for was rolled back", request.caller, context.clock);
        if (request.on_write && !transaction.empty()) request.on_write(transaction, std::nullopt);
    } catch (const Error &error) {
        why.detail += fmt::format("{}Its safety copy {} is left, and held: {}", why.detail.empty() ? "" : " ", copy,
                                  error.message);
    }
}

void LoadUndo(Connection &connection, const Target &target, BackupReader &backup) {
    auto load = [&](const std::string &table, const std::vector<std::string> &columns, std::string_view op) {
        CopyInto(connection, backup, table, columns, [&](const std::function<void(ByteView)> &write) {
            backup.Content(Path(target, fmt::format("change/{}/{}", op, kOnlyChunk)), write);
        });
    };
    const BackupTable &source = target.sources.front();
    FillTemporary(connection, target, target.stage, source.copy, [&](const std::string &table) {
        load(table, source.copy, "deleted");
        load(table, source.copy, "updated");
    });
    FillTemporary(connection, target, GoneTable(target), source.key,
                  [&](const std::string &table) { load(table, source.key, "inserted"); });
}

void ComputeUndo(Connection &connection, const Target &target, std::uint64_t caller) {
    const std::vector<std::string> &key = target.sources.front().key;
    if (target.live.key.empty())    // an old row comes back though equal ones are there
        connection.Execute(fmt::format("INSERT INTO {} SELECT 'i', ark_row FROM {}", target.diff, target.stage));
    else
        ComputeDiff(connection, target, RestoreMode::kUpsert, {}, caller);
    bool by_key = std::ranges::equal(target.live.key, key, {}, &KeyColumn::name);
    if (by_key && !key.empty()) {
        AddToDiff(connection, target,
                  fmt::format("SELECT 'd'::text, NULL::bigint, l.tableoid, l.ctid FROM {} l JOIN {} s ON {}",
                              target.live.Only(), GoneTable(target), KeyMatch(target)));
        return;
    }
    std::string missing;
    for (const std::string &column : key)
        if (!target.live.Column(column)) missing += (missing.empty() ? "" : ", ") + column;
    if (!missing.empty())
        throw Error(Code::kConflict,
                    fmt::format("the rows that the restore inserted into \"{}\" cannot be found", target.Name()),
                    fmt::format("The table no longer has these columns: {}.", missing));
    AddToDiff(connection, target,
              fmt::format("SELECT 'd'::text, NULL::bigint, l.tableoid, l.ctid FROM ({}) l JOIN ({}) s ON s.i = l.i AND "
                          "s.n = l.n",
                          NumberedCopies("tableoid, ctid", key, target.live.Only()),
                          NumberedCopies("ark_row", key, GoneTable(target))));
}

}    // namespace ark
