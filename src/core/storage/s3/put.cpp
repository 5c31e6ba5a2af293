#include "storage/s3/put.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "storage/s3/multipart.h"

namespace ark::s3 {
namespace {

constexpr int kMd5sBeforeProof = 8;
constexpr const char *kMarkHeader = "x-amz-meta-ark-upload";

bool LooksLikeMd5(std::string_view etag) {
    return etag.size() == 34 && etag.front() == '"' && etag.back() == '"' &&
           std::ranges::all_of(etag.substr(1, 32),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

class WholePut {
public:
    WholePut(Store &store, std::string_view name, ByteView bytes, const Sha256Digest &digest, PutMode mode)
        : store_(store),
          name_(name),
          bytes_(bytes),
          create_(mode == PutMode::kCreate),
          digest_(digest),
          mark_(NewMark()),
          doing_(fmt::format("could not upload \"{}\"", name)) {}

    ObjectInfo Run() {
        ObjectInfo info;
        store_.policy->Run([&] {
            try {
                info = Attempt();
            } catch (const Error &error) {
                if (error.code == Code::kUnavailable) may_have_arrived_ = true;
                throw;
            }
        });
        return info;
    }

private:
    Reply Send(bool conditional) {
        Call call{.method = "PUT",
                  .key = store_.KeyOf(name_),
                  .headers = UploadHeaders(store_, mark_),
                  .body = bytes_,
                  .body_digest = digest_};
        call.headers.emplace_back("content-type", "application/octet-stream");
        Kinds expected;
        if (conditional) {
            call.headers.emplace_back("if-none-match", "*");
            expected = {Kind::kTaken, Kind::kContended, Kind::kNotImplemented};
        }
        return SendWithChecksum(store_, call, {{"x-amz-checksum-sha256", Base64Encode(digest_)}}, doing_, expected);
    }

    ObjectInfo Attempt() {
        bool conditional = create_ && store_.traits.conditional_put;
        if (create_ && !conditional)
            if (std::optional<ObjectInfo> ours = Settle("")) return *ours;
        Reply reply = Send(conditional);
        if (reply.kind() == Kind::kNotImplemented) {
            CheckFree(store_, name_);
            reply = Send(false);
            store_.traits.conditional_put = false;
        } else if (reply.kind() != Kind::kNone) {
            if (std::optional<ObjectInfo> ours = Settle(Describe(reply.refusal))) return *ours;
            throw Error(Code::kUnavailable, doing_, Describe(reply.refusal));    // the rival has gone: try again
        }
        store_.traits.bucket_seen = true;
        return Prove(reply.answer);
    }

    // The name may be taken. Nothing if it is free, the object if an earlier attempt of ours made it; else throws.
    std::optional<ObjectInfo> Settle(const std::string &evidence) {
        std::optional<HttpAnswer> head = Head(store_, name_);
        if (!head) return std::nullopt;
        if (may_have_arrived_ && IsOurs(*head, mark_)) return InfoOf(name_, *head);
        ThrowTaken(name_, evidence);
    }

    ObjectInfo Prove(const HttpAnswer &answer) {
        CheckEncrypted(store_, answer, doing_);
        std::string checksum = HeaderOf(answer, "x-amz-checksum-sha256"), etag = HeaderOf(answer, "etag");
        if (!checksum.empty()) {
            if (checksum != Base64Encode(digest_))
                throw Error(Code::kUnavailable, doing_, "the store received other bytes: its SHA-256 is " + checksum);
        } else if (!LooksLikeMd5(etag)) {
            return ProveSize();
        } else if (!store_.traits.bodies_are_proven) {
            if (!store_.traits.md5_etags || HeaderOf(answer, "x-amz-server-side-encryption").starts_with("aws:"))
                return ProveSize();
            if (etag.substr(1, 32) != HexEncode(Md5(bytes_))) ReadBack(etag);
            // An MD5 takes as long as a half of the compression. Who uploads much asks the store once, in place of all of them.
            if (++store_.traits.md5s_taken == kMd5sBeforeProof)
                store_.traits.bodies_are_proven = RefusesOtherBody(store_);
        }
        std::string date = HeaderOf(answer, "date");
        if (date.empty()) return ProveSize();
        return {name_, bytes_.size(), ParseHttpDate(date)};
    }

    ObjectInfo ProveSize() {
        std::optional<HttpAnswer> head = Head(store_, name_);
        if (!head) throw Error(Code::kUnavailable, doing_, "the store said that it has it, and then that it has not");
        ObjectInfo info = InfoOf(name_, *head);
        if (info.size != bytes_.size())
            throw Error(Code::kCorrupt, doing_,
                        fmt::format("the store holds {} bytes in place of {}", info.size, bytes_.size()));
        return info;
    }

    // The ETag is not the MD5 of what was sent. Either the bytes are wrong or this store's ETags are something else.
    void ReadBack(const std::string &etag) {
        Reply reply = store_.client.Send({.method = "GET", .key = store_.KeyOf(name_)}, doing_);
        if (Sha256(AsBytes(reply.answer.body)) != digest_)
            throw Error(Code::kCorrupt, doing_, "the store received other bytes: its ETag is " + etag,
                        "Something between here and the store changes requests.");
        store_.traits.md5_etags = false;
    }

    Store &store_;
    std::string name_;
    ByteView bytes_;
    bool create_;
    Sha256Digest digest_;
    std::string mark_;
    std::string doing_;
    bool may_have_arrived_ = false;
};

// Up to `limit` bytes; fewer at the source's end only.
Bytes ReadPart(Source &source, std::size_t limit, Bytes buffer) {
    constexpr std::size_t kFirst = 64 << 10;
    std::size_t have = 0;
    if (buffer.size() > limit) buffer.resize(limit);
    for (;;) {
        if (have == buffer.size()) {
            if (have == limit) break;
            buffer.resize(std::min(limit, std::max(kFirst, have * 4)));
        }
        std::size_t n = source.Read(MutableBytes(buffer).subspan(have));
        if (n == 0) break;
        have += n;
    }
    buffer.resize(have);
    return buffer;
}

}    // namespace

Fields UploadHeaders(const Store &store, const std::string &mark) {
    Fields headers{{kMarkHeader, mark}};
    const S3Settings &settings = store.settings;
    if (!settings.sse.empty()) headers.emplace_back("x-amz-server-side-encryption", settings.sse);
    if (!settings.kms_key.empty())
        headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", settings.kms_key);
    if (!settings.storage_class.empty()) headers.emplace_back("x-amz-storage-class", settings.storage_class);
    return headers;
}

std::string NewMark() { return SystemRandom().Hex(16); }

bool IsOurs(const HttpAnswer &head, const std::string &mark) { return HeaderOf(head, kMarkHeader) == mark; }

void CheckEncrypted(const Store &store, const HttpAnswer &answer, const std::string &doing) {
    if (HeaderOf(answer, "x-amz-server-side-encryption") == store.settings.sse || store.settings.sse.empty()) return;
    throw Error(
        Code::kUnsupported, doing,
        fmt::format("the store took it and did not encrypt it with sse={}", store.settings.sse),
        "This store does not encrypt so: leave sse out of its URL, and let pg_ark encrypt (ark.encryption_key).");
}

Reply SendWithChecksum(Store &store, Call call, const Fields &checksum, const std::string &doing,
                       const Kinds &expected) {
    if (!store.traits.checksums) return store.client.Send(call, doing, expected);
    Call with = call;
    with.headers.insert(with.headers.end(), checksum.begin(), checksum.end());
    Kinds refused = expected;
    refused.insert(refused.end(), {Kind::kRefused, Kind::kNotImplemented});
    Reply reply = store.client.Send(with, doing, refused);
    if (reply.kind() != Kind::kRefused && reply.kind() != Kind::kNotImplemented) return reply;
    reply = store.client.Send(call, doing, expected);
    if (reply.kind() == Kind::kNone) store.traits.checksums = false;
    return reply;
}

void CheckFree(Store &store, std::string_view name) {
    if (Head(store, name)) ThrowTaken(name, "");
}

void ThrowTaken(std::string_view name, const std::string &detail) {
    throw Error(Code::kAlreadyExists, fmt::format("could not create \"{}\": it exists", name), detail);
}

ObjectInfo PutWhole(Store &store, std::string_view name, ByteView bytes, PutMode mode) {
    return WholePut(store, name, bytes, Sha256(bytes), mode).Run();
}

ObjectInfo PutObject(const StoreRef &store, std::string_view name, Source &source, PutMode mode) {
    const S3Settings &settings = store->settings;
    PartPlan plan(settings.part_size, settings.max_parts, source.Size());
    std::vector<Bytes> parts;
    std::size_t held = 0;
    bool ended = false;
    while (!ended && held <= settings.single_put) {
        std::size_t size = plan.SizeOf(parts.size() + 1);
        parts.push_back(ReadPart(source, size, {}));
        ended = parts.back().size() < size;
        held += parts.back().size();
    }
    if (ended && held <= settings.single_put) {
        Bytes whole = std::move(parts[0]);
        whole.reserve(held);
        for (std::size_t i = 1; i < parts.size(); i++) Append(whole, parts[i]);
        std::optional<Sha256Digest> known = source.Digest();
        return WholePut(*store, name, whole, known ? *known : Sha256(whole), mode).Run();
    }
    MultipartUpload upload(store, std::string(name), mode);
    Bytes spare;
    for (Bytes &part : parts)
        if (!part.empty()) spare = upload.Add(std::move(part));
    for (std::size_t number = parts.size() + 1; !ended; number++) {
        std::size_t size = plan.SizeOf(number);
        Bytes part = ReadPart(source, size, std::move(spare));
        ended = part.size() < size;
        spare = part.empty() ? Bytes() : upload.Add(std::move(part));
    }
    return upload.Complete();
}

}    // namespace ark::s3
