// A store that remembers the ranges that are asked of it.
#pragma once

#include <mutex>
#include <vector>

#include "repo/header.h"
#include "support/fault_storage.h"

namespace ark::test {

class WatchedStorage : public FaultStorage {
public:
    explicit WatchedStorage(StoragePtr inner) : FaultStorage(std::move(inner), NoFault()) {}
    std::unique_ptr<::ark::Reader> Open(std::string_view name, Range range) override {
        {
            std::lock_guard lock(mutex_);
            if (range.length != kHeaderLimit)
                lengths_.push_back(range.length.value_or(0));
            else
                headers_++;
        }
        return FaultStorage::Open(name, range);
    }
    // Of everything but headers of packs.
    std::vector<std::uint64_t> lengths() const {
        std::lock_guard lock(mutex_);
        return lengths_;
    }
    std::size_t headers() const {
        std::lock_guard lock(mutex_);
        return headers_;
    }
    void Forget() {
        std::lock_guard lock(mutex_);
        lengths_.clear();
        headers_ = 0;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::uint64_t> lengths_;
    std::size_t headers_ = 0;
};

}    // namespace ark::test
