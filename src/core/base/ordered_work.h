// Tasks that are given out in order, done in any order, and taken back in order. What is under way is bounded by its memory.
// A task has MemoryCost(), bytes until it is taken back, and What(), for people.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace ark {

template <class Task>
class OrderedWork {
public:
    struct Slot {
        std::unique_ptr<Task> task;
        bool done = false;
    };

    OrderedWork(std::size_t readers, std::size_t memory) : most_waiting_(2 * readers + 1), memory_(memory) {}

    // Main thread.
    bool HasRoom();
    Slot *Issue(std::unique_ptr<Task> task,
                bool for_readers = true);     // not for readers: whoever runs it calls Done
    std::unique_ptr<Task> TakeFirstDone();    // nullptr if the first is not done yet
    Slot *TakeStuck();                        // one that a reader could not run
    std::string WhatIsFirst();                // of those under way: the oldest; empty if there is none
    bool Empty();
    void WaitForNews(std::chrono::milliseconds time);    // until something was taken, done or stuck since the last call
    void Notify();

    // Readers; Take waits, and gives nullptr after Close.
    Slot *Take();
    void Done(Slot *slot);
    void Stuck(Slot *slot);
    void Close();

private:
    void Tell();    // under the mutex

    std::mutex mutex_;
    std::condition_variable for_readers_, for_main_;
    std::deque<std::unique_ptr<Slot>> order_;
    std::deque<Slot *> waiting_, stuck_;
    std::size_t most_waiting_;
    std::size_t memory_;
    std::size_t memory_used_ = 0;
    bool closed_ = false;
    bool news_ = false;
};

// ---- what a reader of the interface may skip

template <class Task>
bool OrderedWork<Task>::HasRoom() {
    std::lock_guard lock(mutex_);
    return order_.empty() || (waiting_.size() < most_waiting_ && memory_used_ < memory_);
}

template <class Task>
typename OrderedWork<Task>::Slot *OrderedWork<Task>::Issue(std::unique_ptr<Task> task, bool for_readers) {
    std::lock_guard lock(mutex_);
    memory_used_ += task->MemoryCost();
    Slot *slot = order_.emplace_back(std::make_unique<Slot>(Slot{std::move(task)})).get();
    if (for_readers) {
        waiting_.push_back(slot);
        for_readers_.notify_one();
    }
    return slot;
}

template <class Task>
std::unique_ptr<Task> OrderedWork<Task>::TakeFirstDone() {
    std::lock_guard lock(mutex_);
    if (order_.empty() || !order_.front()->done) return nullptr;
    std::unique_ptr<Task> task = std::move(order_.front()->task);
    memory_used_ -= task->MemoryCost();
    order_.pop_front();
    return task;
}

template <class Task>
typename OrderedWork<Task>::Slot *OrderedWork<Task>::TakeStuck() {
    std::lock_guard lock(mutex_);
    if (stuck_.empty()) return nullptr;
    Slot *slot = stuck_.front();
    stuck_.pop_front();
    return slot;
}

template <class Task>
std::string OrderedWork<Task>::WhatIsFirst() {
    std::lock_guard lock(mutex_);
    return order_.empty() ? std::string() : order_.front()->task->What();
}

template <class Task>
bool OrderedWork<Task>::Empty() {
    std::lock_guard lock(mutex_);
    return order_.empty();
}

template <class Task>
void OrderedWork<Task>::WaitForNews(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    for_main_.wait_for(lock, time, [&] { return news_; });
    news_ = false;
}

template <class Task>
void OrderedWork<Task>::Tell() {
    news_ = true;
    for_main_.notify_one();
}

template <class Task>
void OrderedWork<Task>::Notify() {
    std::lock_guard lock(mutex_);
    Tell();
}

template <class Task>
typename OrderedWork<Task>::Slot *OrderedWork<Task>::Take() {
    std::unique_lock lock(mutex_);
    for_readers_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return nullptr;
    Slot *slot = waiting_.front();
    waiting_.pop_front();
    Tell();
    return slot;
}

template <class Task>
void OrderedWork<Task>::Done(Slot *slot) {
    std::lock_guard lock(mutex_);
    slot->done = true;
    Tell();
}

template <class Task>
void OrderedWork<Task>::Stuck(Slot *slot) {
    std::lock_guard lock(mutex_);
    stuck_.push_back(slot);
    Tell();
}

template <class Task>
void OrderedWork<Task>::Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for_readers_.notify_all();
    Tell();
}

}    // namespace ark
