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

template <class Ask>
auto BaseFiles::Guarded(Ask ask) -> decltype(ask()) {
    if (!skip_to_) return {};
    try {
        return ask();
    } catch (const Error &error) {
        if (error.code != Code::kCorrupt && error.code != Code::kNotFound) throw;
        log_->Warn(fmt::format("the list of files of backup {} is damaged, so the rest is stored afresh: {}", backup_,
                               error.message));
        skip_to_ = nullptr;
        return {};
    }
}

const Json *BaseFiles::At(const std::string &path) {
    const Json *entry = skip_to_(path);
    return entry && entry->at("path").get_ref<const std::string &>() == path ? entry : nullptr;
}

std::optional<BaseFile> BaseFiles::File(const std::string &path) {
    return Guarded([&]() -> std::optional<BaseFile> {
        const Json *entry = At(path);
        return entry ? std::optional(FileFromEntry(*entry)) : std::nullopt;
    });
}

std::optional<BasePiece> BaseFiles::PieceOf(const std::string &path, const BaseFile &file, std::uint64_t number) {
    return Guarded([&]() -> std::optional<BasePiece> {
        if (number * kPieceSize >= file.facts.size) return std::nullopt;
        const Json *entry = At(PiecePath(path, number));
        if (!entry) return std::nullopt;
        return BasePiece{*entry, PieceFromEntry(*entry, PieceLength(file.facts.size, number), file.unit)};
    });
}

}    // namespace ark
