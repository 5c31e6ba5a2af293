#include "wal/segment_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {

std::size_t ReadFully(Source &source, MutableBytes to) {
    std::size_t have = 0;
    while (std::size_t n = have < to.size() ? source.Read(to.subspan(have)) : 0) have += n;
    return have;
}

SegmentSource::SegmentSource(const Repository &repository, const DomainKey &key, SegmentInfo info,
                             const std::optional<Sha256Digest> &digest, Compression compression, Source &plain,
                             Random &random)
    : repository_(repository),
      key_(key),
      info_(std::move(info)),
      expected_(digest),
      plain_(plain),
      random_(random),
      compressor_(compression) {
    Begin();
}

SegmentSource::~SegmentSource() = default;

void SegmentSource::Begin() {
    info_.salt = random_.Hex(32);
    salts_.push_back(info_.salt);
    cipher_.emplace(SegmentCipher(repository_, key_, info_));
    object_digest_.emplace();
    if (expected_) file_digest_.emplace();
    part_ = Part::kFrames;
    frame_ = 0;
    left_ = info_.length;
    size_ = 0;
    out_ = ToBytes(FormatSegmentFront(repository_, key_, info_));
    Emit();
}

void SegmentSource::Emit() {
    object_digest_->Update(out_);
    at_ = 0;
}

bool SegmentSource::Used(const std::string &salt) const { return std::ranges::find(salts_, salt) != salts_.end(); }

bool SegmentSource::Rewind() {
    if (!plain_.Rewind()) return false;
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
    if (left_ > 0) return ProduceFrame();
    std::byte more;
    if (ReadFully(plain_, {&more, 1}) != 0 || (expected_ && file_digest_->Finish() != *expected_))
        throw Error(Code::kConflict, fmt::format("WAL file \"{}\" changed while it was read", info_.name.Text()));
    out_ = ToBytes("sha256 " + HexEncode(object_digest_->SoFar()) + "\n");
    Emit();
    part_ = Part::kEnd;
}

void SegmentSource::ProduceFrame() {
    piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kWalFrameSize)));
    if (ReadFully(plain_, piece_) != piece_.size())
        throw Error(Code::kConflict,
                    fmt::format("WAL file \"{}\" became shorter while it was read", info_.name.Text()));
    if (expected_) file_digest_->Update(piece_);
    left_ -= piece_.size();
    out_.clear();
    AppendFrame(piece_, frame_++, compressor_, *cipher_, out_);
    Emit();
}

}    // namespace ark
