#include "wal/in_flight.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace ark {
namespace {

int MakeEventFd() {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) ThrowErrno(errno, "could not make an event descriptor");
    return fd;
}

}    // namespace

InFlight::InFlight(std::size_t most) : most_(most), news_(MakeEventFd()) {}

InFlight::~InFlight() {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
        for_threads_.notify_all();
    }
    for (std::thread &thread : threads_) thread.join();
}

void InFlight::Begin(Task task) {
    bytes_ += task.bytes;
    std::lock_guard lock(mutex_);
    if (task.alone) alone_waiting_++;
    waiting_.push_back(tasks_.emplace_back(std::make_unique<Entry>(Entry{std::move(task), false, nullptr})).get());
    if (threads_.size() < most_ && running_ + waiting_.size() > threads_.size())
        threads_.emplace_back([this] { Work(); });
    for_threads_.notify_one();
}

bool InFlight::HasRoom() const {
    std::lock_guard lock(mutex_);
    return tasks_.size() < most_ && !alone_ && alone_waiting_ == 0 && !failed_;
}

bool InFlight::MayStart() const {
    if (waiting_.empty() || alone_ || failed_) return false;
    return !waiting_.front()->task.alone || running_ == 0;
}

void InFlight::Tell() {
    if (std::exchange(told_, true)) return;
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(news_.get(), &one, sizeof one);
    for_owner_.notify_one();
}

void InFlight::Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        for_threads_.wait(lock, [&] { return closing_ || MayStart(); });
        if (closing_) return;
        Entry *entry = waiting_.front();
        waiting_.pop_front();
        running_++;
        alone_ = entry->task.alone;
        if (alone_) alone_waiting_--;
        lock.unlock();
        std::exception_ptr failure;
        try {
            entry->task.work();
        } catch (...) {    // thread entry: carried to the owner
            failure = std::current_exception();
        }
        lock.lock();
        running_--;
        if (entry->task.alone) alone_ = false;
        if (failure) failed_ = true;
        entry->failure = failure;
        entry->done = true;
        Tell();
        for_threads_.notify_all();
    }
}

bool InFlight::Settle() {
    bool any = false;
    for (;;) {
        std::unique_ptr<Entry> entry;
        {
            std::lock_guard lock(mutex_);
            if (std::exchange(told_, false)) {
                std::uint64_t count;
                [[maybe_unused]] ssize_t taken = read(news_.get(), &count, sizeof count);
            }
            if (tasks_.empty() || !tasks_.front()->done) return any;
            if (tasks_.front()->failure) std::rethrow_exception(tasks_.front()->failure);
            entry = std::move(tasks_.front());
            tasks_.pop_front();
        }
        bytes_ -= entry->task.bytes;
        any = true;
        if (entry->task.then) entry->task.then();
    }
}

void InFlight::Await(Duration patience) {
    std::unique_lock lock(mutex_);
    for_owner_.wait_for(lock, patience, [&] { return told_ || tasks_.empty(); });
}

}    // namespace ark
