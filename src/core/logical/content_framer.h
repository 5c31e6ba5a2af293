// Frames of what is no table: lines of JSON, entries of a table of contents. Cut like rows, by content, between pieces.
#pragma once

#include "logical/frame_cutter.h"
#include "logical/frame_store.h"

namespace ark {

class ContentFramer {
public:
    ContentFramer(FrameStore &store, const Candidates &reusable) : store_(store), reusable_(reusable) {}

    void Add(ByteView piece) {
        if (CutBeforeRow(frame_.size(), piece.size())) Cut();
        Append(frame_, piece);
        if (CutAfterRow(frame_.size(), piece)) Cut();
    }
    void Cut() {
        if (!frame_.empty()) frames_.push_back(store_.Put(frame_, 0, reusable_));
        frame_.clear();
    }
    std::vector<FrameRef> Finish() {
        Cut();
        return std::move(frames_);
    }

private:
    FrameStore &store_;
    const Candidates &reusable_;
    Bytes frame_;
    std::vector<FrameRef> frames_;
};

}    // namespace ark
