// The bytes of an archived file's object. A file up to the usual size of a segment is read once, when the source is made: what was digested is
// what is sent, and only its frames are held. A longer one is read twice, the second time while a driver pulls its object: memory for one frame.
// Then a rewound source takes a new salt and begins again, so that no key and nonce meet two plaintexts (section 11).
#pragma once

#include <vector>

#include "storage/storage.h"
#include "wal/segment_format.h"

namespace ark {

class SegmentSource : public Source {
public:
    // `plain` stands at its beginning and can rewind; `info` says all but what its bytes make of it: length, digest, salt.
    // Throws kConflict if its length is not the one that it promised.
    SegmentSource(const Repository &repository, const DomainKey &key, SegmentInfo info, Compression compression,
                  Source &plain, Random &random);
    ~SegmentSource() override;

    // Throws kConflict if the file is not the one that was digested.
    std::size_t Read(MutableBytes to) override;
    bool Rewind() override;
    std::optional<Sha256Digest> Digest() const override { return object_digest_->SoFar(); }

    const SegmentInfo &info() const { return info_; }
    const Sha256Digest &file_digest() const { return file_; }    // without a key
    std::uint64_t size() const { return size_; }                 // of what was read since the beginning
    bool Used(const std::string &salt) const;                    // by this pass or one before

private:
    enum class Part { kFrames, kCheckLine, kEnd };
    void TakeSalt();
    void MakeAhead(std::uint64_t promised);
    void DigestAhead();
    void Begin();
    void Produce();
    ByteView NextFrame();
    void Emit(ByteView bytes);
    Error Changed() const;

    const Repository &repository_;
    const DomainKey &key_;
    SegmentInfo info_;
    Source &plain_;
    Random &random_;
    Compressor compressor_;

    Sha256Digest file_{};
    bool ahead_ = false;    // its frames are made
    Bytes frames_;
    std::vector<std::string> salts_;
    std::optional<FrameCipher> cipher_;

    Part part_ = Part::kFrames;
    std::optional<Sha256Stream> object_digest_, second_digest_;
    std::uint64_t frame_ = 0, left_ = 0, size_ = 0;
    Bytes piece_, made_;
    ByteView out_;
    std::size_t at_ = 0;    // in out_
};

// Fills `to` from a source, however it deals out its bytes; fewer at its end only.
std::size_t ReadFully(Source &source, MutableBytes to);

}    // namespace ark
