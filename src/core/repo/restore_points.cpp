#include "repo/restore_points.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr std::string_view kType = "restore_point";
constexpr std::size_t kLongestName = 63;    // MAXFNAMELEN - 1

RestorePoint PointOf(const Event &event) {
    std::string what = fmt::format("event {}", event.id);
    RestorePoint point;
    point.name = JsonString(event.body, "name", what);
    point.lsn = ParseLsn(JsonString(event.body, "lsn", what));
    point.timeline = {static_cast<std::uint32_t>(JsonNumber(event.body, "timeline", what))};
    point.at = ParseTime(JsonString(event.body, "time", what));
    point.by = JsonString(event.body, "by", what);
    point.reason = event.body.value("reason", "");
    point.object = layout::Event(event.subject, event.id, event.type);
    return point;
}

}    // namespace

void CheckRestorePointName(const std::string &name) {
    if (!name.empty() && name.size() <= kLongestName) return;
    throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no name of a restore point", name),
                fmt::format("It has {} bytes.", name.size()), "A name has 1 to 63 bytes.");
}

void RecordRestorePoint(Repository &repository, const DomainKey &key, const RestorePoint &point, Clock &clock,
                        Random &random) {
    Json body{{"name", point.name},
              {"lsn", point.lsn.Text()},
              {"timeline", point.timeline.value},
              {"time", FormatTime(point.at, true)},
              {"by", point.by}};
    if (!point.reason.empty()) body["reason"] = point.reason;
    WriteEvent(repository, key, {.subject = "cluster", .type = std::string(kType), .body = std::move(body)}, clock,
               random);
}

std::vector<RestorePoint> ListRestorePoints(const Repository &repository, KeyRing &keys, std::size_t limit) {
    std::vector<RestorePoint> points;
    if (limit == 0) return points;
    ReadNewestEvents(repository, "cluster", kType, &keys, [&](const Event &event) {
        points.push_back(PointOf(event));
        return points.size() < limit;
    });
    return points;
}

std::optional<RestorePoint> FindRestorePoint(const Repository &repository, KeyRing &keys, const std::string &name) {
    std::optional<RestorePoint> found;
    ReadNewestEvents(repository, "cluster", kType, &keys, [&](const Event &event) {
        RestorePoint point = PointOf(event);
        if (point.name == name) found = std::move(point);
        return !found;
    });
    return found;
}

}    // namespace ark
