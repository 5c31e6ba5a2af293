#include "pgdata/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::uint64_t kEpoch = std::uint64_t{1} << 32;

// Taken from the front.
std::optional<std::uint64_t> TakeXid(std::string_view &text) {
    std::uint64_t xid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), xid);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return xid;
}

bool Take(std::string_view &text, char expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(1);
    return true;
}

// With the epoch that brings it nearest to `near`.
std::uint64_t Full(std::uint64_t xid, std::uint64_t near) {
    if (xid >= kEpoch) return xid;
    std::uint64_t full = near / kEpoch * kEpoch + xid;
    if (full > near + kEpoch / 2 && full >= kEpoch) return full - kEpoch;
    return full + kEpoch / 2 < near ? full + kEpoch : full;
}

}    // namespace

bool Snapshot::HasEnded(std::uint64_t xid) const {
    std::uint64_t full = Full(xid, xmax);
    return full < xmin || (full < xmax && !std::ranges::binary_search(running, full));
}

Snapshot ParseSnapshot(std::string_view text) {
    Snapshot snapshot;
    std::string_view rest = text;
    std::optional<std::uint64_t> xmin = TakeXid(rest);
    bool good = xmin && Take(rest, ':');
    std::optional<std::uint64_t> xmax = good ? TakeXid(rest) : std::nullopt;
    good = xmax && Take(rest, ':') && *xmin <= *xmax;
    for (bool first = true; good && !rest.empty(); first = false) {
        std::optional<std::uint64_t> xid;
        good = (first || Take(rest, ',')) && (xid = TakeXid(rest)) && *xid >= *xmin && *xid < *xmax &&
               (first || *xid > snapshot.running.back());
        if (good) snapshot.running.push_back(*xid);
    }
    if (!good) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is no snapshot", text));
    snapshot.xmin = *xmin;
    snapshot.xmax = *xmax;
    return snapshot;
}

}    // namespace ark
