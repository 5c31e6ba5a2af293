#include "physical/recovery_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "config/standby_names.h"
#include "pgdata/wal_name.h"

namespace ark {
namespace {

constexpr std::size_t kLongestName = 63;    // MAXFNAMELEN - 1

constexpr std::string_view kReadsNothingAhead = "recovery_prefetch = off";    // ALTER SYSTEM would write quotes

constexpr std::string_view kOfRecovery[] = {"restore_command",          "recovery_target",  "recovery_end_command",
                                            "archive_cleanup_command",  "primary_conninfo", "primary_slot_name",
                                            "recovery_min_apply_delay", "# pg_ark restore", kReadsNothingAhead};

// Decimal digits alone; nullopt for anything else, and for what is too large.
std::optional<std::uint64_t> NumberOf(const std::string &text) {
    std::uint64_t number = 0;
    const char *end = text.data() + text.size();
    auto [at, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && at == end ? std::optional(number) : std::nullopt;
}

// Without zeros in front, with which a server takes a number for an octal one.
std::string Plain(const std::string &number) {
    std::optional<std::uint64_t> value = NumberOf(number);
    return value ? std::to_string(*value) : number;
}

bool IsTransaction(const std::string &text) {
    constexpr std::uint64_t kWithoutEpoch = 0xFFFFFFFF, kFirst = 3;    // FirstNormalTransactionId
    std::optional<std::uint64_t> xid = NumberOf(text);
    return xid && (*xid & kWithoutEpoch) >= kFirst;
}

bool IsTimeline(const std::string &text) {
    std::optional<std::uint64_t> timeline = NumberOf(text);
    return timeline && *timeline > 0 && *timeline <= std::numeric_limits<std::uint32_t>::max();
}

// With an offset in digits: while a server reads its configuration it knows no names of time zones, not even Z.
std::string ServerTime(const std::string &moment) {
    std::string text = FormatTime(ParseMoment(moment), true);
    text.replace(text.find('T'), 1, " ");
    text.replace(text.size() - 1, 1, "+00");
    return text;
}

[[noreturn]] void Refuse(std::string message, std::string hint) {
    throw Error(Code::kInvalidArgument, std::move(message), {}, std::move(hint));
}

}    // namespace

void CheckRecoveryTarget(const RecoveryTarget &target) {
    using enum RecoveryTarget::Kind;
    if (target.kind == kTime) ParseMoment(target.value);
    if (target.kind == kLsn) ParseLsn(target.value);
    if (target.kind == kXid && !IsTransaction(target.value))
        Refuse(fmt::format("\"{}\" is no transaction id", target.value),
               "It is a number from 3 on, as pg_current_xact_id() and %x in log_line_prefix give it.");
    if (target.kind == kName && (target.value.empty() || target.value.size() > kLongestName))
        Refuse("a named restore point has 1 to 63 bytes", "See pg_create_restore_point().");
    if (target.timeline != "latest" && target.timeline != "current" && !IsTimeline(target.timeline))
        Refuse(fmt::format("\"{}\" is no timeline", target.timeline), "It is latest, current or a number.");
    if (target.action != "promote" && target.action != "pause" && target.action != "shutdown")
        Refuse(fmt::format("\"{}\" is no action at the target", target.action), "It is promote, pause or shutdown.");
    if (target.kind == kEnd && target.action != "promote")
        Refuse(fmt::format("without a target there is nothing to {} at: the server promotes itself at the end",
                           target.action == "pause" ? "pause" : "shut down"),
               "Give a target, or leave --target-action out.");
}

std::string ShellWord(const std::string &text) {
    constexpr std::string_view kPlain = "-_./:=@%+,";
    if (!text.empty() && std::ranges::all_of(text, [&](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   kPlain.find(c) != std::string_view::npos;
        }))
        return text;
    std::string word = "'";
    for (char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
    return word + "'";
}

std::string ConfValue(const std::string &text) {
    std::string value = "'";
    for (char c : text) {
        if (c == '\n' || c == '\r' || c == '\0')
            Refuse("a setting of the restored server may not contain a line break", "Leave it out.");
        value += c == '\'' ? "''" : c == '\\' ? "\\\\" : std::string(1, c);
    }
    return value + "'";
}

std::string RecoverySettings(const RecoveryTarget &target, const std::string &restore_command) {
    using enum RecoveryTarget::Kind;
    // The original's would run on the copy, and may reach what is the original's.
    std::string lines = fmt::format(
        "restore_command = {}\narchive_cleanup_command = ''\nrecovery_end_command = ''\n"
        "recovery_min_apply_delay = 0\n",
        ConfValue(restore_command));
    for (const char *other : {"", "_name", "_time", "_xid", "_lsn"})
        lines += fmt::format("recovery_target{} = ''\n", other);
    switch (target.kind) {
    case kEnd: break;
    case kTime: lines += fmt::format("recovery_target_time = {}\n", ConfValue(ServerTime(target.value))); break;
    case kLsn: lines += fmt::format("recovery_target_lsn = {}\n", ConfValue(target.value)); break;
    case kName: lines += fmt::format("recovery_target_name = {}\n", ConfValue(target.value)); break;
    case kXid: lines += fmt::format("recovery_target_xid = {}\n", ConfValue(Plain(target.value))); break;
    case kImmediate: lines += "recovery_target = 'immediate'\n"; break;
    }
    if (!target.reads_ahead) lines += std::string(kReadsNothingAhead) + "\n";
    return lines +
           fmt::format("recovery_target_inclusive = {}\nrecovery_target_timeline = {}\nrecovery_target_action = {}\n",
                       target.inclusive ? "on" : "off", ConfValue(Plain(target.timeline)), ConfValue(target.action));
}

std::string WithoutRecoverySettings(std::string_view conf) {
    std::string out;
    while (!conf.empty()) {
        std::size_t end = std::min(conf.find('\n'), conf.size() - 1) + 1;
        std::string_view line = conf.substr(0, end);
        conf.remove_prefix(end);
        auto begins = [&](std::string_view name) { return line.starts_with(name); };
        // The original's commits wait for its own store; the copy's would wait for ever.
        bool waits_for_store = begins("synchronous_standby_names") && line.find(kStoreStandby) != line.npos;
        if (!waits_for_store && !std::ranges::any_of(kOfRecovery, begins)) out += line;
    }
    return out;
}

}    // namespace ark
