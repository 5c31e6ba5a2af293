#include "wal/tail_format.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr std::string_view kSealInfo = "pg_ark tail header 1";

bool IsHex64(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Error Refuse(const layout::TailName &name, std::string detail) {
    return Error(Code::kCorrupt, fmt::format("the stored object \"{}\" is damaged", layout::Tail(name)),
                 std::move(detail));
}

TailInfo InfoOf(const ObjectHeader &header, const Repository &repository, const layout::TailName &name) {
    const std::string what = fmt::format("the header of \"{}\"", layout::Tail(name));
    TailInfo info;
    info.name = name;
    info.domain = JsonString(header.more, "domain", what);
    info.generation = JsonNumber(header.more, "generation", what);
    info.compression = CompressionKindFromName(JsonString(header.more, "compression", what));
    info.salt = JsonString(header.more, "salt", what);
    info.system_identifier = JsonString(header.more, "system_identifier", what);
    info.segment_size = JsonNumber(header.more, "segment_size", what);
    info.before = JsonString(header.more, "before", what);
    info.after = JsonString(header.more, "after", what);
    try {
        if (auto at = header.more.find("at"); at != header.more.end() && !at->is_null())
            info.at = ParseTime(JsonString(header.more, "at", what));
    } catch (const Error &error) {
        throw Refuse(name, error.message);
    }
    if (!IsHex64(info.salt) || !IsHex64(info.before) || !IsHex64(info.after) ||
        !WalSegmentSize::IsValid(info.segment_size) || info.length() > kMostTailBytes)
        throw Refuse(name, "A member of its header is impossible.");
    if (info.system_identifier != repository.cluster().system_identifier)
        throw Refuse(name, fmt::format("It is of the cluster {}.", info.system_identifier));
    if (header.epoch != name.epoch || JsonNumber(header.more, "timeline", what) != name.timeline.value ||
        JsonString(header.more, "start", what) != name.start.Text() ||
        JsonString(header.more, "end", what) != name.end.Text())
        throw Refuse(name, "Its header names another place.");
    WalSegmentSize size(info.segment_size);
    if (!name.IsMark() && name.end > SegmentOf(name, size).End(size))
        throw Refuse(name, "It goes on behind the end of its segment.");
    return info;
}

}    // namespace

SegmentName SegmentOf(const layout::TailName &name, WalSegmentSize size) {
    return SegmentName::Containing(name.timeline, name.start, size);
}

FrameCipher TailCipher(const Repository &repository, const DomainKey &key, const TailInfo &info) {
    return FrameCipher(key, info.salt, "pg_ark tail 1",
                       fmt::format("pg_ark|1|{}|{}|tail|{}|", repository.id(), key.domain, layout::Tail(info.name)));
}

std::string FormatTailFront(const Repository &repository, const DomainKey &key, const TailInfo &info) {
    ObjectHeader header = repository.HeaderFor(layout::Kind::kTail, layout::Tail(info.name));
    header.epoch = info.name.epoch;
    header.more = {{"domain", key.domain},
                   {"generation", key.generation},
                   {"compression", Compression{info.compression, 0}.Name()},
                   {"salt", info.salt},
                   {"system_identifier", info.system_identifier},
                   {"timeline", info.name.timeline.value},
                   {"segment_size", info.segment_size},
                   {"start", info.name.start.Text()},
                   {"end", info.name.end.Text()},
                   {"before", info.before},
                   {"after", info.after},
                   {"at", info.at ? Json(FormatTime(*info.at, true)) : Json()}};
    std::string line = FormatHeader(header);
    return line + SealLine(key, info.salt, kSealInfo, line);
}

TailFront ParseTailFront(ByteView object, const Repository &repository, KeyRing &keys, const layout::TailName &name) {
    TailFront front;
    std::size_t line = 0;
    ObjectHeader header = ParseHeader(object, layout::Kind::kTail, layout::Tail(name), repository.id(), line);
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
