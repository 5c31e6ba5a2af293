#include "pgdata/owner_mark.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr std::array<std::pair<Ownership, std::string_view>, 3> kWords{
    {{Ownership::kOwner, "owner"}, {Ownership::kPromoted, "promoted"}, {Ownership::kRefused, "refused"}}};
constexpr std::string_view kNone = "-";

std::string_view TakeLine(std::string_view &text) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

template <class Number>
bool Read(std::string_view text, Number &number) {
    const char *end = text.data() + text.size();
    auto [at, error] = std::from_chars(text.data(), end, number);
    return !text.empty() && error == std::errc() && at == end;
}

std::string MachineId() {
    std::ifstream file("/etc/machine-id");
    std::string id;
    std::getline(file, id);
    return id;
}

}    // namespace

std::string_view WordOf(Ownership ownership) {
    for (const auto &[one, word] : kWords)
        if (one == ownership) return word;
    return {};
}

std::optional<DirectoryIdentity> IdentityOf(const std::filesystem::path &data_directory) {
    struct stat info {};
    if (stat(data_directory.c_str(), &info) != 0) {
        if (errno == ENOENT) return std::nullopt;
        ThrowErrno(errno, fmt::format("could not look at the data directory \"{}\"", data_directory.string()));
    }
    return DirectoryIdentity{MachineId(), info.st_dev, info.st_ino};
}

bool OwnerMark::IsOf(const DirectoryIdentity &now, const std::filesystem::path &data_directory) const {
    return identity.machine == now.machine && identity.inode == now.inode &&
           (identity.device == now.device || directory == data_directory.string());
}

std::string FormatOwnerMark(const OwnerMark &mark) {
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", WordOf(mark.ownership), mark.timeline.value,
                       mark.identity.machine.empty() ? kNone : std::string_view(mark.identity.machine),
                       mark.identity.device, mark.identity.inode, mark.directory);
}

std::optional<OwnerMark> ParseOwnerMark(std::string_view text) {
    OwnerMark mark;
    bool known = false;
    std::string_view word = TakeLine(text);
    for (const auto &[ownership, name] : kWords) {
        if (word != name) continue;
        mark.ownership = ownership;
        known = true;
    }
    bool good = known && Read(TakeLine(text), mark.timeline.value);
    std::string_view machine = TakeLine(text);
    if (machine != kNone) mark.identity.machine = machine;
    good = good && !machine.empty() && Read(TakeLine(text), mark.identity.device) &&
           Read(TakeLine(text), mark.identity.inode);
    mark.directory = TakeLine(text);
    if (!good || mark.directory.empty()) return std::nullopt;
    return mark;
}

std::optional<OwnerMark> ReadOwnerMark(const std::filesystem::path &data_directory) try {
    return ParseOwnerMark(ReadWholeFile(data_directory / kOwnerMark));
} catch (const Error &) {
    return std::nullopt;
}

void WriteOwnerMark(const std::filesystem::path &data_directory, Ownership ownership, TimelineId timeline) {
    std::optional<DirectoryIdentity> identity = IdentityOf(data_directory);
    if (!identity) return;
    OwnerMark mark{ownership, timeline, *identity, std::filesystem::canonical(data_directory).string()};
    if (ReadOwnerMark(data_directory) != mark)
        WriteFileAtomically(data_directory / kOwnerMark, AsBytes(FormatOwnerMark(mark)));
}

bool MayGiveUpWal(const std::filesystem::path &data_directory) {
    std::optional<OwnerMark> mark = ReadOwnerMark(data_directory);
    if (!mark) return true;    // no store was ever reached: what waits is nobody else's
    std::optional<DirectoryIdentity> now = IdentityOf(data_directory);
    return now && mark->ownership != Ownership::kRefused &&
           mark->IsOf(*now, std::filesystem::canonical(data_directory));
}

}    // namespace ark
