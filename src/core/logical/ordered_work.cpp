#include "logical/ordered_work.h"

namespace ark {

bool OrderedWork::HasRoom() {
    std::lock_guard lock(mutex_);
    return order_.empty() || (waiting_.size() < most_waiting_ && memory_used_ < memory_);
}

OrderedWork::Slot *OrderedWork::Issue(std::unique_ptr<ExportTask> task, bool for_readers) {
    std::lock_guard lock(mutex_);
    memory_used_ += task->MemoryCost();
    Slot *slot = order_.emplace_back(std::make_unique<Slot>(Slot{std::move(task)})).get();
    if (for_readers) {
        waiting_.push_back(slot);
        for_readers_.notify_one();
    }
    return slot;
}

std::unique_ptr<ExportTask> OrderedWork::TakeFirstDone() {
    std::lock_guard lock(mutex_);
    if (order_.empty() || !order_.front()->done) return nullptr;
    std::unique_ptr<ExportTask> task = std::move(order_.front()->task);
    memory_used_ -= task->MemoryCost();
    order_.pop_front();
    return task;
}

OrderedWork::Slot *OrderedWork::TakeStuck() {
    std::lock_guard lock(mutex_);
    if (stuck_.empty()) return nullptr;
    Slot *slot = stuck_.front();
    stuck_.pop_front();
    return slot;
}

std::string OrderedWork::WhatIsFirst() {
    std::lock_guard lock(mutex_);
    return order_.empty() ? std::string() : order_.front()->task->What();
}

bool OrderedWork::Empty() {
    std::lock_guard lock(mutex_);
    return order_.empty();
}

void OrderedWork::WaitForNews(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    for_main_.wait_for(lock, time, [&] { return news_; });
    news_ = false;
}

void OrderedWork::Tell() {
    news_ = true;
    for_main_.notify_one();
}

void OrderedWork::Notify() {
    std::lock_guard lock(mutex_);
    Tell();
}

OrderedWork::Slot *OrderedWork::Take() {
    std::unique_lock lock(mutex_);
    for_readers_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (closed_) return nullptr;
    Slot *slot = waiting_.front();
    waiting_.pop_front();
    Tell();
    return slot;
}

void OrderedWork::Done(Slot *slot) {
    std::lock_guard lock(mutex_);
    slot->done = true;
    Tell();
}

void OrderedWork::Stuck(Slot *slot) {
    std::lock_guard lock(mutex_);
    stuck_.push_back(slot);
    Tell();
}

void OrderedWork::Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for_readers_.notify_all();
    Tell();
}

}    // namespace ark
