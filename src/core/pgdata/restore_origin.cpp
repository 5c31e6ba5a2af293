#include "pgdata/restore_origin.h"

#include <fmt/format.h>

#include "pgdata/data_directory.h"

namespace ark {

// The mark goes with the directory, and a recovery from an archive ends on a timeline of its own: the newest in its history.
std::optional<RestoreOrigin> RestoreOriginOf(const std::filesystem::path &data_directory,
                                             std::optional<TimelineId> timeline) {
    std::optional<RestoredMark> mark = ReadRestoredMark(data_directory);
    if (!mark) return std::nullopt;
    RestoreOrigin origin{mark->from, {}, {}};
    std::optional<TimelineHistory> history =
        timeline ? ReadHistory(data_directory, *timeline) : std::optional<TimelineHistory>();
    if (history && !history->switches().empty()) {
        origin.timeline = history->switches().back().parent;
        origin.at = history->switches().back().at;
    }
    return origin;
}

std::string Describe(const RestoreOrigin &origin) {
    std::string text;
    if (!origin.from.backup.empty()) text = "backup " + origin.from.backup;
    if (!origin.from.cluster.empty()) text += (text.empty() ? "" : " of ") + origin.from.cluster;
    if (origin.timeline.value != 0)
        text +=
            fmt::format("{}up to {} of timeline {}", text.empty() ? "" : ", ", origin.at.Text(), origin.timeline.value);
    return text;
}

}    // namespace ark
