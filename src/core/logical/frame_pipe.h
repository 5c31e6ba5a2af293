// Stores frames in a thread of its own while the next one is read, so that a server process that sends rows need not wait for
// the compressor. For one reader at a time; the store is nobody else's until Flush() or the end.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "logical/frame_store.h"
#include "logical/row_framer.h"

namespace ark {

class FramePipe {
public:
    explicit FramePipe(FrameStore &store);
    ~FramePipe();    // without Flush(): what was not begun is not stored, and nothing waits for a slow store
    FramePipe(const FramePipe &) = delete;
    FramePipe &operator=(const FramePipe &) = delete;

    struct Frame {
        RowBuffer buffer;
        std::size_t length = 0;
        std::uint64_t rows = 0;
        const Candidates *reusable = nullptr;    // outlives Flush()
        std::vector<FrameRef> *to = nullptr;     // added to in order; to be looked at after Flush()
    };
    // Throws what an earlier frame met. Gives memory back for the next frame, perhaps none. Small frames and huge ones are stored
    // before it returns: they are not worth a thread, or too large to be held twice.
    RowBuffer Put(Frame frame);
    void Flush();    // until all is stored; throws what was met

private:
    void Store(Frame &frame);
    void Run() noexcept;
    void ThrowIfFailed();
    bool Idle() const { return !next_ && !busy_; }

    FrameStore &store_;
    Ticker *outer_;    // of the store, before and after
    StoppableTicker stop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Frame> next_;
    RowBuffer free_;
    bool busy_ = false, ending_ = false;
    std::exception_ptr failure_;
    std::thread thread_;
};

}    // namespace ark
