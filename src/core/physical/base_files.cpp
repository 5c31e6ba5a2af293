#include "physical/base_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr std::string_view kWhat = "an entry of a file";

std::int64_t Signed(const Json &entry, const char *member) {
    auto at = entry.find(member);
    if (at == entry.end() || !at->is_number_integer())
        throw Error(Code::kCorrupt, fmt::format("{} has no number \"{}\"", kWhat, member));
    return at->get<std::int64_t>();
}

}    // namespace

FileFacts FactsOf(const struct stat &info) {
    auto microseconds = [](const timespec &time) {
        return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
    };
    return {static_cast<std::uint64_t>(info.st_size), info.st_mode & 07777, microseconds(info.st_mtim),
            microseconds(info.st_ctim), info.st_ino};
}

Json FileEntry(const std::string &path, const FileFacts &facts, std::uint64_t unit) {
    return {{"path", path},         {"size", facts.size},   {"mode", facts.mode}, {"mtime", facts.mtime},
            {"ctime", facts.ctime}, {"inode", facts.inode}, {"unit", unit}};
}

BaseFile FileFromEntry(const Json &entry) {
    BaseFile file;
    file.facts.size = JsonNumber(entry, "size", kWhat);
    file.facts.mode = static_cast<std::uint32_t>(JsonNumber(entry, "mode", kWhat));
    file.facts.mtime = Signed(entry, "mtime");
    file.facts.ctime = Signed(entry, "ctime");
    file.facts.inode = JsonNumber(entry, "inode", kWhat);
    file.unit = JsonNumber(entry, "unit", kWhat);
    return file;
}

std::string PiecePath(const std::string &file_path, std::uint64_t number) {
    return fmt::format("{}#{:010}", file_path, number);
}

std::uint64_t PieceLength(std::uint64_t file_size, std::uint64_t number) {
    return std::min(kPieceSize, file_size - number * kPieceSize);
}

BaseFiles::BaseFiles(BackupSession &session, Log &log) : session_(session), log_(log) {
    if (session.bases().empty()) return;
    body_ = session.BaseManifest(session.bases().front()).body;
    root_ = TreeRootFromJson(body_.at("tree"));
    cursor_.emplace(session.frames(), *root_);
}

template <class Ask>
auto BaseFiles::Guarded(Ask ask) -> decltype(ask()) {
    if (!cursor_) return {};
    try {
        return ask();
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt && error.code != Code::kNotFound) throw;
        log_.Warn(fmt::format("the list of files of backup {} is damaged, so the rest is stored afresh: {}",
                              session_.bases().front(), error.message));
        cursor_.reset();
        root_.reset();
        return {};
    }
}

std::optional<BaseFile> BaseFiles::File(const std::string &path) {
    return Guarded([&]() -> std::optional<BaseFile> {
        cursor_->SkipTo(path);
        if (!cursor_->Current() || cursor_->Path() != path) return std::nullopt;
        return FileFromEntry(*cursor_->Current());
    });
}

std::optional<BasePiece> BaseFiles::PieceOf(const std::string &path, const BaseFile &file, std::uint64_t number) {
    return Guarded([&]() -> std::optional<BasePiece> {
        std::string piece = PiecePath(path, number);
        if (number * kPieceSize >= file.facts.size) return std::nullopt;
        cursor_->SkipTo(piece);
        if (!cursor_->Current() || cursor_->Path() != piece) return std::nullopt;
        const Json &entry = *cursor_->Current();
        return BasePiece{entry, PieceFromEntry(entry, PieceLength(file.facts.size, number), file.unit)};
    });
}

TreeWriter::Reuse BaseFiles::NodeReuse() {
    if (!root_) return nullptr;
    return ark::NodeReuse(session_.frames(), *root_, [this](const FrameRef &ref) { return session_.Reference(ref); });
}

}    // namespace ark
