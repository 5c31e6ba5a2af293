#include "logical/frame_pipe.h"

#include <utility>

namespace ark {
namespace {

constexpr std::size_t kSmall = 64 << 10;
constexpr std::size_t kHuge = 16 << 20;

}    // namespace

FramePipe::FramePipe(FrameStore &store)
    : store_(store), outer_(store.packs().StopWith(nullptr)), stop_(outer_ ? *outer_ : NeverCancelled()) {
    store_.packs().StopWith(&stop_);
}

FramePipe::~FramePipe() {
    stop_.Stop();
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    store_.packs().StopWith(outer_);
}

void FramePipe::Store(Frame &frame) {
    frame.to->push_back(store_.Put(frame.buffer.bytes().first(frame.length), frame.rows, *frame.reusable));
}

RowBuffer FramePipe::Put(Frame frame) {
    std::unique_lock lock(mutex_);
    bool huge = frame.buffer.bytes().size() > kHuge;
    changed_.wait(lock, [&] { return huge || frame.length < kSmall ? Idle() : !next_; });
    ThrowIfFailed();
    if (huge || (frame.length < kSmall && Idle())) {
        lock.unlock();
        Store(frame);
        return std::move(frame.buffer);
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
    next_ = std::move(frame);
    changed_.notify_all();
    return std::exchange(free_, {});
}

void FramePipe::Flush() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return Idle(); });
    ThrowIfFailed();
}

void FramePipe::ThrowIfFailed() {
    if (failure_) std::rethrow_exception(failure_);
}

void FramePipe::Run() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return ending_ || next_; });
        if (ending_) return;
        Frame frame = std::move(*next_);
        next_.reset();
        busy_ = true;
        bool failed = failure_ != nullptr;
        changed_.notify_all();
        lock.unlock();
        std::exception_ptr failure;
        try {
            if (!failed) Store(frame);
        } catch (...) {    // carried to the thread that reads
            failure = std::current_exception();
        }
        lock.lock();
        if (!failure_) failure_ = failure;
        free_ = std::move(frame.buffer);
        busy_ = false;
        changed_.notify_all();
    }
}

}    // namespace ark
