// What many entries of a backup hold, read in one go.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "repo/tree.h"

namespace ark {

// Cursors over one tree that nobody uses just now: the next user finds the nodes that the one before had read.
class SpareCursors {
public:
    SpareCursors(std::shared_ptr<FrameReader> frames, TreeRoot root)
        : frames_(std::move(frames)), root_(std::move(root)) {}
    std::unique_ptr<TreeCursor> Take();
    void Return(std::unique_ptr<TreeCursor> cursor);    // not after an error, which may have left it anywhere

private:
    std::shared_ptr<FrameReader> frames_;
    TreeRoot root_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<TreeCursor>> cursors_;
};

// The frames of many paths come in few requests (see FrameStream), also across entries. Any order of paths will do; an
// ascending one reads the tree only once. One thread uses it at a time.
class ContentStream {
public:
    // A path is an entry's, or ends with "/" and means all entries below, in order.
    ContentStream(std::shared_ptr<FrameReader> frames, std::shared_ptr<SpareCursors> cursors,
                  std::vector<std::string> paths);
    ~ContentStream();
    ContentStream(ContentStream &&) noexcept;

    // Hands out what the next path holds, frame by frame, proven; nothing if it is empty. Throws kNotFound for a path of an
    // entry that is not there (perhaps already while the one before is read).
    void Next(const std::function<void(ByteView)> &visit);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
