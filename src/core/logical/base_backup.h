// The backup whose frames an export may reuse, read beside it in path order. docs/repository-format.md, "Reuse".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "repo/backup_session.h"
#include "repo/compaction.h"

namespace ark {

// The base's entries, asked for in ascending order of their paths. One thread uses it. Where the base's tree turns out to
// be damaged, nothing more of it is reused: a warning says so, and the backup stores the rest afresh.
class BaseBackup {
public:
    // of a session without a base: every question is answered with no frames
    BaseBackup(BackupSession &session, const Compaction &compaction, Log &log);
    // Those that may be reused; what is scattered may not.
    std::vector<FrameRef> FramesAt(std::string_view path);
    // The same of all entries whose paths begin so, but not of more than 50,000 frames (20 MB): the table may have been far
    // larger then.
    std::vector<FrameRef> FramesBelow(std::string_view prefix);
    // For TreeWriter; null without a base.
    TreeWriter::Reuse NodeReuse();
    // From the first entry again, for another attempt.
    void Rewind();

private:
    template <class Visit>
    std::vector<FrameRef> Frames(Visit visit);
    void AddFramesHere(std::vector<FrameRef> &frames);

    BackupSession &session_;
    const Compaction &compaction_;
    Log &log_;
    std::optional<TreeRoot> root_;
    std::optional<TreeCursor> cursor_;
};

}    // namespace ark
