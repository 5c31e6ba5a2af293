#include "wal/tail_object.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace ark {
namespace {

// The name was taken: by an earlier try of ours, or by another process of this server that shipped the same.
void Settle(const Repository &repository, KeyRing &keys, const TailInfo &ours, const Error &taken) {
    std::optional<TailInfo> found = StatTail(repository, keys, ours.name);
    if (!found) throw taken;
    if (found->generation == ours.generation && found->before == ours.before && found->after == ours.after) return;
    throw Error(Code::kConflict,
                fmt::format("\"{}\" is already in the store with another content", layout::Tail(ours.name)),
                fmt::format("Stored: {}, to be stored: {}.", found->after, ours.after),
                "Two servers have shipped that WAL under one epoch: a clone, or a server that was set back. If this "
                "one owns the path: pg_ark lease take.");
}

Bytes Format(const Repository &repository, const DomainKey &key, const TailInfo &info, const Compression &compression,
             ByteView plain) {
    Bytes object = ToBytes(FormatTailFront(repository, key, info));
    FrameCipher cipher = TailCipher(repository, key, info);
    Compressor compressor(compression);
    for (std::uint64_t frame = 0; !plain.empty(); frame++) {
        ByteView piece = plain.first(std::min(plain.size(), kWalFrameSize));
        AppendFrame(piece, frame, compressor, cipher, object);
        plain = plain.subspan(piece.size());
    }
    AppendCheckLine(object);
    return object;
}

}    // namespace

std::uint64_t WriteTail(const Repository &repository, KeyRing &keys, const DomainKey &key, TailInfo info,
                        const Compression &compression, ByteView plain) {
    if (info.salt.empty() || info.name.epoch == 0 || info.name.epoch != repository.epoch() ||
        plain.size() != info.length() || repository.encrypted() != key.encrypted())
        throw Error(Code::kInternal, fmt::format("\"{}\" would be stored wrongly", layout::Tail(info.name)));
    info.domain = key.domain;
    info.generation = key.generation;
    info.compression = compression.kind;
    Bytes object = Format(repository, key, info, compression, plain);
    try {
        PutNew(repository.storage(), repository.FullName(layout::Tail(info.name)), object);
    } catch (const Error &error) {
        if (error.code != Code::kAlreadyExists) throw;
        Settle(repository, keys, info, error);
    }
    return object.size();
}

std::optional<TailInfo> ReadTail(const Repository &repository, KeyRing &keys, const layout::TailName &name,
                                 const std::function<void(ByteView)> &sink) {
    std::unique_ptr<Reader> reader = repository.storage().Open(repository.FullName(layout::Tail(name)), {});
    if (!reader) return std::nullopt;
    Bytes begin = ReadFront(*reader);
    TailFront front = ParseTailFront(begin, repository, keys, name);
    SealedBody body(*reader, fmt::format("object \"{}\"", layout::Tail(name)), std::move(begin), front.size);
    FrameCipher cipher = TailCipher(repository, front.key, front.info);
    Decompressor decompressor(front.info.compression);
    Bytes plain;
    for (std::uint64_t left = front.info.length(); left > 0; left -= plain.size()) {
        body.TakeFrame(left, cipher, decompressor, plain);
        sink(plain);
    }
    body.Finish();
    return front.info;
}

std::optional<TailInfo> StatTail(const Repository &repository, KeyRing &keys, const layout::TailName &name) {
    std::unique_ptr<Reader> reader =
        repository.storage().Open(repository.FullName(layout::Tail(name)), {0, kWalFrontLimit});
    if (!reader) return std::nullopt;
    return ParseTailFront(ReadFront(*reader), repository, keys, name).info;
}

void VisitTail(const Repository &repository,
               const std::function<void(const layout::TailName &, const ObjectInfo &)> &visit) {
    repository.List(layout::kTailFolder, [&](const ObjectInfo &info) {
        std::optional<layout::TailName> name = layout::ParseTail(info.name);
        if (!name) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a piece of WAL", info.name));
        visit(*name, info);
        return true;
    });
}

std::vector<layout::TailName> ListTail(const Repository &repository, std::optional<TimelineId> timeline) {
    std::vector<layout::TailName> names;
    VisitTail(repository, [&](const layout::TailName &name, const ObjectInfo &) {
        if (!timeline || name.timeline == *timeline) names.push_back(name);
    });
    return names;
}

}    // namespace ark
