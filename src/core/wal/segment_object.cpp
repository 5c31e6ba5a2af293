#include "wal/segment_object.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "wal/segment_source.h"

namespace ark {
namespace {

constexpr std::string_view kStopHint =
    "Nothing was replaced, and the server keeps its WAL. If this server is a copy, give it a store of its own or set "
    "archive_mode = off. If it replaces the owner: pg_ark lease take.";

// The name was taken: what lies there decides. The order is that of section 11.
SegmentResult Settle(const Repository &repository, KeyRing &keys, const SegmentSource &ours, const Error &taken) {
    const std::string name = ours.info().name.Text();
    std::optional<SegmentInfo> found = StatSegment(repository, keys, ours.info().name);
    if (!found) throw taken;
    if (ours.Used(found->salt)) return {SegmentOutcome::kStored, *found, ours.size()};
    if (found->epoch > repository.epoch())
        throw Error(Code::kConflict, fmt::format("WAL file \"{}\" was stored by another server", name),
                    fmt::format("It was written under epoch {}, and this server has epoch {}: somebody else has taken "
                                "over \"{}\".",
                                found->epoch, repository.epoch(), repository.cluster().Path()),
                    std::string(kStopHint));
    std::string digest = SegmentDigest(keys.Get(found->domain, found->generation), ours.file_digest());
    if (found->length == ours.info().length && found->digest == digest)
        return {SegmentOutcome::kSameAlready, *found, 0};
    throw Error(Code::kConflict, fmt::format("WAL file \"{}\" is already in the store with another content", name),
                fmt::format("Stored: {} bytes, digest {}, epoch {}. To be stored: {} bytes, digest {}, epoch {}.",
                            found->length, found->digest, found->epoch, ours.info().length, digest, repository.epoch()),
                std::string(kStopHint));
}

Error Damaged(const WalFileName &name, std::string detail) {
    return Error(Code::kCorrupt, fmt::format("the stored WAL file \"{}\" is damaged", name.Text()), std::move(detail));
}

}    // namespace

SegmentResult WriteSegment(const Repository &repository, KeyRing &keys, const DomainKey &key, const SegmentFacts &facts,
                           Source &plain, Random &random) {
    const std::string name = facts.name.Text();
    if (repository.epoch() == 0)
        throw Error(Code::kInternal, fmt::format("WAL file \"{}\" would be stored without an epoch", name));
    if (repository.encrypted() != key.encrypted())
        throw Error(Code::kInternal, fmt::format("WAL file \"{}\" would be stored with the wrong kind of key", name));
    if (facts.system_identifier != repository.cluster().system_identifier)
        throw Error(Code::kConflict,
                    fmt::format("WAL file \"{}\" is not of the cluster of \"{}\"", name, repository.cluster().Path()),
                    fmt::format("Its system identifier is {}.", facts.system_identifier),
                    "Check the store's URL and the setting cluster.");
    SegmentInfo info;
    info.name = facts.name;
    info.epoch = repository.epoch();
    info.domain = key.domain;
    info.generation = key.generation;
    info.compression = facts.compression.kind;
    info.system_identifier = facts.system_identifier;
    SegmentSource source(repository, key, std::move(info), facts.compression, plain, random);
    if (std::uint64_t length = source.info().length; !IsWalFileLength(facts.name, length))
        throw Error(Code::kInvalidArgument, fmt::format("WAL file \"{}\" cannot be {} bytes long", name, length),
                    "A segment is as long as the server's segment size.");
    try {
        ObjectInfo stored =
            repository.storage().Put(repository.FullName(layout::Wal(facts.name)), source, PutMode::kCreate);
        if (stored.size != source.size())
            throw Damaged(facts.name,
                          fmt::format("{} bytes were sent, and {} are stored.", source.size(), stored.size));
        return {SegmentOutcome::kStored, source.info(), stored.size};
    } catch (const Error &error) {
        if (error.code != Code::kAlreadyExists) throw;
        return Settle(repository, keys, source, error);
    }
}

std::optional<SegmentInfo> ReadSegment(const Repository &repository, KeyRing &keys, const WalFileName &name,
                                       const std::function<void(ByteView)> &sink, SegmentProof proof) {
    std::unique_ptr<Reader> reader = repository.storage().Open(repository.FullName(layout::Wal(name)), {});
    if (!reader) return std::nullopt;
    Bytes begin = ReadFront(*reader);
    SegmentFront front = ParseSegmentFront(begin, repository, keys, name);
    SealedBody body(*reader, fmt::format("WAL file \"{}\"", name.Text()), std::move(begin), front.size);
    FrameCipher cipher = SegmentCipher(repository, front.key, front.info);
    Decompressor decompressor(front.info.compression);
    Sha256Stream digest;
    Bytes plain;
    for (std::uint64_t left = front.info.length; left > 0; left -= plain.size()) {
        body.TakeFrame(left, cipher, decompressor, plain);
        if (proof == SegmentProof::kDigest) digest.Update(plain);
        sink(plain);
    }
    body.Finish();
    if (proof == SegmentProof::kCheckLine) return front.info;
    if (std::string found = SegmentDigest(front.key, digest.Finish()); found != front.info.digest)
        throw Damaged(name, fmt::format("Its digest is {}, its header says {}.", found, front.info.digest));
    return front.info;
}

std::optional<SegmentInfo> StatSegment(const Repository &repository, KeyRing &keys, const WalFileName &name) {
    std::unique_ptr<Reader> reader =
        repository.storage().Open(repository.FullName(layout::Wal(name)), {0, kWalFrontLimit});
    if (!reader) return std::nullopt;
    return ParseSegmentFront(ReadFront(*reader), repository, keys, name).info;
}

void ListSegments(const Repository &repository, TimelineId timeline,
                  const std::function<bool(const SegmentName &, const ObjectInfo &)> &visit) {
    repository.List(layout::WalOf(timeline), [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a WAL file", info.name));
        WalFileName name = ParseWalFileName(place->id);
        return name.kind != WalFileName::Kind::kSegment || visit(name.segment, info);
    });
}

}    // namespace ark
