#include "extension/wal_sync.h"

#include "config/standby_names.h"
#include "extension/catalog.h"
#include "extension/settings.h"
#include "extension/standby_setting.h"
#include "extension/tail_worker.h"
#include "schedule/store_watch.h"

namespace ark::pg {
namespace {

constexpr long kLookMs = 1'000;
constexpr long kActAgainMs = 10'000;    // when the setting did not become what it was made
constexpr long kAfterFailureMs = 60'000;

StoreWatch watch;
bool was_named;
TimestampTz act_after;    // what was changed takes a moment until it is read

void SetPhase(WalSyncPhase phase, const char *why, const char *remedy) {
    WalSyncState &state = shared->wal_sync;
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    if (state.phase != phase) state.since = GetCurrentTimestamp();
    state.phase = phase;
    CopyText(state.why, sizeof state.why, why);
    CopyText(state.remedy, sizeof state.remedy, remedy);
    LWLockRelease(shared->lock);
}

bool MayAct() {
    TimestampTz now = GetCurrentTimestamp();
    if (now < act_after) return false;
    act_after = TimestampTzPlusMilliseconds(now, kActAgainMs);
    return true;
}

// Whether commits wait for the store.
bool LookAtName() {
    bool named = StoreIsNamed();
    if (named != was_named) act_after = 0;
    was_named = named;
    return named;
}

struct Position {
    uint64 flushed, stored;
};

void ReadPosition(void *position) {
    auto *out = static_cast<Position *>(position);
    Row row = RunQuery(query::kStorePosition, {kStoreStandby});
    out->flushed = strtoull(row.values[0], nullptr, 10);
    out->stored = strtoull(row.values[1], nullptr, 10);
}

Duration Patience() {
    const char *text = SettingText("wal_sync_timeout");
    if (strtod(text, nullptr) <= 0) return Duration(0);
    return CallCore([&] { return ParseDuration(text, "ark.wal_sync_timeout"); });
}

// What keeps WAL from the store, as far as the shipper has told. Palloc'd.
const char *Trouble() {
    LWLockAcquire(shared->lock, LW_SHARED);
    const KeptState &tail = shared->tail;
    const char *told = tail.failure[0] ? tail.failure : tail.trouble;
    if (!told[0] && tail.worker_pid == 0)
        told = "no process ships WAL at the moment (max_worker_processes must leave room for one)";
    if (!told[0]) told = "the store takes it too slowly, or does not answer";
    char *trouble = pstrdup(told);
    LWLockRelease(shared->lock);
    return trouble;
}

// Without names: back to what it was. False: it could not be done; that is in the log, and in ark.status.
bool Alter(const char *names) {
    Failure failure{};
    if (names ? AlterStandbyNames(names, &failure) : GiveStandbyNamesBack(&failure)) {
        ReloadServer();
        return true;
    }
    const char *remedy =
        "ALTER SYSTEM must be allowed, and able to write postgresql.auto.conf; the server log says more";
    if (names)
        SetPhase(WalSyncPhase::kRefused, psprintf("synchronous_standby_names could not be set: %s", failure.message),
                 remedy);
    else
        SetPhase(
            WalSyncPhase::kStuck,
            psprintf("commits wait for a store that is not there: synchronous_standby_names could not be reset: %s",
                     failure.message),
            remedy);
    if (names) act_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kAfterFailureMs);
    return false;
}

// `why` is nullptr where nobody asked for it.
void KeepOut(const char *why) {
    static bool in_vain = false;    // the name stands elsewhere than in our entry
    bool named = LookAtName();
    watch.Forget();
    in_vain = in_vain && named;
    const bool stuck = in_vain;
    if (named && !in_vain && MayAct() && Alter(nullptr)) {
        in_vain = true;    // unless the next look finds it gone
        ereport(LOG, (errmsg("pg_ark: commits do not wait for the store any more"),
                      errdetail_internal("%s.", why ? why : "ark.wal_sync is off")));
    }
    if (stuck)
        SetPhase(WalSyncPhase::kStuck, psprintf("commits wait for %s for ever: nothing is shipped", kStoreStandby),
                 "take the name out of synchronous_standby_names in the configuration file");
    else if (why)
        SetPhase(WalSyncPhase::kRefused, why, "ark.wal_sync needs what ark.wal_ship_interval needs: docs/wal.md");
    else
        SetPhase(WalSyncPhase::kOff, "", "");
}

// nullptr: nothing.
const char *WhatIsInTheWay(const StandbySetting &setting, const char **remedy) {
    *remedy = "take it out there: pg_ark adds the name by itself, with ALTER SYSTEM";
    if (setting.from_elsewhere) return "synchronous_standby_names is set on the server's command line";
    if (setting.own_has_store) return psprintf("the configuration file names %s itself", kStoreStandby);
    *remedy =
        "put the names into postgresql.conf, and ALTER SYSTEM RESET synchronous_standby_names: pg_ark adds its own";
    if (setting.has_entry && !setting.entry_has_store && !setting.over_nobody)
        return psprintf("synchronous_standby_names was set to '%s' with ALTER SYSTEM", setting.entry);
    Failure failure{};
    if (NamesWithStore(setting, &failure)) return nullptr;
    *remedy = pstrdup(failure.hint);
    return psprintf("%s. %s", failure.message, failure.detail);
}

void Refuse(const StandbySetting &setting, const char *why, const char *remedy) {
    if (shared->wal_sync.phase != WalSyncPhase::kRefused)
        ereport(WARNING, (errmsg("pg_ark: commits do not wait for the store"), errdetail_internal("%s", why),
                          errhint("%s", remedy)));
    SetPhase(WalSyncPhase::kRefused, why, remedy);
    watch.Forget();
    if (setting.entry_has_store && MayAct()) Alter(nullptr);
}

void GiveUp() {
    auto behind = std::chrono::duration_cast<std::chrono::seconds>(SystemClock().Steady() - watch.since());
    const char *trouble = Trouble();
    if (!Alter(nullptr)) return;
    ereport(WARNING, (errmsg("pg_ark: commits do not wait for the store any more"),
                      errdetail("It has been behind for %d seconds: %s.", static_cast<int>(behind.count()), trouble),
                      errhint("What is committed from now on would be lost with the server, until the store has caught "
                              "up and commits wait for it again.")));
    SetPhase(WalSyncPhase::kTimedOut, trouble,
             "SELECT * FROM ark.check_store(); tries the store. Once it has caught up, commits wait for it again");
}

void PutIn(const char *names) {
    if (!Alter(names)) return;
    ereport(LOG, (errmsg("pg_ark: commits wait until the store has their WAL"),
                  errdetail("synchronous_standby_names becomes '%s'.", names)));
}

void Act(StoreWatch::Verdict verdict, bool named, const char *names) {
    using enum StoreWatch::Verdict;
    if (verdict == kTakeOut && MayAct()) return GiveUp();
    if (verdict == kPutIn && MayAct()) return PutIn(names);
    if (verdict != kNothing || GetCurrentTimestamp() < act_after) return;
    if (named) SetPhase(WalSyncPhase::kWaiting, "", "");
    // Others that the server waits for have come or gone.
    if (named && strcmp(GetConfigOption("synchronous_standby_names", false, false), names) != 0 && MayAct())
        return PutIn(names);
    if (!named && shared->wal_sync.phase != WalSyncPhase::kTimedOut)
        SetPhase(WalSyncPhase::kCatchingUp, Trouble(), "if it lasts, SELECT * FROM ark.check_store();");
}

void Look() {
    static StandbySetting setting;
    static TimestampTz read_at = 0;
    Position position{};
    Failure failure{};
    if (read_at != PgReloadTime || read_at == 0) {
        if (!RunInTransaction(ReadStandbySetting, &setting, nullptr)) return;
        read_at = PgReloadTime;
        act_after = 0;
    }
    const bool named = LookAtName();
    const char *remedy = nullptr;
    if (const char *why = WhatIsInTheWay(setting, &remedy)) return Refuse(setting, why, remedy);
    if (!RunInTransaction(ReadPosition, &position, nullptr)) return;
    Act(watch.Look(SystemClock().Steady(), named, position.flushed, position.stored, Patience()), named,
        NamesWithStore(setting, &failure));
}

}    // namespace

long KeepWalSync(bool connected) {
    if (!SettingBool("wal_sync")) {
        KeepOut(nullptr);
        return was_named ? kLookMs : -1;
    }
    const char *why = WhyNoShipping();
    if (!connected && !why) why = psprintf("database \"%s\" (ark.database) does not exist", SettingText("database"));
    if (why)
        KeepOut(why);
    else
        Look();
    return kLookMs;
}

}    // namespace ark::pg
