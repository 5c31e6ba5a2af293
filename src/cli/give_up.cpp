#include "cli/give_up.h"

#include <fmt/format.h>

#include "pgdata/owner_mark.h"
#include "pgdata/wal_gap.h"

namespace ark::cli {
bool IsOfTheStore(const Error &error) {
    return error.code != Code::kConflict && error.code != Code::kCorrupt && error.code != Code::kCancelled;
}

bool IsOverBacklogLimit(Engine &engine, const DataDirectory &directory) {
    std::uint64_t limit = engine.config().Size("archive_backlog_limit");
    return limit > 0 && directory.ReadyBytes() > limit && MayGiveUpWal(directory.path());
}

void GiveUp(Engine &engine, const DataDirectory &directory, const WalFileName &name) {
    std::string limit = engine.config().Written("archive_backlog_limit");
    if (name.kind == WalFileName::Kind::kSegment)
        NoteLocalWalGap(directory.path(), name.segment, directory.segment_size(), engine.clock().Now(), kGivenUp);
    engine.log().Warn(
        fmt::format("WAL file {} was given up unarchived: more than archive_backlog_limit ({}) waits; nothing "
                    "behind it can be recovered to until the next base backup",
                    name.Text(), limit));
}

}    // namespace ark::cli
