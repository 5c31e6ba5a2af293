// Tasks that are given out in order, done in any order, and taken back in order. What is under way is bounded by its memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "logical/export_task.h"

namespace ark {

class OrderedWork {
public:
    struct Slot {
        std::unique_ptr<ExportTask> task;
        bool done = false;
    };

    OrderedWork(std::size_t readers, std::size_t memory) : most_waiting_(2 * readers + 1), memory_(memory) {}

    // Main thread.
    bool HasRoom();
    Slot *Issue(std::unique_ptr<ExportTask> task,
                bool for_readers = true);           // not for readers: whoever runs it calls Done
    std::unique_ptr<ExportTask> TakeFirstDone();    // nullptr if the first is not done yet
    Slot *TakeStuck();                              // one that a reader could not run
    std::string WhatIsFirst();                      // of those under way: the oldest; empty if there is none
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

}    // namespace ark
