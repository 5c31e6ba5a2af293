// Decisions, kept in the store before they are rows. Section 5.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "repo/keys.h"

namespace ark {

struct Event {
    std::string subject;    // a backup id, or "cluster"
    std::string
        type;    // hold, release, annotate, verified, policy, delete, escrow, restored, restore_point, wal_expired
    std::uint64_t sequence = 0;
    TimePoint at{};
    std::string id = {};           // "<sequence, ten digits>-<8 hex>"
    Json body = Json::object();    // by, reason, until, level, …; null if sealed and no key is there
};

// Writes the event; its sequence is one more than the newest of its subject. Returns it with id and sequence filled.
// `key` is the cluster's domain key; its body is sealed when that is encrypted.
Event WriteEvent(Repository &repository, const DomainKey &key, Event event, Clock &clock, Random &random);
// All events of a subject, oldest first by (sequence, id).
std::vector<Event> ReadEvents(const Repository &repository, std::string_view subject, KeyRing *keys);
// The events of one type about a subject, newest first, until `visit` returns false; no others are read.
void ReadNewestEvents(const Repository &repository, std::string_view subject, std::string_view type, KeyRing *keys,
                      const std::function<bool(const Event &)> &visit);
// Subjects that have events of these types, without reading them (from the names).
std::vector<std::string> SubjectsWithEvents(const Repository &repository, const std::vector<std::string> &types);

struct HoldState {
    bool held = false;
    std::optional<TimePoint> until;    // nothing: for ever
    std::string reason;
    std::string by;
};
// Pure: what the events say at `now`.
HoldState CurrentHold(const std::vector<Event> &events, TimePoint now);

}    // namespace ark
