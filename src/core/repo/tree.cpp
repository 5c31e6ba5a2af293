#include "repo/tree.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fmt/format.h>

#include "repo/tree_walk.h"

namespace ark {
namespace {

constexpr std::size_t kLeastNode = 64 << 10, kMostNode = 1 << 20;
constexpr std::uint64_t kMeanBeyondLeast = 192 << 10;
constexpr std::size_t kMostRootFrames = 64;
constexpr int kStepsBeforeSeek = 4;

// A node may end after a line whose path hashes low enough: the longer the line, the likelier, so that nodes
// average 256 KiB whatever the lines' length.
bool EndsNode(std::string_view path, int level, std::size_t line) {
    std::uint64_t hash = XXH3_64bits_withSeed(path.data(), path.size(), static_cast<XXH64_hash_t>(level));
    return line >= kMeanBeyondLeast || hash < UINT64_MAX / kMeanBeyondLeast * line;
}

}    // namespace

Json ToJson(const TreeRoot &root) {
    Json frames = Json::array();
    for (const FrameRef &ref : root.frames) frames.push_back(ToJson(ref));
    return {{"level", root.level}, {"frames", frames}};
}

TreeRoot TreeRootFromJson(const Json &json) {
    constexpr std::string_view kWhat = "the root of a backup's tree";
    TreeRoot root;
    std::uint64_t level = JsonNumber(json, "level", kWhat);
    if (level > 16 || !json.contains("frames") || !json["frames"].is_array() || json["frames"].size() > kMostRootFrames)
        throw Error(Code::kCorrupt, fmt::format("{} is not understood", kWhat));
    root.level = static_cast<int>(level);
    for (const Json &frame : json["frames"]) root.frames.push_back(FrameRefFromJson(frame));
    return root;
}

struct TreeCursor::State {
    TreeWalk walk;
    bool placed = false;
};

TreeCursor::TreeCursor(std::shared_ptr<FrameReader> reader, TreeRoot root)
    : state_(new State{TreeWalk(std::move(reader), std::move(root), 0)}) {}
TreeCursor::~TreeCursor() = default;

const Json *TreeCursor::Current() {
    state_->placed = true;
    return state_->walk.Current();
}

const std::string &TreeCursor::Path() {
    const Json *entry = Current();
    if (entry == nullptr) throw Error(Code::kInternal, "a tree was read beyond its end");
    return entry->at("path").get_ref<const std::string &>();
}

void TreeCursor::Next() { state_->walk.Next(); }

void TreeCursor::Seek(std::string_view path) {
    state_->placed = true;
    state_->walk.Seek(path);
}

void TreeCursor::SkipTo(std::string_view path) {
    if (!state_->placed) return Seek(path);
    for (int step = 0; Current() && Path() < path; step++) {
        if (step == kStepsBeforeSeek) return Seek(path);
        Next();
    }
}

struct TreeWriter::State {
    struct Level {
        Bytes lines;
        std::string first, last;
        std::uint64_t entries = 0;
        std::vector<FrameRef> nodes;    // those made so far, as long as they may be the root's
        std::uint64_t made = 0;
    };

    void AddLine(std::size_t level, const Json &line, const std::string &first, const std::string &last,
                 std::uint64_t entries) {
        if (levels.size() <= level) levels.resize(level + 1);
        std::string text = JsonText(line) + "\n";
        if (!levels[level].lines.empty() && levels[level].lines.size() + text.size() > kMostNode) EndNode(level);
        Level &here = levels[level];
        if (here.lines.empty()) here.first = first;
        here.last = last;
        here.entries += entries;
        Append(here.lines, AsBytes(text));
        if (here.lines.size() >= kLeastNode && EndsNode(last, static_cast<int>(level), text.size())) EndNode(level);
    }

    void EndNode(std::size_t level) {
        Level done = std::exchange(levels[level], {});
        FrameRef ref = Store(done, static_cast<int>(level));
        Json line = {{"first", done.first}, {"last", done.last}, {"entries", done.entries}, {"node", ToJson(ref)}};
        done.made++;
        if (done.nodes.size() < kMostRootFrames) done.nodes.push_back(std::move(ref));
        levels[level].made = done.made;
        levels[level].nodes = std::move(done.nodes);
        AddLine(level + 1, line, done.first, done.last, done.entries);
    }

    FrameRef Store(const Level &node, int level) {
        std::string digest = key.Digest(node.lines);
        std::optional<FrameRef> same = reuse ? reuse(node.first, level, node.lines.size(), digest) : std::nullopt;
        if (same && same->size == node.lines.size() && same->digest == digest) return *same;
        return packs.Append(node.lines, digest);
    }

    TreeRoot Finish() {
        for (std::size_t level = 0; level < levels.size(); level++) {
            if (!levels[level].lines.empty()) EndNode(level);
            if (levels[level].made <= kMostRootFrames) return {static_cast<int>(level), std::move(levels[level].nodes)};
        }
        return {};
    }

    PackWriter &packs;
    DomainKey key;
    Reuse reuse;
    std::vector<Level> levels{};
    std::string last_path{};
};

TreeWriter::TreeWriter(PackWriter &packs, const DomainKey &key, Reuse reuse)
    : state_(new State{packs, key, std::move(reuse)}) {}
TreeWriter::~TreeWriter() = default;

void TreeWriter::Add(const Json &entry) {
    std::string path = JsonString(entry, "path", "a new entry of the tree");
    if (path <= state_->last_path)
        throw Error(Code::kInternal,
                    fmt::format("entry \"{}\" of the tree comes after \"{}\"", path, state_->last_path));
    state_->AddLine(0, entry, path, path, 1);
    state_->last_path = std::move(path);
}

TreeRoot TreeWriter::Finish() { return state_->Finish(); }

TreeWriter::Reuse NodeReuse(std::shared_ptr<FrameReader> reader, TreeRoot base,
                            std::function<bool(const FrameRef &)> reference) {
    auto walks = std::make_shared<std::vector<std::unique_ptr<TreeWalk>>>();
    return [=](const std::string &first_path, int level, std::uint64_t size,
               const std::string &digest) -> std::optional<FrameRef> {
        auto fits = [&](const FrameRef &ref) { return ref.size == size && ref.digest == digest && reference(ref); };
        if (level > base.level) return std::nullopt;
        if (level == base.level) {
            for (const FrameRef &ref : base.frames)
                if (fits(ref)) return ref;
            return std::nullopt;
        }
        if (walks->size() <= static_cast<std::size_t>(level)) walks->resize(static_cast<std::size_t>(level) + 1);
        std::unique_ptr<TreeWalk> &walk = (*walks)[static_cast<std::size_t>(level)];
        try {
            if (!walk) walk = std::make_unique<TreeWalk>(reader, base, level + 1);
            for (const Json *line = walk->Current(); line != nullptr; line = walk->Current()) {
                std::string first = JsonString(*line, "first", "a line of an inner node of the tree");
                if (first > first_path) return std::nullopt;
                FrameRef ref = NodeOf(*line);
                walk->Next();
                if (first == first_path) return fits(ref) ? std::optional(ref) : std::nullopt;
            }
        } catch (const Error &e) {    // what cannot be read is stored afresh
            if (e.code != Code::kCorrupt && e.code != Code::kNotFound) throw;
            walk = std::make_unique<TreeWalk>(reader, TreeRoot{}, level + 1);
        }
        return std::nullopt;
    };
}

}    // namespace ark
