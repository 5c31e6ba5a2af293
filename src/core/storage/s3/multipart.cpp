#include "storage/s3/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace ark::s3 {
namespace {

constexpr std::uint64_t kLargestPart = 5ull << 30, kLargestObject = 5ull << 40;
// S3 answers a completion at once, then works for minutes while it trickles white space.
constexpr Duration kCompletePatience = std::chrono::minutes(10);
constexpr Duration kAbortPatience = std::chrono::seconds(5);

std::uint64_t Grown(std::uint64_t first, std::size_t number, std::size_t doubles_after) {
    std::size_t doublings = std::min<std::size_t>((number - 1) / doubles_after, 20);
    return std::min(first << doublings, kLargestPart);
}

std::uint64_t Capacity(std::uint64_t first, std::size_t max_parts, std::size_t doubles_after) {
    std::uint64_t sum = 0;
    for (std::size_t number = 1; number <= max_parts && sum < kLargestObject; number++)
        sum += Grown(first, number, doubles_after);
    return sum;
}

}    // namespace

PartPlan::PartPlan(std::uint64_t part_size, std::size_t max_parts, std::optional<std::uint64_t> known_size)
    : first_(part_size), max_parts_(max_parts), doubles_after_(max_parts) {
    if (known_size) {
        first_ = std::clamp((*known_size + max_parts - 1) / max_parts, first_, kLargestPart);
        return;
    }
    for (std::size_t tenths : {10u, 20u, 50u, 100u}) {
        doubles_after_ = std::max<std::size_t>(1, max_parts / tenths);
        if (Capacity(first_, max_parts, doubles_after_) >= kLargestObject) return;
    }
}

std::size_t PartPlan::SizeOf(std::size_t number) const {
    if (number > max_parts_ + 1)    // the plan may be asked once more to find the end
        throw Error(Code::kUnsupported, "the object is too large for the store",
                    fmt::format("more than {} parts", max_parts_),
                    "Raise max_parts in the store's URL if the store takes more.");
    return Grown(first_, number, doubles_after_);
}

MultipartUpload::MultipartUpload(StoreRef store, std::string name, PutMode mode)
    : store_(std::move(store)),
      name_(std::move(name)),
      create_(mode == PutMode::kCreate),
      doing_(fmt::format("could not upload \"{}\"", name_)) {
    store_->policy->Run([&] { Begin(); });
}

MultipartUpload::~MultipartUpload() {
    stopped_ = true;
    in_flight_.clear();
    if (!finished_) Abort();
}

void MultipartUpload::Begin() {
    Call call{.method = "POST",
              .key = store_->KeyOf(name_),
              .query = {{"uploads", ""}},
              .headers = UploadHeaders(*store_, mark_)};
    call.headers.emplace_back("content-type", "application/octet-stream");
    Reply reply = SendWithChecksum(*store_, call, {{"x-amz-checksum-algorithm", "SHA256"}}, doing_);
    upload_id_ = ParseUploadId(reply.answer.body);
    checksums_needed_ = reply.answer.Header("x-amz-checksum-algorithm") != nullptr;
    store_->traits.bucket_seen = true;
}

Bytes MultipartUpload::Add(Bytes part) {
    Bytes spare;
    if (in_flight_.size() >= std::max<std::size_t>(1, store_->settings.parts_in_flight)) spare = TakeOldest();
    size_ += part.size();
    in_flight_.push_back(std::async(std::launch::async, [this, number = ++added_, bytes = std::move(part)]() mutable {
        return SendPart(number, std::move(bytes));
    }));
    return spare;
}

Bytes MultipartUpload::TakeOldest() {
    Sent sent = in_flight_.front().get();
    in_flight_.pop_front();
    parts_.push_back(std::move(sent.entry));
    digests_.push_back(sent.digest);
    return std::move(sent.buffer);
}

MultipartUpload::Sent MultipartUpload::SendPart(std::size_t number, Bytes part) {
    Sent sent;
    sent.digest = Sha256(part);
    std::string checksum = Base64Encode(sent.digest);
    Call call{.method = "PUT",
              .key = store_->KeyOf(name_),
              .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}},
              .body = part,
              .body_digest = sent.digest};
    store_->policy->Run([&] {
        if (stopped_) throw Error(Code::kCancelled, "the upload was given up");
        Reply reply;
        Fields header{{"x-amz-checksum-sha256", checksum}};
        if (checksums_needed_) {
            Call with = call;
            with.headers = header;
            reply = store_->client.Send(with, doing_);
        } else {
            reply = SendWithChecksum(*store_, call, header, doing_);
        }
        std::string echoed = HeaderOf(reply.answer, "x-amz-checksum-sha256");
        if (!echoed.empty() && echoed != checksum)
            throw Error(Code::kUnavailable, doing_,
                        fmt::format("the store received other bytes in part {}: its SHA-256 is {}", number, echoed));
        sent.entry = {number, HeaderOf(reply.answer, "etag"), echoed};
        if (sent.entry.etag.empty())
            throw Error(Code::kUnavailable, doing_, fmt::format("the answer for part {} has no ETag", number));
    });
    sent.buffer = std::move(part);
    return sent;
}

ObjectInfo MultipartUpload::Complete() {
    while (!in_flight_.empty()) TakeOldest();
    store_->policy->Run([&] {
        try {
            if (!finished_) CompleteOnce();
        } catch (const Error &error) {
            if (error.code == Code::kUnavailable) may_have_arrived_ = true;
            throw;
        }
    });
    std::optional<HttpAnswer> head;
    store_->policy->Run([&] { head = Head(*store_, name_); });
    if (!head || !IsOurs(*head, mark_)) {
        // Somebody else's object, or none: the completion was not ours to have, or the upload is gone.
        if (head && create_) ThrowTaken(name_, "");
        if (!head) throw Error(Code::kUnavailable, doing_, "the store has lost the upload");
    }
    CheckEncrypted(*store_, *head, doing_);
    ObjectInfo info = InfoOf(name_, *head);
    if (info.size != size_)
        throw Error(Code::kCorrupt, doing_, fmt::format("the store holds {} bytes in place of {}", info.size, size_));
    return info;
}

void MultipartUpload::CompleteOnce() {
    std::string document = CompleteDocument(parts_);
    Call call{.method = "POST",
              .key = store_->KeyOf(name_),
              .query = {{"uploadId", upload_id_}},
              .headers = {{"content-type", "application/xml"}},
              .body = AsBytes(document),
              .checks_body = true,
              .stall_timeout = kCompletePatience};
    Kinds expected{Kind::kNoUpload};
    bool conditional = create_ && store_->traits.conditional_complete;
    if (create_ && !store_->traits.complete_is_proven && !may_have_arrived_) CheckFree(*store_, name_);
    if (conditional) {
        call.headers.emplace_back("if-none-match", "*");
        expected.insert(expected.end(), {Kind::kTaken, Kind::kContended, Kind::kNotImplemented});
    }
    Reply reply = store_->client.Send(call, doing_, expected);
    if (reply.kind() == Kind::kNotImplemented) {
        call.headers.pop_back();
        reply = store_->client.Send(call, doing_, {Kind::kNoUpload});
        store_->traits.conditional_complete = false;
    }
    if (reply.kind() != Kind::kNone) return Settle(reply);
    CheckWholeChecksum(ParseCompletedUpload(reply.answer.body).checksum_sha256);
    finished_ = true;
}

// The upload is gone or the name is taken. An earlier attempt whose answer was lost may be why: Complete() then
// finds our own mark on the object.
void MultipartUpload::Settle(const Reply &reply) {
    if (reply.kind() == Kind::kNoUpload) {
        finished_ = true;
        return;
    }
    std::optional<HttpAnswer> head = Head(*store_, name_);
    if (head && IsOurs(*head, mark_)) {
        finished_ = true;
        return;
    }
    if (head) ThrowTaken(name_, Describe(reply.refusal));
    throw Error(Code::kUnavailable, doing_, Describe(reply.refusal));
}

// S3's checksum of a whole multipart object is the digest of its parts' digests, with their number behind.
void MultipartUpload::CheckWholeChecksum(const std::string &checksum) const {
    if (!checksum.ends_with(fmt::format("-{}", parts_.size()))) return;
    Bytes all;
    for (const Sha256Digest &digest : digests_) Append(all, digest);
    std::string wanted = fmt::format("{}-{}", Base64Encode(Sha256(all)), parts_.size());
    if (checksum != wanted)
        throw Error(Code::kCorrupt, doing_,
                    fmt::format("the store put other parts together: its checksum is {}", checksum));
}

void MultipartUpload::Abort() noexcept {
    try {
        Call call{.method = "DELETE", .key = store_->KeyOf(name_), .query = {{"uploadId", upload_id_}}};
        call.deadline = kAbortPatience;
        call.despite_cancel = true;
        store_->client.Send(call, doing_, {Kind::kNoUpload});
    } catch (const std::exception &) {
        // SweepUploads finds what is left.
    }
}

}    // namespace ark::s3
