// A storage that fails on command, below whatever is tested. It counts operations: each verb is one, and so is each
// block that passes through a Put's source or a Reader. Everything it does follows from its rule, so a run repeats.
// Safe for concurrent use (the order of counting is then the order of arrival).
#pragma once

#include <atomic>

#include "base/random.h"
#include "storage/storage.h"

namespace ark::test {

enum class Verb { kPut, kPutBlock, kOpen, kReadBlock, kStat, kList, kRemove };

enum class Fault {
    kNone,
    kBefore,       // kUnavailable, nothing happened
    kAfter,        // it happened, and the answer is lost: kUnavailable
    kShortRead,    // a reader ends too early and says nothing
    kCorrupt,      // one bit of a block read is wrong
    kStall,        // a minute passes on the clock, then it works
    kDiskFull,     // kUnavailable with SQLSTATE 53100, nothing happened
    kDenied,       // kPermissionDenied, nothing happened
};

// Operation number `nth` (from 1), its verb and object (or prefix).
using FaultRule = std::function<Fault(std::uint64_t nth, Verb verb, std::string_view name)>;

FaultRule NoFault();
FaultRule FailNth(std::uint64_t nth, Fault fault);
FaultRule FailFrom(std::uint64_t nth, Fault fault);                       // that one and all after it
FaultRule FailSome(std::uint64_t seed, unsigned percent, Fault fault);    // by a digest of seed and number

class FaultStorage : public Storage {
public:
    FaultStorage(StoragePtr inner, FaultRule rule, Clock &clock = SystemClock());

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override;
    std::unique_ptr<Reader> Open(std::string_view name, Range range) override;
    std::optional<ObjectInfo> Stat(std::string_view name) override;
    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override;
    std::vector<std::string> Folders(std::string_view prefix) override;
    void Remove(const std::vector<std::string> &names) override;
    std::size_t SweepUploads(Duration older_than) override { return inner_->SweepUploads(older_than); }
    Capabilities Probe() override { return inner_->Probe(); }
    std::vector<Finding> Inspect() override { return inner_->Inspect(); }
    std::string Describe() const override { return inner_->Describe(); }

    std::uint64_t operations() const { return operations_; }
    std::uint64_t faults() const { return faults_; }

    // Counts one operation; throws for faults that come before it. Used by the readers and sources it hands out.
    Fault Meet(Verb verb, std::string_view name);
    [[noreturn]] static void ThrowLostAnswer(std::string_view name);

private:
    StoragePtr inner_;
    FaultRule rule_;
    Clock &clock_;
    std::atomic<std::uint64_t> operations_{0};
    std::atomic<std::uint64_t> faults_{0};
};

}    // namespace ark::test
