#include "physical/restore_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/encoding.h"
#include "base/file.h"
#include "physical/base_files.h"
#include "repo/frame_stream.h"

namespace ark {
namespace {

constexpr std::size_t kReadsAhead = 2;
constexpr std::string_view kFiles = "file/";
constexpr std::string_view kWhat = "an entry of a base backup";

// A piece that is being written.
struct Target {
    Fd file;    // open while its frames come: many more pieces than that are read ahead
    std::string name;
    std::uint64_t at = 0, length = 0, unit = 0;    // of the piece in the file
    Piece piece;
    std::size_t frames_left = 0;
};

void WriteAt(const Target &target, std::uint64_t at, ByteView bytes) {
    while (!bytes.empty()) {
        ssize_t n = pwrite(target.file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) ThrowErrno(errno, fmt::format("could not write file \"{}\"", target.name));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
}

// Every place of the piece that the frame fills.
void WriteFrame(const Target &target, std::size_t frame, ByteView plain) {
    std::uint64_t unit_at = 0;
    for (const UnitRun &run : target.piece.map) {
        if (run.frame == frame) {
            std::uint64_t begin = unit_at * target.unit,
                          end = std::min((unit_at + run.units) * target.unit, target.length);
            WriteAt(target, target.at + begin, plain.subspan(run.first * target.unit, end - begin));
        }
        unit_at += run.units;
    }
}

class FileRestorer {
public:
    FileRestorer(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                 Ticker &ticker, Log &log)
        : request_(request),
          frames_(std::move(frames)),
          cursor_(frames_, TreeRootFromJson(backup.body.at("tree"))),
          ticker_(ticker),
          log_(log) {
        progress_.phase = "files";
        progress_.total_bytes = JsonNumber(backup.body, "plain_bytes", kWhat);
        progress_.total_items = JsonNumber(backup.body, "files", kWhat);
        cursor_.Seek(kFiles);
    }

    FilesRestored Run() {
        std::exception_ptr failure;
        {
            std::vector<std::jthread> threads;
            auto run = [&] {
                try {
                    WriteAll();
                } catch (...) {    // carried to the caller's thread
                    std::scoped_lock lock(mutex_);
                    if (!failure) failure = std::current_exception();
                    ticker_.Stop();
                }
            };
            for (int i = 1; i < request_.jobs; i++) threads.emplace_back(run);
            run();
        }
        if (failure) std::rethrow_exception(failure);
        return restored_;
    }

private:
    // One thread's share: its own pieces, whose frames are read ahead across them.
    void WriteAll() {
        std::mutex mutex;    // the stream asks for frames in threads of its own
        std::unordered_map<std::size_t, Target> targets;
        std::deque<WantedFrame> wanted;
        std::size_t next_of = 0;
        FrameStream stream(
            *frames_,
            [&]() -> std::optional<WantedFrame> {
                std::scoped_lock lock(mutex);
                while (wanted.empty()) {
                    std::optional<Target> target = NextTarget();
                    if (!target) return std::nullopt;
                    for (const FrameRef &frame : target->piece.frames) wanted.push_back({frame, next_of});
                    targets.emplace(next_of++, std::move(*target));
                }
                WantedFrame frame = wanted.front();
                wanted.pop_front();
                return frame;
            },
            kReadsAhead);
        while (std::optional<TakenFrame> taken = stream.Take()) {
            ticker_.Check();
            Target *target = nullptr;
            {
                std::scoped_lock lock(mutex);
                target = &targets.at(taken->of);
            }
            if (!target->file) target->file = OpenFile(target->name, O_WRONLY);
            WriteFrame(*target, target->piece.frames.size() - target->frames_left, taken->plain);
            if (--target->frames_left > 0) continue;
            Wrote(*target);
            std::scoped_lock lock(mutex);
            targets.erase(taken->of);
        }
    }

    // The next piece with frames; directories and files are made on the way to it.
    std::optional<Target> NextTarget() {
        std::scoped_lock lock(mutex_);
        for (; cursor_.Current() && cursor_.Path().starts_with(kFiles); cursor_.Next()) {
            ticker_.Check();
            std::string path = cursor_.Path().substr(kFiles.size());
            const Json &entry = *cursor_.Current();
            if (path.ends_with('/')) {
                MakeDirectory(path, entry);
            } else if (std::size_t hash = path.find('#'); hash == std::string::npos) {
                MakeFile(path, entry);
            } else {
                Target target = Open(path, hash, entry);
                cursor_.Next();
                return target;
            }
        }
        CheckIsWhole();
        return std::nullopt;
    }

    // Names of a backup stay below the directory that is restored.
    std::filesystem::path PathOf(std::string_view encoded) const {
        std::filesystem::path path = request_.pgdata;
        while (!encoded.empty()) {
            std::size_t slash = encoded.find('/');
            std::string part = PercentDecode(encoded.substr(0, slash));
            if (part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos ||
                part.find('\0') != std::string::npos)
                throw Error(Code::kCorrupt,
                            fmt::format("a base backup has a file with the impossible name \"{}\"", encoded));
            path /= part;
            encoded.remove_prefix(slash == std::string_view::npos ? encoded.size() : slash + 1);
        }
        return path;
    }

    void MakeDirectory(const std::string &path, const Json &entry) {
        std::filesystem::path directory = PathOf(path.substr(0, path.size() - 1));
        if (directory.parent_path() == request_.pgdata / "pg_tblspc" && LinkTablespace(directory)) return;
        auto mode = static_cast<mode_t>(JsonNumber(entry, "mode", kWhat)) & 07777;
        if (mkdir(directory.c_str(), 0700) != 0 && !(errno == EEXIST && IsPlaceOfTablespace(directory)))
            ThrowErrno(errno, fmt::format("could not make directory \"{}\"", directory.string()));
        if (chmod(directory.c_str(), mode | 0700) != 0)
            ThrowErrno(errno, fmt::format("could not set the mode of \"{}\"", directory.string()));
    }

    // False for one that lay in pg_tblspc itself (allow_in_place_tablespaces).
    bool LinkTablespace(const std::filesystem::path &link) {
        for (const auto &[oid, directory] : request_.tablespaces) {
            if (link.filename() != std::to_string(oid)) continue;
            std::filesystem::create_directory_symlink(directory, link);
            return true;
        }
        return false;
    }

    // One inside the data directory, which is made before what is around it.
    bool IsPlaceOfTablespace(const std::filesystem::path &directory) const {
        for (const auto &[oid, place] : request_.tablespaces)
            if (place == directory) return true;
        return false;
    }

    // All of its pieces came: what is missing in a file that has its length would be zeros.
    void CheckIsWhole() const {
        if (pieces_ * kPieceSize < current_.file.facts.size)
            throw Error(Code::kCorrupt, fmt::format("a base backup has {} pieces of \"{}\", too few for {} bytes",
                                                    pieces_, current_.path, current_.file.facts.size));
    }

    void MakeFile(const std::string &path, const Json &entry) {
        CheckIsWhole();
        BaseFile file = FileFromEntry(entry);
        std::filesystem::path name = PathOf(path);
        Fd made = OpenFile(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fchmod(made.get(), static_cast<mode_t>(file.facts.mode) | 0600) != 0 ||
            ftruncate(made.get(), static_cast<off_t>(file.facts.size)) != 0)
            ThrowErrno(errno, fmt::format("could not make file \"{}\"", name.string()));
        current_ = {path, file};
        pieces_ = 0;
        restored_.files++;
        progress_.done_items++;
    }

    Target Open(const std::string &path, std::size_t hash, const Json &entry) {
        if (path.substr(0, hash) != current_.path)
            throw Error(Code::kCorrupt, fmt::format("a base backup has a piece of \"{}\" without the file", path));
        std::uint64_t number = 0;
        for (char c : path.substr(hash + 1)) number = number * 10 + static_cast<std::uint64_t>(c - '0');
        if (number != pieces_++ || number * kPieceSize >= current_.file.facts.size ||
            PiecePath(current_.path, number) != path)
            throw Error(Code::kCorrupt, fmt::format("a base backup has the impossible piece \"{}\"", path));
        Target target;
        target.name = PathOf(current_.path).string();
        target.unit = current_.file.unit;
        target.at = number * kPieceSize;
        target.length = PieceLength(current_.file.facts.size, number);
        target.piece = PieceFromEntry(entry, target.length, target.unit);
        target.frames_left = target.piece.frames.size();
        return target;
    }

    void Wrote(const Target &target) {
        std::scoped_lock lock(mutex_);
        restored_.bytes += target.length;
        progress_.done_bytes = restored_.bytes;
        progress_.current = target.name;
        log_.Report(progress_);
    }

    struct CurrentFile {
        std::string path;    // encoded, of its entry
        BaseFile file;
    };

    const FilesRestore &request_;
    std::shared_ptr<FrameReader> frames_;
    std::mutex mutex_;    // the tree, and what is told
    TreeCursor cursor_;
    CurrentFile current_;
    std::uint64_t pieces_ = 0;    // of it, so far
    StoppableTicker ticker_;
    Log &log_;
    Progress progress_;
    FilesRestored restored_;
};

void SyncFileSystem(const std::filesystem::path &directory) {
    Fd fd = OpenFile(directory, O_RDONLY | O_DIRECTORY);
    if (syncfs(fd.get()) != 0) ThrowErrno(errno, fmt::format("could not force \"{}\" to disk", directory.string()));
}

}    // namespace

FilesRestored RestoreFiles(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                           Ticker &ticker, Log &log) {
    return FileRestorer(request, backup, std::move(frames), ticker, log).Run();
}

void FinishFiles(const FilesRestore &request, ByteView pg_control) {
    std::filesystem::create_directories(request.pgdata / "pg_wal" / "archive_status");
    for (const auto &[oid, directory] : request.tablespaces) SyncFileSystem(directory);
    SyncFileSystem(request.pgdata);
    WriteFileAtomically(request.pgdata / "global" / "pg_control", pg_control, 0600);
}

Bytes SmallContent(const Manifest &backup, const std::shared_ptr<FrameReader> &frames, const std::string &path) {
    TreeCursor cursor(frames, TreeRootFromJson(backup.body.at("tree")));
    cursor.Seek(path);
    Bytes content;
    if (!cursor.Current() || cursor.Path() != path) return content;
    for (const Json &frame : cursor.Current()->at("frames")) Append(content, frames->Read(FrameRefFromJson(frame)));
    return content;
}

std::map<std::uint32_t, std::string> TablespacesOfBackup(const Manifest &backup,
                                                         const std::shared_ptr<FrameReader> &frames) {
    constexpr std::string_view kTablespace = "tablespace/";
    TreeCursor cursor(frames, TreeRootFromJson(backup.body.at("tree")));
    std::map<std::uint32_t, std::string> out;
    for (cursor.Seek(kTablespace); cursor.Current() && cursor.Path().starts_with(kTablespace); cursor.Next())
        out[static_cast<std::uint32_t>(std::stoul(cursor.Path().substr(kTablespace.size())))] =
            JsonString(*cursor.Current(), "location", kWhat);
    return out;
}

}    // namespace ark
