// A walk over the lines of a tree's nodes at one level: entries at level 0, descriptions of nodes above. Section 3.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "repo/tree.h"

namespace ark {

FrameRef NodeOf(const Json &line);    // the node that a line of an inner node describes; throws kCorrupt

class TreeWalk {
public:
    TreeWalk(std::shared_ptr<FrameReader> reader, TreeRoot root, int bottom);

    const Json *Current();    // nullptr at the end; valid until the next call
    void Next();
    void Seek(std::string_view path);    // the first line that reaches `path`: its path, or its last one, is >= `path`

private:
    struct Node {
        Buffer bytes;
        std::vector<std::string_view> lines;
        std::size_t at = 0;
        std::string first, last;    // paths it covers
        bool Covers(std::string_view path) const { return !lines.empty() && first <= path && path <= last; }
    };

    Node &NodeAt(int level) { return nodes_[static_cast<std::size_t>(level - bottom_)]; }
    Node Parse(Buffer bytes, int level) const;
    Json ParseLine(const Node &node, std::size_t line, int level) const;
    void Start();
    bool LoadRoot(std::size_t index);
    void Descend(int from);                              // loads the nodes below the current line of `from`
    bool Advance(int level);                             // to the next line of that level, loading what is needed
    Buffer ReadChild(int level);                         // the node below the current line of `level`
    void SearchDown(int from, std::string_view path);    // places every level from `from` down at `path`
    const std::string &RootFirst(std::size_t index);
    void Forget();

    std::shared_ptr<FrameReader> reader_;
    TreeRoot root_;
    int bottom_;
    std::vector<Node> nodes_;    // one a level, from bottom_ up
    std::size_t root_at_ = 0;
    bool started_ = false;
    std::vector<std::optional<std::string>> root_first_;
    std::deque<std::pair<std::string, Buffer>> ahead_;    // bottom nodes read ahead, by digest
    std::size_t batch_ = 1;
    std::optional<Json> current_;
    std::string last_path_;
};

}    // namespace ark
