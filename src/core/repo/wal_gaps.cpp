#include "repo/wal_gaps.h"

#include <algorithm>

namespace ark {
namespace {

constexpr std::string_view kType = "wal_gap";

WalGap GapOf(const Event &event) {
    std::string what = "event " + event.id;
    WalGap gap;
    gap.first = ParseSegmentName(JsonString(event.body, "first", what));
    gap.last = ParseSegmentName(JsonString(event.body, "last", what));
    gap.since = ParseTime(JsonString(event.body, "since", what));
    gap.until = ParseTime(JsonString(event.body, "until", what));
    gap.reason = JsonString(event.body, "reason", what);
    return gap;
}

bool Covers(const WalGap &recorded, const WalGap &gap) {
    return recorded.Contains(gap.first) && recorded.Contains(gap.last);
}

}    // namespace

std::vector<WalGap> ReadWalGaps(const Repository &repository, KeyRing *keys) {
    std::vector<WalGap> gaps;
    ReadNewestEvents(repository, "cluster", kType, keys, [&](const Event &event) {
        if (!event.body.is_object()) return true;    // it is sealed, and no key is there
        // One that went on after it was recorded is recorded again: the newer ones come first.
        WalGap gap = GapOf(event);
        if (std::ranges::none_of(gaps, [&](const WalGap &one) { return Covers(one, gap); }))
            gaps.push_back(std::move(gap));
        return true;
    });
    std::ranges::stable_sort(gaps, {}, &WalGap::first);
    return gaps;
}

std::size_t RecordWalGaps(Repository &repository, KeyRing &keys, const DomainKey &key, const std::vector<WalGap> &gaps,
                          std::string_view by, Clock &clock, Random &random) {
    if (gaps.empty()) return 0;
    std::vector<WalGap> recorded = ReadWalGaps(repository, &keys);
    std::size_t count = 0;
    for (const WalGap &gap : gaps) {
        if (std::ranges::any_of(recorded, [&](const WalGap &one) { return Covers(one, gap); })) continue;
        WriteEvent(repository, key,
                   {.subject = "cluster",
                    .type = std::string(kType),
                    .body = {{"by", by},
                             {"reason", gap.reason},
                             {"first", gap.first.Text()},
                             {"last", gap.last.Text()},
                             {"since", FormatTime(gap.since, true)},
                             {"until", FormatTime(gap.until, true)}}},
                   clock, random);
        count++;
    }
    return count;
}

}    // namespace ark
