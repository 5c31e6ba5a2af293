#include "physical/earlier_files.h"

#include <algorithm>

namespace ark {
namespace {

constexpr const char *kWhat = "a base backup";
constexpr std::int64_t kSettled = 2'000'000;    // microseconds between a file's last change and the first look at it

std::int64_t Microseconds(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

// The earlier one may be a copy of the same cluster's files elsewhere. Older ones do not say where, and are of primaries.
bool OfTheseFiles(const Json &earlier, const EarlierFiles::Now &now) {
    Json was = earlier.value("directory", Json());
    if (was.is_null() || now.directory.is_null()) return !now.standby && !earlier.value("from_standby", false);
    return was == now.directory;
}

}    // namespace

EarlierFiles::EarlierFiles(BackupSession &session, const Now &now, const Compaction &compaction, Log &log)
    : session_(session), compaction_(compaction), read_whole_(now.started) {
    for (const ResumedBackup &backup : session.resumed()) {
        auto entries = std::make_shared<CheckpointEntries>(session.EntriesOf(backup));
        auto skip_to = [entries](std::string_view path) { return entries->SkipTo(path); };
        Source &source = sources_.emplace_back(Source{BaseFiles(backup.interrupted.id, skip_to, log)});
        Trust(source, backup.facts, "timeline", now);
    }
    if (session.bases().empty()) return;
    const BackupId &base = session.bases().front();
    Json body = session.BaseManifest(base).body;
    base_root_ = TreeRootFromJson(body.at("tree"));
    auto cursor = std::make_shared<TreeCursor>(session.frames(), *base_root_);
    auto skip_to = [cursor](std::string_view path) {
        cursor->SkipTo(path);
        return cursor->Current();
    };
    Source &source = sources_.emplace_back(Source{BaseFiles(base, skip_to, log)});
    source.compacted = true;
    base_read_whole_ = Trust(source, body, "stop_timeline", now);
}

// Whether what the file system says may be believed: not across a timeline, a directory or a clock that was set back (then nothing is returned),
// nor for ever; and a page that was bad is read again, and named again. Returns when all of the backup's files had been read.
std::optional<TimePoint> EarlierFiles::Trust(Source &source, const Json &facts, const char *timeline, const Now &now) {
    TimePoint copy_started = ParseTime(JsonString(facts, "copy_started", kWhat)),
              read_whole = ParseTime(JsonString(facts, "read_whole", kWhat));
    bool same_timeline = JsonNumber(facts, timeline, kWhat) == now.timeline;
    if (!same_timeline || !OfTheseFiles(facts, now) || copy_started > now.started || read_whole > now.started)
        return std::nullopt;
    source.settled_until = Microseconds(copy_started) - kSettled;
    source.believes = now.started - read_whole < now.read_whole_every && facts.value("bad_pages", 0) == 0;
    if (source.believes) read_whole_ = std::min(read_whole_, read_whole);
    return read_whole;
}

std::uint64_t EarlierFiles::Meet(const std::string &path, const FileFacts &facts) {
    path_ = path;
    facts_ = facts;
    unit_ = 0;
    for (Source &source : sources_) {
        source.file = source.files.File(path);
        if (source.file && unit_ == 0) unit_ = source.file->unit;
    }
    if (unit_ == 0) unit_ = UnitFor(facts.size);
    return unit_;
}

std::optional<EarlierPiece> EarlierFiles::PieceOf(std::uint64_t number) {
    for (Source &source : sources_) {
        if (!source.file || source.file->unit != unit_) continue;
        std::optional<BasePiece> piece = source.files.PieceOf(path_, *source.file, number);
        if (!piece) continue;
        bool unchanged = source.file->facts == facts_ && facts_.mtime <= source.settled_until &&
                         facts_.ctime <= source.settled_until;
        std::vector<bool> left = source.compacted ? LeftOf(*piece) : std::vector<bool>();
        bool believed = unchanged && source.believes && left.empty();
        return EarlierPiece{std::move(*piece), unchanged, believed, std::move(left)};
    }
    return std::nullopt;
}

std::vector<bool> EarlierFiles::LeftOf(const BasePiece &piece) const {
    const std::vector<FrameRef> &frames = piece.piece.frames;
    std::vector<std::uint64_t> used = UsedBytes(frames, piece.piece.map, unit_);
    std::vector<bool> left(frames.size());
    bool any = false;
    const auto &path = piece.entry.at("path").get_ref<const std::string &>();
    for (std::size_t i = 0; i < frames.size(); i++) {
        left[i] = compaction_.IsScattered(path, i, used[i]) || compaction_.LeavesPack(frames[i], used[i]);
        any = any || left[i];
    }
    return any ? left : std::vector<bool>();
}

TreeWriter::Reuse EarlierFiles::NodeReuse() {
    if (!base_root_) return nullptr;
    return ark::NodeReuse(session_.frames(), *base_root_, [this](const FrameRef &ref) {
        return !compaction_.LeavesPack(ref) && session_.Reference(ref);
    });
}

Compaction CompactionOf(BackupSession &session, const Repository &repository, double rewrite_share, int jobs,
                        Ticker &ticker) {
    if (session.bases().empty()) return {};
    Manifest base = session.BaseManifest(session.bases().front());
    if (base.clear.new_bytes == base.clear.stored_bytes) return {};    // it stored all of it, side by side
    std::uint64_t unit = kSmallestUnit;                                // of the file whose pieces come
    auto used = [&](const Json &entry, const std::vector<FrameRef> &frames) {
        if (entry.contains("unit")) unit = std::max<std::uint64_t>(JsonNumber(entry, "unit", kWhat), 1);
        return UsedBytesOfEntry(entry, frames, unit);
    };
    return Compaction(repository, session.frames(), base, CompactionFor(rewrite_share, jobs), ticker, used);
}

}    // namespace ark
