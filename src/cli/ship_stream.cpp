#include "cli/ship_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark::cli {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100), kSilence = std::chrono::milliseconds(20);
constexpr auto kTidyEvery = std::chrono::seconds(10), kAskUnbrokenEvery = std::chrono::seconds(1);
constexpr auto kLookAtOwnerEvery = std::chrono::minutes(1);
constexpr std::size_t kJoinedAtOnce = 32;    // commits wait meanwhile: seldom

}    // namespace

ShipStream::ShipStream(Engine &engine, Connection &replication, TailShipper &shipper, const Repository &repository,
                       ShipManner manner)
    : engine_(engine),
      replication_(replication),
      shipper_(shipper),
      repository_(repository),
      manner_(std::move(manner)) {}

void ShipStream::Run(const std::string &command) {
    stream_.emplace(replication_.BeginWalStream(command));
    next_ = owner_looked_at_ = tidied_at_ = Now();
    WalMessage message;
    while (Receive(message)) {
        Farewell::Work work(engine_.farewell);
        const bool silent = message.kind == WalMessage::Kind::kNothing && !(manner_.at_once && shipper_.pending());
        if (message.kind == WalMessage::Kind::kData) Take(message);
        if (message.kind == WalMessage::Kind::kKeepalive) Answer(message);
        if (silent && asked_ == Asked::kOnce) Ask(Asked::kTwice);
        if (manner_.at_once) AtOnce(message);
        if (Now() >= next_) OnInterval();
    }
    Farewell::Work work(engine_.farewell);
    Ship(std::nullopt);
}

void ShipStream::OnInterval() {
    if (asked_ != Asked::kNot) Ship(std::nullopt);    // no answer for a whole interval
    next_ = Now() + manner_.interval;
    Ask(Asked::kFirst);
}

bool ShipStream::Receive(WalMessage &message) try {
    // While something waits to be stored, only what is there already is taken along.
    Duration patience = manner_.at_once && shipper_.pending()
                            ? Duration(0)
                            : std::clamp(std::chrono::duration_cast<Duration>(next_ - Now()), Duration(0),
                                         asked_ == Asked::kOnce ? kSilence : kLook);
    return stream_->Receive(patience, message);
} catch (const Error &error) {
    if (error.code == Code::kUnavailable) {
        Farewell::Work work(engine_.farewell);
        Ship(std::nullopt);
    }
    throw;
}

void ShipStream::AtOnce(const WalMessage &message) {
    if (message.kind == WalMessage::Kind::kNothing && shipper_.pending()) Ship(std::nullopt);
    if (told_ < Confirmed()) SendStatus(false);
    if (message.kind == WalMessage::Kind::kNothing) shipper_.Join(kJoinedAtOnce);
}

// What a server may take for safe. Without a slot, and where no commit shall wait for us, nothing is said of it.
Lsn ShipStream::Confirmed() {
    if (!manner_.at_once) return manner_.holds_slot ? shipper_.stored() : Lsn{};
    if (!unbroken_ && Now() - unbroken_asked_at_ >= kAskUnbrokenEvery) {
        unbroken_ = manner_.is_unbroken();
        unbroken_asked_at_ = Now();
    }
    return unbroken_ ? shipper_.confirmed() : Lsn{};
}

void ShipStream::SendStatus(bool ask) {
    told_ = Confirmed();
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
    Ship(had_all_at_);
    LookAround();
}

void ShipStream::Answer(const WalMessage &message) {
    if (message.reply_requested) {    // a server that shuts down waits for this
        if (manner_.holds_slot || manner_.at_once || ServerStops()) Ship(std::nullopt);
        SendStatus(false);
    }
    if (asked_ == Asked::kFirst) {
        asked_ = Asked::kOnce;
        had_all_at_ = message.time;
    } else if (asked_ == Asked::kTwice) {
        ShipAll();
    }
}

void ShipStream::Ship(std::optional<TimePoint> at) {
    shipper_.Ship(at);
    if (!manner_.at_once) shipper_.Join();
    engine_.log().Report({.phase = "ship",
                          .done_bytes = 0,
                          .total_bytes = 0,
                          .stored_bytes = shipper_.stored_bytes(),
                          .done_items = shipper_.pieces(),
                          .total_items = 0,
                          .current = shipper_.stored().Text()});
    if (engine_.answer)
        engine_.answer({{"event", "shipped"},
                        {"until", shipper_.stored().Text()},
                        {"at", at ? Json(FormatTime(*at, true)) : Json()}});
}

void ShipStream::LookAround() {
    if (ServerStops()) return;
    if (Now() - tidied_at_ >= kTidyEvery) {
        tidied_at_ = Now();
        shipper_.Tidy();
    }
    if (Now() - owner_looked_at_ < kLookAtOwnerEvery) return;
    owner_looked_at_ = Now();
    if (std::optional<Writer> owner = NewestWriter(repository_); owner && owner->epoch != repository_.epoch())
        throw Error(Code::kUnavailable, fmt::format("\"{}\" has a new owner", repository_.cluster().Path()),
                    fmt::format("Its epoch is {}.", owner->epoch));
}

}    // namespace ark::cli
