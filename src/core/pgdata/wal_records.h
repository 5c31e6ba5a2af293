// Walks the records of the write-ahead log (access/xlogrecord.h, access/xlog_internal.h, access/xact.h) as far as one must to know
// where they begin and when transactions ended. Bytes are given as they come; memory is that of the beginning of one record.
// What the server wrote is believed: neither checksums nor the contents of records are looked at.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "pgdata/wal_name.h"
#include "pgdata/wal_page.h"

namespace ark {

class WalRecords {
public:
    explicit WalRecords(WalSegmentSize size, std::uint32_t block_size = kWalBlockSize)
        : size_(size), block_size_(block_size) {}

    // The bytes at `at`: those behind what was given before, or others; then records are known from the first on that begins on a whole
    // page. What is no WAL (zeros behind a switch) ends it up to the next segment.
    void Take(Lsn at, ByteView bytes);

    // Of the last record that is whole: where it begins, and where the next one would. Nullopt: there was none.
    std::optional<Lsn> last_begin() const { return last_begin_; }
    std::optional<Lsn> last_end() const { return last_end_; }
    // The latest time at which a transaction was committed or rolled back, by the server's clock then: what recovery compares
    // recovery_target_time with. Nullopt: none was.
    std::optional<TimePoint> last_outcome() const { return last_outcome_; }
    // Where the last of those records begins, whatever its time.
    std::optional<Lsn> last_outcome_begin() const { return last_outcome_begin_; }

private:
    enum class State {
        kLost,        // up to the next page
        kSkipping,    // a record whose beginning was not seen
        kBetween,
        kInRecord,
        kOver,    // up to the next segment
    };
    std::size_t HeaderSize() const;    // of the page that at_ lies in
    void TakeHeader(ByteView &bytes);
    void ReadHeader();
    void TakeBody(ByteView &bytes);
    void TakeRecord(ByteView &bytes);
    void Look();
    ByteView Next(ByteView &bytes, std::uint64_t most);    // as many as there are

    WalSegmentSize size_;
    std::uint32_t block_size_;
    Lsn at_{};    // of the next byte
    State state_ = State::kLost;
    Bytes header_;    // of the page, as far as it has come
    Bytes record_;    // the beginning of a record
    std::uint64_t left_ = 0;
    Lsn begin_{};
    std::optional<Lsn> last_begin_, last_end_, last_outcome_begin_;
    std::optional<TimePoint> last_outcome_;
};

}    // namespace ark
