// A store as archiving works with it: opened, and claimed for the server of one data directory at one stretch of its life.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>

#include "cli/engine.h"
#include "wal/push.h"

namespace ark::cli {

class Archiving {
public:
    // `asked` is the file that the server wants archived. In recovery the store is opened for reading; else the right to write is claimed, as
    // a promoted server's too. Throws kConflict for a server that has no right to write, and what the store throws.
    Archiving(Engine &outer, DataDirectory directory, const WalFileName &asked);

    // As WalPusher::Push, from any thread. Who owns the path is looked up again from time to time: kConflict if that changed, and Lost() is
    // true from then on.
    SegmentResult Push(const WalFileName &name, const std::filesystem::path &file);

    bool Lost() const { return lost_; }
    bool CameByPromotion() const { return promoted_; }    // to the right to write

private:
    void CheckOwner();
    void LookBack();

    DataDirectory directory_;
    TimelineId timeline_;
    Engine engine_;
    std::shared_ptr<Repository> repository_;
    std::shared_ptr<KeyRing> keys_;
    DomainKey key_;
    std::unique_ptr<WalPusher> pusher_;
    std::mutex look_back_mutex_;
    std::filesystem::file_time_type gaps_seen_{};    // when the file of gaps was written; its epoch: there is none
    std::atomic<bool> look_back_{true};
    std::mutex mutex_;
    SteadyPoint checked_;
    bool promoted_ = false;
    std::atomic<bool> lost_{false};
};

}    // namespace ark::cli
