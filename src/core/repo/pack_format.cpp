#include "repo/pack_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::string_view kTrailerMagic = "arkpack1";
constexpr std::uint64_t kLongestFooter = 16 << 20;    // plain: 65,536 frames of at most 100 bytes each
constexpr std::uint64_t kReadStep = 8 << 20;

}    // namespace

std::string FormatPackHeader(const Repository &repository, const std::string &pack, const DomainKey &key,
                             const Compression &compression) {
    ObjectHeader header = repository.HeaderFor(layout::Kind::kPack, layout::Pack(pack));
    header.more = {{"domain", key.domain},
                   {"generation", key.generation},
                   {"compression", compression.Name()},
                   {"backup", pack.substr(0, 25)}};
    return FormatHeader(header);
}

PackHeader ParsePackHeader(ByteView front, const Repository &repository, const std::string &pack) {
    PackHeader out;
    ObjectHeader header = ParseHeader(front, layout::Kind::kPack, layout::Pack(pack), repository.id(), out.length);
    std::string what = fmt::format("the header of pack \"{}\"", pack);
    out.domain = JsonString(header.more, "domain", what);
    out.generation = JsonNumber(header.more, "generation", what);
    out.compression = CompressionKindFromName(JsonString(header.more, "compression", what));
    return out;
}

Bytes FormatFooter(const std::vector<FooterEntry> &frames) {
    std::string text = "{\"frames\":[";
    for (const FooterEntry &frame : frames)
        fmt::format_to(std::back_inserter(text), "{}[{},{},\"{}\"]", text.back() == '[' ? "" : ",", frame.stored,
                       frame.size, HexEncode(frame.digest));
    text += "]}";
    Bytes out;
    Compressor(Compression{}).Compress(AsBytes(text), out);
    std::uint64_t length = out.size();
    out.resize(length + 16);
    PutBigEndian<std::uint64_t>(out.data() + length, length);
    PutBigEndian<std::uint64_t>(out.data() + length + 8, frames.size());
    Append(out, AsBytes(kTrailerMagic));
    return out;
}

std::optional<PackTrailer> ParseTrailer(ByteView last) {
    if (last.size() != kTrailerSize || AsText(last.subspan(16)) != kTrailerMagic) return std::nullopt;
    PackTrailer trailer{GetBigEndian<std::uint64_t>(last.data()), GetBigEndian<std::uint64_t>(last.data() + 8)};
    if (trailer.footer > kLongestFooter || trailer.frames > kMostFrames) return std::nullopt;
    return trailer;
}

std::vector<FooterEntry> ParseFooter(ByteView footer, const PackTrailer &trailer, const std::string &pack) {
    std::string what = fmt::format("the footer of pack \"{}\"", pack);
    Bytes plain;
    Decompressor(CompressionKind::kZstd).Decompress(footer, ZstdContentSize(footer, kLongestFooter), plain);
    Json json = ParseJson(AsText(plain), what);
    std::vector<FooterEntry> frames;
    if (!json.is_object() || !json.contains("frames") || !json["frames"].is_array())
        throw Error(Code::kCorrupt, what + " has no frames");
    for (const Json &row : json["frames"]) {
        if (!row.is_array() || row.size() != 3 || !row[0].is_number_unsigned() || !row[1].is_number_unsigned() ||
            !row[2].is_string() || row[2].get_ref<const std::string &>().size() != 64)
            throw Error(Code::kCorrupt, what + " has a broken entry");
        FooterEntry entry{row[0].get<std::uint64_t>(), row[1].get<std::uint64_t>()};
        try {
            std::ranges::copy(HexDecode(row[2].get_ref<const std::string &>()), entry.digest.begin());
        } catch (const Error &) {
            throw Error(Code::kCorrupt, what + " has a broken digest");
        }
        if (entry.stored > kLargestFrame || entry.size > kLargestFrame)
            throw Error(Code::kCorrupt, what + " has a frame beyond the limits of the format");
        frames.push_back(entry);
    }
    if (frames.size() != trailer.frames)
        throw Error(Code::kCorrupt, what + " does not have as many frames as its trailer says");
    return frames;
}

Bytes PackIdBytes(const std::string &pack) { return HexDecode(std::string_view(pack).substr(26)); }

std::string FrameContext(const Repository &repository, std::string_view domain, std::string_view pack,
                         std::uint64_t frame) {
    return fmt::format("pg_ark|1|{}|{}|pack|{}|{}", repository.id(), domain, pack, frame);
}

Bytes ReadExactly(const Repository &repository, const std::string &name, std::uint64_t at, std::uint64_t length,
                  std::string_view what) {
    std::unique_ptr<Reader> reader = repository.storage().Open(repository.FullName(name), {at, length});
    if (!reader)
        throw Error(Code::kNotFound, fmt::format("{} is missing in {}", what, repository.storage().Describe()));
    Bytes out;
    out.reserve(static_cast<std::size_t>(std::min(length, 2 * kReadStep)));
    while (out.size() < length) {
        std::size_t have = out.size();
        out.resize(static_cast<std::size_t>(std::min(length, have + kReadStep)));
        std::size_t n = reader->Read(MutableBytes(out).subspan(have));
        out.resize(have + n);
        if (n == 0)
            throw Error(Code::kCorrupt, fmt::format("{} is shorter than it should be", what),
                        fmt::format("Bytes {} to {} were asked for, {} were there.", at, at + length, have));
    }
    return out;
}

}    // namespace ark
