#include "wal/succession.h"

#include "pgdata/restored_mark.h"
#include "wal/segment_object.h"

namespace ark {
namespace {

// A timeline's segments are listed from the one that holds the switch point. Those of the same 4 GiB and the next: nobody uploads
// further ahead than that.
bool OwnerWentOn(const Repository &repository, TimelineId timeline, Lsn left, WalSegmentSize size) {
    SegmentName first = SegmentName::Containing(timeline, left, size);
    for (std::uint32_t log : {first.log, first.log + 1}) {
        std::string prefix = layout::WalOf(timeline) + SegmentName{timeline, log, 0}.Text().substr(0, 16);
        bool found = false;
        repository.List(prefix, [&](const ObjectInfo &info) {
            std::optional<layout::Place> place = layout::Parse(info.name);
            if (!place) throw Error(Code::kCorrupt, "\"" + info.name + "\" is not the name of a WAL file");
            WalFileName name = ParseWalFileName(place->id);
            found = name.kind == WalFileName::Kind::kSegment && name.segment >= first;
            return !found;
        });
        if (found) return true;
    }
    return false;
}

}    // namespace

bool Succeeds(const Repository &repository, const Writer &owner, const TimelineHistory &history, WalSegmentSize size) {
    TimelineId timeline{owner.timeline};
    if (timeline == history.timeline() || !history.DescendsFrom(timeline, ParseLsn(owner.start_lsn))) return false;
    return !OwnerWentOn(repository, timeline, *history.Left(timeline), size);
}

void MarkIfBeingRestored(const DataDirectory &directory) {
    if (directory.IsBeingRestored() && !ReadRestoredMark(directory.path()))
        WriteRestoredMark(directory.path(), RestoredFrom{}, SystemRandom());
}

void NameWhatIsRestored(const DataDirectory &directory, const Repository &repository) {
    if (!directory.IsBeingRestored()) return;
    std::optional<RestoredMark> mark = ReadRestoredMark(directory.path());
    if (!mark || !mark->from.repository.empty()) return;
    mark->from = {.repository = repository.id(), .cluster = repository.cluster().Path(), .backup = {}};
    WriteRestoredMark(directory.path(), *mark);
}

}    // namespace ark
