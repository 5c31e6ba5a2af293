// Work that other threads do, several pieces at once, and whose outcomes are taken up in the order in which it was begun. All but the
// work itself happens on one thread, the owner's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"

namespace ark {

class InFlight {
public:
    struct Task {
        std::function<void()> work;    // on one of the threads
        std::function<void()> then;    // on the owner's, once it and all before it are done
        // Only when all before it are done, and nothing behind it before it is.
        bool alone = false;
        std::size_t bytes = 0;    // that are held until it is done
    };

    explicit InFlight(std::size_t most);
    // What is under way is waited for, what has not begun is forgotten.
    ~InFlight();
    InFlight(const InFlight &) = delete;

    void Begin(Task task);
    // Takes up what is done. Returns whether that was something. Throws what the first one that failed has thrown; behind such a one nothing
    // begins any more.
    bool Settle();
    // Until there is something to be taken up, at most for so long.
    void Await(Duration patience);
    // Can be read when there is something to be taken up, until the next Settle().
    int news() const { return news_.get(); }

    bool Idle() const { return tasks_.empty(); }    // nothing is left to be taken up
    // What is begun now goes on its way at once. What is done counts until it is taken up: no more than so many are ever ahead of a slow one.
    bool HasRoom() const;
    std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        Task task;
        bool done = false;
        std::exception_ptr failure;
    };

    void Work();
    bool MayStart() const;
    void Tell();

    const std::size_t most_;
    const Fd news_;
    std::size_t bytes_ = 0;
    std::deque<std::unique_ptr<Entry>> tasks_;    // changed by the owner, under the mutex

    mutable std::mutex mutex_;
    std::condition_variable for_threads_, for_owner_;
    std::deque<Entry *> waiting_;
    std::size_t running_ = 0, alone_waiting_ = 0;
    bool alone_ = false, failed_ = false, closing_ = false, told_ = false;
    std::vector<std::thread> threads_;
};

}    // namespace ark
