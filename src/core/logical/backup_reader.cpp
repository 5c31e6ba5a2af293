#include "logical/backup_reader.h"

#include <fmt/format.h>

#include "logical/entries.h"

namespace ark {
namespace {

constexpr std::size_t kReadsAhead = 3;
constexpr std::size_t kFramesAtOnce = 256;    // several chunks, so that reading ahead does not stop at their borders

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

    TreeCursor Cursor() const { return TreeCursor(frames, root); }

    // The table whose `columns` entry is at the cursor, with its totals; the cursor moves to them.
    static BackupTable TakeTable(TreeCursor &cursor) {
        BackupTable table = TableFromEntry(*cursor.Current());
        std::string totals = TablePrefix(table.schema, table.name) + "totals";
        cursor.Next();
        if (cursor.Current() && cursor.Path() < totals) cursor.Seek(totals);
        if (cursor.Current() && cursor.Path() == totals) AddTotals(table, *cursor.Current());
        return table;
    }

    void Visit(std::vector<FrameRef> &refs, const std::function<void(ByteView)> &visit) {
        frames->ReadAll(refs, kReadsAhead, [&](const FrameRef &, ByteView plain) { visit(plain); });
        refs.clear();
    }
};

BackupReader::BackupReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys, const BackupId &id)
    : state_(std::make_unique<State>()) {
    state_->manifest = ReadableManifest(*repository, id, keys.get());
    if (!state_->manifest.body.contains("tree"))
        throw Error(Code::kCorrupt, fmt::format("the manifest of backup \"{}\" has no tree", id));
    state_->root = TreeRootFromJson(state_->manifest.body["tree"]);
    state_->frames = std::make_shared<FrameReader>(std::move(repository), std::move(keys));
}

BackupReader::~BackupReader() = default;

const Manifest &BackupReader::manifest() const { return state_->manifest; }
FrameReader &BackupReader::frames() { return *state_->frames; }
TreeCursor BackupReader::Entries() { return state_->Cursor(); }

void BackupReader::Tables(const std::function<void(const BackupTable &)> &visit) {
    TreeCursor cursor = state_->Cursor();
    for (cursor.Seek("table/"); cursor.Current();) {
        const std::string &path = cursor.Path();
        if (!path.starts_with("table/")) return;
        if (LeafOf(path) == "columns") {
            visit(State::TakeTable(cursor));
        } else {
            cursor.Next();
        }
    }
}

std::optional<BackupTable> BackupReader::Table(std::string_view schema, std::string_view name) {
    TreeCursor cursor = state_->Cursor();
    std::string path = TablePrefix(schema, name) + "columns";
    cursor.Seek(path);
    if (!cursor.Current() || cursor.Path() != path) return std::nullopt;
    return State::TakeTable(cursor);
}

std::vector<BackupSequence> BackupReader::Sequences() {
    std::vector<BackupSequence> sequences;
    TreeCursor cursor = state_->Cursor();
    for (cursor.Seek("sequence/"); cursor.Current() && cursor.Path().starts_with("sequence/"); cursor.Next())
        sequences.push_back(SequenceFromEntry(*cursor.Current()));
    return sequences;
}

void BackupReader::Rows(const BackupTable &table, const std::function<void(ByteView rows)> &visit) {
    std::string prefix = TablePrefix(table.schema, table.name) + "data/";
    TreeCursor cursor = state_->Cursor();
    std::vector<FrameRef> refs;
    for (cursor.Seek(prefix); cursor.Current() && cursor.Path().starts_with(prefix); cursor.Next()) {
        for (FrameRef &ref : FramesOf(*cursor.Current())) refs.push_back(std::move(ref));
        if (refs.size() >= kFramesAtOnce) state_->Visit(refs, visit);
    }
    state_->Visit(refs, visit);
}

void BackupReader::Content(std::string_view path, const std::function<void(ByteView)> &visit) {
    TreeCursor cursor = state_->Cursor();
    cursor.Seek(path);
    if (!cursor.Current() || cursor.Path() != path)
        throw Error(Code::kNotFound, fmt::format("backup \"{}\" has no \"{}\"", state_->manifest.clear.backup, path));
    std::vector<FrameRef> refs = FramesOf(*cursor.Current());
    state_->Visit(refs, visit);
}

}    // namespace ark
