// Named restore points: where in the WAL a name lies, as events of the cluster. docs/repository-format.md, section 5.
#pragma once

#include "repo/events.h"

namespace ark {

struct RestorePoint {
    std::string name;
    Lsn lsn;    // of the first byte behind its record
    TimelineId timeline;
    TimePoint at{};
    std::string by, reason;
    std::string object{};    // the event's name in the cluster's path
};

void CheckRestorePointName(const std::string &name);    // throws kInvalidArgument for what the server would refuse

void RecordRestorePoint(Repository &repository, const DomainKey &key, const RestorePoint &point, Clock &clock,
                        Random &random);
// The newest first, at most `limit` of them.
std::vector<RestorePoint> ListRestorePoints(const Repository &repository, KeyRing &keys, std::size_t limit = 1000);
// The newest with that name.
std::optional<RestorePoint> FindRestorePoint(const Repository &repository, KeyRing &keys, const std::string &name);

}    // namespace ark
