#include "repo/tree_walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr std::size_t kMostAhead = 8;

std::string PathOf(const Json &line, int level, const char *inner) {
    return JsonString(line, level == 0 ? "path" : inner, "a line of the tree");
}

Error OutOfOrder(std::string_view path) {
    return Error(Code::kCorrupt, "the tree of a backup is out of order", fmt::format("It is so at \"{}\".", path));
}

}    // namespace

FrameRef NodeOf(const Json &line) {
    if (!line.is_object() || !line.contains("node"))
        throw Error(Code::kCorrupt, "a line of an inner node of the tree names no node");
    return FrameRefFromJson(line["node"]);
}

TreeWalk::TreeWalk(std::shared_ptr<FrameReader> reader, TreeRoot root, int bottom)
    : reader_(std::move(reader)),
      root_(std::move(root)),
      bottom_(bottom),
      nodes_(static_cast<std::size_t>(std::max(root_.level - bottom + 1, 1))),
      root_first_(root_.frames.size()) {
    if (bottom > root_.level) root_.frames.clear();
}

Json TreeWalk::ParseLine(const Node &node, std::size_t line, int level) const {
    return ParseJson(node.lines[line], level == 0 ? "an entry of the tree" : "a line of an inner node of the tree");
}

TreeWalk::Node TreeWalk::Parse(Buffer bytes, int level) const {
    Node node;
    node.bytes = std::move(bytes);
    std::string_view rest = AsText(node.bytes);
    while (!rest.empty()) {
        std::size_t newline = rest.find('\n');
        if (newline == std::string_view::npos)
            throw Error(Code::kCorrupt, "a node of the tree does not end with a line");
        node.lines.push_back(rest.substr(0, newline));
        rest.remove_prefix(newline + 1);
    }
    if (node.lines.empty()) throw Error(Code::kCorrupt, "a node of the tree is empty");
    node.first = PathOf(ParseLine(node, 0, level), level, "first");
    node.last = PathOf(ParseLine(node, node.lines.size() - 1, level), level, "last");
    return node;
}

bool TreeWalk::LoadRoot(std::size_t index) {
    root_at_ = index;
    if (index >= root_.frames.size()) return false;
    NodeAt(root_.level) = Parse(reader_->Read(root_.frames[index]), root_.level);
    root_first_[index] = NodeAt(root_.level).first;
    return true;
}

// Leaves that are read one after another come in batches that double, so that neighbours share a request.
Buffer TreeWalk::ReadChild(int level) {
    const Node &parent = NodeAt(level);
    FrameRef ref = NodeOf(ParseLine(parent, parent.at, level));
    if (level - 1 != bottom_) return reader_->Read(ref);
    if (!ahead_.empty() && ahead_.front().first == ref.digest) {
        Buffer bytes = std::move(ahead_.front().second);
        ahead_.pop_front();
        return bytes;
    }
    ahead_.clear();
    std::vector<FrameRef> refs{ref};
    for (std::size_t i = parent.at + 1; i < parent.lines.size() && refs.size() < batch_; i++)
        refs.push_back(NodeOf(ParseLine(parent, i, level)));
    batch_ = std::min(batch_ * 2, kMostAhead);
    if (refs.size() == 1) return reader_->Read(ref);
    try {
        reader_->ReadAll(
            refs, 2, [&](const FrameRef &one, ByteView plain) { ahead_.emplace_back(one.digest, Buffer::Of(plain)); });
    } catch (const Error &e) {    // a node further on may be bad; the one that was asked for may be good
        if (e.code != Code::kCorrupt && e.code != Code::kNotFound) throw;
        ahead_.clear();
        batch_ = 1;
        return reader_->Read(ref);
    }
    Buffer bytes = std::move(ahead_.front().second);
    ahead_.pop_front();
    return bytes;
}

void TreeWalk::Descend(int from) {
    for (int level = from; level > bottom_; level--) {
        const Node &parent = NodeAt(level);
        Json line = ParseLine(parent, parent.at, level);
        Node child = Parse(ReadChild(level), level - 1);
        if (child.first != PathOf(line, level, "first") || child.last != PathOf(line, level, "last"))
            throw OutOfOrder(child.first);
        NodeAt(level - 1) = std::move(child);
    }
}

void TreeWalk::Start() {
    if (started_) return;
    started_ = true;
    if (LoadRoot(0)) Descend(root_.level);
}

bool TreeWalk::Advance(int level) {
    for (; level <= root_.level; level++) {
        Node &node = NodeAt(level);
        if (++node.at < node.lines.size()) {
            Descend(level);
            return true;
        }
    }
    if (!LoadRoot(root_at_ + 1)) return false;
    Descend(root_.level);
    return true;
}

const Json *TreeWalk::Current() {
    Start();
    if (root_at_ >= root_.frames.size()) return nullptr;
    if (!current_) {
        Node &node = NodeAt(bottom_);
        current_ = ParseLine(node, node.at, bottom_);
        std::string path = PathOf(*current_, bottom_, "first");
        if (path <= last_path_) throw OutOfOrder(path);
        last_path_ = bottom_ == 0 ? std::move(path) : PathOf(*current_, bottom_, "last");
    }
    return &*current_;
}

void TreeWalk::Next() {
    if (Current() == nullptr) return;
    current_.reset();
    Advance(bottom_);
}

const std::string &TreeWalk::RootFirst(std::size_t index) {
    if (!root_first_[index]) LoadRoot(index);
    return *root_first_[index];
}

void TreeWalk::Forget() {
    current_.reset();
    last_path_.clear();
    ahead_.clear();
    batch_ = 1;
}

void TreeWalk::SearchDown(int from, std::string_view path) {
    for (int level = from; level >= bottom_; level--) {
        Node &node = NodeAt(level);
        std::size_t low = 0, high = node.lines.size();    // the first line that reaches `path` lies in [low, high]
        while (low < high) {
            std::size_t middle = (low + high) / 2;
            if (PathOf(ParseLine(node, middle, level), level, "last") < path)
                low = middle + 1;
            else
                high = middle;
        }
        node.at = low;
        if (low == node.lines.size()) throw OutOfOrder(path);
        if (level == bottom_) return;
        Node child = Parse(ReadChild(level), level - 1);
        if (child.last < path) throw OutOfOrder(child.last);
        NodeAt(level - 1) = std::move(child);
    }
}

void TreeWalk::Seek(std::string_view path) {
    bool inside = started_ && root_at_ < root_.frames.size();
    started_ = true;
    Forget();
    for (int level = bottom_; inside && level <= root_.level; level++)
        if (NodeAt(level).Covers(path)) return SearchDown(level, path);
    if (root_.frames.empty()) return;
    std::size_t low = 0,
                high = root_.frames.size();    // the last root node that begins at or before `path`, else the first
    while (high - low > 1) {
        std::size_t middle = (low + high) / 2;
        if (RootFirst(middle) <= path)
            low = middle;
        else
            high = middle;
    }
    LoadRoot(low);
    if (NodeAt(root_.level).last < path) {
        if (LoadRoot(low + 1)) Descend(root_.level);
        return;
    }
    SearchDown(root_.level, path);
}

}    // namespace ark
