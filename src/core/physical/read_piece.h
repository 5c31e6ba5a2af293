// One piece of a file, read, compared with the base's and stored where it differs.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>

#include "base/cancel.h"
#include "base/file.h"
#include "pgdata/wal_name.h"
#include "physical/piece.h"
#include "repo/backup_session.h"
#include "storage/limit.h"

namespace ark {

struct BadPage {
    std::string path;    // relative
    std::uint64_t block = 0;
};

// Over all threads of a backup.
struct PhysicalCounters {
    std::atomic<std::uint64_t> read_bytes{
        0};    // of files, also of those that were not read because they are the base's
    std::atomic<std::uint64_t> reused_bytes{0};
    std::atomic<std::uint64_t> resumed_bytes{0};      // of these, what interrupted backups had stored
    std::atomic<std::uint64_t> rewritten_bytes{0};    // not reused, although they are the same
    std::atomic<std::uint64_t> unread_bytes{0};
    std::atomic<std::uint64_t> bad_pages{0};
    std::atomic<std::uint64_t> silent_changes{
        0};    // pieces that differ from the base's although their files seemed to be the same
    std::mutex mutex;
    std::vector<BadPage> first_bad;    // at most kMostBadPages
};
constexpr std::size_t kMostBadPages = 100;

struct PageRules {
    std::optional<std::uint64_t> first_block;    // of the file, if its pages have checksums
    std::uint32_t block_size = 8192;
    Lsn start;                       // of the backup: WAL from there is replayed over the page
    std::function<Lsn()> flushed;    // what the server has on disk now; thread-safe
};

// A file of several pieces, opened once, by whoever comes first: they are all of one file, whatever is removed or takes its name meanwhile.
// Thread-safe.
class SharedFile {
public:
    SharedFile(std::filesystem::path path, std::uint64_t readers) : path_(std::move(path)), readers_(readers) {}
    int Open();      // -1: it was gone before anybody came
    void Leave();    // each reader once: the last one closes it

private:
    std::filesystem::path path_;
    std::mutex mutex_;
    std::uint64_t readers_;
    bool tried_ = false;
    Fd file_;
};

struct PieceRequest {
    std::filesystem::path file;
    std::shared_ptr<SharedFile> shared = {};    // the same file, where it has several pieces
    std::string relative, path;                 // for messages; of the entry
    std::uint64_t number = 0;                   // of the piece
    std::uint64_t length =
        0;    // of the piece: what is missing in the file is zeros (it was cut short; WAL says to what)
    std::uint64_t unit = 0;
    PageRules pages;
    RateLimit *rate = nullptr;         // of reading, where there is one; shared
    std::optional<Piece> base = {};    // the same place of the base's file, in the same units
    std::vector<bool> left = {};       // of the base's frames: to be stored afresh; none if empty
};

enum class PieceOutcome { kRead, kFileIsGone };

// Frames go to `packs`. A page whose checksum is wrong is read again a few times; it is good if WAL after the start of the
// backup replaces it (its LSN lies between the start and what is flushed), else it is counted, and stored as it is.
PieceOutcome ReadPiece(const PieceRequest &request, BackupSession &session, PackWriter &packs,
                       PhysicalCounters &counters, Ticker &ticker, Piece &piece);

}    // namespace ark
