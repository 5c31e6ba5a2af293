#include "pgdata/wal_records.h"

#include <algorithm>

namespace ark {
namespace {

constexpr std::uint16_t kContinued = 0x0001;     // XLP_FIRST_IS_CONTRECORD
constexpr std::size_t kRecordHeaderSize = 24;    // XLogRecord
constexpr std::size_t kLengthSize = 4;
constexpr std::size_t kLookedAt = 64;    // the header, those of the data, and the time in front of it
constexpr std::uint64_t kAlignment = 8;

constexpr std::uint8_t kXlogManager = 0, kTransactionManager = 1;    // access/rmgrlist.h
constexpr std::uint8_t kSwitch = 0x40, kInfoMask = 0xF0;             // XLOG_SWITCH, ~XLR_INFO_MASK
constexpr std::uint8_t kOutcomeMask = 0x70;                          // XLOG_XACT_OPMASK
constexpr std::uint8_t kCommit = 0x00, kAbort = 0x20, kCommitPrepared = 0x30, kAbortPrepared = 0x40;

constexpr std::uint8_t kShortData = 255, kLongData = 254, kOrigin = 253, kTopLevelXid = 252;    // XLR_BLOCK_ID_…

std::uint64_t Aligned(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

// Where the data of a record begins that refers to no block; nullopt for another one, or if it lies too far behind.
std::optional<std::size_t> DataOf(const Bytes &record) {
    for (std::size_t at = kRecordHeaderSize; at < record.size();) {
        switch (std::to_integer<std::uint8_t>(record[at])) {
        case kOrigin: at += 3; break;
        case kTopLevelXid: at += 5; break;
        case kShortData: return at + 2;
        case kLongData: return at + 5;
        default: return std::nullopt;
        }
    }
    return std::nullopt;
}

// Servers count microseconds since 2000-01-01.
TimePoint ServerTime(std::int64_t microseconds) {
    constexpr std::chrono::sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
    return TimePoint(kEpoch) + std::chrono::microseconds(microseconds);
}

bool IsOutcome(std::uint8_t info) {
    std::uint8_t what = info & kOutcomeMask;
    return what == kCommit || what == kAbort || what == kCommitPrepared || what == kAbortPrepared;
}

}    // namespace

void WalRecords::Take(Lsn at, ByteView bytes) {
    if (at != at_) {
        at_ = at;
        state_ = State::kLost;
        header_.clear();
    }
    while (!bytes.empty()) {
        if (at_.value % block_size_ == 0) header_.clear();
        if (at_.value % size_.bytes() == 0 && state_ == State::kOver) state_ = State::kLost;
        bool in_header = at_.value % block_size_ < HeaderSize();
        if (in_header && header_.size() == at_.value % block_size_ && state_ != State::kOver)
            TakeHeader(bytes);
        else
            TakeBody(bytes);
    }
}

std::size_t WalRecords::HeaderSize() const {
    return at_.value % size_.bytes() < block_size_ ? kWalLongHeaderSize : kWalShortHeaderSize;
}

ByteView WalRecords::Next(ByteView &bytes, std::uint64_t most) {
    std::uint64_t page_left = block_size_ - at_.value % block_size_;
    ByteView next = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>({bytes.size(), most, page_left})));
    bytes = bytes.subspan(next.size());
    at_.value += next.size();
    return next;
}

void WalRecords::TakeHeader(ByteView &bytes) {
    std::size_t size = HeaderSize();
    Append(header_, Next(bytes, size - header_.size()));
    if (header_.size() == size) ReadHeader();
}

void WalRecords::ReadHeader() {
    const std::byte *at = header_.data();
    std::uint64_t page = at_.value - header_.size();
    if (!ServerMajorOfWalMagic(GetLittleEndian<std::uint16_t>(at)) || GetLittleEndian<std::uint64_t>(at + 8) != page) {
        state_ = State::kOver;
        return;
    }
    bool continued = (GetLittleEndian<std::uint16_t>(at + 2) & kContinued) != 0;
    std::uint64_t remaining = GetLittleEndian<std::uint32_t>(at + 16);
    if (!continued) {
        state_ = State::kBetween;    // a record that was under way was given up by a server that crashed
    } else if (state_ != State::kInRecord || remaining != left_) {
        state_ = State::kSkipping;
        left_ = remaining;
    }
}

void WalRecords::TakeBody(ByteView &bytes) {
    switch (state_) {
    case State::kLost:
    case State::kOver: Next(bytes, block_size_); break;
    case State::kSkipping:
        left_ -= Next(bytes, left_).size();
        if (left_ == 0) state_ = State::kBetween;
        break;
    case State::kBetween:
        Next(bytes, Aligned(at_.value) - at_.value);
        if (at_.value % kAlignment != 0 || at_.value % block_size_ == 0) break;
        state_ = State::kInRecord;
        record_.clear();
        begin_ = at_;
        left_ = kLengthSize;
        break;
    case State::kInRecord: TakeRecord(bytes); break;
    }
}

void WalRecords::TakeRecord(ByteView &bytes) {
    bool in_length = record_.size() < kLengthSize;
    ByteView piece = Next(bytes, left_);
    Append(record_, piece.first(std::min(piece.size(), kLookedAt - std::min(kLookedAt, record_.size()))));
    left_ -= piece.size();
    if (left_ > 0) return;
    if (!in_length) return Look();
    auto length = GetLittleEndian<std::uint32_t>(record_.data());
    if (length < kRecordHeaderSize)
        state_ = State::kOver;
    else
        left_ = length - kLengthSize;
}

void WalRecords::Look() {
    last_begin_ = begin_;
    last_end_ = Lsn{Aligned(at_.value)};
    state_ = State::kBetween;
    auto info = std::to_integer<std::uint8_t>(record_[16]), manager = std::to_integer<std::uint8_t>(record_[17]);
    if (manager == kXlogManager && (info & kInfoMask) == kSwitch) state_ = State::kOver;
    if (manager != kTransactionManager || !IsOutcome(info)) return;
    std::optional<std::size_t> data = DataOf(record_);
    if (!data || *data + 8 > record_.size()) return;
    TimePoint time = ServerTime(static_cast<std::int64_t>(GetLittleEndian<std::uint64_t>(record_.data() + *data)));
    last_outcome_begin_ = begin_;
    last_outcome_ = last_outcome_ ? std::max(*last_outcome_, time) : time;
}

}    // namespace ark
