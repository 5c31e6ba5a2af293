#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/engine.h"
#include "cli/ship_stream.h"
#include "cli/verb.h"
#include "config/standby_names.h"
#include "wal/ship.h"
#include "wal/spool.h"
#include "wal/stored_history.h"
#include "wal/succession.h"

namespace ark::cli {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100);
constexpr auto kPause = std::chrono::seconds(1), kFarewell = std::chrono::seconds(3);
constexpr std::string_view kCannotConnectNow = "57P03";
constexpr std::string_view kNoSuchFile = "58P01";    // undefined_file: also of a segment that was removed already

class Shipment {
public:
    Shipment(Engine &engine, const Arguments &arguments)
        : engine_(engine),
          slot_(arguments.Text("slot")),
          interval_(arguments.Has("interval") ? ParseDuration(arguments.Text("interval"), "--interval")
                                              : engine.config().Time("wal_ship_interval")) {
        if (interval_ <= Duration(0))
            throw Error(Code::kInvalidArgument, "wal_ship_interval is 0: no WAL is to be shipped", {},
                        "Give --interval, for example 10s.");
    }

    // Until it is told to end.
    Json Run() {
        if (engine_.farewell) engine_.farewell->Allow();
        engine_.UseRoomOfStandbys();    // the sessions may all wait for what this ships
        bool connected = false, reach_back = true;
        for (std::string told; !ServerStops();) {
            try {
                AwaitPrimary();
                connected = true;
                ShipOnce(reach_back);
                reach_back = true;
                if (!engine_.is_told_of_the_end && engine_.farewell) engine_.farewell->End();
                told = Tell("the server ended its WAL's stream", told);
            } catch (const Error &error) {
                if (IsLetGo(error)) continue;
                if (error.code == Code::kCancelled || ServerStops()) break;
                bool gone = error.sqlstate == kNoSuchFile && reach_back;
                if (!gone && (error.code != Code::kUnavailable || !connected)) throw;
                reach_back = !gone;
                told = Tell(error.message + (error.detail.empty() ? "" : ": " + error.detail), told);
            }
            if (!Pause()) break;
        }
        return {{"state", "done"},
                {"stored_until", stored_.Text()},
                {"message", fmt::format("WAL is shipped up to {}", stored_.Text())}};
    }

private:
    // After that it ships what still comes, and ends with the server's stream.
    bool ServerStops() const { return engine_.farewell && engine_.farewell->begun(); }

    // A program that was started by hand goes on when its server is back. Whether the error says that it gave up so as not to hold up the
    // server's shutdown.
    bool IsLetGo(const Error &error) {
        if (engine_.is_told_of_the_end || !ServerStops()) return false;
        engine_.farewell->End();
        if (error.code != Code::kCancelled || engine_.ticker().Cancelled()) return false;
        engine_.log().Warn(
            fmt::format("the store takes no WAL, and the server stops: it is not held up any longer. The store has its "
                        "WAL up to {}; the rest is shipped when it runs again",
                        stored_.Text()));
        return true;
    }

    // The same reason is told once.
    std::string Tell(std::string why, const std::string &told) {
        if (why != told) engine_.log().Note(fmt::format("{}; it will be tried again", why));
        return why;
    }

    bool Pause() {
        for (SteadyPoint end = engine_.clock().Steady() + kPause; engine_.clock().Steady() < end;) {
            if (engine_.ticker().Cancelled()) return false;
            engine_.clock().Sleep(kLook);
        }
        return true;
    }

    // A standby's WAL is its primary's to ship.
    void AwaitPrimary() {
        std::unique_ptr<Connection> connection = engine_.Connect();
        bool waits = false;
        while (connection->Query("SELECT pg_catalog.pg_is_in_recovery()").Bool(0, 0)) {
            engine_.log().Wait("the server is in recovery: its WAL is shipped once it is promoted");
            waits = true;
            engine_.ticker().Check();
            engine_.clock().Sleep(kLook);
        }
        if (waits) engine_.log().Wait("");
        engine_.ForgetServer();
        if (slot_.empty())
            CheckArchiving(*connection);
        else
            CheckSlot(*connection);
    }

    void CheckArchiving(Connection &connection) {
        if (connection.Query("SHOW archive_mode").Text(0, 0) == "off" && !std::exchange(warned_, true))
            engine_.log().Warn(
                "archive_mode is off: nothing keeps this server's WAL until it was shipped, and no finished segment "
                "takes the place of its pieces; archive with pg_ark wal-push, or give --slot");
    }

    void CheckSlot(Connection &connection) {
        const std::string name = QuoteLiteral(slot_);
        Result slot =
            connection.Query("SELECT slot_type FROM pg_catalog.pg_replication_slots WHERE slot_name = " + name);
        if (slot.rows() == 0) {
            connection.Execute(fmt::format("SELECT pg_catalog.pg_create_physical_replication_slot({}, true)", name));
            engine_.log().Note(fmt::format("made the replication slot \"{}\"", slot_));
        } else if (slot.Text(0, 0) != "physical") {
            throw Error(Code::kConflict, fmt::format("replication slot \"{}\" is {}", slot_, slot.Text(0, 0)), {},
                        "WAL is shipped through a physical one: give another name.");
        }
        if (connection.Query("SHOW max_slot_wal_keep_size").Text(0, 0) == "-1" && !std::exchange(warned_, true))
            engine_.log().Warn(
                "max_slot_wal_keep_size is -1: while the store cannot be reached, the slot keeps WAL until the disk is "
                "full; set a limit");
    }

    // Nullopt: there is none, or it holds nothing (yet, or any more).
    std::optional<Lsn> HeldBySlot() {
        if (slot_.empty()) return std::nullopt;
        Result slot = engine_.Connect()->Query(
            "SELECT restart_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = " + QuoteLiteral(slot_));
        if (slot.rows() == 0 || slot.IsNull(0, 0)) return std::nullopt;
        return ParseLsn(slot.Text(0, 0));
    }

    // Nullopt: it has none, or the server lost it.
    static std::optional<TimelineHistory> HistoryOf(Connection &replication, TimelineId timeline) try {
        if (timeline.value == 1) return std::nullopt;
        return TimelineHistory::Parse(timeline,
                                      replication.Query(fmt::format("TIMELINE_HISTORY {}", timeline.value)).Text(0, 1));
    } catch (const Error &error) {
        if (error.sqlstate != kNoSuchFile) throw;
        return std::nullopt;
    }

    void ShipOnce(bool reach_back) {
        Lock();
        std::optional<Farewell::Work> work(std::in_place, engine_.farewell);    // outlives what works
        std::unique_ptr<Connection> replication =
            engine_.ConnectForReplication(AtOnce() ? kStoreStandby : "pg_ark wal-ship");
        Result system = replication->Query("IDENTIFY_SYSTEM");
        const TimelineId timeline{static_cast<std::uint32_t>(system.Unsigned(0, 1))};
        const WalSegmentSize size(engine_.Server().segment_size);
        std::optional<TimelineHistory> history = HistoryOf(*replication, timeline);
        std::shared_ptr<Repository> repository =
            engine_.OpenForArchiving([&](const Repository &path, const Writer &owner) {
                return history && Succeeds(path, owner, *history, size);
            });
        std::shared_ptr<KeyRing> keys = engine_.Keys(repository);
        if (history) CheckOwnTimeline(*repository, *keys, *history);
        TailPlace place{.timeline = timeline, .size = size, .flushed = ParseLsn(system.Text(0, 2))};
        if (history) place.begin_of_timeline = history->Begin().value_or(Lsn{});
        place.held = HeldBySlot();
        TailShipper shipper(*repository, *keys, keys->Newest("cluster", true, engine_.random()), place,
                            ParseCompression(engine_.config().Text("wal_compression")), engine_.random(),
                            engine_.log());
        Lsn begin = shipper.Begin(reach_back);
        work.reset();
        ShipStream stream(engine_, *replication, shipper, *repository,
                          MannerOf(*replication, SegmentName::Containing(timeline, begin, size), place.held), work);
        try {
            stream.Run(fmt::format("START_REPLICATION {} PHYSICAL {} TIMELINE {}",
                                   slot_.empty() ? "" : "SLOT " + QuoteIdentifier(slot_), begin.Text(),
                                   timeline.value));
        } catch (...) {    // rethrown
            stored_ = std::max(stored_, shipper.stored());
            if (!work) work.emplace(engine_.farewell);
            replication.reset();    // what is under way is waited for, and the server shall not wait for that
            throw;
        }
        stored_ = std::max(stored_, shipper.stored());
        if (!work) work.emplace(engine_.farewell);
    }

    ShipManner MannerOf(Connection &replication, const SegmentName &first, std::optional<Lsn> held) {
        ShipManner manner{.interval = interval_, .holds_slot = !slot_.empty(), .held = held, .at_once = AtOnce()};
        manner.is_unbroken = [this, first] { return IsArchivedBefore(first); };
        manner.finds_out_the_end = !engine_.is_told_of_the_end && engine_.farewell;
        if (!manner.finds_out_the_end) return manner;
        manner.asks_after =
            ParseDuration(replication.Query("SHOW wal_sender_timeout").Text(0, 0), "wal_sender_timeout") / 2;
        manner.stops_without_clients = [this] { return StopsWithoutClients(); };
        if (manner.at_once) WatchClients();
        return manner;
    }

    // A server in a smart shutdown lets nobody in, and its clients go on: they may wait for us, who would not be let in again.
    bool StopsWithoutClients() try {
        engine_.Connect();
        if (AtOnce()) WatchClients();
        return false;
    } catch (const Error &error) {
        return error.sqlstate == kCannotConnectNow && (!clients_ || clients_->IsLost());
    }

    // A walsender that streams nothing lives as long as the last client (replication/walsender.c, HandleWalSndInitStopping).
    void WatchClients() try {
        if (clients_ && !clients_->IsLost()) return;
        clients_.reset();
        clients_ = engine_.ConnectForReplication("pg_ark wal-ship, watching");
    } catch (const Error &error) {    // there is no room for it
        if (error.code == Code::kCancelled) throw;
    }

    bool AtOnce() const { return engine_.config().Bool("wal_sync"); }

    // Whether the archiver has done with all WAL before that segment. From there on the pieces have no gap by themselves.
    bool IsArchivedBefore(const SegmentName &first) try {
        Result waiting = engine_.Connect()->Query(
            "SELECT pg_catalog.min(f.name COLLATE \"C\") FROM pg_catalog.pg_ls_archive_statusdir() AS f WHERE f.name ~ "
            "'^([0-9A-F]{24}([.]partial)?|[0-9A-F]{8}[.]history)[.]ready$' AND f.name COLLATE \"C\" < " +
            QuoteLiteral(first.Text()));
        engine_.log().Wait(
            waiting.IsNull(0, 0)
                ? ""
                : fmt::format("WAL before segment {} waits for the archiver, from {} on; until the store "
                              "has it, no commit is confirmed",
                              first.Text(), waiting.Text(0, 0)));
        return waiting.IsNull(0, 0);
    } catch (Error &error) {
        if (error.code == Code::kPermissionDenied && error.hint.empty())
            error.hint = "With wal_sync the role needs pg_monitor.";
        throw;
    }

    // Two that ship the same do no harm, but everything twice. One of a server that was restarted at once may be about to end.
    void Lock() {
        const std::string &directory = engine_.Server().data_directory;
        std::error_code error;
        if (lock_ || directory.empty() || !std::filesystem::is_directory(directory + "/pg_wal", error)) return;
        WalSpool spool(directory + "/pg_wal", engine_.config().Text("store") + "\n" + engine_.config().Text("cluster"));
        for (SteadyPoint end = engine_.clock().Steady() + kFarewell; engine_.clock().Steady() < end;) {
            lock_ = spool.LockShipping();
            if (lock_) return;
            engine_.ticker().Check();
            engine_.clock().Sleep(kLook);
        }
        throw Error(Code::kConflict, "another process ships this server's WAL already", {},
                    "The server starts one by itself while ark.wal_ship_interval is above 0.");
    }

    Engine &engine_;
    std::string slot_;
    Duration interval_;
    std::optional<Fd> lock_;
    std::unique_ptr<Connection>
        clients_;    // of one that commits may wait in lives as long as they do; null: it is not known
    bool warned_ = false;
    Lsn stored_{};
};

Json Run(Engine &engine, const Arguments &arguments) { return Shipment(engine, arguments).Run(); }

}    // namespace

Verb WalShipVerb() {
    return {
        "wal-ship",
        "ship the WAL of the unfinished segment, again and again, so that a disaster costs seconds",
        "Runs until it is told to end. A client of the replication protocol: every interval what the server has "
        "flushed since goes into the store, where wal-fetch finds it behind the last archived segment. A quiet "
        "server's store learns that nothing happened, so that any moment since can be restored too.\n"
        "The server starts one by itself while ark.wal_ship_interval is above 0 and it archives with pg_ark; this is "
        "for servers without the extension.\n"
        "With --wal-sync it stores whatever comes at once and confirms it as a standby does, under the name "
        "pg_ark_wal_sync; commits wait for it if synchronous_standby_names says so.\n"
        "Example: pg_ark wal-ship --store s3://acme-backups/prod --interval 5s",
        {{"interval", FlagKind::kText, "TIME", "how often (default: wal_ship_interval)"},
         {"slot", FlagKind::kText, "NAME",
          "hold the server's WAL with this replication slot, made if it is missing (default: none; whoever "
          "archives holds it)"}},
        Run,
        nullptr};
}

}    // namespace ark::cli
