#include "physical/restore_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/encoding.h"
#include "base/file.h"
#include "pgdata/crc32c.h"
#include "physical/base_files.h"
#include "physical/direct_writer.h"
#include "physical/piece_restore.h"
#include "repo/frame_stream.h"

namespace ark {
namespace {

constexpr std::size_t kReadsAhead = 2;
constexpr std::uint64_t kWorthAllocating = 1 << 20;
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 44;
constexpr std::string_view kWhat = "an entry of a base backup";

// A file whose pieces are being written.
struct FileInHand {
    std::string path, name;    // relative, and in full
    BaseFile file;
    bool compared = false;                // it was there
    std::vector<std::uint32_t> pieces;    // their checksums
    std::size_t pieces_left = 0;
};

// A piece that is being written.
struct Target {
    DirectWriter file;    // open while its frames come: many more pieces than that are read ahead
    std::shared_ptr<FileInHand> of;
    std::uint64_t number = 0;
    PieceRestore piece;
};

// What follows in a file goes to the disk together: it takes 1 MiB at once in three quarters of the time of 256 KiB four times.
constexpr std::size_t kWrittenTogether = 1 << 20, kFramesTogether = 8;

// Frames of one target that are not written yet.
struct Row {
    void Add(Target &target, TakenFrame frame, const DirectBuffer &buffer) {
        frames.push_back(std::move(frame));
        target.piece.Take(frames.back().plain, [&](std::uint64_t from, ByteView bytes) {
            from += target.number * kPieceSize;
            if (from != at + size) Write(target, buffer);
            if (parts.empty()) at = from;
            parts.push_back(bytes);
            size += bytes.size();
        });
    }
    void Write(Target &target, const DirectBuffer &buffer) {
        target.file.Write(at, parts, buffer);
        parts.clear();
        size = 0;
    }
    void WriteAll(Target &target, const DirectBuffer &buffer) {
        Write(target, buffer);
        frames.clear();
    }
    bool full() const { return size >= kWrittenTogether || frames.size() >= kFramesTogether; }

    std::vector<TakenFrame> frames;    // whose memory it is
    std::vector<ByteView> parts;
    std::uint64_t at = 0;
    std::size_t size = 0;
};

// What the file has not counts as zeros: it is made longer with such.
void ReadAt(int fd, const Target &target, std::uint64_t at, MutableBytes to) {
    at += target.number * kPieceSize;
    while (!to.empty()) {
        ssize_t n = pread(fd, to.data(), to.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) ThrowErrno(errno, fmt::format("could not read file \"{}\"", target.of->name));
        if (n == 0) break;
        to = to.subspan(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    std::ranges::fill(to, std::byte{0});
}

class FileRestorer {
public:
    FileRestorer(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                 Ticker &ticker, Log &log, const std::function<void(const RestoredFile &)> &whole)
        : request_(request),
          frames_(std::move(frames)),
          cursor_(frames_, TreeRootFromJson(backup.body.at("tree"))),
          ticker_(ticker),
          log_(log),
          whole_(whole) {
        progress_.phase = request.pretend ? "compare" : "files";
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
        std::mutex mutex;    // the stream asks for frames in threads of its own, one at a time
        std::unordered_map<std::size_t, Target> targets;
        std::deque<WantedFrame> wanted;    // of the asking thread alone
        std::size_t next_of = 0;
        FrameStream stream(
            *frames_,
            [&]() -> std::optional<WantedFrame> {
                while (wanted.empty()) {
                    std::optional<Target> target = NextTarget();
                    if (!target) return std::nullopt;
                    Compare(*target);
                    std::vector<FrameRef> frames = target->piece.WantedFrames();
                    Count(target->piece, frames);
                    if (frames.empty() || request_.pretend) {
                        Wrote(*target);
                        continue;
                    }
                    for (FrameRef &frame : frames) wanted.push_back({std::move(frame), next_of});
                    std::scoped_lock lock(mutex);
                    targets.emplace(next_of++, std::move(*target));
                }
                WantedFrame frame = std::move(wanted.front());
                wanted.pop_front();
                return frame;
            },
            kReadsAhead);
        DirectBuffer buffer;
        Row row;
        while (std::optional<TakenFrame> taken = stream.Take()) {
            ticker_.Check();
            const std::size_t of = taken->of;
            Target *target = nullptr;
            {
                std::scoped_lock lock(mutex);
                target = &targets.at(of);
            }
            if (!target->file) target->file = DirectWriter(target->of->name);
            row.Add(*target, std::move(*taken), buffer);
            if (row.full() || target->piece.HasAll()) row.WriteAll(*target, buffer);
            if (!target->piece.HasAll()) continue;
            target->file.BeginToForce(target->number * kPieceSize, target->piece.length());
            Wrote(*target);
            std::scoped_lock lock(mutex);
            targets.erase(of);
        }
    }

    // The next piece; directories and files are made on the way to it.
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

    void Compare(Target &target) {
        if (!target.of->compared) return;
        ticker_.Check();
        Fd file = OpenFile(target.of->name, O_RDONLY | O_NOFOLLOW);
        std::uint64_t at = target.number * kPieceSize;
        posix_fadvise(file.get(), static_cast<off_t>(at), static_cast<off_t>(target.piece.length()),
                      POSIX_FADV_SEQUENTIAL);
        target.piece.Compare(*request_.compare,
                             [&](std::uint64_t from, MutableBytes to) { ReadAt(file.get(), target, from, to); });
        std::scoped_lock lock(mutex_);
        restored_.read += target.piece.length();
    }

    void Count(const PieceRestore &piece, const std::vector<FrameRef> &frames) {
        std::scoped_lock lock(mutex_);
        restored_.written += piece.BytesToWrite();
        for (const FrameRef &frame : frames) restored_.fetched += frame.stored;
    }

    std::filesystem::path PathOf(std::string_view encoded) const { return request_.pgdata / PlainPath(encoded); }

    void MakeDirectory(const std::string &path, const Json &entry) {
        if (request_.pretend) return;
        std::filesystem::path directory = PathOf(path.substr(0, path.size() - 1));
        if (directory.parent_path() == request_.pgdata / "pg_tblspc" && LinkTablespace(directory)) return;
        auto mode = static_cast<mode_t>(JsonNumber(entry, "mode", kWhat)) & 07777;
        if (mkdir(directory.c_str(), 0700) != 0 && !(errno == EEXIST && MayBeThere(directory)))
            ThrowErrno(errno, fmt::format("could not make directory \"{}\"", directory.string()));
        if (chmod(directory.c_str(), mode | 0700) != 0)
            ThrowErrno(errno, fmt::format("could not set the mode of \"{}\"", directory.string()));
    }

    // pg_wal may be a link to another file system, which stays.
    bool MayBeThere(const std::filesystem::path &directory) const {
        if (!request_.compare) return IsPlaceOfTablespace(directory);
        return directory == request_.pgdata / "pg_wal"
                   ? std::filesystem::is_directory(directory)
                   : std::filesystem::symlink_status(directory).type() == std::filesystem::file_type::directory;
    }

    // False for one that lay in pg_tblspc itself (allow_in_place_tablespaces).
    bool LinkTablespace(const std::filesystem::path &link) {
        for (const auto &[oid, directory] : request_.tablespaces) {
            if (link.filename() != std::to_string(oid)) continue;
            if (std::filesystem::is_symlink(link)) {
                if (std::filesystem::read_symlink(link) == directory) return true;
                std::filesystem::remove(link);
            }
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
        if (current_ && pieces_ < current_->pieces.size())
            throw Error(Code::kCorrupt, fmt::format("a base backup has {} pieces of \"{}\", too few for {} bytes",
                                                    pieces_, current_->path, current_->file.facts.size));
    }

    void MakeFile(const std::string &path, const Json &entry) {
        CheckIsWhole();
        auto made = std::make_shared<FileInHand>();
        made->file = FileFromEntry(entry);
        if (made->file.facts.size > kLargestFile)
            throw Error(Code::kCorrupt,
                        fmt::format("a base backup has \"{}\" with impossible {} bytes", path, made->file.facts.size));
        made->path = PlainPath(path);
        made->name = (request_.pgdata / made->path).string();
        made->compared = request_.compare && IsThere(made->name);
        made->pieces.resize((made->file.facts.size + kPieceSize - 1) / kPieceSize);
        made->pieces_left = made->pieces.size();
        if (!request_.pretend) MakeItsSize(*made);
        encoded_ = path;
        current_ = made;
        pieces_ = 0;
        restored_.files++;
        progress_.done_items++;
        if (made->pieces.empty() && whole_) whole_({made->path, 0, ModifiedOf(*made), 0});
    }

    // A file that other directories have too, as a hard link, is left to them.
    bool IsThere(const std::string &name) const {
        struct stat info {};
        if (lstat(name.c_str(), &info) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return false;
            ThrowErrno(errno, fmt::format("could not look at \"{}\"", name));
        }
        if (S_ISREG(info.st_mode) && info.st_nlink == 1) return true;
        if (!request_.pretend && unlink(name.c_str()) != 0)
            ThrowErrno(errno, fmt::format("could not remove \"{}\"", name));
        return false;
    }

    void MakeItsSize(const FileInHand &made) {
        // A key file may be there for reading only; what cannot be changed is told by the opening.
        if (made.compared) static_cast<void>(chmod(made.name.c_str(), 0600));
        Fd file = OpenFile(made.name, O_WRONLY | O_NOFOLLOW | (made.compared ? 0 : O_CREAT | O_EXCL), 0600);
        if (fchmod(file.get(), static_cast<mode_t>(made.file.facts.mode) | 0600) != 0 ||
            ftruncate(file.get(), static_cast<off_t>(made.file.facts.size)) != 0)
            ThrowErrno(errno, fmt::format("could not make file \"{}\"", made.name));
        // In one piece on the disk, and known to fit; a file system that cannot tell is one that cannot.
        if (!made.compared && made.file.facts.size >= kWorthAllocating &&
            fallocate(file.get(), 0, 0, static_cast<off_t>(made.file.facts.size)) != 0 && errno == ENOSPC)
            ThrowErrno(errno, fmt::format("could not make file \"{}\"", made.name));
    }

    static TimePoint ModifiedOf(const FileInHand &file) { return TimePoint(Duration(file.file.facts.mtime)); }

    Target Open(const std::string &path, std::size_t hash, const Json &entry) {
        if (!current_ || path.substr(0, hash) != encoded_)
            throw Error(Code::kCorrupt, fmt::format("a base backup has a piece of \"{}\" without the file", path));
        std::uint64_t number = pieces_++;
        if (number >= current_->pieces.size() || PiecePath(encoded_, number) != path)
            throw Error(Code::kCorrupt, fmt::format("a base backup has the impossible piece \"{}\"", path));
        std::uint64_t length = PieceLength(current_->file.facts.size, number), unit = current_->file.unit;
        return Target{DirectWriter(), current_, number,
                      PieceRestore(PieceFromEntry(entry, length, unit), length, unit)};
    }

    void Wrote(const Target &target) {
        std::uint32_t crc = request_.pretend ? 0 : target.piece.Crc();
        std::scoped_lock lock(mutex_);
        FileInHand &file = *target.of;
        file.pieces[target.number] = crc;
        if (--file.pieces_left == 0 && whole_) whole_(Whole(file));
        restored_.bytes += target.piece.length();
        progress_.done_bytes = restored_.bytes;
        progress_.current = file.name;
        log_.Report(progress_);
    }

    static RestoredFile Whole(const FileInHand &file) {
        std::uint32_t crc = 0;
        for (std::size_t i = 0; i < file.pieces.size(); i++)
            crc = Crc32cOfBoth(crc, file.pieces[i], PieceLength(file.file.facts.size, i));
        return {file.path, file.file.facts.size, ModifiedOf(file), crc};
    }

    const FilesRestore &request_;
    std::shared_ptr<FrameReader> frames_;
    std::mutex mutex_;    // the tree, and what is told
    TreeCursor cursor_;
    std::shared_ptr<FileInHand> current_;    // the one that the cursor is at
    std::string encoded_;                    // its path, as the tree has it
    std::uint64_t pieces_ = 0;               // of it, so far
    StoppableTicker ticker_;
    Log &log_;
    const std::function<void(const RestoredFile &)> &whole_;
    Progress progress_;
    FilesRestored restored_;
};

void SyncFileSystem(const std::filesystem::path &directory) {
    Fd fd = OpenFile(directory, O_RDONLY | O_DIRECTORY);
    if (syncfs(fd.get()) != 0) ThrowErrno(errno, fmt::format("could not force \"{}\" to disk", directory.string()));
}

}    // namespace

FilesRestored RestoreFiles(const FilesRestore &request, const Manifest &backup, std::shared_ptr<FrameReader> frames,
                           Ticker &ticker, Log &log, const std::function<void(const RestoredFile &)> &whole) {
    return FileRestorer(request, backup, std::move(frames), ticker, log, whole).Run();
}

void FinishFiles(const FilesRestore &request, ByteView pg_control) {
    std::filesystem::create_directories(request.pgdata / "pg_wal" / "archive_status");
    for (const auto &[oid, directory] : request.tablespaces) SyncFileSystem(directory);
    SyncFileSystem(request.pgdata);
    WriteFileAtomically(request.pgdata / "global" / "pg_control", pg_control, 0600);
}

std::string PlainPath(std::string_view encoded) {
    std::string path;
    while (!encoded.empty()) {
        std::size_t slash = encoded.find('/');
        std::string part = PercentDecode(encoded.substr(0, slash));
        if (part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos ||
            part.find('\0') != std::string::npos)
            throw Error(Code::kCorrupt,
                        fmt::format("a base backup has a file with the impossible name \"{}\"", encoded));
        path += (path.empty() ? "" : "/") + part;
        encoded.remove_prefix(slash == std::string_view::npos ? encoded.size() : slash + 1);
    }
    return path;
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
