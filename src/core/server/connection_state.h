// What Connection keeps, and the waiting that all its parts share.
#pragma once

#include "server/libpq.h"

#include <atomic>

#include "server/connection.h"

namespace ark {

struct Connection::State {
    PGconn *conn = nullptr;
    PGcancel *cancel = nullptr;
    Ticker &ticker;
    Log &log;
    std::atomic<bool> cancel_requested{false};

    State(Ticker &given_ticker, Log &given_log) : ticker(given_ticker), log(given_log) {}
    ~State() {
        pq->PQfreeCancel(cancel);
        pq->PQfinish(conn);
    }

    // Waits until the socket can be read (or written, if asked). When the ticker says so: cancels what runs on the
    // server and throws kCancelled; the connection is then of no further use.
    void Wait(bool for_write = false);
    void Consume();                                     // what the socket has, without waiting
    void Flush();                                       // until the server has taken everything
    PGresult *Next();                                   // of PQgetResult, waited for
    void Drain();                                       // results that nobody wants
    void Send(std::string_view sql);                    // a simple query
    [[noreturn]] void ThrowResult(PGresult *result);    // frees it, drains the rest
    [[noreturn]] void ThrowLost();
};

}    // namespace ark
