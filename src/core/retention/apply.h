// Which backups a policy keeps, and why. Pure: the same arguments give the same verdicts.
//
// Backups are judged in groups of one source, database and kind, in the order of (sequence, id), never of names or
// clocks. Whatever the policy says, these are kept: a backup on hold, one that is still being made, the newest complete
// one of its group, the newest that the cluster goes on from, and the newest complete one that was verified. A damaged backup never takes the place of a sound one:
// it is kept where a sound one in its place would be, and does not count.
//
// With a recovery window the newest base backup that is as old as the window is kept, because the window begins with it; while none is,
// the oldest one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "retention/policy.h"

namespace ark {

enum class BackupState { kComplete, kDamaged, kRunning };

struct BackupInfo {
    std::string id;
    std::uint64_t sequence = 0;
    std::string kind;
    std::string source;
    std::string database;
    TimePoint finished{};
    TimePoint stored{};    // by the store's clock, if that is known: the later of the two tells how old it is
    bool held = false;
    std::optional<TimePoint> held_until;    // of a hold: nothing means for ever
    bool verified = false;
    BackupState state = BackupState::kComplete;
    bool left_behind =
        false;    // a base backup of a branch that the cluster did not go on from: it opens no recovery window
};

struct Verdict {
    std::string id;
    bool keep = true;
    std::string reason;    // for people: "newest of 2026-01-16 (daily 3 of 7)"; several are joined with "; "
};

// Days and weeks are those of local time. Without `to_local` it is UTC.
using ToLocal = std::function<std::chrono::local_seconds(TimePoint)>;

// One verdict for each backup, groups in order, the newest first. A reason is never empty.
std::vector<Verdict> Apply(const Policy &policy, std::vector<BackupInfo> backups, TimePoint now,
                           const ToLocal &to_local = {});

}    // namespace ark
