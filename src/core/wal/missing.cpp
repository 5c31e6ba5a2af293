#include "wal/missing.h"

#include <set>

namespace ark {

std::vector<WalGap> StillMissing(const Repository &repository, const std::vector<WalGap> &gaps, WalSegmentSize size) {
    std::set<TimelineId> timelines;
    for (const WalGap &gap : gaps) timelines.insert(gap.first.timeline);
    std::set<SegmentName> there;
    for (TimelineId timeline : timelines)
        ListSegments(repository, timeline, [&](const SegmentName &name, const ObjectInfo &) {
            there.insert(name);
            return true;
        });
    std::vector<WalGap> missing;
    for (const WalGap &gap : gaps) {
        bool goes_on = false;
        for (SegmentName name = gap.first; name <= gap.last; name = name.Next(size)) {
            bool lacks = !there.contains(name);
            if (lacks && goes_on)
                missing.back().last = name;
            else if (lacks)
                missing.push_back({name, name, gap.since, gap.until, gap.reason});
            goes_on = lacks;
        }
    }
    return missing;
}

}    // namespace ark
