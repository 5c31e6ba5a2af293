// Readable exports as plain objects in the store, under the users' own layout.
#include <fmt/format.h>
#include <zlib.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "logical/readable.h"
#include "repo/layout.h"

namespace ark {
namespace {

constexpr std::size_t kQueued = 8 << 20;    // bytes between the writer of text and the upload

// Text is pushed by one thread and pulled by the driver in another; bounded.
class PushSource : public Source {
public:
    void Push(std::string_view text) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return queued_ < kQueued || failed_; });
        if (failed_) throw Error(Code::kCancelled, "the upload ended early");
        queue_.emplace_back(text);
        queued_ += text.size();
        more_.notify_one();
    }
    void Close(bool failed) {
        std::scoped_lock lock(mutex_);
        (failed ? aborted_ : closed_) = true;
        more_.notify_one();
    }
    void UploadFailed() {
        std::scoped_lock lock(mutex_);
        failed_ = true;
        room_.notify_one();
    }
    std::size_t Read(MutableBytes to) override {
        std::size_t filled = 0;
        std::unique_lock lock(mutex_);
        while (filled < to.size()) {
            more_.wait(lock, [&] { return !queue_.empty() || closed_ || aborted_; });
            if (aborted_) throw Error(Code::kCancelled, "the export ended early");
            if (queue_.empty()) break;
            std::string &front = queue_.front();
            std::size_t n = std::min(to.size() - filled, front.size() - at_);
            std::memcpy(to.data() + filled, front.data() + at_, n);
            filled += n;
            at_ += n;
            queued_ -= n;
            if (at_ == front.size()) {
                queue_.pop_front();
                at_ = 0;
            }
            room_.notify_one();
        }
        return filled;
    }

private:
    std::mutex mutex_;
    std::condition_variable more_, room_;
    std::deque<std::string> queue_;
    std::size_t queued_ = 0, at_ = 0;
    bool closed_ = false, aborted_ = false, failed_ = false;
};

// zlib's gzip stream over a writer.
class GzipWriter {
public:
    explicit GzipWriter(std::function<void(std::string_view)> write) : write_(std::move(write)) {
        if (deflateInit2(&stream_, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            throw Error(Code::kInternal, "could not start gzip");
    }
    ~GzipWriter() { deflateEnd(&stream_); }
    void Write(std::string_view text, int flush = Z_NO_FLUSH) {
        stream_.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
        stream_.avail_in = static_cast<uInt>(text.size());
        char block[64 << 10];
        do {
            stream_.next_out = reinterpret_cast<Bytef *>(block);
            stream_.avail_out = sizeof block;
            deflate(&stream_, flush);
            write_({block, sizeof block - stream_.avail_out});
        } while (stream_.avail_out == 0);
    }
    void Finish() { Write({}, Z_FINISH); }

private:
    std::function<void(std::string_view)> write_;
    z_stream stream_{};
};

std::string Replace(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at; (at = text.find(what)) != std::string::npos;) text.replace(at, what.size(), with);
    return text;
}

std::string KeyOf(std::string_view layout, const std::string &entity, const std::string &database, TimePoint time) {
    std::string stamp = Replace(FormatTime(time).substr(0, 19), ":", "-");    // 2026-01-16T08-00-00
    std::string key = Replace(
        Replace(Replace(Replace(std::string(layout), "{entity}", entity), "{database}", database), "{name}", database),
        "{time}", stamp);
    if (key.find('{') != std::string::npos)
        throw Error(Code::kInvalidArgument, fmt::format("layout \"{}\" has a word in braces that is not known", layout),
                    "The words are {entity}, {database}, {name} and {time}.");
    CheckObjectName(key);
    if (ParseClusterPath(key.substr(0, key.find('/'))))
        throw Error(Code::kInvalidArgument, fmt::format("layout \"{}\" leads into a repository", layout), {},
                    "Let it begin with a name of its own, such as exports/.");
    return key;
}

void RefuseToOverwrite(Storage &storage, const std::string &key) {
    if (storage.Stat(key))
        throw Error(Code::kAlreadyExists, fmt::format("object \"{}\" exists already, and nothing is overwritten", key),
                    "It may be an earlier export of the same backup.",
                    "Let the layout hold {time}, or take a new backup.");
}

std::uint64_t Upload(Storage &storage, const std::string &key,
                     const std::function<void(const std::function<void(std::string_view)> &)> &produce) {
    PushSource source;
    std::exception_ptr upload_failure;
    ObjectInfo stored;
    std::jthread uploader([&] {
        try {
            stored = storage.Put(key, source, PutMode::kCreate);
        } catch (...) {    // carried to the thread that produces
            upload_failure = std::current_exception();
            source.UploadFailed();
        }
    });
    try {
        auto push = [&](std::string_view text) {
            if (!text.empty()) source.Push(text);
        };
        if (key.ends_with(".gz")) {
            GzipWriter gzip(push);
            produce([&](std::string_view text) { gzip.Write(text); });
            gzip.Finish();
        } else {
            produce(push);
        }
        source.Close(false);
    } catch (const Error &) {
        source.Close(true);
        uploader.join();
        if (upload_failure) std::rethrow_exception(upload_failure);
        throw;
    }
    uploader.join();
    if (upload_failure) std::rethrow_exception(upload_failure);
    return stored.size;
}

}    // namespace

std::vector<ReadableObject> WriteReadable(BackupReader &backup, Storage &storage, const ReadableRequest &request,
                                          Clock &clock, Ticker &ticker, Log &log) {
    const Json &body = backup.manifest().body;
    std::string database = body.value("database", "");
    TimePoint time = body.contains("snapshot_time") && body["snapshot_time"].is_string()
                         ? ParseTime(body["snapshot_time"].get<std::string>())
                         : clock.Now();
    std::vector<ReadableObject> written;
    if (request.entities.empty()) {
        if (request.format != TextFormat::kSql)
            throw Error(Code::kInvalidArgument, "a whole database is exported as sql", {},
                        "Name entities for csv, json or jsonl.");
        std::string key = KeyOf(request.layout.empty() ? "database/full/{name}-{time}.sql.gz" : request.layout,
                                database, database, time);
        RefuseToOverwrite(storage, key);
        std::uint64_t bytes =
            Upload(storage, key, [&](const auto &write) { ExportSql(backup, request.pg_bindir, ticker, log, write); });
        return {{database, key, bytes, body.value("rows", std::uint64_t{0})}};
    }
    static constexpr const char *kExtensions[] = {"sql", "csv", "json", "jsonl"};
    std::string layout = request.layout.empty() ? fmt::format("exports/{{entity}}/{{time}}.{}",
                                                              kExtensions[static_cast<int>(request.format)])
                                                : request.layout;
    struct Wanted {
        std::string entity, key;
        ReadableTable table;
    };
    std::vector<Wanted> wanted;
    std::set<std::string> keys;
    for (const Entity &entity : request.entities) {
        std::vector<ReadableTable> tables = FindReadable(backup, entity);
        for (ReadableTable &table : tables) {
            // One object a table: the entity's name alone where it is one table, entity and table where it is several.
            std::string key =
                KeyOf(layout, tables.size() == 1 ? entity.name : entity.name + "/" + table.table.name, database, time);
            if (!keys.insert(key).second)
                throw Error(Code::kInvalidArgument,
                            fmt::format("layout \"{}\" gives several tables the name \"{}\"", layout, key), {},
                            "Let it hold {entity}.");
            wanted.push_back({entity.name, std::move(key), std::move(table)});
        }
    }
    for (const Wanted &one : wanted) RefuseToOverwrite(storage, one.key);
    for (const Wanted &one : wanted) {
        ticker.Check();
        std::uint64_t bytes =
            Upload(storage, one.key, [&](const auto &write) { ExportTable(backup, one.table, request.format, write); });
        written.push_back({one.entity, one.key, bytes, one.table.rows});
    }
    return written;
}

}    // namespace ark
