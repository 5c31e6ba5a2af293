#include "storage/limit.h"

#include <algorithm>

namespace ark {
namespace {

constexpr std::uint64_t kPiece = 16 << 10;
constexpr Duration kCredit = std::chrono::milliseconds(250);
constexpr Duration kSlice = std::chrono::milliseconds(100);

class LimitedSource : public Source {
public:
    LimitedSource(Source &inner, RateLimit &limit) : inner_(inner), limit_(limit) {}
    std::size_t Read(MutableBytes to) override {
        std::size_t filled = 0;
        while (filled < to.size()) {    // in pieces, so that a source that is given up is not read for long
            std::size_t n = inner_.Read(to.subspan(filled, std::min<std::size_t>(to.size() - filled, kPiece)));
            if (n == 0) break;
            limit_.Take(n);
            filled += n;
        }
        return filled;
    }
    bool Rewind() override { return inner_.Rewind(); }
    std::optional<std::uint64_t> Size() const override { return inner_.Size(); }

private:
    Source &inner_;
    RateLimit &limit_;
};

class LimitedReader : public Reader {
public:
    LimitedReader(std::unique_ptr<Reader> inner, std::shared_ptr<RateLimit> limit)
        : inner_(std::move(inner)), limit_(std::move(limit)) {}
    std::size_t Read(MutableBytes to) override {
        std::size_t n = inner_->Read(to);
        limit_->Take(n);
        return n;
    }

private:
    std::unique_ptr<Reader> inner_;
    std::shared_ptr<RateLimit> limit_;
};

class LimitStorage : public Storage {
public:
    LimitStorage(StoragePtr inner, std::shared_ptr<RateLimit> limit)
        : inner_(std::move(inner)), limit_(std::move(limit)) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        LimitedSource limited(source, *limit_);
        return inner_->Put(name, limited, mode);
    }
    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        std::unique_ptr<Reader> reader = inner_->Open(name, range);
        if (!reader) return nullptr;
        return std::make_unique<LimitedReader>(std::move(reader), limit_);
    }
    std::optional<ObjectInfo> Stat(std::string_view name) override { return inner_->Stat(name); }
    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        inner_->List(prefix, visit);
    }
    std::vector<std::string> Folders(std::string_view prefix) override { return inner_->Folders(prefix); }
    void Remove(const std::vector<std::string> &names) override { inner_->Remove(names); }
    std::size_t SweepUploads(Duration older_than) override { return inner_->SweepUploads(older_than); }
    bool CanBeMade() override { return inner_->CanBeMade(); }
    Capabilities Probe() override { return inner_->Probe(); }
    std::vector<Finding> Inspect() override { return inner_->Inspect(); }
    std::string Describe() const override { return inner_->Describe(); }

private:
    StoragePtr inner_;
    std::shared_ptr<RateLimit> limit_;
};

}    // namespace

RateLimit::RateLimit(std::uint64_t bytes_per_second, Clock &clock, Ticker &ticker)
    : rate_(bytes_per_second), clock_(clock), ticker_(ticker), next_(clock.Steady()) {}

SteadyPoint RateLimit::Reserve(std::uint64_t bytes) {
    auto time = std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(rate_));
    std::lock_guard lock(mutex_);
    next_ = std::max(next_, clock_.Steady() - kCredit) + std::chrono::duration_cast<SteadyPoint::duration>(time);
    return next_;
}

void RateLimit::Take(std::uint64_t bytes) {
    while (bytes > 0) {
        std::uint64_t piece = std::min(bytes, kPiece);
        bytes -= piece;
        SteadyPoint end = Reserve(piece);
        for (;;) {
            ticker_.Check();
            Duration left = std::chrono::ceil<Duration>(end - clock_.Steady());
            if (left.count() <= 0) break;
            clock_.Sleep(std::min(left, kSlice));
        }
    }
}

StoragePtr MakeLimitStorage(StoragePtr inner, std::shared_ptr<RateLimit> limit) {
    return std::make_shared<LimitStorage>(std::move(inner), std::move(limit));
}

}    // namespace ark
