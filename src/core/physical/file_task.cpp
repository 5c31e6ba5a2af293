#include "physical/file_task.h"

#include <algorithm>
#include <thread>

namespace ark {
namespace {

constexpr int kReadings = 5;
constexpr auto kPause = std::chrono::milliseconds(20);

// How much of a piece that is the base's lies in such frames.
template <class Which>
std::uint64_t BytesIn(const PieceRequest &piece, Which which) {
    std::uint64_t bytes = 0, at = 0;
    for (const UnitRun &run : piece.base->map) {
        std::uint64_t end = std::min(at + run.units * piece.unit, piece.length);
        if (which(piece.base->frames[run.frame])) bytes += end - at;
        at = end;
    }
    return bytes;
}

}    // namespace

void FileTask::Run(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker) {
    if (!piece) return;
    Read(session, packs, counters, ticker);
    piece->base.reset();
    if (std::shared_ptr<SharedFile> shared = std::move(piece->shared)) shared->Leave();
}

void FileTask::Read(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker) {
    // Of a file of several pieces all are taken, or none.
    if (piece->shared && piece->shared->Open() < 0) {
        file->gone = true;
        return;
    }
    if (unread &&
        std::ranges::all_of(piece->base->frames, [&](const FrameRef &frame) { return session.Reference(frame); })) {
        piece_entry = std::move(unread);
        counters.read_bytes += piece->length;
        counters.reused_bytes += piece->length;
        counters.unread_bytes += piece->length;
        counters.resumed_bytes += BytesIn(*piece, [&](const FrameRef &frame) { return session.IsResumed(frame); });
        frames = std::move(piece->base->frames);
        return;
    }
    Piece read;
    if (reads_whole_file) {
        file->gone = !ReadWholeFile(session, packs, counters, ticker, read);
        if (file->gone || piece->length == 0) return;
    } else if (ReadPiece(*piece, session, packs, counters, ticker, read) == PieceOutcome::kFileIsGone) {
        file->gone = true;
        return;
    }
    if (looks_unchanged && piece->base && read.units != piece->base->units && LooksAsItWasMet())
        counters.silent_changes++;
    piece_entry = PieceEntry(piece->path, read, piece->unit);
    frames = std::move(read.frames);
}

// Not if it changed between the walk and its reading, which leaves a trace.
bool FileTask::LooksAsItWasMet() const {
    struct stat now {};
    return stat(piece->file.c_str(), &now) == 0 && FactsOf(now) == file->facts;
}

// False if it is gone. A file that grows all the time (a log) is compared with the reading before, lest it be stored once more for each.
bool FileTask::ReadWholeFile(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker,
                             Piece &read) {
    struct stat before {
    }, after{};
    PieceRequest request = *piece;
    for (int reading = 1;; reading++) {
        if (stat(piece->file.c_str(), &before) != 0) return false;
        FileFacts facts = FactsOf(before);
        request.length = facts.size = std::min(facts.size, kPieceSize);    // it has outgrown its piece since the walk
        piece->length = request.length;
        entry = FileEntry(entry->at("path").get<std::string>(), facts, piece->unit);
        if (piece->length == 0) return true;
        PhysicalCounters once;
        if (ReadPiece(request, session, packs, once, ticker, read) == PieceOutcome::kFileIsGone) return false;
        if (stat(piece->file.c_str(), &after) != 0 || FactsOf(after) == FactsOf(before) || reading == kReadings) {
            counters.read_bytes += once.read_bytes;
            if (reading == 1) {
                counters.reused_bytes += once.reused_bytes;
                counters.resumed_bytes += once.resumed_bytes;
                counters.rewritten_bytes += once.rewritten_bytes;
            }
            return true;
        }
        request.base = read;
        request.left.clear();
        std::this_thread::sleep_for(kPause);
    }
}

void FileTask::Emit(TreeWriter &tree) const {
    if (!IsPartOfBackup()) return;
    if (entry) tree.Add(*entry);
    if (piece_entry) tree.Add(*piece_entry);
}

}    // namespace ark
