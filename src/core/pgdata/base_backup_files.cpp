#include "pgdata/base_backup_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace ark {
namespace {

// Beginnings of names, of files and directories, wherever they are: PG_TEMP_FILE_PREFIX and RELCACHE_INIT_FILENAME, which
// has a process id behind it while it is written.
constexpr std::string_view kTemporary = "pgsql_tmp", kRelationCache = "pg_internal.init";

constexpr std::uint32_t kLastBlock = 0xFFFFFFFE;    // MaxBlockNumber

// excludeFiles, a file of macOS, and the mark of a restore by pg_ark. They are left out of every directory.
constexpr std::string_view kLeftOut[] = {
    "postgresql.auto.conf.tmp", "current_logfiles.tmp", "backup_label", "tablespace_map", "backup_manifest",
    "postmaster.pid",           "postmaster.opts",      ".DS_Store",    "pg_ark_restore",
};

// excludeDirContents: directories that the server empties when it starts, wherever they are, and the slots.
constexpr std::string_view kEmptied[] = {"pg_stat_tmp", "pg_replslot",  "pg_dynshmem", "pg_notify",
                                         "pg_serial",   "pg_snapshots", "pg_subtrans"};

constexpr std::string_view kVital[] = {"base",      "global",      "pg_commit_ts", "pg_logical", "pg_multixact",
                                       "pg_tblspc", "pg_twophase", "pg_xact",      "PG_VERSION"};

constexpr std::string_view kForks[] = {"fsm", "vm", "init"};    // forkNames, but for the main fork, which has no name
constexpr std::string_view kInit = "init";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNumber(std::string_view text) { return !text.empty() && std::ranges::all_of(text, IsDigit); }
template <class Names>
bool IsOneOf(const Names &names, std::string_view name) {
    return std::ranges::find(names, name) != std::ranges::end(names);
}

// What stands before the first `separator`, taken away from `text` with it.
std::string_view TakeUntil(std::string_view &text, char separator) {
    std::string_view front = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(front.size() + 1, text.size()));
    return front;
}
// Digits in front of `text`, taken away.
std::string_view TakeDigits(std::string_view &text) {
    std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
    text.remove_prefix(digits.size());
    return digits;
}
// "_fsm" in front of `text`, taken away; "" without one, which is the main fork.
std::string_view TakeFork(std::string_view &text) {
    for (std::string_view fork : kForks)
        if (text.starts_with('_') && text.substr(1).starts_with(fork)) {
            text.remove_prefix(1 + fork.size());
            return fork;
        }
    return {};
}

// From 1 to 2^32-1, spelled in the one way that PostgreSQL spells it.
std::optional<std::uint32_t> ParseNumber(std::string_view digits) {
    std::uint32_t value = 0;
    if (digits.empty() || digits[0] == '0') return std::nullopt;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

// parse_filename_for_nontemp_relation: "16400", "16400_fsm", "16400_fsm.1", "16400.3".
struct RelationFile {
    std::uint32_t number = 0;
    std::string_view fork;    // "": main
    std::uint32_t segment = 0;
};
std::optional<RelationFile> ParseRelationFile(std::string_view name) {
    std::optional<std::uint32_t> number = ParseNumber(TakeDigits(name));
    if (!number) return std::nullopt;
    RelationFile file{*number, TakeFork(name), 0};
    if (name.empty()) return file;
    if (!name.starts_with('.')) return std::nullopt;
    std::optional<std::uint32_t> segment = ParseNumber(name.substr(1));
    if (!segment) return std::nullopt;
    file.segment = *segment;
    return file;
}

// looks_like_temp_rel_name: "t3_16400", with a fork or a segment behind it.
bool IsTemporaryRelation(std::string_view name) {
    if (!name.starts_with('t')) return false;
    name.remove_prefix(1);
    if (TakeDigits(name).empty() || !name.starts_with('_')) return false;
    name.remove_prefix(1);
    if (TakeDigits(name).empty()) return false;
    TakeFork(name);
    return name.empty() || (name.starts_with('.') && IsNumber(name.substr(1)));
}

// "pg_tblspc/16385": where a tablespace begins.
bool IsTablespace(std::string_view directory) {
    return TakeUntil(directory, '/') == "pg_tblspc" && IsNumber(directory);
}

// "base/5", "pg_tblspc/16385/PG_15_202209061/5": the files of one database.
bool IsDatabase(std::string_view directory) {
    std::string_view top = TakeUntil(directory, '/');
    if (top == "pg_tblspc")
        return IsNumber(TakeUntil(directory, '/')) && TakeUntil(directory, '/').starts_with("PG_") &&
               IsNumber(directory);
    return top == "base" && IsNumber(directory);
}

}    // namespace

BaseBackupRules::BaseBackupRules(int server_major, std::uint32_t catalog_version,
                                 std::vector<std::string> tablespaces_inside)
    : server_major_(server_major),
      version_directory_(fmt::format("PG_{}_{}", server_major, catalog_version)),
      tablespaces_inside_(std::move(tablespaces_inside)) {}

std::vector<Keep> BaseBackupRules::Judge(std::string_view directory, std::span<const DirectoryEntry> entries) const {
    bool of_database = IsDatabase(directory);
    std::unordered_set<std::uint32_t> unlogged;
    if (of_database)
        for (const DirectoryEntry &entry : entries)
            if (auto file = ParseRelationFile(entry.name); file && file->fork == kInit && file->segment == 0)
                unlogged.insert(file->number);

    std::vector<Keep> answers;
    answers.reserve(entries.size());
    for (const DirectoryEntry &entry : entries) {
        auto file = of_database ? ParseRelationFile(entry.name) : std::nullopt;
        if (file && file->fork != kInit && unlogged.contains(file->number))
            answers.push_back(Keep::kNo);    // the server makes it anew of its init fork
        else if (of_database && IsTemporaryRelation(entry.name))
            answers.push_back(Keep::kNo);
        else
            answers.push_back(JudgeOne(directory, entry));
    }
    return answers;
}

Keep BaseBackupRules::JudgeOne(std::string_view directory, const DirectoryEntry &entry) const {
    const std::string &name = entry.name;
    bool is_directory = entry.kind == EntryKind::kDirectory, is_link = entry.kind == EntryKind::kLink;
    if (name == "." || name == ".." || name.starts_with(kTemporary) || name.starts_with(kRelationCache) ||
        IsOneOf(kLeftOut, name))
        return Keep::kNo;
    if (IsOneOf(kEmptied, name) || (directory.empty() && name == "pg_wal"))
        return is_directory || is_link ? Keep::kEmptyDirectory : Keep::kNo;

    // A tablespace is made again from tablespace_map, or is a directory in its place (allow_in_place_tablespaces).
    // Nothing else below pg_tblspc is of this server.
    if (directory == "pg_tblspc") return IsNumber(name) && (is_directory || is_link) ? Keep::kYes : Keep::kNo;
    if (IsTablespace(directory) && name != version_directory_) return Keep::kNo;

    if (is_link || entry.kind == EntryKind::kOther) return Keep::kForeign;
    if (is_directory) {
        std::string path = directory.empty() ? name : fmt::format("{}/{}", directory, name);
        if (IsOneOf(tablespaces_inside_, path)) return Keep::kEmptyDirectory;
    }
    return Keep::kYes;
}

std::vector<std::string> BaseBackupRules::AlwaysMade() const {
    std::vector<std::string> paths{"pg_wal/archive_status"};
    if (server_major_ >= 17) paths.emplace_back("pg_wal/summaries");
    return paths;
}

bool IsVital(std::string_view path) { return IsOneOf(kVital, TakeUntil(path, '/')); }

std::string InitForkOf(std::string_view directory, std::string_view name) {
    if (!IsDatabase(directory)) return {};
    std::optional<RelationFile> file = ParseRelationFile(name);
    return file && file->fork != kInit ? fmt::format("{}_{}", file->number, kInit) : std::string();
}

std::optional<std::uint32_t> FirstBlock(std::string_view path, std::uint32_t blocks_per_file) {
    std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::string_view directory = path.substr(0, slash);
    if (directory != "global" && !IsDatabase(directory)) return std::nullopt;
    std::optional<RelationFile> file = ParseRelationFile(path.substr(slash + 1));
    if (!file) return std::nullopt;
    std::uint64_t block = std::uint64_t{file->segment} * blocks_per_file;
    if (block > kLastBlock) return std::nullopt;
    return static_cast<std::uint32_t>(block);
}

}    // namespace ark
