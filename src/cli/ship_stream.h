// One stream of a server's WAL into the store, from a connection to its end.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/engine.h"
#include "wal/in_flight.h"
#include "wal/ship.h"

namespace ark::cli {

struct ShipManner {
    Duration interval;
    bool holds_slot = false;
    std::optional<Lsn>
        held{};    // from where on; a server would take a confirmation of less for a wish to have more, of which it may be rid
    // Commits may wait for the store: what comes is stored as soon as there is room for one more upload, and the server is told.
    bool at_once = false;
    // Whether the store has all WAL before what is shipped: nothing is confirmed until then. Asked again and again; nullptr: not asked.
    std::function<bool()> is_unbroken = nullptr;
    // Of a shipper that the server did not start, and does not tell when it stops.
    bool finds_out_the_end = false;
    Duration asks_after{};    // a server that goes on asks, when it has heard nothing for so long; 0: it never does
    std::function<bool()> stops_without_clients = nullptr;
};

class ShipStream {
public:
    // `work` lives while something is under way.
    ShipStream(Engine &engine, Connection &replication, TailShipper &shipper, const Repository &repository,
               ShipManner manner, std::optional<Farewell::Work> &work);

    // Returns when the server ends the stream. What it has sent is in the store then, and also when the connection was lost.
    void Run(const std::string &command);

private:
    bool ServerStops() const { return engine_.farewell && engine_.farewell->begun(); }
    SteadyPoint Now() { return engine_.clock().Steady(); }
    bool Receive(WalMessage &message);
    void AwaitRoom();
    void AtOnce(bool nothing);
    void OnInterval();
    void SendStatus(bool ask);
    // A server answers at once, and may have much to send still. What comes behind its answer says how much it has by then; where nothing
    // comes for a while, and it has answered once more, there was nothing.
    enum class Asked { kNot, kFirst, kOnce, kTwice, kMore };    // kOnce: and answered; kMore: up to had_by_
    void Ask(Asked asked);
    void Take(const WalMessage &message);
    void Answer(const WalMessage &message);
    bool IsAskedOutOfTurn();
    void ShipAll();
    bool Settle();
    void Finish();
    void NoteWork(bool progress);
    void LookAround();
    Lsn Confirmed();
    Lsn Safe();

    Engine &engine_;
    Connection &replication_;
    TailShipper &shipper_;
    const Repository &repository_;
    ShipManner manner_;
    std::optional<Farewell::Work> &work_;
    std::optional<Connection::WalStream> stream_;
    Asked asked_ = Asked::kNot;
    TimePoint had_all_at_{};
    Lsn had_by_{};
    SteadyPoint next_{}, owner_looked_at_{}, tidied_at_{}, unbroken_asked_at_{}, told_at_{}, progress_at_{},
        knocked_at_{};
    bool unbroken_ = false;
    Lsn told_{};    // of what is confirmed
    InFlight owner_look_{1};
};

}    // namespace ark::cli
