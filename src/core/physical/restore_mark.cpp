#include "physical/restore_mark.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "repo/header.h"

namespace ark {
namespace {

[[noreturn]] void OtherIsAtWork(const std::filesystem::path &pgdata) {
    throw Error(Code::kConflict, fmt::format("another pg_ark restore writes into \"{}\"", pgdata.string()), {},
                "Wait until it has ended.");
}

}    // namespace

std::optional<RestoreMark> ReadRestoreMark(const std::filesystem::path &pgdata) {
    try {
        Json json = ParseJson(ReadWholeFile(pgdata / kRestoreMark), "the mark of a restore");
        return RestoreMark{JsonString(json, "cluster", kRestoreMark), JsonString(json, "backup", kRestoreMark)};
    } catch (const Error &error) {
        if (error.code == Code::kNotFound || error.code == Code::kCorrupt) return std::nullopt;
        throw;
    }
}

RestoreMarkFile::RestoreMarkFile(const std::filesystem::path &pgdata, const RestoreMark &mark) : pgdata_(pgdata) {
    std::filesystem::path path = pgdata / kRestoreMark;
    file_ = OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) OtherIsAtWork(pgdata);
        ThrowErrno(errno, fmt::format("could not lock \"{}\"", path.string()));
    }
    struct stat info {};
    if (fstat(file_.get(), &info) == 0 && info.st_nlink == 0) OtherIsAtWork(pgdata);    // it has just finished
    std::string text = JsonText({{"what", "an unfinished restore by pg_ark; the same command again goes on with it"},
                                 {"cluster", mark.cluster},
                                 {"backup", mark.backup}}) +
                       "\n";
    if (ftruncate(file_.get(), 0) != 0) ThrowErrno(errno, fmt::format("could not write \"{}\"", path.string()));
    WriteAll(file_.get(), AsBytes(text), path.string());
    SyncFile(file_.get(), path.string());
    SyncDirectory(pgdata);
}

void RestoreMarkFile::Remove() {
    std::filesystem::remove(pgdata_ / kRestoreMark);
    SyncDirectory(pgdata_);
}

}    // namespace ark
