// Every store in which WAL has to be before the server may forget it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/archiving.h"
#include "cli/stores.h"
#include "pgdata/owner_mark.h"

namespace ark::cli {

// For the server of one data directory at one stretch of its life. Each store is opened, and claimed, when it is first needed, and again
// after it could not be: what one of them lacks does not keep the others from what comes. Stores with ack=async are not among them.
class Archives {
public:
    // Throws kInvalidArgument if no store waits for WAL, or the first does not.
    Archives(Engine &outer, DataDirectory directory, const WalFileName &asked);
    ~Archives();

    // Opens those that can be; throws what stood in the way if none can.
    void Open();
    // Into all stores at once, from any thread. Returns when all have it: what the first of them says. Throws what stood in the way of
    // the first that failed; among several stores each that failed is named.
    SegmentResult Push(const WalFileName &name, const std::filesystem::path &file);

    const DataDirectory &directory() const { return directory_; }
    // Whether they still serve, or the server was promoted since.
    bool Fits(const DataDirectory &now, const WalFileName &asked) const;

private:
    class Place;
    template <class Work>
    std::vector<std::optional<Error>> OnEach(Work work);
    void Note(Ownership ownership) noexcept;
    void NoteOwner() noexcept;

    DataDirectory directory_;
    TimelineId timeline_;
    std::vector<std::unique_ptr<Place>> places_;
    std::mutex mutex_;
    std::optional<Ownership> noted_;
};

}    // namespace ark::cli
