#include "extension/tail_worker.h"

#include "extension/kept_engine.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

bool IsOn(const char *name) {
    const char *value = GetConfigOption(name, true, false);
    return value && strcmp(value, "off") != 0 && strcmp(value, "0") != 0 && value[0];
}

bool ArchivesWithUs() {
    if (!XLogArchivingActive()) return false;
    const char *library = GetConfigOption("archive_library", true, false);
    if (library && strcmp(library, "pg_ark") == 0) return true;
    const char *command = GetConfigOption("archive_command", true, false);
    return command && strstr(command, "wal-push");
}

// A duration that is nothing: "0", "0s", "0 min".
bool IsNothing(const char *duration) { return strtod(duration, nullptr) <= 0; }

bool IsWanted() { return !WhyNoShipping(); }

void NoteShipped(const ShippedState &shipped) {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    shared->shipped = shipped;
    LWLockRelease(shared->lock);
}

// What was told may be of another store.
void Begin() { NoteShipped({}); }

void Handle(const Event &event) {
    if (event.kind == EventKind::kShipped) NoteShipped(event.shipped);
}

const KeptEngine kShipper{.name = "pg_ark wal-ship",
                          .function = "ark_tail_worker_main",
                          .verb = "wal-ship",
                          .trouble = "pg_ark ships no WAL",
                          .state = &SharedState::tail,
                          .outlives_server = true,
                          .is_wanted = IsWanted,
                          .begin = Begin,
                          .handle = Handle};
KeptWorker worker;

}    // namespace

const char *WhyNoShipping() {
    if (!SettingBool("enabled")) return "ark.enabled is off";
    if (!SettingText("store")[0]) return "ark.store is not set";
    if (IsNothing(SettingText("wal_ship_interval"))) return "ark.wal_ship_interval is 0";
    if (!IsOn("max_wal_senders")) return "max_wal_senders is 0";
    return ArchivesWithUs() ? nullptr : "the server does not archive its WAL with pg_ark";
}

long KeepTailWorker() { return KeepEngine(kShipper, &worker); }

}    // namespace ark::pg

void ark_tail_worker_main(Datum) {
    using namespace ark::pg;
    RunKeptEngine(kShipper);
}
