// One stream of a server's WAL into the store, from a connection to its end.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/engine.h"
#include "wal/ship.h"

namespace ark::cli {

struct ShipManner {
    Duration interval;
    bool holds_slot = false;
    // Commits may wait for the store: what comes is stored as soon as the store has what came before, and the server is told.
    bool at_once = false;
    // Whether the store has all WAL before what is shipped: nothing is confirmed until then. Asked again and again; nullptr: not asked.
    std::function<bool()> is_unbroken = nullptr;
};

class ShipStream {
public:
    ShipStream(Engine &engine, Connection &replication, TailShipper &shipper, const Repository &repository,
               ShipManner manner);

    // Returns when the server ends the stream. What it has sent is in the store then, and also when the connection was lost.
    void Run(const std::string &command);

private:
    bool ServerStops() const { return engine_.farewell && engine_.farewell->begun(); }
    SteadyPoint Now() { return engine_.clock().Steady(); }
    bool Receive(WalMessage &message);
    void AtOnce(const WalMessage &message);
    void OnInterval();
    void SendStatus(bool ask);
    // A server answers at once, and may have much to send still. What comes behind its answer says how much it has by then; where nothing
    // comes for a while, and it has answered once more, there was nothing.
    enum class Asked { kNot, kFirst, kOnce, kTwice, kMore };    // kOnce: and answered; kMore: up to had_by_
    void Ask(Asked asked);
    void Take(const WalMessage &message);
    void Answer(const WalMessage &message);
    void ShipAll();
    void Ship(std::optional<TimePoint> at);
    void LookAround();
    Lsn Confirmed();

    Engine &engine_;
    Connection &replication_;
    TailShipper &shipper_;
    const Repository &repository_;
    ShipManner manner_;
    std::optional<Connection::WalStream> stream_;
    Asked asked_ = Asked::kNot;
    TimePoint had_all_at_{};
    Lsn had_by_{};
    SteadyPoint next_{}, owner_looked_at_{}, tidied_at_{}, unbroken_asked_at_{};
    bool unbroken_ = false;
    Lsn told_{};    // of what is confirmed
};

}    // namespace ark::cli
