// A streamed upload: parts in flight side by side, each under the retry policy by itself.
#pragma once

#include <deque>
#include <future>

#include "storage/s3/put.h"
#include "storage/s3/xml.h"

namespace ark::s3 {

// How large part number n (from 1) is, so that objects up to 5 TiB never need more than `max_parts`. Pure. A known size
// is cut evenly; else the first parts have `part_size`, and the size doubles after every tenth of the parts (sooner
// where fewer than 10,000 are allowed, which costs memory: parts are held while they are sent).
class PartPlan {
public:
    PartPlan(std::uint64_t part_size, std::size_t max_parts, std::optional<std::uint64_t> known_size);
    std::size_t SizeOf(std::size_t number) const;    // throws kUnsupported past max_parts

private:
    std::uint64_t first_;
    std::size_t max_parts_;
    std::size_t doubles_after_;
};

// Not safe for concurrent use. Destroyed before Complete() it waits for what is in flight and aborts the upload,
// so that the store keeps nothing.
class MultipartUpload {
public:
    MultipartUpload(StoreRef store, std::string name, PutMode mode);
    ~MultipartUpload();
    MultipartUpload(const MultipartUpload &) = delete;
    MultipartUpload &operator=(const MultipartUpload &) = delete;

    // Waits while `parts_in_flight` are on their way. Returns a buffer that may be filled next (or an empty one). Throws what
    // an earlier part threw.
    Bytes Add(Bytes part);
    ObjectInfo Complete();

private:
    struct Sent {
        PartEntry entry;
        Sha256Digest digest;
        Bytes buffer;
    };
    void Begin();
    Sent SendPart(std::size_t number, Bytes part);
    Bytes TakeOldest();
    void CompleteOnce();
    void Settle(const Reply &reply);
    void CheckWholeChecksum(const std::string &checksum) const;
    void Abort() noexcept;

    StoreRef store_;
    std::string name_;
    bool create_;
    std::string doing_;
    std::string mark_ = NewMark();
    std::string upload_id_;
    bool checksums_needed_ = false;    // the store said that it wants one for each part
    std::atomic<bool> stopped_{false};
    std::vector<PartEntry> parts_;
    std::vector<Sha256Digest> digests_;
    std::uint64_t size_ = 0;
    std::size_t added_ = 0;
    bool finished_ = false;    // completed, or gone: nothing to abort
    bool may_have_arrived_ = false;
    std::deque<std::future<Sent>> in_flight_;    // last: destroyed, and so waited for, first
};

}    // namespace ark::s3
