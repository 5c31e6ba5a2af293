#include "physical/file_task.h"

#include <algorithm>

namespace ark {

void FileTask::Run(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker) {
    if (!piece) return;
    if (unread &&
        std::ranges::all_of(piece->base->frames, [&](const FrameRef &frame) { return session.Reference(frame); })) {
        piece_entry = std::move(unread);
        counters.read_bytes += piece->length;
        counters.reused_bytes += piece->length;
        counters.unread_bytes += piece->length;
        return;
    }
    Piece read;
    if (ReadPiece(*piece, session, packs, counters, ticker, read) == PieceOutcome::kFileIsGone) {
        if (piece->number == 0) {
            file->gone = true;
            return;
        }
        // It was dropped while it was read. WAL drops it again, and does not mind what it holds.
        PieceRequest empty = *piece;
        empty.file = "/dev/null";
        empty.pages.first_block.reset();
        ReadPiece(empty, session, packs, counters, ticker, read);
    }
    piece_entry = PieceEntry(piece->path, read, piece->unit);
    piece->base.reset();
}

void FileTask::Emit(TreeWriter &tree) const {
    if (file && file->gone) return;
    if (entry) tree.Add(*entry);
    if (piece_entry) tree.Add(*piece_entry);
}

}    // namespace ark
