#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "storage/s3/store.h"

namespace ark::s3 {
namespace {

class EmptyReader : public Reader {
public:
    std::size_t Read(MutableBytes) override { return 0; }
};

std::string RangeHeader(std::uint64_t from, std::optional<std::uint64_t> end) {
    return end ? fmt::format("bytes={}-{}", from, *end - 1) : fmt::format("bytes={}-", from);
}

std::uint64_t LengthOf(const HttpAnswer &head, const std::string &doing) {
    std::string text = HeaderOf(head, "content-length");
    std::uint64_t length = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        throw Error(Code::kUnsupported, doing, "the store does not say how long its answer is",
                    "Something between here and the store rewrites answers; reach the store directly.");
    return length;
}

// A store that ignores ranges would give other bytes than asked.
void CheckRange(const HttpAnswer &head, std::uint64_t from, const std::string &doing) {
    std::string range = HeaderOf(head, "content-range");
    if (head.status == 206 && range.starts_with(fmt::format("bytes {}-", from))) return;
    throw Error(Code::kUnsupported, doing,
                fmt::format("asked for bytes from {}, the store answered HTTP {} with Content-Range \"{}\"", from,
                            head.status, range),
                "The store must support ranged reads.");
}

// Streams [at, end) of one version of an object. A connection that drops is opened again where it stood.
class ObjectReader : public Reader {
public:
    ObjectReader(StoreRef store, std::string name, std::unique_ptr<HttpStream> stream, std::uint64_t at,
                 std::uint64_t end)
        : store_(std::move(store)),
          name_(std::move(name)),
          etag_(HeaderOf(stream->Head(), "etag")),
          stream_(std::move(stream)),
          at_(at),
          end_(end) {}

    std::size_t Read(MutableBytes to) override {
        to = to.first(std::min<std::uint64_t>(to.size(), end_ - at_));
        if (to.empty()) return 0;
        std::size_t n = 0;
        if (stream_) {
            try {
                n = Pull(to);
            } catch (const Error &error) {
                if (error.code != Code::kUnavailable) throw;
            }
        }
        if (n == 0)
            store_->policy->Run([&] {
                if (!stream_) Reopen();
                n = Pull(to);
            });
        at_ += n;
        if (at_ == end_) Finish();
        return n;
    }

private:
    std::string Doing() const { return fmt::format("could not read \"{}\"", name_); }

    std::size_t Pull(MutableBytes to) {
        std::unique_ptr<HttpStream> stream = std::move(stream_);    // one that threw is never used again
        std::size_t n = 0;
        try {
            n = stream->Read(to);
        } catch (Error &error) {
            if (error.code != Code::kCancelled) error.InContext(Doing());
            throw;
        }
        if (n == 0)
            throw Error(Code::kUnavailable, Doing(), fmt::format("the answer ended at byte {} of {}", at_, end_));
        stream_ = std::move(stream);
        return n;
    }

    void Reopen() {
        Call call{.method = "GET", .key = store_->KeyOf(name_), .headers = {{"range", RangeHeader(at_, end_)}}};
        if (!etag_.empty()) call.headers.emplace_back("if-match", etag_);
        Reply reply = store_->client.Open(call, Doing(), {Kind::kAbsent, Kind::kTaken, Kind::kRange});
        if (reply.kind() == Kind::kAbsent)
            throw Error(Code::kNotFound, Doing(), fmt::format("it was removed after {} bytes had been read", at_));
        if (reply.kind() != Kind::kNone)
            throw Error(Code::kCorrupt, Doing(),
                        fmt::format("it was replaced by another object after {} bytes had been read ({})", at_,
                                    Describe(reply.refusal)));
        CheckRange(reply.stream->Head(), at_, Doing());
        stream_ = std::move(reply.stream);
    }

    // Lets the exchange come to its end, so that the connection stays warm for the next one.
    void Finish() {
        std::array<std::byte, 1> nothing;
        std::unique_ptr<HttpStream> stream = std::move(stream_);
        if (stream->Read(nothing) != 0)
            throw Error(Code::kCorrupt, Doing(), "the store sent more bytes than it had said");
    }

    StoreRef store_;
    std::string name_;
    std::string etag_;
    std::unique_ptr<HttpStream> stream_;
    std::uint64_t at_, end_;
};

}    // namespace

std::unique_ptr<Reader> OpenObject(const StoreRef &store, std::string_view name, Range range) {
    if (range.length == 0u) return Head(*store, name) ? std::make_unique<EmptyReader>() : nullptr;
    std::optional<std::uint64_t> end;
    if (range.length && *range.length <= std::numeric_limits<std::uint64_t>::max() - range.offset)
        end = range.offset + *range.length;
    bool ranged = range.offset > 0 || end;
    std::string doing = fmt::format("could not read \"{}\"", name);
    Call call{.method = "GET", .key = store->KeyOf(name)};
    if (ranged) call.headers.emplace_back("range", RangeHeader(range.offset, end));
    Reply reply = store->client.Open(call, doing, {Kind::kAbsent, Kind::kRange});
    store->traits.bucket_seen = true;
    if (reply.kind() == Kind::kAbsent) return nullptr;
    if (reply.kind() == Kind::kRange) return std::make_unique<EmptyReader>();
    if (ranged) CheckRange(reply.stream->Head(), range.offset, doing);
    std::uint64_t length = LengthOf(reply.stream->Head(), doing);
    return std::make_unique<ObjectReader>(store, std::string(name), std::move(reply.stream), range.offset,
                                          range.offset + length);
}

}    // namespace ark::s3
