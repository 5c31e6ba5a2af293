// A server asks for its WAL files one after the other. Those that wait behind the one it asks for are stored meanwhile, several at once,
// and answered by a mark in the spool when their turn comes.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "pgdata/data_directory.h"
#include "wal/segment_object.h"
#include "wal/spool.h"

namespace ark {

class PushAhead {
public:
    // Stores one file; called from several threads at once.
    using Push = std::function<SegmentResult(const WalFileName &, const std::filesystem::path &)>;
    struct Limits {
        std::size_t threads = 4;
        std::size_t most_ahead = 32;    // segments that were stored or are on their way, and were not asked for yet
    };
    struct Answer {
        bool was_ahead = false;    // it was there when it was asked for, and `result` says nothing
        SegmentResult result;
    };

    PushAhead(Push push, const DataDirectory &directory, WalSpool &spool, Limits limits, Log &log);
    // Waits for the pushes under way, which a cancellation ends.
    ~PushAhead();

    // Returns when the store has the file; throws what stood in the way. `look_ahead`: the segments that wait behind this one may be stored
    // too, also after the return. One caller at a time.
    Answer Ask(const WalFileName &name, const std::filesystem::path &file, bool look_ahead);
    // Waits until as many as may be are stored ahead, or one of them failed. Returns how many were.
    std::size_t Finish();

private:
    struct Asked {
        WalFileName name;
        std::filesystem::path file;
        bool taken = false, done = false;
        SegmentResult result;
        std::exception_ptr failure;
    };

    void Follow(const SegmentName &asked);
    void Wake();
    void Work();
    void PushAsked(std::unique_lock<std::mutex> &lock);
    void PushNext(std::unique_lock<std::mutex> &lock, const SegmentName &segment);
    std::optional<SegmentName> Next();
    bool MayLookAhead() const;

    Push push_;
    const DataDirectory &directory_;
    WalSpool &spool_;
    const Limits limits_;
    Log &log_;

    std::mutex mutex_;
    std::condition_variable work_, news_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool closing_ = false;

    Asked *asked_ = nullptr;
    std::optional<SegmentName> last_asked_, last_taken_;
    bool look_ahead_ = false;                  // until one fails
    bool look_again_ = false;                  // more may wait than were seen
    std::deque<SegmentName> waiting_;          // seen, ascending, behind last_taken_
    std::set<SegmentName> running_, ahead_;    // ahead_: behind last_asked_; running or stored
    std::map<SegmentName, std::exception_ptr> failed_;
    std::size_t stored_ = 0;
};

}    // namespace ark
