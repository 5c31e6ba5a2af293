// The bytes of an archived file's object, made while a driver pulls them: memory for one frame, however long the file.
// A rewound source takes a new salt and begins again, so that no key and nonce meet two plaintexts (section 11).
#pragma once

#include <vector>

#include "storage/storage.h"
#include "wal/segment_format.h"

namespace ark {

class SegmentSource : public Source {
public:
    // `plain` stands at its beginning and can rewind; `info` says all but the salt. `digest` is the file's SHA-256, where the file
    // could be another by now than the one that `info` was made from.
    SegmentSource(const Repository &repository, const DomainKey &key, SegmentInfo info,
                  const std::optional<Sha256Digest> &digest, Compression compression, Source &plain, Random &random);
    ~SegmentSource() override;

    // Throws kConflict if the file is not the one that `info` describes.
    std::size_t Read(MutableBytes to) override;
    bool Rewind() override;
    std::optional<Sha256Digest> Digest() const override { return object_digest_->SoFar(); }

    const SegmentInfo &info() const { return info_; }
    std::uint64_t size() const { return size_; }    // of what was read since the beginning
    bool Used(const std::string &salt) const;       // by this pass or one before

private:
    enum class Part { kFrames, kCheckLine, kEnd };
    void Begin();
    void Produce();
    void ProduceFrame();
    void Emit();

    const Repository &repository_;
    const DomainKey &key_;
    SegmentInfo info_;
    std::optional<Sha256Digest> expected_;
    Source &plain_;
    Random &random_;
    Compressor compressor_;

    Part part_ = Part::kFrames;
    std::vector<std::string> salts_;
    std::optional<FrameCipher> cipher_;
    std::optional<Sha256Stream> object_digest_, file_digest_;
    std::uint64_t frame_ = 0, left_ = 0, size_ = 0;
    Bytes piece_, out_;
    std::size_t at_ = 0;    // in out_
};

// Fills `to` from a source, however it deals out its bytes; fewer at its end only.
std::size_t ReadFully(Source &source, MutableBytes to);

}    // namespace ark
