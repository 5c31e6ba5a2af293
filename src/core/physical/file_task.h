// A file of a base backup, or a piece of one, as work: read by any thread, written into the tree in the order of the walk.
#pragma once

#include <atomic>
#include <memory>

#include "physical/base_files.h"
#include "physical/read_piece.h"

namespace ark {

// Shared by the pieces of a file.
struct WalkedState {
    FileFacts facts = {};             // when it was met
    std::atomic<bool> gone{false};    // before anything of it was read: it is left out
};

struct FileTask {
    std::optional<Json> entry = {};    // of the file or directory; with its first piece
    std::shared_ptr<WalkedState> file = {};
    std::optional<PieceRequest> piece = {};
    std::optional<Json> unread = {};         // the base's entry of the piece, if the file seems to be unchanged
    std::optional<Json> piece_entry = {};    // once it has run
    std::vector<FrameRef> frames = {};       // of that

    bool looks_unchanged = false;    // as far as the file system tells, and it is read all the same
    // Not a relation, and of one piece: no WAL mends what changes while it is read, so it is read until it stands still.
    bool reads_whole_file = false;

    void Run(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker);
    void Emit(TreeWriter &tree) const;
    bool IsPartOfBackup() const { return !file || !file->gone; }

    std::string What() const { return piece ? piece->relative : std::string(); }
    std::size_t MemoryCost() const { return 64 << 10; }    // its entry; what is being read is a reader's

private:
    void Read(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker);
    bool LooksAsItWasMet() const;
    bool ReadWholeFile(BackupSession &session, PackWriter &packs, PhysicalCounters &counters, Ticker &ticker,
                       Piece &read);
};

}    // namespace ark
