// Work done ahead in threads, and taken in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace ark {

// Threads pull tasks from `next` (called by one of them at a time) and run `work` on them; at most `ahead` results
// wait or are being made. Take() returns the results in the order of the tasks, and throws what their work threw.
template <class Task, class Result>
class ReadAhead {
public:
    ReadAhead(std::size_t ahead, std::function<std::optional<Task>()> next, std::function<Result(const Task &)> work)
        : ahead_(ahead), next_(std::move(next)), work_(std::move(work)) {
        for (std::size_t i = 0; i < ahead_; i++) threads_.emplace_back([this] { Run(); });
    }
    ~ReadAhead() {
        {
            std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        changed_.notify_all();
        for (std::thread &thread : threads_) thread.join();
    }
    ReadAhead(const ReadAhead &) = delete;
    ReadAhead &operator=(const ReadAhead &) = delete;

    std::optional<Result> Take() {    // nullopt after the last one
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return slots_.empty() ? no_more_ : slots_.front()->ready; });
        if (slots_.empty()) return std::nullopt;
        std::shared_ptr<Slot> slot = slots_.front();
        slots_.pop_front();
        changed_.notify_all();
        if (slot->failure) std::rethrow_exception(slot->failure);
        return std::move(slot->result);
    }

private:
    struct Slot {
        bool ready = false;
        std::optional<Result> result;
        std::exception_ptr failure;
    };

    void Run() noexcept {
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return stopped_ || no_more_ || slots_.size() < ahead_; });
            if (stopped_ || no_more_) return;
            auto slot = std::make_shared<Slot>();
            std::optional<Result> result;
            std::exception_ptr failure;
            try {
                std::optional<Task> task = next_();
                if (task)
                    slots_.push_back(slot);
                else
                    no_more_ = true;
                if (no_more_) break;
                lock.unlock();
                result = work_(*task);
            } catch (...) {
                failure = std::current_exception();
            }
            if (lock.owns_lock()) {    // there will be no task after the one that could not be planned
                slots_.push_back(slot);
                no_more_ = true;
            } else {
                lock.lock();
            }
            slot->result = std::move(result);
            slot->failure = failure;
            slot->ready = true;
            changed_.notify_all();
        }
        changed_.notify_all();
    }

    std::size_t ahead_;
    std::function<std::optional<Task>()> next_;
    std::function<Result(const Task &)> work_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Slot>> slots_;
    bool no_more_ = false, stopped_ = false;
    std::vector<std::thread> threads_;
};

}    // namespace ark
