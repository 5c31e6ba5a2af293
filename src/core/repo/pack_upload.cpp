#include "repo/pack_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/encoding.h"
#include "repo/pack_format.h"

namespace ark {

// What the driver pulls: the parts of the queue, digested as they go.
class PackUpload::Parts : public Source {
public:
    explicit Parts(PackUpload &upload) : upload_(upload) {
        std::unique_lock lock(upload_.mutex_);
        upload_.changed_.wait(lock, [&] { return upload_.abandoned_ || upload_.ended_ || !upload_.parts_.empty(); });
        if (!upload_.ended_ || upload_.parts_.size() != 1) return;
        part_ = std::move(upload_.parts_.front());    // the whole pack is here
        upload_.parts_.pop_front();
        whole_ = true;
    }

    std::size_t Read(MutableBytes to) override {
        upload_.ThrowIfAbandoned();
        std::size_t filled = 0;
        while (filled < to.size()) {
            if (at_ == part_.size() && !NextPart()) break;
            std::size_t n = std::min(to.size() - filled, part_.size() - at_);
            std::copy_n(part_.begin() + static_cast<std::ptrdiff_t>(at_), n,
                        to.begin() + static_cast<std::ptrdiff_t>(filled));
            at_ += n;
            filled += n;
        }
        digest_.Update(to.first(filled));
        size_ += filled;
        return filled;
    }
    bool Rewind() override {
        if (!whole_) return false;
        at_ = 0;
        size_ = 0;
        digest_ = Sha256Stream();
        return true;
    }
    std::optional<std::uint64_t> Size() const override {
        return whole_ ? std::optional<std::uint64_t>(part_.size()) : std::nullopt;
    }
    std::optional<Sha256Digest> Digest() const override { return digest_.SoFar(); }

    // A driver that found the name taken need not have read everything.
    void Drain() {
        Bytes rest(64 << 10);
        while (Read(rest) > 0) {}
    }
    std::uint64_t size() const { return size_; }
    std::string Sha256() { return HexEncode(digest_.Finish()); }
    ByteView Tail() const { return whole_ ? LastOf(part_) : ByteView(tail_); }    // after the end

private:
    static ByteView LastOf(ByteView part) { return part.last(std::min<std::size_t>(part.size(), kTrailerSize)); }

    // The memory is given back before the wait: a part that alone is more than the queue may hold keeps the next from coming.
    bool NextPart() {
        if (whole_) return false;
        if (!part_.empty()) tail_.assign(LastOf(part_).begin(), LastOf(part_).end());
        std::size_t sent = std::exchange(part_, {}).size();
        at_ = 0;
        std::unique_lock lock(upload_.mutex_);
        upload_.held_ -= sent;
        upload_.changed_.notify_all();
        upload_.changed_.wait(lock, [&] { return upload_.abandoned_ || upload_.ended_ || !upload_.parts_.empty(); });
        if (upload_.abandoned_) upload_.ThrowAbandoned();
        if (upload_.parts_.empty()) return false;
        part_ = std::move(upload_.parts_.front());
        upload_.parts_.pop_front();
        return true;
    }

    PackUpload &upload_;
    Bytes part_, tail_;    // being sent; the end of the one before
    std::size_t at_ = 0;
    bool whole_ = false;
    std::uint64_t size_ = 0;
    Sha256Stream digest_;
};

PackUpload::PackUpload(std::shared_ptr<Repository> repository, std::string pack, std::size_t most_held)
    : repository_(std::move(repository)), pack_(std::move(pack)), most_held_(most_held) {
    thread_ = std::thread([this] { Run(); });
}

PackUpload::~PackUpload() {
    {
        std::lock_guard lock(mutex_);
        abandoned_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void PackUpload::ThrowAbandoned() const {
    throw Error(Code::kCancelled, fmt::format("pack \"{}\" was abandoned", pack_));
}

void PackUpload::ThrowIfAbandoned() {
    std::lock_guard lock(mutex_);
    if (abandoned_) ThrowAbandoned();
}

void PackUpload::ThrowIfFailed() {
    if (failure_) std::rethrow_exception(failure_);
}

void PackUpload::WaitFor(Ticker *stop, const std::function<bool()> &done) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(100), done))
        if (stop) stop->Check();
}

void PackUpload::WaitForRoom(Ticker *stop) {
    WaitFor(stop, [&] { return HasRoom(); });
}

void PackUpload::WaitUntilFinished(Ticker *stop) {
    WaitFor(stop, [&] { return finished_; });
}

void PackUpload::Push(Bytes part) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return HasRoom(); });
    ThrowIfFailed();
    held_ += part.size();
    parts_.push_back(std::move(part));
    changed_.notify_all();
}

void PackUpload::End(Bytes last) {
    std::lock_guard lock(mutex_);
    ThrowIfFailed();
    held_ += last.size();
    parts_.push_back(std::move(last));
    ended_ = true;
    changed_.notify_all();
}

PackInfo PackUpload::Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_; });
    ThrowIfFailed();
    return info_;
}

void PackUpload::Run() noexcept {
    PackInfo info;
    std::exception_ptr failure;
    try {
        info = Upload();
    } catch (...) {
        failure = std::current_exception();
    }
    std::lock_guard lock(mutex_);
    info_ = std::move(info);
    failure_ = failure;
    finished_ = true;
    changed_.notify_all();
}

PackInfo PackUpload::Upload() {
    Parts parts(*this);
    try {
        repository_->storage().Put(repository_->FullName(layout::Pack(pack_)), parts, PutMode::kCreate);
    } catch (const Error &e) {
        if (e.code != Code::kAlreadyExists) throw;
        parts.Drain();    // the name is random, so the object can only be ours, from a try whose answer was lost
        PackInfo info{pack_, parts.size(), parts.Sha256()};
        ProveSame(info.size, info.sha256);
        return info;
    }
    PackInfo info{pack_, parts.size(), parts.Sha256()};
    Prove(info.size, parts.Tail());
    return info;
}

void PackUpload::Prove(std::uint64_t size, ByteView tail) {
    std::string name = layout::Pack(pack_);
    std::optional<ObjectInfo> found = repository_->Stat(name);
    if (!found || found->size != size)
        throw Error(Code::kCorrupt, fmt::format("pack \"{}\" is not in the store as it was sent", pack_),
                    found ? fmt::format("{} bytes were sent, {} are there.", size, found->size)
                          : "The store does not have it after a successful upload.");
    if (repository_->storage().Probe().checksum_headers) return;    // the driver compared a digest of all bytes
    if (!std::ranges::equal(
            ReadExactly(*repository_, name, size - tail.size(), tail.size(), fmt::format("pack \"{}\"", pack_)), tail))
        throw Error(Code::kCorrupt, fmt::format("pack \"{}\" is not in the store as it was sent", pack_),
                    "Its last bytes differ.");
}

void PackUpload::ProveSame(std::uint64_t size, const std::string &sha256) {
    std::unique_ptr<Reader> reader = repository_->storage().Open(repository_->FullName(layout::Pack(pack_)), {});
    Sha256Stream digest;
    std::uint64_t length = 0;
    Bytes block(64 << 10);
    while (reader) {
        std::size_t n = reader->Read(block);
        if (n == 0) break;
        digest.Update(ByteView(block).first(n));
        length += n;
    }
    if (length != size || HexEncode(digest.Finish()) != sha256)
        throw Error(Code::kAlreadyExists, fmt::format("pack \"{}\" exists already with other bytes", pack_));
}

}    // namespace ark
