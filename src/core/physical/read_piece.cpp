#include "physical/read_piece.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/file.h"
#include "pgdata/page.h"

namespace ark {
namespace {

constexpr int kPageReads = 5;
constexpr auto kPagePause = std::chrono::milliseconds(10);

class PieceReader {
public:
    PieceReader(const PieceRequest &request, BackupSession &session, PackWriter &packs, PhysicalCounters &counters,
                int file)
        : request_(request),
          session_(session),
          packs_(packs),
          counters_(counters),
          file_(file),
          usable_(request.base ? request.base->frames.size() : 0, kUnknown) {
        if (request.base) LayOutBase();
    }

    Piece Run(Ticker &ticker) {
        Bytes block;
        for (std::uint64_t at = 0; at < request_.length; at += kPhysicalFrame) {
            ticker.Check();
            if (request_.rate) request_.rate->Take(std::min(kPhysicalFrame, request_.length - at));
            block.assign(std::min(kPhysicalFrame, request_.length - at), std::byte{0});
            ReadAt(at, block);
            CheckPages(at, block);
            for (std::uint64_t offset = 0; offset < block.size(); offset += request_.unit)
                AddUnit((at + offset) / request_.unit,
                        ByteView(block).subspan(offset, std::min<std::size_t>(request_.unit, block.size() - offset)));
        }
        Store();
        return builder_.Finish();
    }

private:
    enum Usable : char { kUnknown, kYes, kResumed, kNo, kLeft };

    // The file's bytes from there; what it has not is left as it is.
    void ReadAt(std::uint64_t at, MutableBytes to) {
        std::size_t filled = 0;
        while (filled < to.size()) {
            ssize_t n = pread(file_, to.data() + filled, to.size() - filled,
                              static_cast<off_t>(request_.number * kPieceSize + at + filled));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) ThrowErrno(errno, fmt::format("could not read file \"{}\"", request_.file.string()));
            if (n == 0) return;
            filled += static_cast<std::size_t>(n);
        }
    }

    void CheckPages(std::uint64_t at, MutableBytes block) {
        const PageRules &rules = request_.pages;
        if (!rules.first_block) return;
        for (std::size_t offset = 0; offset + rules.block_size <= block.size(); offset += rules.block_size) {
            std::uint64_t place = request_.number * kPieceSize + at + offset;
            std::uint64_t number = *rules.first_block + place / rules.block_size;
            CheckOne(at + offset, block.subspan(offset, rules.block_size), static_cast<std::uint32_t>(number));
        }
    }

    // It may be read while it is written: such a page has come whole soon, or WAL brings it whole.
    void CheckOne(std::uint64_t at, MutableBytes page, std::uint32_t number) {
        for (int read = 1; CheckPage(page, number) == PageState::kBad; read++) {
            if (read < kPageReads) {
                std::this_thread::sleep_for(kPagePause);
                std::ranges::fill(page, std::byte{0});    // it may have been cut off meanwhile
                ReadAt(at, page);
                continue;
            }
            if (Lsn lsn = PageLsn(page); lsn >= request_.pages.start && lsn <= request_.pages.flushed()) return;
            counters_.bad_pages++;
            std::scoped_lock lock(counters_.mutex);
            if (counters_.first_bad.size() < kMostBadPages) counters_.first_bad.push_back({request_.relative, number});
            return;
        }
    }

    void AddUnit(std::uint64_t number, ByteView unit) {
        std::string digest = session_.key().Digest(unit).substr(0, kUnitDigits);
        counters_.read_bytes += unit.size();
        bool same = request_.base && number < request_.base->Units() && request_.base->Unit(number) == digest;
        if (same && MayUse(places_[number].frame)) {
            builder_.Keep(*request_.base, places_[number].frame, places_[number].first, digest);
            counters_.reused_bytes += unit.size();
            if (usable_[places_[number].frame] == kResumed) counters_.resumed_bytes += unit.size();
            return;
        }
        if (same && usable_[places_[number].frame] == kLeft) counters_.rewritten_bytes += unit.size();
        if (filling_.size() + unit.size() > kPhysicalFrame) Store();
        builder_.Add(digest);
        Append(filling_, unit);
    }

    void Store() {
        if (!builder_.filling()) return;
        builder_.Filled(packs_.AppendDigestStored(filling_));
        filling_.clear();
    }

    bool MayUse(std::size_t frame) {
        Usable &usable = usable_[frame];
        if (usable == kUnknown) {
            const FrameRef &ref = request_.base->frames[frame];
            if (!request_.left.empty() && request_.left[frame])
                usable = kLeft;
            else if (!session_.Reference(ref))
                usable = kNo;
            else
                usable = session_.IsResumed(ref) ? kResumed : kYes;
        }
        return usable == kYes || usable == kResumed;
    }

    void LayOutBase() {
        for (const UnitRun &run : request_.base->map)
            for (std::uint64_t i = 0; i < run.units; i++) places_.push_back({1, run.frame, run.first + i});
    }

    const PieceRequest &request_;
    BackupSession &session_;
    PackWriter &packs_;
    PhysicalCounters &counters_;
    int file_;
    std::vector<UnitRun> places_;    // of the base's units
    std::vector<Usable> usable_;     // the base's frames
    PieceBuilder builder_;
    Bytes filling_;
};

// -1: there is none (any more).
Fd OpenIfThere(const std::filesystem::path &path) {
    try {
        return OpenFile(path, O_RDONLY);
    } catch (const Error &error) {
        if (error.code != Code::kNotFound) throw;
        return Fd();
    }
}

}    // namespace

int SharedFile::Open() {
    std::scoped_lock lock(mutex_);
    if (!std::exchange(tried_, true)) file_ = OpenIfThere(path_);
    return file_.get();
}

void SharedFile::Leave() {
    std::scoped_lock lock(mutex_);
    if (--readers_ == 0) file_ = Fd();
}

PieceOutcome ReadPiece(const PieceRequest &request, BackupSession &session, PackWriter &packs,
                       PhysicalCounters &counters, Ticker &ticker, Piece &piece) {
    Fd own;
    if (!request.shared) own = OpenIfThere(request.file);
    int file = request.shared ? request.shared->Open() : own.get();
    if (file < 0) return PieceOutcome::kFileIsGone;
    posix_fadvise(file, static_cast<off_t>(request.number * kPieceSize), static_cast<off_t>(request.length),
                  POSIX_FADV_SEQUENTIAL);
    piece = PieceReader(request, session, packs, counters, file).Run(ticker);
    return PieceOutcome::kRead;
}

}    // namespace ark
