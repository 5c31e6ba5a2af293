#include "wal/segment_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::uint64_t kHeld = 16 << 20;

}    // namespace

std::size_t ReadFully(Source &source, MutableBytes to) {
    std::size_t have = 0;
    while (std::size_t n = have < to.size() ? source.Read(to.subspan(have)) : 0) have += n;
    return have;
}

SegmentSource::SegmentSource(const Repository &repository, const DomainKey &key, SegmentInfo info,
                             Compression compression, Source &plain, Random &random)
    : repository_(repository),
      key_(key),
      info_(std::move(info)),
      plain_(plain),
      random_(random),
      compressor_(compression) {
    std::optional<std::uint64_t> size = plain.Size();
    ahead_ = size && *size <= kHeld;
    if (ahead_)
        MakeAhead(*size);
    else
        DigestAhead();
    info_.digest = SegmentDigest(key_, file_);
    Begin();
}

SegmentSource::~SegmentSource() = default;

void SegmentSource::TakeSalt() {
    info_.salt = random_.Hex(32);
    salts_.push_back(info_.salt);
    cipher_.emplace(SegmentCipher(repository_, key_, info_));
}

void SegmentSource::MakeAhead(std::uint64_t promised) {
    TakeSalt();
    Sha256Stream digest;
    piece_.resize(kWalFrameSize);
    while (std::size_t n = ReadFully(plain_, piece_)) {
        const ByteView plain = ByteView(piece_).first(n);
        digest.Update(plain);
        info_.length += n;
        if (info_.length > promised) break;
        AppendFrame(plain, frame_++, compressor_, *cipher_, frames_);
    }
    if (info_.length != promised) throw Changed();
    file_ = digest.Finish();
}

void SegmentSource::DigestAhead() {
    Sha256Stream digest;
    piece_.resize(kWalFrameSize);
    while (std::size_t n = ReadFully(plain_, piece_)) {
        digest.Update(ByteView(piece_).first(n));
        info_.length += n;
    }
    file_ = digest.Finish();
    if (!plain_.Rewind()) throw Error(Code::kInternal, "a WAL file was given that cannot be read twice");
}

Error SegmentSource::Changed() const {
    return Error(Code::kConflict, fmt::format("WAL file \"{}\" changed while it was read", info_.name.Text()));
}

void SegmentSource::Begin() {
    if (!ahead_) {
        TakeSalt();
        frame_ = 0;
        left_ = info_.length;
        second_digest_.emplace();
    }
    object_digest_.emplace();
    part_ = Part::kFrames;
    size_ = 0;
    made_ = ToBytes(FormatSegmentFront(repository_, key_, info_));
    Emit(made_);
}

void SegmentSource::Emit(ByteView bytes) {
    object_digest_->Update(bytes);
    out_ = bytes;
    at_ = 0;
}

bool SegmentSource::Used(const std::string &salt) const { return std::ranges::find(salts_, salt) != salts_.end(); }

bool SegmentSource::Rewind() {
    if (!ahead_ && !plain_.Rewind()) return false;
    Begin();
    return true;
}

std::size_t SegmentSource::Read(MutableBytes to) {
    std::size_t filled = 0;
    while (filled < to.size()) {
        if (at_ == out_.size()) {
            if (part_ == Part::kEnd) break;
            Produce();
        }
        std::size_t n = std::min(to.size() - filled, out_.size() - at_);
        std::copy_n(out_.begin() + static_cast<std::ptrdiff_t>(at_), n,
                    to.begin() + static_cast<std::ptrdiff_t>(filled));
        at_ += n;
        filled += n;
    }
    size_ += filled;
    return filled;
}

void SegmentSource::Produce() {
    if (part_ == Part::kFrames) {
        if (!ahead_ && left_ > 0) return Emit(NextFrame());
        part_ = Part::kCheckLine;
        if (ahead_) return Emit(frames_);
    }
    std::byte more;
    if (!ahead_ && (ReadFully(plain_, {&more, 1}) != 0 || second_digest_->Finish() != file_)) throw Changed();
    made_ = ToBytes("sha256 " + HexEncode(object_digest_->SoFar()) + "\n");
    Emit(made_);
    part_ = Part::kEnd;
}

ByteView SegmentSource::NextFrame() {
    piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kWalFrameSize)));
    if (ReadFully(plain_, piece_) != piece_.size()) throw Changed();
    second_digest_->Update(piece_);
    left_ -= piece_.size();
    made_.clear();
    AppendFrame(piece_, frame_++, compressor_, *cipher_, made_);
    return made_;
}

}    // namespace ark
