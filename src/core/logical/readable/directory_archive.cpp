// A pg_dump directory archive: toc.dat and one data file a table or large object.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "logical/entries.h"
#include "logical/readable.h"
#include "logical/readable/schema_file.h"
#include "pgdata/dump_archive_data.h"

namespace ark {
namespace {

namespace fs = std::filesystem;

// A data file, compressed whole or not. Closed and synced by Finish().
class DataFile {
public:
    DataFile(const fs::path &path, int gzip_level)
        : name_(path.string()), fd_(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL)) {
        if (gzip_level == 0) return;
        int copy = dup(fd_.get());
        gzip_ = copy < 0 ? nullptr : gzdopen(copy, fmt::format("wb{}", gzip_level).c_str());
        if (!gzip_) ThrowErrno(errno, fmt::format("could not compress into \"{}\"", name_));
    }
    ~DataFile() {
        if (gzip_) gzclose(gzip_);
    }
    void Write(ByteView bytes) {
        if (!gzip_) return WriteAll(fd_.get(), bytes, name_);
        while (!bytes.empty()) {
            ByteView part = bytes.first(std::min<std::size_t>(bytes.size(), 1 << 20));
            if (gzwrite(gzip_, part.data(), static_cast<unsigned>(part.size())) != static_cast<int>(part.size()))
                ThrowErrno(errno ? errno : EIO, fmt::format("could not write \"{}\"", name_));
            bytes = bytes.subspan(part.size());
        }
    }
    std::uint64_t Finish() {
        if (gzip_ && gzclose(std::exchange(gzip_, nullptr)) != Z_OK)
            ThrowErrno(errno ? errno : EIO, fmt::format("could not finish \"{}\"", name_));
        SyncFile(fd_.get(), name_);
        struct stat info;
        if (fstat(fd_.get(), &info) != 0) ThrowErrno(errno, fmt::format("could not look at \"{}\"", name_));
        return static_cast<std::uint64_t>(info.st_size);
    }

private:
    std::string name_;
    Fd fd_;
    gzFile gzip_ = nullptr;
};

// Tables that one thread writes, read together.
constexpr std::size_t kBatchTables = 1000;
constexpr std::uint64_t kBatchBytes = 64 << 20;

struct TableFile {
    BackupTable table;
    std::string file;
};

class ArchiveWriter {
public:
    ArchiveWriter(BackupReader &backup, fs::path directory, int gzip_level, int jobs, Ticker &ticker, Log &log)
        : backup_(backup),
          directory_(std::move(directory)),
          gzip_level_(gzip_level),
          jobs_(jobs),
          ticker_(ticker),
          log_(log),
          schema_(backup) {}

    ArchiveResult Write() {
        Progress progress;
        progress.phase = "export";
        progress.total_bytes = backup_.manifest().body.value("plain_bytes", std::uint64_t{0});
        progress_ = progress;
        WriteToc();
        WriteTables();
        for (const auto &[file, oids] : lists_) WriteLargeObjects(file, oids);
        SyncDirectory(directory_);
        result_.bytes = bytes_;
        result_.rows = rows_;
        return result_;
    }

private:
    std::string Suffix() const { return gzip_level_ > 0 ? ".gz" : ""; }

    void WriteToc() {
        std::map<std::int32_t, std::vector<std::uint32_t>> created;    // by the entry that creates them
        std::vector<std::uint32_t> all;
        DumpArchiveHeader header = DumpArchiveReader(schema_.Open()).Header();
        schema_.ForEach([&](const TocEntry &entry) {
            std::vector<std::uint32_t> oids = LargeObjectsCreated(entry);
            all.insert(all.end(), oids.begin(), oids.end());
            if (!oids.empty()) created[entry.dump_id] = oids;
            std::string file = DataFileName(entry, header.version);
            if (file.empty()) return;
            if (HoldsRows(entry)) {
                files_[{*entry.schema, entry.tag}] = file;
            } else if (entry.description == "BLOBS") {
                if (header.version < kDumpArchive16)
                    lists_[file] = all;
                else
                    for (std::int32_t id : entry.dependencies)
                        if (created.contains(id)) lists_[file] = created[id];
            }
        });
        DataFile toc(directory_ / "toc.dat", 0);
        RewriteDumpArchive([&] { return schema_.Open(); }, DumpArchiveFormat::kDirectory,
                           gzip_level_ > 0 ? DumpCompression::kGzip : DumpCompression::kNone, {},
                           [&](ByteView bytes) { toc.Write(bytes); });
        Done(toc);
    }

    void Done(DataFile &file) {
        std::uint64_t size = file.Finish();
        std::scoped_lock lock(mutex_);
        result_.files++;
        bytes_ += size;
    }

    void Advance(std::uint64_t bytes, const std::string &current) {
        ticker_.Check();
        std::scoped_lock lock(mutex_);
        progress_.done_bytes += bytes;
        progress_.current = current;
        log_.Report(progress_);
    }

    // In path order, in which their rows lie side by side; empty after the last one.
    std::vector<TableFile> NextBatch(TreeCursor &cursor) {
        std::vector<TableFile> batch;
        for (std::uint64_t bytes = 0; batch.size() < kBatchTables && bytes < kBatchBytes;) {
            std::optional<BackupTable> table = BackupReader::NextTable(cursor);
            if (!table) break;
            auto file = files_.find({table->schema, table->name});
            if (file == files_.end()) continue;    // it holds no rows of its own
            bytes += table->bytes;
            batch.push_back({std::move(*table), std::move(file->second)});
            files_.erase(file);
        }
        return batch;
    }

    void WriteTables() {
        TreeCursor cursor = backup_.Entries();
        std::mutex planning;
        bool stopped = false;
        std::exception_ptr failure;
        auto next = [&] {
            std::scoped_lock lock(planning);
            return stopped ? std::vector<TableFile>() : NextBatch(cursor);
        };
        auto work = [&] {
            try {
                for (std::vector<TableFile> batch = next(); !batch.empty(); batch = next()) WriteBatch(batch);
            } catch (...) {    // carried to the thread that asked
                std::scoped_lock lock(planning);
                if (!failure) failure = std::current_exception();
                stopped = true;
            }
        };
        std::vector<std::jthread> threads;
        for (int i = 1; i < jobs_; i++) threads.emplace_back(work);
        work();
        threads.clear();
        if (failure) std::rethrow_exception(failure);
        if (!files_.empty())
            throw Error(Code::kCorrupt, fmt::format("the backup's schema names table \"{}.{}\", and its data do not",
                                                    files_.begin()->first.first, files_.begin()->first.second));
    }

    void WriteBatch(const std::vector<TableFile> &batch) {
        std::vector<std::string> paths;
        for (const TableFile &one : batch) paths.push_back(RowsPath(one.table));
        ContentStream contents = backup_.Contents(std::move(paths));
        for (const auto &[table, name] : batch) {
            DataFile file(directory_ / (name + Suffix()), gzip_level_);
            std::string shown = table.schema + "." + table.name;
            contents.Next([&](ByteView rows) {
                file.Write(rows);
                Advance(rows.size(), shown);
            });
            file.Write(AsBytes(kCopyEnd));
            rows_ += table.rows;
            Done(file);
        }
    }

    void WriteLargeObjects(const std::string &list, std::vector<std::uint32_t> oids) {
        std::ranges::sort(oids);    // the order of their paths
        std::vector<std::string> paths;
        for (std::uint32_t oid : oids) paths.push_back(LargeObjectPath(oid));
        ContentStream contents = backup_.Contents(std::move(paths));
        DataFile names(directory_ / list, 0);
        for (std::uint32_t oid : oids) {
            DataFile object(directory_ / (LargeObjectFileName(oid) + Suffix()), gzip_level_);
            contents.Next([&](ByteView bytes) {
                object.Write(bytes);
                Advance(bytes.size(), "large objects");
            });
            Done(object);
            names.Write(AsBytes(LargeObjectLine(oid)));
        }
        Done(names);
    }

    BackupReader &backup_;
    fs::path directory_;
    int gzip_level_, jobs_;
    Ticker &ticker_;
    Log &log_;
    SchemaFile schema_;
    std::map<std::pair<std::string, std::string>, std::string> files_;    // of schema and table, not written yet
    std::map<std::string, std::vector<std::uint32_t>> lists_;
    std::mutex mutex_;
    Progress progress_;
    ArchiveResult result_;
    std::uint64_t bytes_ = 0;
    std::atomic<std::uint64_t> rows_{0};
};

}    // namespace

ArchiveResult ExportDirectoryArchive(BackupReader &backup, const fs::path &directory, int gzip_level, int jobs,
                                     Ticker &ticker, Log &log) {
    if (gzip_level < 0 || gzip_level > 9)
        throw Error(Code::kInvalidArgument, fmt::format("there is no gzip level {}", gzip_level),
                    "Levels are 0 (not compressed) to 9.");
    fs::path target = directory;
    if (!target.has_filename()) target = target.parent_path();    // "dir/"
    bool empty_there = fs::is_directory(target) && fs::is_empty(target);
    if (fs::exists(target) && !empty_there)
        throw Error(Code::kAlreadyExists,
                    fmt::format("\"{}\" exists already and is not an empty directory", target.string()), {},
                    "Name a directory that does not exist.");
    fs::path beside = target;
    beside += ".part";
    fs::remove_all(beside);
    if (mkdir(beside.c_str(), 0700) != 0)
        ThrowErrno(errno, fmt::format("could not make directory \"{}\"", beside.string()));
    try {
        ArchiveResult result = ArchiveWriter(backup, beside, gzip_level, std::max(jobs, 1), ticker, log).Write();
        if (empty_there) fs::remove(target);
        if (rename(beside.c_str(), target.c_str()) != 0)
            ThrowErrno(errno, fmt::format("could not rename \"{}\" to \"{}\"", beside.string(), target.string()));
        SyncDirectory(target.has_parent_path() ? target.parent_path() : ".");
        return result;
    } catch (const Error &) {
        std::error_code ignored;
        fs::remove_all(beside, ignored);
        throw;
    }
}

}    // namespace ark
