#include "repo/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"

namespace ark {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }
bool IsLower(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }
bool IsPlain(char c) { return IsDigit(c) || IsLower(c) || (c >= 'A' && c <= 'Z') || c == '-'; }

template <class Predicate>
bool All(std::string_view text, Predicate predicate) {
    return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}
bool IsHex(std::string_view text, std::size_t length) { return text.size() == length && All(text, IsHexDigit); }
bool IsCounter(std::string_view text) { return text.size() == 10 && All(text, IsDigit); }
bool IsPackId(std::string_view text) { return IsHex(text, 64); }
bool IsEventId(std::string_view text) {
    return text.size() == 19 && IsCounter(text.substr(0, 10)) && text[10] == '-' && IsHex(text.substr(11), 8);
}
bool IsPosition(std::string_view text) {
    return text.size() == 16 && All(text, [](char c) { return IsDigit(c) || (c >= 'A' && c <= 'F'); });
}
bool IsFrameNumber(std::string_view text) {
    return All(text, IsDigit) && text.size() <= 10 && (text == "0" || text[0] != '0');
}

std::string Counter(std::uint64_t number) {
    if (number > 9'999'999'999)
        throw Error(Code::kInternal, fmt::format("number {} does not fit into an object's name", number));
    return fmt::format("{:010}", number);
}

// "a.b" into its halves at the first dot; two empty ones if there is none.
std::pair<std::string_view, std::string_view> SplitAtDot(std::string_view text) {
    std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return {};
    return {text.substr(0, dot), text.substr(dot + 1)};
}

std::string OfBackup(const BackupId &id, std::string_view what) {
    if (!IsBackupId(id)) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a backup id", id));
    return fmt::format("backups/{}/{}", id, what);
}

}    // namespace

std::optional<ClusterName> ParseClusterPath(std::string_view path) {
    auto [name, identifier] = SplitAtDot(path);
    if (!All(name, IsPlain) || !All(identifier, IsDigit) || identifier.size() > 20) return std::nullopt;
    return ClusterName{std::string(name), std::string(identifier)};
}

void CheckPlainName(std::string_view name, std::string_view what) {
    if (All(name, IsPlain) && name.size() <= 200) return;
    throw Error(Code::kInvalidArgument, fmt::format("the name of {} \"{}\" is not usable in a store", what, name),
                "Names there are 1 to 200 characters of A-Z a-z 0-9 _ -.");
}

bool IsBackupId(std::string_view text) {
    return text.size() == 25 && All(text.substr(0, 8), IsDigit) && text[8] == 'T' && All(text.substr(9, 6), IsDigit) &&
           text.substr(15, 2) == "Z-" && IsHex(text.substr(17), 8);
}

namespace layout {
namespace {

constexpr std::array<std::string_view, 14> kKindNames{"repository", "writer", "key",        "begin",   "packs",
                                                      "manifest",   "end",    "pack",       "event",   "quarantine",
                                                      "wal",        "tail",   "checkpoint", "reserved"};

std::optional<Place> ParseBackupObject(std::string_view id, std::string_view what) {
    if (!IsBackupId(id)) return std::nullopt;
    for (Kind kind : {Kind::kBegin, Kind::kPacks, Kind::kManifest, Kind::kEnd})
        if (what == KindName(kind)) return Place{.kind = kind, .backup = BackupId(id)};
    auto [kind, number] = SplitAtDot(what);
    if (kind == KindName(Kind::kCheckpoint) && IsCounter(number))
        return Place{.kind = Kind::kCheckpoint, .backup = BackupId(id), .id = std::string(number)};
    return std::nullopt;
}

std::optional<Place> ParseEvent(std::string_view subject, std::string_view file) {
    auto [id, type] = SplitAtDot(file);
    bool about_backup = IsBackupId(subject);
    if ((!about_backup && subject != "cluster") || !IsEventId(id) || !All(type, IsLower)) return std::nullopt;
    return Place{.kind = Kind::kEvent,
                 .backup = BackupId(about_backup ? subject : ""),
                 .subject = std::string(subject),
                 .type = std::string(type),
                 .id = std::string(id)};
}

std::optional<Place> ParseKey(std::string_view domain, std::string_view file) {
    auto [generation, wrap] = SplitAtDot(file);
    if (!All(domain, IsPlain) || !IsCounter(generation) || !All(wrap, IsPlain)) return std::nullopt;
    return Place{.kind = Kind::kKey, .subject = std::string(domain), .id = std::string(file)};
}

std::optional<Place> ParseWal(std::string_view timeline, std::string_view file) {
    try {
        WalFileName name = ParseWalFileName(file);
        if (name.timeline.Text() != timeline) return std::nullopt;
    } catch (const Error &) {    // no name of a WAL file
        return std::nullopt;
    }
    return Place{.kind = Kind::kWal, .id = std::string(file)};
}

std::string Position(Lsn lsn) { return fmt::format("{:016X}", lsn.value); }
Lsn ReadPosition(std::string_view text) { return {std::stoull(std::string(text), nullptr, 16)}; }

std::vector<std::string_view> Split(std::string_view name) {
    std::vector<std::string_view> parts;
    for (;;) {
        std::size_t slash = name.find('/');
        parts.push_back(name.substr(0, slash));
        if (slash == std::string_view::npos) return parts;
        name.remove_prefix(slash + 1);
    }
}

}    // namespace

std::string Writer(std::uint64_t epoch) { return "writers/" + Counter(epoch); }

std::string Key(std::string_view domain, std::uint64_t generation, std::string_view wrap) {
    CheckPlainName(domain, "key domain");
    CheckPlainName(wrap, "key wrap");
    return fmt::format("keys/{}/{}.{}", domain, Counter(generation), wrap);
}

std::string Begin(const BackupId &id) { return OfBackup(id, "begin"); }
std::string Packs(const BackupId &id) { return OfBackup(id, "packs"); }
std::string Manifest(const BackupId &id) { return OfBackup(id, "manifest"); }
std::string End(const BackupId &id) { return OfBackup(id, "end"); }
std::string Checkpoint(const BackupId &id, std::uint64_t number) {
    return OfBackup(id, "checkpoint." + Counter(number));
}
std::string ObjectsOf(const BackupId &id) { return OfBackup(id, ""); }

bool IsPackName(std::string_view pack) {
    return pack.size() == 90 && IsBackupId(pack.substr(0, 25)) && pack[25] == '/' && IsPackId(pack.substr(26));
}

std::string Pack(std::string_view pack) {
    if (!IsPackName(pack)) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the name of a pack", pack));
    return fmt::format("packs/{}", pack);
}

std::string PacksOf(const BackupId &id) { return fmt::format("packs/{}/", id); }

std::string Event(std::string_view subject, std::string_view event_id, std::string_view type) {
    std::string name = fmt::format("events/{}/{}.{}", subject, event_id, type);
    if (!Parse(name)) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the name of an event", name));
    return name;
}

std::string Quarantine(std::string_view pack_hex, std::uint64_t frame) {
    if (!IsPackId(pack_hex))
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not the id of a pack", pack_hex));
    return fmt::format("quarantine/{}.{}", pack_hex, frame);
}

std::string WalOf(TimelineId timeline) { return fmt::format("wal/{}/", timeline.Text()); }
std::string Wal(const WalFileName &file) { return WalOf(file.timeline) + file.Text(); }

std::string Tail(const TailName &name) {
    return fmt::format("{}{}/{}/{}{}", kTailFolder, Counter(name.epoch), name.timeline.Text(), Position(name.start),
                       name.IsMark() ? "." + Counter(name.mark) : "-" + Position(name.end));
}

std::optional<TailName> ParseTail(std::string_view name) {
    std::vector<std::string_view> parts = Split(name);
    if (parts.size() != 4 || parts[0] != "tail" || !IsCounter(parts[1]) || parts[3].size() < 17 ||
        !IsPosition(parts[3].substr(0, 16)))
        return std::nullopt;
    TailName tail;
    try {
        tail.timeline = ParseTimelineId(parts[2]);
    } catch (const Error &) {    // no timeline
        return std::nullopt;
    }
    tail.epoch = std::stoull(std::string(parts[1]));
    tail.start = tail.end = ReadPosition(parts[3].substr(0, 16));
    std::string_view rest = parts[3].substr(17);
    if (parts[3][16] == '-' && IsPosition(rest))
        tail.end = ReadPosition(rest);
    else if (parts[3][16] == '.' && IsCounter(rest))
        tail.mark = std::stoull(std::string(rest));
    else
        return std::nullopt;
    if (tail.IsMark() != (tail.start == tail.end) || tail.end < tail.start) return std::nullopt;
    return tail;
}

std::string_view KindName(Kind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }

std::optional<Place> Parse(std::string_view name) {
    if (name == kIdentity) return Place{.kind = Kind::kRepository};
    std::vector<std::string_view> parts = Split(name);
    std::string_view folder = parts[0];
    if (folder == "tail")
        return ParseTail(name) ? std::optional(Place{.kind = Kind::kTail, .id = std::string(name)}) : std::nullopt;
    if (folder == "labels") return parts.size() > 1 ? std::optional(Place{.kind = Kind::kReserved}) : std::nullopt;
    if (parts.size() == 2 && folder == "writers" && IsCounter(parts[1]))
        return Place{.kind = Kind::kWriter, .id = std::string(parts[1])};
    if (parts.size() == 2 && folder == "quarantine") {
        auto [pack, frame] = SplitAtDot(parts[1]);
        if (!IsPackId(pack) || !IsFrameNumber(frame)) return std::nullopt;
        return Place{.kind = Kind::kQuarantine, .pack = std::string(pack), .id = std::string(frame)};
    }
    if (parts.size() != 3) return std::nullopt;
    if (folder == "keys") return ParseKey(parts[1], parts[2]);
    if (folder == "backups") return ParseBackupObject(parts[1], parts[2]);
    if (folder == "wal") return ParseWal(parts[1], parts[2]);
    if (folder == "events") return ParseEvent(parts[1], parts[2]);
    if (folder == "packs" && IsBackupId(parts[1]) && IsPackId(parts[2]))
        return Place{.kind = Kind::kPack, .backup = BackupId(parts[1]), .pack = std::string(name.substr(6))};
    return std::nullopt;
}

}    // namespace layout
}    // namespace ark
