#include "cli/ship_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace ark::cli {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100), kSilence = std::chrono::milliseconds(20);
constexpr auto kTidyEvery = std::chrono::seconds(10), kAskUnbrokenEvery = std::chrono::seconds(1);
constexpr auto kLookAtOwnerEvery = std::chrono::minutes(1);
constexpr auto kKnockEvery = std::chrono::seconds(1);
constexpr std::size_t kJoinedAtOnce = 32;    // each costs a request that a commit could have

}    // namespace

ShipStream::ShipStream(Engine &engine, Connection &replication, TailShipper &shipper, const Repository &repository,
                       ShipManner manner, std::optional<Farewell::Work> &work)
    : engine_(engine),
      replication_(replication),
      shipper_(shipper),
      repository_(repository),
      manner_(std::move(manner)),
      work_(work) {}

void ShipStream::Run(const std::string &command) {
    stream_.emplace(replication_.BeginWalStream(command));
    next_ = owner_looked_at_ = tidied_at_ = told_at_ = progress_at_ = Now();
    WalMessage message;
    while (Receive(message)) {
        const bool nothing = message.kind == WalMessage::Kind::kNothing, news = Settle();
        if (message.kind == WalMessage::Kind::kData) Take(message);
        if (message.kind == WalMessage::Kind::kKeepalive) Answer(message);
        if (nothing && !news && !(manner_.at_once && shipper_.pending()) && asked_ == Asked::kOnce) Ask(Asked::kTwice);
        if (manner_.at_once) AtOnce(nothing);
        if (Now() >= next_) OnInterval();
        NoteWork(news);
    }
    shipper_.Ship(std::nullopt);
    Finish();
}

void ShipStream::OnInterval() {
    if (asked_ != Asked::kNot) shipper_.Ship(std::nullopt);    // no answer for a whole interval
    next_ = Now() + manner_.interval;
    Ask(Asked::kFirst);
}

bool ShipStream::Receive(WalMessage &message) try {
    if (!shipper_.HasRoom()) {
        message.kind = WalMessage::Kind::kNothing;
        AwaitRoom();
        return true;
    }
    // While something could be sent, only what is there already is taken along.
    Duration patience = manner_.at_once && shipper_.pending() && shipper_.MaySend()
                            ? Duration(0)
                            : std::clamp(std::chrono::duration_cast<Duration>(next_ - Now()), Duration(0),
                                         asked_ == Asked::kOnce ? kSilence : kLook);
    return stream_->Receive(patience, message, shipper_.news());
} catch (const Error &error) {
    if (error.code == Code::kUnavailable) {
        shipper_.Ship(std::nullopt);
        Finish();
    }
    throw;
}

// What the server has to say behind that much is not heard meanwhile.
void ShipStream::AwaitRoom() {
    engine_.ticker().Check();
    shipper_.AwaitNews(kLook);
    if (!manner_.finds_out_the_end || ServerStops()) return;
    if (Now() - std::max(progress_at_, knocked_at_) < kKnockEvery) return;
    knocked_at_ = Now();
    if (manner_.stops_without_clients()) engine_.farewell->Begin();
}

void ShipStream::AtOnce(bool nothing) {
    if (nothing && shipper_.pending() && shipper_.MaySend()) shipper_.Ship(std::nullopt);
    if (told_ < Confirmed()) SendStatus(false);
}

// What a server may take for safe. Without a slot, and where no commit shall wait for us, nothing is said of it, nor as long as a slot is
// further: PhysicalConfirmReceivedLocation() would set it back, and the next checkpoint invalidate it.
Lsn ShipStream::Confirmed() {
    Lsn safe = Safe();
    return manner_.held && safe < *manner_.held ? Lsn{} : safe;
}

Lsn ShipStream::Safe() {
    if (!manner_.at_once) return manner_.holds_slot ? shipper_.stored() : Lsn{};
    if (!unbroken_ && Now() - unbroken_asked_at_ >= kAskUnbrokenEvery) {
        unbroken_ = manner_.is_unbroken();
        unbroken_asked_at_ = Now();
    }
    return unbroken_ ? shipper_.confirmed() : Lsn{};
}

void ShipStream::SendStatus(bool ask) {
    told_ = Confirmed();
    told_at_ = Now();
    Lsn written = manner_.at_once && told_ > Lsn{} ? told_ : shipper_.taken();
    stream_->SendStatus(written.value, told_.value, engine_.clock().Now(), ask);
}

void ShipStream::Ask(Asked asked) {
    asked_ = asked;
    SendStatus(true);
}

void ShipStream::Take(const WalMessage &message) {
    shipper_.Take(Lsn{message.at}, message.bytes);
    if (asked_ == Asked::kOnce || asked_ == Asked::kTwice) {
        asked_ = Asked::kMore;
        had_by_ = Lsn{message.end};
    }
    if (asked_ == Asked::kMore && shipper_.taken() >= had_by_) ShipAll();
}

void ShipStream::ShipAll() {
    asked_ = Asked::kNot;
    shipper_.Ship(had_all_at_);
    LookAround();
}

void ShipStream::Answer(const WalMessage &message) {
    if (message.reply_requested) {
        if (manner_.finds_out_the_end && !ServerStops() && IsAskedOutOfTurn() && manner_.stops_without_clients())
            engine_.farewell->Begin();
        if (ServerStops()) {    // it waits for this
            shipper_.Ship(std::nullopt);
            Finish();
        }
        SendStatus(false);
    }
    if (asked_ == Asked::kFirst) {
        asked_ = Asked::kOnce;
        had_all_at_ = message.time;
    } else if (asked_ == Asked::kTwice) {
        ShipAll();
    }
}

// A server that has written its last WAL asks until it is told that all of it was taken; another one only when it has heard nothing for long
// (replication/walsender.c, WalSndDone and WalSndKeepaliveIfNecessary).
bool ShipStream::IsAskedOutOfTurn() {
    return manner_.asks_after <= Duration(0) || Now() - told_at_ < manner_.asks_after * 9 / 10;
}

bool ShipStream::Settle() {
    owner_look_.Settle();
    if (!shipper_.Settle()) return false;
    engine_.log().Report({.phase = "ship",
                          .done_bytes = 0,
                          .total_bytes = 0,
                          .stored_bytes = shipper_.stored_bytes(),
                          .done_items = shipper_.pieces(),
                          .total_items = 0,
                          .current = shipper_.stored().Text()});
    std::optional<TimePoint> at = shipper_.stored_at();
    if (engine_.answer)
        engine_.answer({{"event", "shipped"},
                        {"until", shipper_.stored().Text()},
                        {"at", at ? Json(FormatTime(*at, true)) : Json()}});
    if (!ServerStops()) shipper_.Join(manner_.at_once ? kJoinedAtOnce : kJoined);
    return true;
}

// Until all that was sent is stored.
void ShipStream::Finish() {
    for (;;) {
        NoteWork(Settle());
        if (shipper_.AllStored()) return;
        engine_.ticker().Check();
        shipper_.AwaitNews(kLook);
    }
}

// What gets ahead is not overdue.
void ShipStream::NoteWork(bool progress) {
    if (progress) progress_at_ = Now();
    if (shipper_.Idle() && owner_look_.Idle())
        work_.reset();
    else if (progress || !work_)
        work_.emplace(engine_.farewell);
}

void ShipStream::LookAround() {
    if (ServerStops()) return;
    if (Now() - tidied_at_ >= kTidyEvery) {
        tidied_at_ = Now();
        shipper_.Tidy();
    }
    if (Now() - owner_looked_at_ < kLookAtOwnerEvery || !owner_look_.Idle()) return;
    owner_looked_at_ = Now();
    auto newest = std::make_shared<std::optional<Writer>>();
    owner_look_.Begin({.work = [this, newest] { *newest = NewestWriter(repository_); },
                       .then =
                           [this, newest] {
                               if (!*newest || (*newest)->epoch == repository_.epoch()) return;
                               throw Error(Code::kUnavailable,
                                           fmt::format("\"{}\" has a new owner", repository_.cluster().Path()),
                                           fmt::format("Its epoch is {}.", (*newest)->epoch));
                           }});
}

}    // namespace ark::cli
