// The files of an earlier backup that a new one compares with, asked for in ascending order of their paths. One thread uses it.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "physical/piece.h"
#include "repo/backup_session.h"

namespace ark {

// What the file system said of a file when it was read.
struct FileFacts {
    std::uint64_t size = 0;
    std::uint32_t mode = 0;
    std::int64_t mtime = 0, ctime = 0;    // microseconds since 1970
    std::uint64_t inode = 0;
    bool operator==(const FileFacts &) const = default;
};

FileFacts FactsOf(const struct stat &info);

constexpr std::string_view kFiles = "file/";    // before the path of each

struct BasePiece {
    Json entry;
    Piece piece;
};

struct BaseFile {
    FileFacts facts;
    std::uint64_t unit = 0;
};

Json FileEntry(const std::string &path, const FileFacts &facts, std::uint64_t unit);
BaseFile FileFromEntry(const Json &entry);    // throws kCorrupt
std::string PiecePath(const std::string &file_path, std::uint64_t number);
std::uint64_t PieceLength(std::uint64_t file_size, std::uint64_t number);

// Where the list of its files turns out to be damaged, nothing more of it is used: a warning says so.
class BaseFiles {
public:
    // The first entry whose path is `path` or behind it, nullptr if there is none; asked in ascending order.
    using SkipTo = std::function<const Json *(std::string_view path)>;
    BaseFiles(BackupId backup, SkipTo skip_to, Log &log)
        : backup_(std::move(backup)), skip_to_(std::move(skip_to)), log_(&log) {}

    std::optional<BaseFile> File(const std::string &path);
    // A piece of the file that was asked for last.
    std::optional<BasePiece> PieceOf(const std::string &path, const BaseFile &file, std::uint64_t number);

private:
    template <class Ask>
    auto Guarded(Ask ask) -> decltype(ask());
    const Json *At(const std::string &path);

    BackupId backup_;
    SkipTo skip_to_;    // none: it is damaged
    Log *log_;
};

}    // namespace ark
