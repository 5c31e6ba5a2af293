#include "wal/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kFolder = "ark_spool";
constexpr std::size_t kDigits = 16;
constexpr Duration kBelievedAway = std::chrono::minutes(1);

// What a file is, as far as a look at it tells; empty if it is not there.
std::string Identity(const std::filesystem::path &file) {
    struct stat info;
    if (stat(file.c_str(), &info) != 0) return {};
    return fmt::format("{} {}.{:09} {}\n", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino);
}

// Files are not forced to disk: what was there before the machine went down is not believed.
std::string BootId() { return ReadWholeFile("/proc/sys/kernel/random/boot_id"); }

// pg_ark's own folders only: a data directory that was removed meanwhile does not come back.
void MakeFolder(const std::filesystem::path &folder) {
    std::filesystem::path of_store = folder.parent_path();
    for (const std::filesystem::path &one : {of_store.parent_path(), of_store, folder}) {
        std::error_code error;
        std::filesystem::create_directory(one, error);
        if (error) ThrowErrno(error.value(), fmt::format("could not make directory \"{}\"", one.string()));
    }
}

// Whole or not at all; not synced.
void WriteSmallFile(const std::filesystem::path &path, std::string_view text) {
    std::filesystem::path beside = path.string() + fmt::format(".{}.part", getpid());
    WriteAll(OpenFile(beside, O_WRONLY | O_CREAT | O_TRUNC).get(), AsBytes(text), path.string());
    std::filesystem::rename(beside, path);
}

// As the text of a symbolic link, which has no blocks: a file that replaces another one by its name is written to disk by ext4 at once
// (auto_da_alloc), and the one after it waits for that.
void WriteAsLink(const std::filesystem::path &path, const std::string &text) {
    std::filesystem::path beside = path.string() + fmt::format(".{}.part", getpid());
    std::filesystem::remove(beside);
    std::filesystem::create_symlink(text, beside);
    std::filesystem::rename(beside, path);
}

// Before `end` in the order of names; of any name if it is empty.
void RemoveFiles(const std::filesystem::path &folder, std::string_view end) {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entries(folder, ignored), none; !ignored && entries != none;
         entries.increment(ignored))
        if (std::error_code of_one; end.empty() || entries->path().filename().string() < end)
            std::filesystem::remove(entries->path(), of_one);
}

}    // namespace

WalSpool::WalSpool(const std::filesystem::path &wal_directory, std::string_view store)
    : folder_(wal_directory / kFolder / HexEncode(Sha256(AsBytes(std::string(store) + BootId()))).substr(0, kDigits)),
      pushed_(folder_ / "pushed"),
      fetched_(folder_ / "fetched") {}

void WalSpool::MarkPushed(const WalFileName &name, const std::filesystem::path &file) noexcept {
    try {
        std::string identity = Identity(file);
        try {
            MakeFolder(pushed_);
            WriteSmallFile(pushed_ / name.Text(), identity);
        } catch (const std::exception &) {
            std::scoped_lock lock(mutex_);
            unwritten_[name.Text()] = identity;
        }
    } catch (const std::exception &) {    // out of memory: the next call asks the store
    }
}

bool WalSpool::IsPushed(const WalFileName &name, const std::filesystem::path &file) const {
    std::string identity = Identity(file);
    if (identity.empty()) return false;
    {
        std::scoped_lock lock(mutex_);
        if (auto mark = unwritten_.find(name.Text()); mark != unwritten_.end()) return mark->second == identity;
    }
    try {
        return ReadWholeFile(pushed_ / name.Text()) == identity;
    } catch (const Error &) {    // there is none
        return false;
    }
}

bool WalSpool::TakePushed(const WalFileName &name, const std::filesystem::path &file) {
    bool pushed = IsPushed(name, file);
    {
        std::scoped_lock lock(mutex_);
        unwritten_.erase(name.Text());
    }
    std::error_code ignored;
    std::filesystem::remove(pushed_ / name.Text(), ignored);
    return pushed;
}

std::filesystem::path WalSpool::FetchedFile(const WalFileName &name) {
    MakeFolder(fetched_);
    return fetched_ / name.Text();
}

bool WalSpool::IsFetched(const WalFileName &name) const {
    std::error_code ignored;
    return std::filesystem::exists(fetched_ / name.Text(), ignored);
}

bool WalSpool::IsBeingFetched(const WalFileName &name) const {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entries(fetched_, ignored), none; !ignored && entries != none;
         entries.increment(ignored))
        if (std::string file = entries->path().filename().string(); file.starts_with(name.Text() + ".")) return true;
    return false;
}

bool WalSpool::TakeFetched(const WalFileName &name, const std::filesystem::path &to) {
    if (!IsFetched(name)) return false;
    std::error_code error;
    std::filesystem::remove(to, error);    // a server has done so; replacing it would write it to disk (see above)
    std::filesystem::rename(fetched_ / name.Text(), to, error);
    if (!error) return true;
    if (error.value() == ENOENT && !IsFetched(name)) return false;
    ThrowErrno(error.value(),
               fmt::format("could not move fetched WAL file \"{}\" to \"{}\"", name.Text(), to.string()));
}

void WalSpool::ForgetFetchedBefore(const SegmentName &segment) { RemoveFiles(fetched_, segment.Text()); }

void WalSpool::ForgetFetched() { RemoveFiles(fetched_, {}); }

void WalSpool::NoteAsked(const SegmentName &segment) noexcept {
    try {
        MakeFolder(fetched_);
        WriteAsLink(folder_ / "asked", segment.Text());
    } catch (const std::exception &) {    // nothing is fetched ahead
    }
}

std::optional<SegmentName> WalSpool::Asked() const noexcept {
    try {
        return ParseSegmentName(std::filesystem::read_symlink(folder_ / "asked").string());
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

void WalSpool::NoteFailed(TimePoint now) noexcept {
    try {
        std::optional<Failing> before = Failed();
        MakeFolder(fetched_);
        WriteSmallFile(folder_ / "failed",
                       FormatTime(before ? before->since : now, true) + " " + FormatTime(now, true));
    } catch (const std::exception &) {    // the next call tries
    }
}

std::optional<WalSpool::Failing> WalSpool::Failed() const noexcept {
    try {
        std::string text = ReadWholeFile(folder_ / "failed");
        std::size_t space = std::min(text.find(' '), text.size());
        return Failing{ParseTime(text.substr(0, space)), ParseTime(text.substr(std::min(space + 1, text.size())))};
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

void WalSpool::ForgetFailed() noexcept {
    std::error_code ignored;
    std::filesystem::remove(folder_ / "failed", ignored);
}

std::filesystem::path WalSpool::AwayFile(std::string_view store) const {
    return folder_ / ("away." + HexEncode(Sha256(AsBytes(store))).substr(0, kDigits));
}

void WalSpool::NoteAway(std::string_view store, TimePoint now) noexcept {
    try {
        MakeFolder(fetched_);
        WriteSmallFile(AwayFile(store), FormatTime(now, true));
    } catch (const std::exception &) {    // the next call finds out by itself
    }
}

bool WalSpool::IsAway(std::string_view store, TimePoint now) const noexcept {
    try {
        TimePoint noted = ParseTime(ReadWholeFile(AwayFile(store)));
        return noted <= now && now - noted < kBelievedAway;
    } catch (const std::exception &) {
        return false;
    }
}

void WalSpool::ForgetAway(std::string_view store) noexcept {
    try {
        std::error_code ignored;
        std::filesystem::remove(AwayFile(store), ignored);
    } catch (const std::exception &) {    // it is believed for a while longer
    }
}

std::optional<Fd> WalSpool::LockFetching() { return Lock("fetching.lock"); }

std::optional<Fd> WalSpool::LockShipping() { return Lock("shipping.lock"); }

std::optional<Fd> WalSpool::LockCopying() { return Lock("copying.lock"); }

std::optional<Fd> WalSpool::Lock(const char *name) {
    MakeFolder(fetched_);
    std::filesystem::path lock = folder_ / name;
    Fd file = OpenFile(lock, O_RDWR | O_CREAT);
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno == EWOULDBLOCK) return std::nullopt;
    ThrowErrno(errno, fmt::format("could not lock \"{}\"", lock.string()));
}

}    // namespace ark
