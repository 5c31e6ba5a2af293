#include "logical/backup_reader.h"

#include <fmt/format.h>

#include "logical/entries.h"

namespace ark {
namespace {

Manifest ReadableManifest(const Repository &repository, const BackupId &id, KeyRing *keys) {
    std::optional<Manifest> manifest = ReadManifest(repository, id, keys);
    if (!manifest || manifest->clear.state != "complete")
        throw Error(Code::kNotFound, fmt::format("there is no backup \"{}\"", id), manifest ? "it was aborted" : "",
                    "pg_ark list shows what there is");
    if (!manifest->readable())
        throw Error(Code::kPermissionDenied, fmt::format("could not read backup \"{}\"", id),
                    "it is encrypted and no key was given", "set ark.encryption_key");
    if (manifest->clear.kind != "logical" && manifest->clear.kind != "entities")
        throw Error(Code::kInvalidArgument,
                    fmt::format("backup \"{}\" is of kind {} and has no tables", id, manifest->clear.kind));
    return std::move(*manifest);
}

}    // namespace

struct BackupReader::State {
    Manifest manifest;
    TreeRoot root;
    std::shared_ptr<FrameReader> frames;
    std::shared_ptr<SpareCursors> cursors;

    TreeCursor Cursor() const { return TreeCursor(frames, root); }

    // The table whose `columns` entry is at the cursor, with its totals; the cursor moves to them.
    static BackupTable TakeTable(TreeCursor &cursor) {
        BackupTable table = TableFromEntry(*cursor.Current());
        std::string totals = TablePrefix(table.schema, table.name) + "totals";
        cursor.SkipTo(totals);
        if (cursor.Current() && cursor.Path() == totals) AddTotals(table, *cursor.Current());
        return table;
    }
};

BackupReader::BackupReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys, const BackupId &id)
    : state_(std::make_unique<State>()) {
    state_->manifest = ReadableManifest(*repository, id, keys.get());
    if (!state_->manifest.body.contains("tree"))
        throw Error(Code::kCorrupt, fmt::format("the manifest of backup \"{}\" has no tree", id));
    state_->root = TreeRootFromJson(state_->manifest.body["tree"]);
    state_->frames = std::make_shared<FrameReader>(std::move(repository), std::move(keys));
    state_->cursors = std::make_shared<SpareCursors>(state_->frames, state_->root);
}

BackupReader::~BackupReader() = default;

const Manifest &BackupReader::manifest() const { return state_->manifest; }
FrameReader &BackupReader::frames() { return *state_->frames; }
TreeCursor BackupReader::Entries() { return state_->Cursor(); }

std::optional<BackupTable> BackupReader::NextTable(TreeCursor &cursor) {
    cursor.SkipTo("table/");
    for (; cursor.Current() && cursor.Path().starts_with("table/"); cursor.Next())
        if (LeafOf(cursor.Path()) == "columns") return State::TakeTable(cursor);
    return std::nullopt;
}

void BackupReader::Tables(const std::function<void(const BackupTable &)> &visit) {
    TreeCursor cursor = state_->Cursor();
    while (std::optional<BackupTable> table = NextTable(cursor)) visit(*table);
}

std::optional<BackupTable> BackupReader::Table(std::string_view schema, std::string_view name) {
    std::unique_ptr<TreeCursor> cursor = state_->cursors->Take();
    std::string path = TablePrefix(schema, name) + "columns";
    std::optional<BackupTable> table;
    cursor->Seek(path);
    if (cursor->Current() && cursor->Path() == path) table = State::TakeTable(*cursor);
    state_->cursors->Return(std::move(cursor));
    return table;
}

std::vector<BackupSequence> BackupReader::Sequences() {
    std::vector<BackupSequence> sequences;
    TreeCursor cursor = state_->Cursor();
    for (cursor.Seek("sequence/"); cursor.Current() && cursor.Path().starts_with("sequence/"); cursor.Next())
        sequences.push_back(SequenceFromEntry(*cursor.Current()));
    return sequences;
}

void BackupReader::Rows(const BackupTable &table, const std::function<void(ByteView rows)> &visit) {
    Contents({RowsPath(table)}).Next(visit);
}

void BackupReader::Content(std::string_view path, const std::function<void(ByteView)> &visit) {
    Contents({std::string(path)}).Next(visit);
}

ContentStream BackupReader::Contents(std::vector<std::string> paths) {
    return ContentStream(state_->frames, state_->cursors, std::move(paths));
}

}    // namespace ark
