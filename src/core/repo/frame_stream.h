// Many frames out of the store, one after another, in few requests.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "repo/frame_reader.h"

namespace ark {

struct WantedFrame {
    FrameRef ref;
    std::size_t of = 0;    // the caller's own number for what it belongs to
};

struct TakenFrame {
    FrameRef ref;
    std::size_t of = 0;
    Buffer plain;
};

// Frames are wanted in any order, and taken in that order. They are planned in windows of up to 8 MiB stored and 16 MiB
// plain: within a window, neighbours in a pack come in one ranged read, whatever lies between them in the order wanted. Up
// to `ahead` reads are under way in threads (none is started for a single read). Memory: one window, and `ahead` reads.
class FrameStream {
public:
    // Called by one thread at a time, not always the caller's; nullopt ends the stream. What it throws is thrown by Take(),
    // not later than at its place, and ends the stream too.
    using Source = std::function<std::optional<WantedFrame>()>;
    FrameStream(FrameReader &reader, Source next, std::size_t ahead);
    ~FrameStream();

    // Throws what kept this frame from being read (as FrameReader::Read does); the next call goes on behind it.
    std::optional<TakenFrame> Take();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
