// The stores that the conformance suite runs against, each fresh and empty.
#pragma once

#include <atomic>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "storage/storage.h"

namespace ark::test {

// A ticker that can be let go again.
class SwitchTicker : public Ticker {
public:
    bool Cancelled() override { return cancelled_; }
    void Set(bool cancelled) { cancelled_ = cancelled; }

private:
    std::atomic<bool> cancelled_{false};
};

class StoreUnderTest {
public:
    virtual ~StoreUnderTest() = default;
    virtual Storage &storage() = 0;
    virtual SwitchTicker &ticker() = 0;
    // What a broken upload left beside the objects: temporary files, open multipart uploads of this driver.
    virtual std::size_t Leftovers() { return 0; }
};

struct StoreKind {
    std::string name;
    std::function<std::unique_ptr<StoreUnderTest>()> make;    // empty: not set up on this machine
};

inline std::ostream &operator<<(std::ostream &out, const StoreKind &kind) { return out << kind.name; }

// memory, file, retry over faults, limit, and s3, which needs ARK_TEST_S3_ENDPOINT, ARK_TEST_S3_CA, ARK_TEST_S3_BUCKET and AWS keys.
std::vector<StoreKind> StoreKinds();

}    // namespace ark::test
