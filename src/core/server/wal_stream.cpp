#include <fmt/format.h>
#include <poll.h>

#include <cstring>

#include "base/clock.h"
#include "server/connection_state.h"

namespace ark {
namespace {

constexpr std::size_t kDataHeader = 25, kKeepaliveSize = 18, kStatusSize = 34;

// Microseconds since 2000-01-01, as servers count.
constexpr TimePoint kServerEpoch = TimePoint(std::chrono::sys_days(std::chrono::year(2000) / 1 / 1));

TimePoint ServerTime(const std::byte *from) {
    return kServerEpoch + std::chrono::microseconds(static_cast<std::int64_t>(GetBigEndian<std::uint64_t>(from)));
}

}    // namespace

Connection::WalStream Connection::BeginWalStream(std::string_view command) {
    State &state = *state_;
    state.Send(command);
    PGresult *result = state.Next();
    if (pq->PQresultStatus(result) == PGRES_FATAL_ERROR) state.ThrowResult(result);
    bool copying = pq->PQresultStatus(result) == PGRES_COPY_BOTH;
    pq->PQclear(result);
    if (!copying) throw Error(Code::kInternal, "a command that sends no WAL was run as one that does");
    return WalStream(*this);
}

bool Connection::WalStream::Receive(Duration patience, WalMessage &message, int also) {
    State &state = *connection_.state_;
    message.kind = WalMessage::Kind::kNothing;
    pq->PQfreemem(buffer_);
    buffer_ = nullptr;
    for (bool waited = false;; waited = true) {
        int length = pq->PQgetCopyData(state.conn, &buffer_, 1);
        if (length > 0) {
            Parse({reinterpret_cast<const std::byte *>(buffer_), static_cast<std::size_t>(length)}, message);
            return true;
        }
        if (length == -1) {    // the server ended it
            PGresult *result = state.Next();
            if (pq->PQresultStatus(result) == PGRES_FATAL_ERROR) state.ThrowResult(result);
            pq->PQclear(result);
            return false;
        }
        if (length < 0) state.ThrowLost();
        state.ticker.Check();
        if (waited) return true;
        pollfd wait[]{{pq->PQsocket(state.conn), POLLIN, 0}, {also, POLLIN, 0}};    // one below 0 is passed over
        poll(wait, std::size(wait), static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(patience).count()));
        state.Consume();
    }
}

void Connection::WalStream::Parse(ByteView bytes, WalMessage &message) {
    char kind = static_cast<char>(bytes[0]);
    if (kind == 'w' && bytes.size() >= kDataHeader) {
        message.kind = WalMessage::Kind::kData;
        message.at = GetBigEndian<std::uint64_t>(bytes.data() + 1);
        message.end = GetBigEndian<std::uint64_t>(bytes.data() + 9);
        message.time = ServerTime(bytes.data() + 17);
        message.bytes = bytes.subspan(kDataHeader);
    } else if (kind == 'k' && bytes.size() >= kKeepaliveSize) {
        message.kind = WalMessage::Kind::kKeepalive;
        message.end = GetBigEndian<std::uint64_t>(bytes.data() + 1);
        message.time = ServerTime(bytes.data() + 9);
        message.reply_requested = bytes[17] != std::byte{0};
    } else {
        throw Error(Code::kUnsupported, fmt::format("the server sent a message \"{}\" among its WAL", kind));
    }
}

void Connection::WalStream::SendStatus(std::uint64_t written, std::uint64_t flushed, TimePoint now, bool ask) {
    State &state = *connection_.state_;
    std::byte status[kStatusSize] = {std::byte{'r'}};
    PutBigEndian(status + 1, written);
    PutBigEndian(status + 9, flushed);
    PutBigEndian(status + 17, flushed);    // nothing is replayed
    PutBigEndian(status + 25, static_cast<std::uint64_t>((now - kServerEpoch).count()));
    status[33] = std::byte{ask};
    if (pq->PQputCopyData(state.conn, reinterpret_cast<const char *>(status), kStatusSize) != 1) state.ThrowLost();
    state.Flush();
}

Connection::WalStream::WalStream(WalStream &&other) noexcept : connection_(other.connection_), buffer_(other.buffer_) {
    other.buffer_ = nullptr;
}

Connection::WalStream::~WalStream() { pq->PQfreemem(buffer_); }

}    // namespace ark
