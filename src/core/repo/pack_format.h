// The bytes of a pack around its frames: header, footer, trailer, and what binds a frame to its place. Section 2.
#pragma once

#include <optional>
#include <vector>

#include "base/digest.h"
#include "codec/compress.h"
#include "repo/frame.h"
#include "repo/keys.h"

namespace ark {

constexpr std::size_t kTrailerSize = 24;

struct PackHeader {
    std::string domain;
    std::uint64_t generation = 0;
    CompressionKind compression = CompressionKind::kNone;
    std::size_t length = 0;    // of the header line: where frame 0 begins
};

std::string FormatPackHeader(const Repository &repository, const std::string &pack, const DomainKey &key,
                             const Compression &compression);
// From the first bytes of a pack (kHeaderLimit of them are enough); throws as ParseHeader does.
PackHeader ParsePackHeader(ByteView front, const Repository &repository, const std::string &pack);

struct FooterEntry {
    std::uint64_t stored = 0;
    std::uint64_t size = 0;
    Sha256Digest digest{};    // of the stored bytes
};

Bytes FormatFooter(const std::vector<FooterEntry> &frames);    // with the trailer

struct PackTrailer {
    std::uint64_t footer = 0;    // stored length
    std::uint64_t frames = 0;
};
// The last kTrailerSize bytes of a pack; nullopt if they are no trailer.
std::optional<PackTrailer> ParseTrailer(ByteView last);
// The footer without its trailer; throws kCorrupt naming `pack`.
std::vector<FooterEntry> ParseFooter(ByteView footer, const PackTrailer &trailer, const std::string &pack);

Bytes PackIdBytes(const std::string &pack);    // 32 bytes
std::string FrameContext(const Repository &repository, std::string_view domain, std::string_view pack,
                         std::uint64_t frame);

// Exactly `length` bytes of an object. Throws kNotFound if it is missing, kCorrupt if it is shorter; both name it as `what`.
Bytes ReadExactly(const Repository &repository, const std::string &name, std::uint64_t at, std::uint64_t length,
                  std::string_view what);

}    // namespace ark
