#include <fmt/format.h>

#include <algorithm>
#include <climits>

#include "server/connection_state.h"

namespace ark {
namespace {

constexpr std::size_t kSendPiece = 256 << 10;
constexpr std::size_t kReadPiece = 512 << 10;    // more than a socket holds

}    // namespace

void Connection::ReadInLargePieces() { Query(fmt::format("SELECT pg_catalog.repeat(' ', {})", kReadPiece)); }

Connection::CopyOutStream Connection::BeginCopyOut(std::string_view sql) {
    state_->Send(sql);
    return CopyOutStream(*this);
}

bool Connection::CopyOutStream::NextCopy() {
    State &state = *connection_.state_;
    while (PGresult *result = state.Next()) {
        ExecStatusType status = pq->PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR) state.ThrowResult(result);
        pq->PQclear(result);
        if (status == PGRES_COPY_OUT) return copying_ = true;
    }
    return false;
}

// PQgetlineAsync copies a row into the memory that it is given, where PQgetCopyData allocates memory for each.
std::size_t Connection::CopyOutStream::Read(MutableBytes to) {
    if (!copying_) return 0;
    State &state = *connection_.state_;
    int room = static_cast<int>(std::min<std::size_t>(to.size(), INT_MAX));
    // What was consumed is looked at before the next wait: it may be the last that comes.
    for (bool consumed = false;; consumed = true) {
        int length = pq->PQgetlineAsync(state.conn, reinterpret_cast<char *>(to.data()), room);
        if (length > 0) return static_cast<std::size_t>(length);
        if (length < 0) break;
        if (consumed) state.Wait();
        state.Consume();
    }
    // A COPY that fails in its middle ends like one that is through; only its result tells. Left to NextCopy(), the
    // failure would be taken for the next statement's.
    copying_ = false;
    PGresult *result = state.Next();
    if (pq->PQresultStatus(result) == PGRES_FATAL_ERROR) state.ThrowResult(result);
    pq->PQclear(result);
    return 0;
}

std::uint64_t Connection::CopyOut(std::string_view sql, const std::function<void(std::string_view row)> &visit) {
    State &state = *state_;
    CopyOutStream stream = BeginCopyOut(sql);
    if (!stream.NextCopy()) throw Error(Code::kInternal, "a statement that is no COPY TO STDOUT was run as one");
    std::uint64_t rows = 0;
    char *row = nullptr;
    for (;;) {
        int length = pq->PQgetCopyData(state.conn, &row, 1);
        if (length > 0) {
            std::unique_ptr<char, decltype(&PQfreemem)> owned(row, pq->PQfreemem);
            visit({row, static_cast<std::size_t>(length)});
            rows++;
        } else if (length == 0) {
            state.Wait();
            state.Consume();
        } else {
            break;
        }
    }
    while (stream.NextCopy()) throw Error(Code::kInternal, "more than one COPY was run at once");
    return rows;
}

Connection::CopyIn Connection::BeginCopyIn(std::string_view sql) {
    State &state = *state_;
    state.Send(sql);
    PGresult *result = state.Next();
    if (pq->PQresultStatus(result) == PGRES_FATAL_ERROR) state.ThrowResult(result);
    bool copying = pq->PQresultStatus(result) == PGRES_COPY_IN;
    pq->PQclear(result);
    if (!copying) throw Error(Code::kInternal, "a statement that is no COPY FROM STDIN was run as one");
    pq->PQsetnonblocking(state.conn, 1);
    return CopyIn(*this);
}

void Connection::CopyIn::Write(ByteView bytes) {
    State &state = *connection_.state_;
    while (!bytes.empty()) {
        std::size_t piece = std::min(bytes.size(), kSendPiece);
        state.ticker.Check();
        if (pq->PQputCopyData(state.conn, reinterpret_cast<const char *>(bytes.data()), static_cast<int>(piece)) < 0) {
            // The server ended the COPY with an error, which is more to the point than that it takes no more.
            Finish();
            state.ThrowLost();
        }
        bytes = bytes.subspan(piece);
        state.Flush();
    }
}

std::uint64_t Connection::CopyIn::Finish() {
    State &state = *connection_.state_;
    pq->PQputCopyEnd(state.conn, nullptr);
    state.Flush();
    pq->PQsetnonblocking(state.conn, 0);
    std::uint64_t rows = 0;
    while (PGresult *result = state.Next()) {
        if (pq->PQresultStatus(result) == PGRES_FATAL_ERROR) state.ThrowResult(result);
        rows = Result(result).affected();
    }
    return rows;
}

void Connection::CopyIn::Fail(std::string_view why) noexcept {
    try {
        State &state = *connection_.state_;
        pq->PQputCopyEnd(state.conn, std::string(why).c_str());
        state.Flush();
        pq->PQsetnonblocking(state.conn, 0);
        state.Drain();
    } catch (const std::exception &) {
        // The connection is gone, and the COPY with it.
    }
}

}    // namespace ark
