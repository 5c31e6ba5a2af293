#include "storage/file_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>

#include "base/encoding.h"
#include "base/error.h"
#include "storage/file_names.h"
#include "storage/store_directory.h"
#include "storage/temporary_file.h"

namespace ark {
namespace {

constexpr std::size_t kBlock = 1 << 20;
constexpr int kPublishTries = 100;

// The path of an object below the root: its folders and its file name.
struct Place {
    explicit Place(std::string_view name) : folders(FileNamesOf(name)), file(std::move(folders.back())) {
        folders.pop_back();
    }
    std::vector<std::string> folders;
    std::string file;
};

class FileReader : public Reader {
public:
    FileReader(const StoreDirectory &directory, Fd fd, std::string name, Range range)
        : directory_(directory), fd_(std::move(fd)), name_(std::move(name)), range_(range) {}

    std::size_t Read(MutableBytes to) override {
        if (range_.length) to = to.first(std::min<std::uint64_t>(to.size(), *range_.length));
        if (to.empty() || range_.offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return 0;
        ssize_t n;
        do n = pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(range_.offset));
        while (n < 0 && errno == EINTR);
        if (n < 0) directory_.Fail(errno, fmt::format("read object \"{}\"", name_));
        range_.offset += static_cast<std::uint64_t>(n);
        if (range_.length) *range_.length -= static_cast<std::uint64_t>(n);
        return static_cast<std::size_t>(n);
    }

private:
    StoreDirectory directory_;
    Fd fd_;
    std::string name_;
    Range range_;
};

class FileStorage : public Storage {
public:
    FileStorage(std::filesystem::path root, Ticker &ticker) : directory_(std::move(root)), ticker_(ticker) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        CheckObjectName(name);
        Place place(name);
        TemporaryFile file(directory_);
        CheckFree(name, place, mode);
        Copy(name, source, file);
        struct stat info = file.Info();
        Publish(name, place, file, mode);
        return {std::string(name), static_cast<std::uint64_t>(info.st_size), ModifiedTime(info)};
    }

    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        CheckObjectName(name);
        Place place(name);
        FolderChain chain = directory_.Open(place.folders);
        struct stat found;
        if (chain.empty() || !directory_.Look(chain.back(), place.file, found) || S_ISDIR(found.st_mode))
            return nullptr;
        Fd fd(openat(chain.back().get(), place.file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!fd && errno == ENOENT) return nullptr;
        if (!fd) directory_.Fail(errno, fmt::format("open object \"{}\"", name));
        return std::make_unique<FileReader>(directory_, std::move(fd), std::string(name), range);
    }

    std::optional<ObjectInfo> Stat(std::string_view name) override {
        CheckObjectName(name);
        Place place(name);
        FolderChain chain = directory_.Open(place.folders);
        struct stat found;
        if (chain.empty() || !directory_.Look(chain.back(), place.file, found) || S_ISDIR(found.st_mode))
            return std::nullopt;
        return ObjectInfo{std::string(name), static_cast<std::uint64_t>(found.st_size), ModifiedTime(found)};
    }

    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        std::size_t slash = prefix.rfind('/');
        std::string path(prefix.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
        std::vector<std::string> folders;
        if (!path.empty()) folders = FileNamesOf(std::string_view(path).substr(0, path.size() - 1));
        FolderChain chain = directory_.Open(folders);
        if (!chain.empty()) ListFolder(chain.back(), path, prefix, visit);
    }

    std::vector<std::string> Folders(std::string_view prefix) override {
        std::vector<std::string> path, found;
        if (!prefix.empty()) path = FileNamesOf(prefix.substr(0, prefix.size() - 1));
        FolderChain chain = directory_.Open(path);
        if (chain.empty()) return found;
        for (const std::string &entry : Entries(chain.back(), std::string(prefix), prefix))
            if (entry.ends_with('/')) found.push_back(entry.substr(0, entry.size() - 1));
        std::ranges::sort(found);
        return found;
    }

    void Remove(const std::vector<std::string> &names) override {
        for (const std::string &name : names) CheckObjectName(name);
        std::set<std::vector<std::string>> touched;
        std::optional<Error> first;
        std::size_t failed = 0;
        for (const std::string &name : names) {
            ticker_.Check();
            Place place(name);
            try {
                FolderChain chain = directory_.Open(place.folders);
                if (chain.empty()) continue;
                if (unlinkat(chain.back().get(), place.file.c_str(), 0) == 0)
                    touched.insert(std::move(place.folders));
                else if (errno != ENOENT && errno != EISDIR && errno != ENAMETOOLONG)
                    directory_.Fail(errno, fmt::format("remove object \"{}\"", name));
            } catch (const Error &error) {
                if (error.code == Code::kNotFound) throw;    // the root
                if (failed++ == 0) first = error;
            }
        }
        for (const auto &folders : touched) directory_.Prune(folders);
        if (failed > 1)
            first->detail +=
                fmt::format("; {} other object{} could not be removed either", failed - 1, failed == 2 ? "" : "s");
        if (first) throw *first;
    }

    std::size_t SweepUploads(Duration older_than) override {
        FolderChain chain = directory_.Open(kTemporaryFolder);
        if (chain.empty()) return 0;
        TimePoint limit = ModifiedTime(TemporaryFile(directory_).Info()) - older_than;    // the file system's now
        std::size_t swept = 0;
        directory_.ForEach(chain.back(), [&](const char *name, unsigned char) {
            ticker_.Check();
            struct stat found;
            if (!directory_.Look(chain.back(), name, found) || !S_ISREG(found.st_mode) || ModifiedTime(found) > limit)
                return;
            if (unlinkat(chain.back().get(), name, 0) == 0)
                swept++;
            else if (errno != ENOENT)
                directory_.Fail(errno, fmt::format("remove the abandoned upload \"{}\"", name));
        });
        return swept;
    }

    bool CanBeMade() override { return directory_.CanBeMade(); }
    std::vector<Finding> Inspect() override { return InspectDirectory(directory_.root()); }
    std::string Describe() const override { return "file://" + PercentEncode(directory_.root().string(), true); }

private:
    // Before the copying it saves the trouble where the outcome is clear; link(2) decides.
    void CheckFree(std::string_view name, const Place &place, PutMode mode) {
        FolderChain chain = directory_.Open(place.folders);
        struct stat found;
        if (chain.empty() || !directory_.Look(chain.back(), place.file, found)) return;
        if (S_ISDIR(found.st_mode)) directory_.Fail(EISDIR, fmt::format("write object \"{}\"", name));
        if (mode == PutMode::kUnconditional) return;
        directory_.Sync(chain);    // its writer may have died before: what we call taken must be durable
        throw Error(Code::kAlreadyExists, fmt::format("object \"{}\" exists already", name), Describe());
    }

    void Copy(std::string_view name, Source &source, const TemporaryFile &file) {
        Bytes block(kBlock);
        std::uint64_t size = 0;
        for (;;) {
            ticker_.Check();
            std::size_t n = source.Read(block);
            if (n == 0) break;
            ByteView left = ByteView(block).first(n);
            while (!left.empty()) {
                ssize_t written = write(file.fd(), left.data(), left.size());
                if (written < 0 && errno == EINTR) continue;
                if (written < 0) directory_.Fail(errno, fmt::format("write object \"{}\"", name));
                left = left.subspan(static_cast<std::size_t>(written));
            }
            // The disk works while the source computes, and the fsync below is short.
            sync_file_range(file.fd(), static_cast<off_t>(size), static_cast<off_t>(n), SYNC_FILE_RANGE_WRITE);
            size += n;
        }
        if (fsync(file.fd()) != 0) directory_.Fail(errno, fmt::format("fsync object \"{}\"", name));
        if (size >= kBlock) posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);    // leave the cache to the database
    }

    void Publish(std::string_view name, const Place &place, const TemporaryFile &file, PutMode mode) {
        for (int tries = 0; tries < kPublishTries; tries++) {
            ticker_.Check();
            FolderChain chain = directory_.Make(place.folders);
            if (chain.empty()) continue;    // a Remove pruned a folder in between
            int error = 0;
            if (mode == PutMode::kCreate)
                error = file.LinkTo(chain.back(), place.file);
            else
                error = file.RenameTo(chain.back(), place.file);
            if (error == EEXIST) CheckFree(name, place, mode);    // throws, unless it was removed meanwhile
            if (error == ENOENT || error == EEXIST) continue;
            if (error != 0) directory_.Fail(error, fmt::format("name object \"{}\"", name));
            try {
                directory_.Sync(chain);
            } catch (const Error &) {    // not durable, so it must not be found
                if (mode == PutMode::kCreate) unlinkat(chain.back().get(), place.file.c_str(), 0);
                throw;
            }
            return;
        }
        directory_.Fail(EAGAIN, fmt::format("name object \"{}\", whose folder was removed again and again,", name));
    }

    // What lies in a folder, sorted as full names are: a folder counts with its slash, so that "a-b" comes before "a/c".
    std::vector<std::string> Entries(const Fd &folder, const std::string &path, std::string_view prefix) {
        std::vector<std::string> entries;
        directory_.ForEach(folder, [&](const char *file_name, unsigned char type) {
            std::optional<std::string> part = PartOfFileName(file_name);
            if (!part)
                throw Error(Code::kUnsupported,
                            fmt::format("file \"{}\" in store directory \"{}\" is not an object", path + file_name,
                                        directory_.root().string()),
                            {}, "A store holds only what pg_ark wrote: move the file away.");
            bool is_folder = type == DT_DIR;
            if (type != DT_DIR && type != DT_REG) {
                struct stat found;
                if (!directory_.Look(folder, file_name, found)) return;
                is_folder = S_ISDIR(found.st_mode);
            }
            if (is_folder) *part += '/';
            if ((path + *part).starts_with(prefix)) entries.push_back(std::move(*part));
        });
        std::ranges::sort(entries);
        return entries;
    }

    // False when the visitor has seen enough.
    bool ListFolder(const Fd &folder, const std::string &path, std::string_view prefix,
                    const std::function<bool(const ObjectInfo &)> &visit) {
        for (const std::string &entry : Entries(folder, path, prefix)) {
            ticker_.Check();
            bool is_folder = entry.ends_with('/');
            std::string file_name = FileNameOfPart(is_folder ? entry.substr(0, entry.size() - 1) : entry);
            if (is_folder) {
                Fd next = directory_.OpenFolder(folder, file_name);
                if (next && !ListFolder(next, path + entry, prefix, visit)) return false;
                continue;
            }
            struct stat found;
            if (!directory_.Look(folder, file_name, found) || !S_ISREG(found.st_mode)) continue;    // removed meanwhile
            if (!visit({path + entry, static_cast<std::uint64_t>(found.st_size), ModifiedTime(found)})) return false;
        }
        return true;
    }

    StoreDirectory directory_;
    Ticker &ticker_;
};

}    // namespace

StoragePtr MakeFileStorage(std::string root, Ticker &ticker) {
    return std::make_shared<FileStorage>(std::filesystem::path(std::move(root)), ticker);
}

}    // namespace ark
