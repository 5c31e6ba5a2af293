// The files of the base that a new backup compares with, asked for in ascending order of their paths. One thread uses it.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

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

// Where the base's tree turns out to be damaged, nothing more of it is used: a warning says so.
class BaseFiles {
public:
    BaseFiles(BackupSession &session, Log &log);    // without a base: every question is answered with nothing

    std::optional<BaseFile> File(const std::string &path);
    // A piece of the file that was asked for last.
    std::optional<BasePiece> PieceOf(const std::string &path, const BaseFile &file, std::uint64_t number);
    TreeWriter::Reuse NodeReuse();
    const Json *body() const {
        return body_.is_object() ? &body_ : nullptr;
    }    // of the base's manifest; null without one

private:
    template <class Ask>
    auto Guarded(Ask ask) -> decltype(ask());

    BackupSession &session_;
    Log &log_;
    Json body_;
    std::optional<TreeRoot> root_;
    std::optional<TreeCursor> cursor_;
};

}    // namespace ark
