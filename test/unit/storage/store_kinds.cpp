#include "store_kinds.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "base/encoding.h"
#include "storage/file_storage.h"
#include "storage/limit.h"
#include "storage/memory_storage.h"
#include "storage/retry.h"
#include "support/fake_clock.h"
#include "support/fault_storage.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

using namespace std::chrono_literals;

class MemoryStore : public StoreUnderTest {
public:
    Storage &storage() override { return *storage_; }
    SwitchTicker &ticker() override { return ticker_; }

protected:
    SwitchTicker ticker_;
    StoragePtr storage_ = MakeMemoryStorage(SystemClock(), ticker_);
};

class LimitStore : public MemoryStore {
public:
    LimitStore() { storage_ = MakeLimitStorage(storage_, std::make_shared<RateLimit>(1 << 20, clock_, ticker_)); }

private:
    FakeClock clock_;
};

// Every tenth operation fails before it has begun, every tenth of the reading kind loses its answer, and an upload breaks
// at every two hundredth block.
class FaultyStore : public MemoryStore {
public:
    FaultyStore() {
        FaultRule before = FailSome(1, 10, Fault::kBefore), after = FailSome(2, 10, Fault::kAfter);
        auto rule = [=](std::uint64_t nth, Verb verb, std::string_view name) {
            if (verb == Verb::kPutBlock) return nth % 200 == 0 ? Fault::kBefore : Fault::kNone;
            Fault fault = before(nth, verb, name);
            return fault == Fault::kNone && verb != Verb::kPut ? after(nth, verb, name) : fault;
        };
        storage_ =
            MakeRetryStorage(std::make_shared<FaultStorage>(storage_, rule, clock_),
                             std::make_shared<RetryPolicy>(RetrySettings{.deadline = 24h}, clock_, random_, ticker_));
    }

private:
    FakeClock clock_;
    SeededRandom random_{7};
};

class FileStore : public StoreUnderTest {
public:
    FileStore() : storage_(MakeFileStorage((directory_.path() / "store").string(), ticker_)) {
        MemorySource nothing{std::string_view()};    // the first Put makes the root
        storage_->Put("first", nothing, PutMode::kCreate);
        storage_->Remove({"first"});
    }
    Storage &storage() override { return *storage_; }
    SwitchTicker &ticker() override { return ticker_; }
    std::size_t Leftovers() override {
        std::size_t files = 0;
        for (const auto &entry : std::filesystem::recursive_directory_iterator(directory_.path() / "store"))
            if (!entry.is_directory()) files++;
        storage_->List("", [&](const ObjectInfo &) {
            files--;
            return true;
        });
        return files;
    }

private:
    TemporaryDirectory directory_;
    SwitchTicker ticker_;
    StoragePtr storage_;
};

class S3Store : public StoreUnderTest {
public:
    S3Store(const std::string &endpoint, const std::string &ca, const std::string &bucket)
        : storage_(
              OpenStorage({fmt::format("s3://{}/conformance/{}?path_style=true&region=us-east-1&endpoint={}&ca_file={}",
                                       bucket, SystemRandom().Hex(8), PercentEncode(endpoint), PercentEncode(ca))},
                          ticker_)) {}
    ~S3Store() override {
        try {
            ticker_.Set(false);
            std::vector<std::string> names;
            storage_->List("", [&](const ObjectInfo &object) {
                names.push_back(object.name);
                return true;
            });
            storage_->Remove(names);
        } catch (const Error &) {    // the bucket of a test run goes as a whole
        }
    }
    Storage &storage() override { return *storage_; }
    SwitchTicker &ticker() override { return ticker_; }
    std::size_t Leftovers() override { return storage_->SweepUploads(0s); }

private:
    SwitchTicker ticker_;
    StoragePtr storage_;
};

template <class Store>
StoreKind Kind(std::string name) {
    return {std::move(name), [] { return std::make_unique<Store>(); }};
}

StoreKind S3Kind() {
    const char *endpoint = std::getenv("ARK_TEST_S3_ENDPOINT"), *ca = std::getenv("ARK_TEST_S3_CA"),
               *bucket = std::getenv("ARK_TEST_S3_BUCKET");
    if (!endpoint || !ca || !bucket) return {"s3", nullptr};
    return {"s3", [=] { return std::make_unique<S3Store>(endpoint, ca, bucket); }};
}

}    // namespace

std::vector<StoreKind> StoreKinds() {
    return {Kind<MemoryStore>("memory"), Kind<FileStore>("file"), Kind<FaultyStore>("retry_of_faults"),
            Kind<LimitStore>("limit"), S3Kind()};
}

}    // namespace ark::test
