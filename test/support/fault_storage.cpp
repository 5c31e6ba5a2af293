#include "support/fault_storage.h"

#include <fmt/format.h>

namespace ark::test {
namespace {

class FaultSource : public Source {
public:
    FaultSource(FaultStorage &storage, Source &inner, std::string_view name)
        : storage_(storage), inner_(inner), name_(name) {}
    std::size_t Read(MutableBytes to) override {
        std::size_t n = inner_.Read(to);
        if (storage_.Meet(Verb::kPutBlock, name_) == Fault::kAfter) FaultStorage::ThrowLostAnswer(name_);
        return n;
    }
    bool Rewind() override { return inner_.Rewind(); }
    std::optional<std::uint64_t> Size() const override { return inner_.Size(); }

private:
    FaultStorage &storage_;
    Source &inner_;
    std::string_view name_;
};

class FaultReader : public Reader {
public:
    FaultReader(FaultStorage &storage, std::unique_ptr<Reader> inner, std::string_view name)
        : storage_(storage), inner_(std::move(inner)), name_(name) {}
    std::size_t Read(MutableBytes to) override {
        Fault fault = storage_.Meet(Verb::kReadBlock, name_);
        if (ended_ || fault == Fault::kShortRead) {
            ended_ = true;
            return 0;
        }
        std::size_t n = inner_->Read(to);
        if (fault == Fault::kAfter) FaultStorage::ThrowLostAnswer(name_);
        if (fault == Fault::kCorrupt && n > 0) to[n / 2] ^= std::byte{0x10};
        return n;
    }

private:
    FaultStorage &storage_;
    std::unique_ptr<Reader> inner_;
    std::string name_;
    bool ended_ = false;
};

}    // namespace

FaultRule NoFault() {
    return [](std::uint64_t, Verb, std::string_view) { return Fault::kNone; };
}
FaultRule FailNth(std::uint64_t nth, Fault fault) {
    return [=](std::uint64_t n, Verb, std::string_view) { return n == nth ? fault : Fault::kNone; };
}
FaultRule FailFrom(std::uint64_t nth, Fault fault) {
    return [=](std::uint64_t n, Verb, std::string_view) { return n >= nth ? fault : Fault::kNone; };
}
FaultRule FailSome(std::uint64_t seed, unsigned percent, Fault fault) {
    return [=](std::uint64_t n, Verb, std::string_view) {
        return SeededRandom(seed * 1000003 + n).Below(100) < percent ? fault : Fault::kNone;
    };
}

FaultStorage::FaultStorage(StoragePtr inner, FaultRule rule, Clock &clock)
    : inner_(std::move(inner)), rule_(std::move(rule)), clock_(clock) {}

Fault FaultStorage::Meet(Verb verb, std::string_view name) {
    std::uint64_t nth = ++operations_;
    Fault fault = rule_(nth, verb, name);
    if (fault != Fault::kNone) faults_++;
    std::string evidence = fmt::format("injected at operation {}", nth);
    switch (fault) {
    case Fault::kBefore:
        throw Error(Code::kUnavailable, fmt::format("could not reach the store for \"{}\"", name), evidence);
    case Fault::kDiskFull:
        throw Error(Code::kUnavailable, fmt::format("could not write \"{}\": disk full", name), evidence)
            .WithSqlstate("53100");
    case Fault::kDenied: throw Error(Code::kPermissionDenied, fmt::format("could not use \"{}\"", name), evidence);
    case Fault::kStall: clock_.Sleep(std::chrono::minutes(1)); break;
    default: break;
    }
    return fault;
}

void FaultStorage::ThrowLostAnswer(std::string_view name) {
    throw Error(Code::kUnavailable, fmt::format("lost the answer about \"{}\"", name), "injected");
}

ObjectInfo FaultStorage::Put(std::string_view name, Source &source, PutMode mode) {
    Fault fault = Meet(Verb::kPut, name);
    FaultSource faulty(*this, source, name);
    ObjectInfo info = inner_->Put(name, faulty, mode);
    if (fault == Fault::kAfter) ThrowLostAnswer(name);
    return info;
}

std::unique_ptr<Reader> FaultStorage::Open(std::string_view name, Range range) {
    if (Meet(Verb::kOpen, name) == Fault::kAfter) ThrowLostAnswer(name);
    std::unique_ptr<Reader> reader = inner_->Open(name, range);
    if (!reader) return nullptr;
    return std::make_unique<FaultReader>(*this, std::move(reader), name);
}

std::optional<ObjectInfo> FaultStorage::Stat(std::string_view name) {
    if (Meet(Verb::kStat, name) == Fault::kAfter) ThrowLostAnswer(name);
    return inner_->Stat(name);
}

void FaultStorage::List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) {
    Fault fault = Meet(Verb::kList, prefix);
    bool stopped = false;
    std::size_t visited = 0;
    inner_->List(prefix, [&](const ObjectInfo &object) {
        // A lost answer of a listing: some of it came through.
        if (fault == Fault::kAfter && ++visited > 2) ThrowLostAnswer(prefix);
        stopped = !visit(object);
        return !stopped;
    });
    if (fault == Fault::kAfter && !stopped) ThrowLostAnswer(prefix);
}

std::vector<std::string> FaultStorage::Folders(std::string_view prefix) {
    if (Meet(Verb::kList, prefix) == Fault::kAfter) ThrowLostAnswer(prefix);
    return inner_->Folders(prefix);
}

void FaultStorage::Remove(const std::vector<std::string> &names) {
    Fault fault = Meet(Verb::kRemove, names.empty() ? "" : names.front());
    inner_->Remove(names);
    if (fault == Fault::kAfter) ThrowLostAnswer(names.empty() ? "" : names.front());
}

}    // namespace ark::test
