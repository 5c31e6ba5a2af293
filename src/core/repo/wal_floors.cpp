#include "repo/wal_floors.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr std::string_view kType = "wal_expired";

WalFloors FloorsOf(const Event &event) {
    std::string what = fmt::format("event {}", event.id);
    if (!event.body.is_object() || !event.body.contains("before") || !event.body["before"].is_array())
        throw Error(Code::kCorrupt, fmt::format("{} does not say what was deleted", what));
    WalFloors floors;
    for (const Json &one : event.body["before"])
        floors[{static_cast<std::uint32_t>(JsonNumber(one, "timeline", what))}] =
            ParseLsn(JsonString(one, "lsn", what));
    return floors;
}

}    // namespace

WalFloors ReadWalFloors(const Repository &repository, KeyRing *keys) {
    WalFloors floors;
    ReadNewestEvents(repository, "cluster", kType, keys, [&](const Event &event) {
        floors = FloorsOf(event);    // each says all that was known before it
        return false;
    });
    return floors;
}

void RaiseWalFloors(Repository &repository, KeyRing &keys, const DomainKey &key, const WalFloors &floors,
                    std::string_view by, std::string_view reason, Clock &clock, Random &random) {
    WalFloors merged = ReadWalFloors(repository, &keys);
    for (const auto &[timeline, lsn] : floors) merged[timeline] = std::max(merged[timeline], lsn);
    Json before = Json::array();
    for (const auto &[timeline, lsn] : merged) before.push_back({{"timeline", timeline.value}, {"lsn", lsn.Text()}});
    WriteEvent(repository, key,
               {.subject = "cluster",
                .type = std::string(kType),
                .body = {{"by", by}, {"reason", reason}, {"before", std::move(before)}}},
               clock, random);
}

void CheckAboveFloor(const Repository &repository, KeyRing &keys, TimelineId timeline, Lsn start, WalSegmentSize size) {
    WalFloors floors = ReadWalFloors(repository, &keys);
    auto floor = floors.find(timeline);
    if (floor == floors.end() || floor->second <= SegmentName::Containing(timeline, start, size).Start(size)) return;
    throw Error(Code::kConflict, "WAL that the base backup needs was expired while it was taken",
                fmt::format("It began at {}; timeline {} was expired up to {}.", start.Text(), timeline.value,
                            floor->second.Text()),
                "Take another one.");
}

}    // namespace ark
