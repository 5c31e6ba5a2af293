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
        std::optional<Task> task;
        bool ready = false;
        std::optional<Result> result;
        std::exception_ptr failure;
    };

    void Run() noexcept {
        while (std::shared_ptr<Slot> slot = Plan()) {
            std::optional<Result> result;
            std::exception_ptr failure;
            try {
                result = work_(*slot->task);
            } catch (...) {    // carried to the thread that takes
                failure = std::current_exception();
            }
            Finish(*slot, std::move(result), failure);
        }
    }

    // The next task in its place; nullptr if there is none, or none any more.
    std::shared_ptr<Slot> Plan() {
        std::lock_guard planning(planning_);
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return stopped_ || no_more_ || slots_.size() < ahead_; });
            if (stopped_ || no_more_) return nullptr;
        }
        auto slot = std::make_shared<Slot>();
        std::exception_ptr failure;
        try {    // it may have to read, and what is ready can be taken meanwhile
            slot->task = next_();
        } catch (...) {    // carried to the thread that takes
            failure = std::current_exception();
        }
        {
            std::lock_guard lock(mutex_);
            no_more_ = !slot->task;    // nor will there be a task after the one that could not be planned
            if (slot->task || failure) slots_.push_back(slot);
        }
        if (slot->task) return slot;
        Finish(*slot, std::nullopt, failure);
        return nullptr;
    }

    void Finish(Slot &slot, std::optional<Result> result, std::exception_ptr failure) {
        {
            std::lock_guard lock(mutex_);
            slot.result = std::move(result);
            slot.failure = failure;
            slot.ready = true;
        }
        changed_.notify_all();
    }

    std::size_t ahead_;
    std::function<std::optional<Task>()> next_;
    std::function<Result(const Task &)> work_;
    std::mutex planning_;    // held while a task is planned; taken before mutex_
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Slot>> slots_;
    bool no_more_ = false, stopped_ = false;
    std::vector<std::thread> threads_;
};

}    // namespace ark
