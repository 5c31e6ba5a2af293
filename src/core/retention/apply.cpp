#include "retention/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <tuple>

namespace ark {
namespace {

using namespace std::chrono;

std::string HourOf(local_seconds time) {
    year_month_day date{floor<days>(time)};
    return fmt::format("{:04}-{:02}-{:02} {:02}h", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), floor<hours>(time - floor<days>(time)).count());
}
std::string DayOf(local_seconds time) { return HourOf(time).substr(0, 10); }
std::string MonthOf(local_seconds time) { return HourOf(time).substr(0, 7); }
std::string YearOf(local_seconds time) { return HourOf(time).substr(0, 4); }
std::string WeekOf(local_seconds time) {    // ISO 8601: a week belongs to the year of its Thursday
    auto day = floor<days>(time);
    local_days thursday = day - (weekday(day) - Monday) + days(3);
    year of = year_month_day(thursday).year();
    return fmt::format("{:04}-W{:02}", static_cast<int>(of), (thursday - local_days(of / 1 / 1)).count() / 7 + 1);
}

struct Bucket {
    const char *name;
    std::uint32_t Policy::*count;
    std::string (*key)(local_seconds);
};
constexpr std::array<Bucket, 5> kBuckets{{{"hourly", &Policy::keep_hourly, HourOf},
                                          {"daily", &Policy::keep_daily, DayOf},
                                          {"weekly", &Policy::keep_weekly, WeekOf},
                                          {"monthly", &Policy::keep_monthly, MonthOf},
                                          {"yearly", &Policy::keep_yearly, YearOf}}};

auto GroupOf(const BackupInfo &backup) { return std::tie(backup.source, backup.database, backup.kind); }

bool InOrder(const BackupInfo &a, const BackupInfo &b) {    // groups, then the newest first
    if (GroupOf(a) != GroupOf(b)) return GroupOf(a) < GroupOf(b);
    return std::tie(a.sequence, a.id) > std::tie(b.sequence, b.id);
}

// One group, the newest first, and the reasons found so far to keep each.
class Group {
public:
    Group(std::span<const BackupInfo> backups, TimePoint now, const ToLocal &to_local)
        : backups_(backups), now_(now), to_local_(to_local), reasons_(backups.size()) {}

    void Protect() {
        bool sound = std::any_of(backups_.begin(), backups_.end(),
                                 [](const BackupInfo &b) { return b.state == BackupState::kComplete; });
        bool newest_seen = false, verified_seen = false, own_seen = false;
        for (std::size_t i = 0; i < backups_.size(); i++) {
            const BackupInfo &backup = backups_[i];
            if (backup.state == BackupState::kRunning) {
                Keep(i, "not finished");
                continue;
            }
            if (backup.held && !backup.held_until) Keep(i, "held until released");
            if (backup.held && backup.held_until && *backup.held_until > now_)
                Keep(i, "held until " + FormatTime(*backup.held_until));
            if (sound && backup.state == BackupState::kDamaged) continue;
            if (!newest_seen)
                Keep(i, sound ? "the newest backup is never deleted" : "damaged, but there is no better one");
            if (!backup.left_behind) {
                // A cluster that was restored to an earlier moment, until it has a base backup of its own.
                if (newest_seen && !own_seen) Keep(i, "the newest that the cluster goes on from is never deleted");
                own_seen = true;
            }
            newest_seen = true;
            if (backup.verified && sound && !verified_seen) {
                Keep(i, "the last verified backup is never deleted");
                verified_seen = true;
            }
        }
    }

    void ByRules(const Policy &policy) {
        Last(policy.keep_last);
        if (policy.keep_within) Within(*policy.keep_within);
        if (policy.pitr_window && !backups_.empty() && backups_.front().kind == "physical") Window(*policy.pitr_window);
        for (const Bucket &bucket : kBuckets) Newest(bucket, policy.*bucket.count);
    }

    void Report(bool keep_the_rest, std::vector<Verdict> &verdicts) const {
        for (std::size_t i = 0; i < backups_.size(); i++) {
            if (reasons_[i].empty())
                verdicts.push_back({backups_[i].id, keep_the_rest,
                                    keep_the_rest ? "no policy: everything is kept" : "kept by no rule"});
            else
                verdicts.push_back({backups_[i].id, true, reasons_[i]});
        }
    }

private:
    void Keep(std::size_t i, std::string_view reason) {
        if (!reasons_[i].empty()) reasons_[i] += "; ";
        reasons_[i] += reason;
    }
    bool Judged(std::size_t i) const { return backups_[i].state != BackupState::kRunning; }
    Duration AgeOf(std::size_t i) const { return now_ - std::max(backups_[i].finished, backups_[i].stored); }
    bool Counts(std::size_t i) const { return backups_[i].state == BackupState::kComplete; }

    void Last(std::uint32_t count) {
        std::uint32_t taken = 0;
        for (std::size_t i = 0; i < backups_.size() && taken < count; i++) {
            if (!Judged(i)) continue;
            Keep(i, fmt::format("last {} of {}", taken + 1, count));
            if (Counts(i)) taken++;
        }
    }

    void Within(Duration age) {
        for (std::size_t i = 0; i < backups_.size(); i++)
            if (Judged(i) && AgeOf(i) <= age) Keep(i, fmt::format("younger than keep_within {}", AgeWords(age)));
    }

    // The one that a recovery to the window's first moment begins from.
    void Window(Duration window) {
        std::optional<std::size_t> first;
        for (std::size_t i = 0; i < backups_.size(); i++) {
            if (!Counts(i) || backups_[i].left_behind) continue;
            first = i;
            if (AgeOf(i) >= window) break;
        }
        if (first) Keep(*first, fmt::format("the recovery window of {} begins with it", AgeWords(window)));
    }

    void Newest(const Bucket &bucket, std::uint32_t count) {
        std::set<std::string> seen;    // not only the one before: a clock set back may return to a day
        for (std::size_t i = 0; i < backups_.size() && seen.size() < count; i++) {
            if (!Judged(i)) continue;
            std::string key = bucket.key(Local(backups_[i].finished));
            if (seen.contains(key)) continue;
            Keep(i, fmt::format("newest of {} ({} {} of {})", key, bucket.name, seen.size() + 1, count));
            if (Counts(i)) seen.insert(key);
        }
    }

    static std::string AgeWords(Duration age) {
        return age % days(1) == Duration::zero() ? fmt::format("{} days", age / days(1)) : HumanDuration(age);
    }
    local_seconds Local(TimePoint time) const {
        return to_local_ ? to_local_(time) : local_seconds(floor<seconds>(time).time_since_epoch());
    }

    std::span<const BackupInfo> backups_;
    TimePoint now_;
    const ToLocal &to_local_;
    std::vector<std::string> reasons_;
};

}    // namespace

std::vector<Verdict> Apply(const Policy &policy, std::vector<BackupInfo> backups, TimePoint now,
                           const ToLocal &to_local) {
    std::sort(backups.begin(), backups.end(), InOrder);
    std::vector<Verdict> verdicts;
    verdicts.reserve(backups.size());
    for (std::size_t begin = 0, end = 0; begin < backups.size(); begin = end) {
        while (end < backups.size() && GroupOf(backups[end]) == GroupOf(backups[begin])) end++;
        Group group({backups.data() + begin, end - begin}, now, to_local);
        group.Protect();
        group.ByRules(policy);
        group.Report(policy.Empty(), verdicts);
    }
    return verdicts;
}

}    // namespace ark
