#include "wal/sealed_object.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {

FrameCipher::FrameCipher(const DomainKey &key, const std::string &salt, std::string_view info, std::string context) {
    if (!key.encrypted()) return;
    key_ = Hkdf(key.key->bytes(), HexDecode(salt), info);
    context_ = std::move(context);
}

void FrameCipher::SealTail(std::uint64_t frame, Bytes &bytes, std::size_t from) const {
    if (key_) GcmSealTail(*key_, NumberNonce(frame), context_ + std::to_string(frame), bytes, from);
}

void FrameCipher::Open(std::uint64_t frame, Bytes &stored) const {
    if (!key_) return;
    Bytes opened;
    GcmOpen(*key_, NumberNonce(frame), context_ + std::to_string(frame), stored, opened);
    stored.swap(opened);
}

std::string SealLine(const DomainKey &key, const std::string &salt, std::string_view info, std::string_view header) {
    std::string seal;
    if (key.encrypted()) {
        Key sealer = Hkdf(key.key->bytes(), HexDecode(salt), info);
        seal = HexEncode(HmacSha256(sealer.bytes(), AsBytes(header)));
    } else {
        seal = Sha256Hex(AsBytes(header));
    }
    return "seal " + seal + "\n";
}

void AppendFrame(ByteView plain, std::uint64_t frame, Compressor &compressor, const FrameCipher &cipher, Bytes &out) {
    std::size_t prefix = out.size(), begin = prefix + kWalPrefixSize;
    out.resize(begin);
    compressor.Compress(plain, out);
    cipher.SealTail(frame, out, begin);
    PutBigEndian(out.data() + prefix, static_cast<std::uint32_t>(out.size() - begin));
    PutBigEndian(out.data() + prefix + 4, static_cast<std::uint32_t>(plain.size()));
}

Bytes ReadFront(Reader &reader) {
    Bytes front(kWalFrontLimit);
    std::size_t have = 0;
    while (std::size_t n = have < front.size() ? reader.Read(MutableBytes(front).subspan(have)) : 0) have += n;
    front.resize(have);
    return front;
}

SealedBody::SealedBody(Reader &reader, std::string what, Bytes begin, std::size_t front)
    : reader_(reader), what_(std::move(what)), have_(std::move(begin)), at_(front) {
    digest_.Update(ByteView(have_).first(front));
}

Error SealedBody::Damaged(std::string detail) const {
    return Error(Code::kCorrupt, fmt::format("the stored {} is damaged", what_), std::move(detail));
}

void SealedBody::Take(std::size_t size, Bytes &to, bool digested) {
    to.resize(size);
    std::size_t filled = std::min(size, have_.size() - at_);
    std::copy_n(have_.begin() + static_cast<std::ptrdiff_t>(at_), filled, to.begin());
    at_ += filled;
    while (std::size_t n = filled < size ? reader_.Read(MutableBytes(to).subspan(filled)) : 0) filled += n;
    if (filled < size) throw Damaged("It ends too early.");
    if (digested) digest_.Update(to);
}

void SealedBody::TakeFrame(std::uint64_t left, const FrameCipher &cipher, Decompressor &decompressor, Bytes &plain) {
    std::uint64_t frame = frame_++;
    Take(kWalPrefixSize, stored_);
    auto length = GetBigEndian<std::uint32_t>(stored_.data()), size = GetBigEndian<std::uint32_t>(stored_.data() + 4);
    if (size == 0 || size > kMostWalFrame || size > left || length > 2 * kMostWalFrame)
        throw Damaged(fmt::format("Frame {} has an impossible length.", frame));
    Take(length, stored_);
    try {
        cipher.Open(frame, stored_);
        decompressor.Decompress(stored_, size, plain);
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt) throw;
        throw Damaged(fmt::format("Frame {}: {}. {}", frame, error.message, error.detail));
    }
}

void SealedBody::Finish() {
    Bytes line;
    std::string expected = "sha256 " + HexEncode(digest_.Finish()) + "\n";
    Take(kCheckLineSize, line, false);
    if (AsText(line) != expected) throw Damaged("Its bytes do not have the digest of its last line.");
    std::byte more;
    if (at_ < have_.size() || reader_.Read({&more, 1}) != 0) throw Damaged("It goes on after its end.");
}

}    // namespace ark
