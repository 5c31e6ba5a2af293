#include "wal/push.h"

#include <fmt/format.h>

#include "pgdata/backup_label.h"
#include "pgdata/wal_page.h"
#include "storage/file_source.h"
#include "wal/same_segment.h"

namespace ark {
namespace {

constexpr std::size_t kLongestSmallFile = 1 << 20;    // histories and labels have a few hundred bytes

Sha256Digest DigestOf(Source &plain) {
    Sha256Stream digest;
    Bytes block(256 << 10);
    while (std::size_t n = plain.Read(block)) digest.Update(ByteView(block).first(n));
    return digest.Finish();
}

}    // namespace

WalPusher::WalPusher(const Repository &repository, KeyRing &keys, DomainKey key, const DataDirectory &directory,
                     Compression compression, Random &random, Log &log)
    : repository_(repository),
      keys_(keys),
      key_(std::move(key)),
      directory_(directory),
      compression_(compression),
      random_(random),
      log_(log) {}

SegmentFacts WalPusher::Facts(const WalFileName &name) const {
    return {name, std::to_string(directory_.control().system_identifier), compression_};
}

SegmentResult WalPusher::Push(const WalFileName &name, const std::filesystem::path &file) {
    FileSource plain(file);
    CheckFront(name, plain.Front(kLongestSmallFile), *plain.Size());
    if (directory_.InRecovery()) return Compare(name, plain);
    if (name.kind == WalFileName::Kind::kHistory)
        FillBehind(TimelineHistory::Parse(name.timeline, AsText(plain.Front(kLongestSmallFile))));
    return WriteSegment(repository_, keys_, key_, Facts(name), plain, random_);
}

void WalPusher::CheckFront(const WalFileName &name, ByteView front, std::uint64_t length) const {
    switch (name.kind) {
    case WalFileName::Kind::kHistory: TimelineHistory::Parse(name.timeline, AsText(front)); return;
    case WalFileName::Kind::kBackupLabel: ParseBackupLabel(AsText(front)); return;
    case WalFileName::Kind::kSegment:
    case WalFileName::Kind::kPartial: break;
    }
    const ControlFile &control = directory_.control();
    if (length != control.wal_segment_size)
        throw Error(Code::kCorrupt, fmt::format("WAL segment \"{}\" has {} bytes", name.Text(), length),
                    fmt::format("The server's segments have {}.", control.wal_segment_size),
                    "The file was cut short or is still being copied; the server will ask again.");
    std::optional<TimelineHistory> history = directory_.History(name.timeline);
    CheckWalSegmentFront(front, name.segment,
                         {.system_identifier = control.system_identifier,
                          .segment_size = directory_.segment_size(),
                          .server_major = control.server_major,
                          .block_size = control.wal_block_size,
                          .history = history ? &*history : nullptr});
}

SegmentResult WalPusher::Compare(const WalFileName &name, Source &plain) {
    if (std::optional<SegmentInfo> stored =
            FindSameSegment(repository_, keys_, name, *plain.Size(), [&] { return DigestOf(plain); }))
        return {SegmentOutcome::kSameAlready, *stored, 0};
    throw Error(Code::kNotFound, fmt::format("the store has no WAL file \"{}\" yet", name.Text()),
                "This server is in recovery, and stores nothing itself (archive_mode = always).",
                "It will ask again; meanwhile its primary has to archive the file.");
}

std::size_t WalPusher::FillBehind(const TimelineHistory &history) {
    if (history.switches().empty()) return 0;
    const TimelineSwitch &last = history.switches().back();
    std::size_t stored = 0;
    for (const SegmentName &segment : directory_.Segments(last.parent)) {
        // The one that holds the switch point goes on as a segment of the new timeline, and as a ".partial" of the old one.
        if (segment.End(directory_.segment_size()) > last.at) break;
        WalFileName name = WalFileName::OfSegment(segment);
        if (repository_.Stat(layout::Wal(name))) continue;
        try {
            FileSource plain(directory_.WalFile(name));
            CheckFront(name, plain.Front(kWalLongHeaderSize), *plain.Size());
            WriteSegment(repository_, keys_, key_, Facts(name), plain, random_);
        } catch (const Error &error) {
            if (error.code == Code::kNotFound && !std::filesystem::exists(directory_.WalFile(name))) continue;
            throw;
        }
        stored++;
        log_.Note(fmt::format("WAL segment \"{}\" was missing in the store, and was archived by the promoted server",
                              name.Text()));
    }
    return stored;
}

}    // namespace ark
