#include "wal/segment_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::string_view kSealInfo = "pg_ark wal header 1";

bool HasPosition(const WalFileName &name) {
    return name.kind == WalFileName::Kind::kSegment || name.kind == WalFileName::Kind::kPartial;
}

bool IsHex64(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Error Refuse(const WalFileName &name, std::string detail) {
    return Error(Code::kCorrupt, fmt::format("the stored WAL file \"{}\" is damaged", name.Text()), std::move(detail));
}

SegmentInfo InfoOf(const ObjectHeader &header, const Repository &repository, const WalFileName &name) {
    const std::string what = fmt::format("the header of WAL file \"{}\"", name.Text());
    SegmentInfo info;
    info.name = name;
    info.epoch = header.epoch;
    info.domain = JsonString(header.more, "domain", what);
    info.generation = JsonNumber(header.more, "generation", what);
    info.compression = CompressionKindFromName(JsonString(header.more, "compression", what));
    info.salt = JsonString(header.more, "salt", what);
    info.system_identifier = JsonString(header.more, "system_identifier", what);
    info.length = JsonNumber(header.more, "length", what);
    info.digest = JsonString(header.more, "digest", what);
    if (info.epoch == 0 || !IsHex64(info.salt) || !IsHex64(info.digest) || !IsWalFileLength(name, info.length))
        throw Refuse(name, "A member of its header is impossible.");
    if (info.system_identifier != repository.cluster().system_identifier)
        throw Refuse(name, fmt::format("It is that of the cluster {}.", info.system_identifier));
    if (JsonNumber(header.more, "timeline", what) != name.timeline.value)
        throw Refuse(name, "Its header names another timeline.");
    if (std::optional<Lsn> start = info.Start(); start && JsonString(header.more, "start", what) != start->Text())
        throw Refuse(name, "Its header names another position.");
    return info;
}

}    // namespace

std::optional<Lsn> SegmentInfo::Start() const {
    if (!HasPosition(name)) return std::nullopt;
    return name.segment.Start(WalSegmentSize(length));
}

bool IsWalFileLength(const WalFileName &name, std::uint64_t length) {
    if (!HasPosition(name)) return length <= kLongestWalFile;
    // The last segment of all has no end; no size has a number within 4 GiB that the name exceeds.
    if (!WalSegmentSize::IsValid(length)) return false;
    WalSegmentSize size(length);
    return name.segment.part < size.PerLog() &&
           !(name.segment.log == 0xFFFFFFFF && name.segment.part + 1 == size.PerLog());
}

std::string SegmentDigest(const DomainKey &key, const Sha256Digest &file) {
    return key.encrypted() ? key.Digest(file) : HexEncode(file);
}

FrameCipher SegmentCipher(const Repository &repository, const DomainKey &key, const SegmentInfo &info) {
    return FrameCipher(key, info.salt, "pg_ark wal 1",
                       fmt::format("pg_ark|1|{}|{}|wal|{}|", repository.id(), key.domain, layout::Wal(info.name)));
}

std::string FormatSegmentFront(const Repository &repository, const DomainKey &key, const SegmentInfo &info) {
    ObjectHeader header = repository.HeaderFor(layout::Kind::kWal, layout::Wal(info.name));
    header.epoch = info.epoch;
    header.more = {{"domain", key.domain},
                   {"generation", key.generation},
                   {"compression", Compression{info.compression, 0}.Name()},
                   {"salt", info.salt},
                   {"system_identifier", info.system_identifier},
                   {"timeline", info.name.timeline.value}};
    if (std::optional<Lsn> start = info.Start()) header.more["start"] = start->Text();
    header.more["length"] = info.length;
    header.more["digest"] = info.digest;
    std::string line = FormatHeader(header);
    return line + SealLine(key, info.salt, kSealInfo, line);
}

SegmentFront ParseSegmentFront(ByteView object, const Repository &repository, KeyRing &keys, const WalFileName &name) {
    SegmentFront front;
    std::size_t line = 0;
    ObjectHeader header = ParseHeader(object, layout::Kind::kWal, layout::Wal(name), repository.id(), line);
    front.info = InfoOf(header, repository, name);
    front.key = keys.Get(front.info.domain, front.info.generation);
    front.size = line + kSealLineSize;
    if (object.size() < front.size) throw Refuse(name, "It ends before its seal.");
    std::string_view text = AsText(object.first(front.size));
    if (text.substr(line) != SealLine(front.key, front.info.salt, kSealInfo, text.substr(0, line)))
        throw Refuse(name, "Its header does not fit its seal: it was altered.");
    return front;
}

}    // namespace ark
