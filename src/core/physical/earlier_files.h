// What earlier backups have of the files that a new one meets: the interrupted ones that it goes on from, the newest first, then the
// base. Files are asked for in ascending order of their paths. One thread uses it.
#pragma once

#include <memory>
#include <vector>

#include "physical/base_files.h"
#include "repo/compaction.h"

namespace ark {

struct EarlierPiece {
    BasePiece found;
    bool unchanged = false;    // the file, as far as the file system tells, since it was read for that backup
    bool believed = false;     // and that is enough: it need not be read
    std::vector<bool> left;    // of its frames: to be stored afresh; empty if none is
};

class EarlierFiles {
public:
    struct Now {
        TimePoint started{};
        std::uint64_t timeline = 0;
        Duration read_whole_every{};
        Json directory =
            {};    // which one is read: times and inodes mean something within one only; null: it is not known
        bool standby = false;
    };
    // `compaction` is of the base.
    EarlierFiles(BackupSession &session, const Now &now, const Compaction &compaction, Log &log);

    // A file that was met. How its units are cut: as before, or as a new one.
    std::uint64_t Meet(const std::string &path, const FileFacts &facts);
    // A piece of the file that was met last, if a backup has it in those units.
    std::optional<EarlierPiece> PieceOf(std::uint64_t number);

    // For TreeWriter; null without a base.
    TreeWriter::Reuse NodeReuse();
    // When every file was last read, if what is believed is not read.
    TimePoint read_whole() const { return read_whole_; }
    // The same of the base; null if there is none or its times are of no use.
    const std::optional<TimePoint> &base_read_whole() const { return base_read_whole_; }

private:
    struct Source {
        BaseFiles files;
        std::int64_t settled_until =
            INT64_MIN;            // microseconds; files that changed later may have changed again without a trace
        bool believes = false;    // that the others are what they were
        std::optional<BaseFile> file = {};    // the one that was met last
        bool compacted = false;
    };
    std::optional<TimePoint> Trust(Source &source, const Json &facts, const char *timeline, const Now &now);

    std::vector<bool> LeftOf(const BasePiece &piece) const;

    BackupSession &session_;
    const Compaction &compaction_;
    std::vector<Source> sources_;
    std::optional<TreeRoot> base_root_;
    TimePoint read_whole_{};
    std::optional<TimePoint> base_read_whole_;
    std::string path_;
    FileFacts facts_;
    std::uint64_t unit_ = 0;
};

// What a base backup stores afresh although its base has it.
Compaction CompactionOf(BackupSession &session, const Repository &repository, double rewrite_share, int jobs,
                        Ticker &ticker);

}    // namespace ark
