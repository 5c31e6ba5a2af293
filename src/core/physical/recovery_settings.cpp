#include "physical/recovery_settings.h"

#include <fmt/format.h>

#include <algorithm>

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

bool IsDigits(const std::string &text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
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
    if (target.kind == kXid && !IsDigits(target.value))
        Refuse(fmt::format("\"{}\" is no transaction id", target.value), "It is a number.");
    if (target.kind == kName && (target.value.empty() || target.value.size() > kLongestName))
        Refuse("a named restore point has 1 to 63 bytes", "See pg_create_restore_point().");
    if (target.timeline != "latest" && target.timeline != "current" &&
        (!IsDigits(target.timeline) || target.timeline == "0"))
        Refuse(fmt::format("\"{}\" is no timeline", target.timeline), "It is latest, current or a number.");
    if (target.action != "promote" && target.action != "pause" && target.action != "shutdown")
        Refuse(fmt::format("\"{}\" is no action at the target", target.action), "It is promote, pause or shutdown.");
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
    case kXid: lines += fmt::format("recovery_target_xid = {}\n", ConfValue(target.value)); break;
    case kImmediate: lines += "recovery_target = 'immediate'\n"; break;
    }
    if (!target.reads_ahead) lines += std::string(kReadsNothingAhead) + "\n";
    return lines +
           fmt::format("recovery_target_inclusive = {}\nrecovery_target_timeline = {}\nrecovery_target_action = {}\n",
                       target.inclusive ? "on" : "off", ConfValue(target.timeline), ConfValue(target.action));
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
