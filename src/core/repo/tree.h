// The manifest's tree: entries in ascending path order, written and read as streams. Section 3.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "repo/frame.h"
#include "repo/frame_reader.h"
#include "repo/pack_writer.h"

namespace ark {

struct TreeRoot {
    int level = 0;
    std::vector<FrameRef> frames;    // at most 64
};
Json ToJson(const TreeRoot &root);
TreeRoot TreeRootFromJson(const Json &json);

// Forward cursor over a tree, in path order; memory: one node a level, and up to eight leaves read ahead.
// Whatever does not fit the format is kCorrupt: entries out of order, a node that begins elsewhere than its parent says.
class TreeCursor {
public:
    TreeCursor(std::shared_ptr<FrameReader> reader, TreeRoot root);
    ~TreeCursor();
    // The entry at the cursor; nullptr at the end. Valid until the next call.
    const Json *Current();
    const std::string &Path();    // of the current entry
    void Next();
    void Seek(std::string_view
                  path);    // forward or backward, to the first entry with path >= `path`; reads only what it must
    // The same for whoever asks in ascending order: entries that are near are stepped over, so that leaves go on being
    // read ahead; a cursor that stands beyond `path` already stays there.
    void SkipTo(std::string_view path);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Entries must come in ascending order of their "path". A node equal to one of the base tree's is referenced, not stored.
class TreeWriter {
public:
    // `reusable` may be null; it answers a reference of equal content to reuse, or nullopt (see NodeReuse).
    using Reuse = std::function<std::optional<FrameRef>(const std::string &first_path, int level, std::uint64_t size,
                                                        const std::string &digest)>;
    TreeWriter(PackWriter &packs, const DomainKey &key, Reuse reuse = nullptr);
    ~TreeWriter();
    void Add(const Json &entry);
    TreeRoot Finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Answers a TreeWriter's question from a base tree: its nodes are walked beside the new tree's, level by level, by path.
// `reference` is BackupSession::Reference: what it refuses is stored afresh. Memory: a few nodes a level.
TreeWriter::Reuse NodeReuse(std::shared_ptr<FrameReader> reader, TreeRoot base,
                            std::function<bool(const FrameRef &)> reference);

}    // namespace ark
