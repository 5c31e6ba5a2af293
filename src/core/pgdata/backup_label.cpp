#include "pgdata/backup_label.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kStart = "START WAL LOCATION", kStop = "STOP WAL LOCATION",
                           kCheckpoint = "CHECKPOINT LOCATION", kMethod = "BACKUP METHOD", kFrom = "BACKUP FROM",
                           kStartTime = "START TIME", kLabel = "LABEL", kTimeline = "START TIMELINE",
                           kStopTime = "STOP TIME", kStopTimeline = "STOP TIMELINE", kBaseLsn = "INCREMENTAL FROM LSN",
                           kBaseTimeline = "INCREMENTAL FROM TLI";
constexpr std::array<std::string_view, 12> kNames{kStart,    kStop,         kCheckpoint, kMethod,
                                                  kFrom,     kStartTime,    kLabel,      kTimeline,
                                                  kStopTime, kStopTimeline, kBaseLsn,    kBaseTimeline};

using Lines = std::map<std::string_view, std::string_view>;

Error Refuse(std::string detail) { return Error(Code::kCorrupt, "the backup label cannot be read", std::move(detail)); }

Lines Split(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        std::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
        if (std::ranges::find(kNames, name) == kNames.end()) continue;
        if (value.starts_with(' ')) value.remove_prefix(1);
        if (!lines.emplace(name, value).second) throw Refuse(fmt::format("It has the line {} twice.", name));
    }
    return lines;
}

std::string_view Need(const Lines &lines, std::string_view name) {
    auto at = lines.find(name);
    if (at == lines.end()) throw Refuse(fmt::format("It has no line {}.", name));
    return at->second;
}

Error Malformed(std::string_view name, std::string_view value) {
    return Refuse(fmt::format("Its line {} is \"{}\".", name, value));
}

Lsn LsnOf(const Lines &lines, std::string_view name) {
    std::string_view value = Need(lines, name);
    try {
        return ParseLsn(value);
    } catch (const Error &) {
        throw Malformed(name, value);
    }
}

TimelineId TimelineOf(const Lines &lines, std::string_view name) {
    std::string_view value = Need(lines, name);
    TimelineId id;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), id.value);
    if (error != std::errc() || end != value.data() + value.size() || id.value == 0) throw Malformed(name, value);
    return id;
}

// "0/2000028 (file 000000010000000000000002)"
std::pair<Lsn, SegmentName> PlaceOf(const Lines &lines, std::string_view name) {
    constexpr std::string_view kBetween = " (file ";
    std::string_view value = Need(lines, name);
    std::size_t at = value.find(kBetween);
    if (at == std::string_view::npos || !value.ends_with(')')) throw Malformed(name, value);
    std::string_view file = value.substr(at + kBetween.size());
    file.remove_suffix(1);
    try {
        std::pair place(ParseLsn(value.substr(0, at)), ParseSegmentName(file));
        if (place.second.log != place.first.value >> 32) throw Malformed(name, value);
        return place;
    } catch (const Error &) {
        throw Malformed(name, value);
    }
}

std::string TextOf(const Lines &lines, std::string_view name) {
    auto at = lines.find(name);
    return at == lines.end() ? std::string() : std::string(at->second);
}

}    // namespace

BackupLabel ParseBackupLabel(std::string_view text) {
    Lines lines = Split(text);
    BackupLabel out;
    std::tie(out.start, out.start_segment) = PlaceOf(lines, kStart);
    out.checkpoint = LsnOf(lines, kCheckpoint);
    out.timeline = TimelineOf(lines, kTimeline);
    if (out.timeline != out.start_segment.timeline)    // as read_backup_label checks it
        throw Refuse(fmt::format("It names timeline {} and a segment of timeline {}.", out.timeline.value,
                                 out.start_segment.timeline.value));
    out.method = TextOf(lines, kMethod);
    std::string_view from = Need(lines, kFrom);
    if (from != "primary" && from != "master" && from != "standby") throw Malformed(kFrom, from);    // master: 13
    out.from_standby = from == "standby";
    out.start_time = TextOf(lines, kStartTime);
    out.label = TextOf(lines, kLabel);
    if (lines.contains(kStop)) {
        auto [lsn, segment] = PlaceOf(lines, kStop);
        out.stop = {lsn, segment, TimelineOf(lines, kStopTimeline), TextOf(lines, kStopTime)};
    }
    if (lines.contains(kBaseLsn) || lines.contains(kBaseTimeline))
        out.incremental_from = {LsnOf(lines, kBaseLsn), TimelineOf(lines, kBaseTimeline)};
    return out;
}

}    // namespace ark
