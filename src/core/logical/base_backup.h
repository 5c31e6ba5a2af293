// The backup whose frames an export may reuse, read beside it in path order. docs/repository-format.md, "Reuse".
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/backup_session.h"

namespace ark {

// Packs of which the base needs less than half: what lies in them is stored afresh, within a budget, so that old packs can
// go. Nothing else compacts. Memory: 32 bytes a pack.
class SparsePacks {
public:
    SparsePacks() = default;
    // Reads the base's tree once; of one that is damaged nothing is known to be sparse.
    SparsePacks(const Repository &repository, std::shared_ptr<FrameReader> frames, const Manifest &base,
                double rewrite_share, Ticker &ticker);
    // True if the frame shall be stored afresh; takes it out of the budget. Thread-safe.
    bool Rewrite(const FrameRef &ref) const;

private:
    void Count(const Repository &repository, const std::shared_ptr<FrameReader> &frames, const Manifest &base,
               Ticker &ticker);

    std::unordered_map<std::uint64_t, std::uint64_t>
        sparse_;    // the first 64 bits of a pack's random id -> bytes in use
    mutable std::atomic<std::int64_t> budget_{0};
};

// The base's entries, asked for in ascending order of their paths. One thread uses it. Where the base's tree turns out to
// be damaged, nothing more of it is reused: a warning says so, and the backup stores the rest afresh.
class BaseBackup {
public:
    // nothing to reuse: every question is answered with no frames
    BaseBackup(BackupSession &session, Log &log);
    std::vector<FrameRef> FramesAt(std::string_view path);
    // For TreeWriter; null without a base.
    TreeWriter::Reuse NodeReuse(const SparsePacks &sparse);
    // From the first entry again, for another attempt.
    void Rewind();

private:
    const Json *EntryAt(std::string_view path);

    BackupSession &session_;
    Log &log_;
    std::optional<TreeRoot> root_;
    std::optional<TreeCursor> cursor_;
};

}    // namespace ark
