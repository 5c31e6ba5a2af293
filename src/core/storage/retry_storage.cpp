#include <fmt/format.h>

#include <exception>

#include "storage/retry.h"

namespace ark {
namespace {

// Marks the time spent in somebody else's code, so that its errors are told from the store's.
class Foreign {
public:
    template <class Fn>
    auto Call(Fn fn) {
        inside_ = true;
        auto result = fn();
        inside_ = false;
        return result;
    }
    bool failed() const { return inside_; }

private:
    bool inside_ = false;
};

class WatchedSource : public Source {
public:
    explicit WatchedSource(Source &inner) : inner_(inner) {}
    std::size_t Read(MutableBytes to) override {
        return foreign_.Call([&] { return inner_.Read(to); });
    }
    bool Rewind() override {
        return foreign_.Call([&] { return inner_.Rewind(); });
    }
    std::optional<std::uint64_t> Size() const override { return inner_.Size(); }
    bool failed() const { return foreign_.failed(); }

private:
    Source &inner_;
    Foreign foreign_;
};

bool CanSendAgain(WatchedSource &source) {
    try {
        return !source.failed() && source.Rewind();
    } catch (const Error &) {
        return false;    // the store's error says more than that of a source that cannot go back
    }
}

class RetryReader : public Reader {
public:
    RetryReader(StoragePtr storage, std::shared_ptr<RetryPolicy> policy, std::string name, Range left,
                std::unique_ptr<Reader> reader)
        : storage_(std::move(storage)),
          policy_(std::move(policy)),
          name_(std::move(name)),
          left_(left),
          reader_(std::move(reader)) {}

    std::size_t Read(MutableBytes to) override {
        if (left_.length) to = to.first(std::min<std::uint64_t>(to.size(), *left_.length));
        if (to.empty()) return 0;
        std::size_t n = 0;
        policy_->Run([&] {
            std::unique_ptr<Reader> reader = reader_ ? std::move(reader_) : storage_->Open(name_, left_);
            if (!reader)
                throw Error(Code::kNotFound, fmt::format("object \"{}\" disappeared while it was read", name_));
            n = reader->Read(to);
            reader_ = std::move(reader);    // a reader that threw is never used again
        });
        left_.offset += n;
        if (left_.length) *left_.length -= n;
        return n;
    }

private:
    StoragePtr storage_;
    std::shared_ptr<RetryPolicy> policy_;
    std::string name_;
    Range left_;
    std::unique_ptr<Reader> reader_;
};

class RetryStorage : public Storage {
public:
    RetryStorage(StoragePtr inner, std::shared_ptr<RetryPolicy> policy)
        : inner_(std::move(inner)), policy_(std::move(policy)) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        ObjectInfo info;
        WatchedSource watched(source);
        std::exception_ptr final_failure;
        policy_->Run([&] {
            try {
                info = inner_->Put(name, watched, mode);
            } catch (const Error &error) {
                if (error.code != Code::kUnavailable || CanSendAgain(watched)) throw;
                final_failure = std::current_exception();
            }
        });
        if (final_failure) std::rethrow_exception(final_failure);
        return info;
    }

    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        std::unique_ptr<Reader> reader;
        policy_->Run([&] { reader = inner_->Open(name, range); });
        if (!reader) return nullptr;
        return std::make_unique<RetryReader>(inner_, policy_, std::string(name), range, std::move(reader));
    }

    std::optional<ObjectInfo> Stat(std::string_view name) override {
        std::optional<ObjectInfo> info;
        policy_->Run([&] { info = inner_->Stat(name); });
        return info;
    }

    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        std::string last;
        Foreign visitor;
        std::exception_ptr final_failure;
        policy_->Run([&] {
            try {
                inner_->List(prefix, [&](const ObjectInfo &object) {
                    if (object.name <= last) return true;
                    bool more = visitor.Call([&] { return visit(object); });
                    last = object.name;
                    return more;
                });
            } catch (const Error &) {
                if (!visitor.failed()) throw;
                final_failure = std::current_exception();
            }
        });
        if (final_failure) std::rethrow_exception(final_failure);
    }

    std::vector<std::string> Folders(std::string_view prefix) override {
        std::vector<std::string> found;
        policy_->Run([&] { found = inner_->Folders(prefix); });
        return found;
    }

    void Remove(const std::vector<std::string> &names) override {
        policy_->Run([&] { inner_->Remove(names); });
    }

    bool CanBeMade() override { return inner_->CanBeMade(); }
    // Many questions, each of which the driver tries again.
    Capabilities Probe() override { return inner_->Probe(); }
    std::vector<Finding> Inspect() override { return inner_->Inspect(); }

    std::size_t SweepUploads(Duration older_than) override {
        std::size_t swept = 0;
        policy_->Run([&] { swept += inner_->SweepUploads(older_than); });
        return swept;
    }

    std::string Describe() const override { return inner_->Describe(); }

private:
    StoragePtr inner_;
    std::shared_ptr<RetryPolicy> policy_;
};

}    // namespace

StoragePtr MakeRetryStorage(StoragePtr inner, std::shared_ptr<RetryPolicy> policy) {
    return std::make_shared<RetryStorage>(std::move(inner), std::move(policy));
}

}    // namespace ark
