// The name in synchronous_standby_names between two runs of a server. It must not stay where the next start may be one without this
// library; and the next with it must have it before anybody can commit. A mark in pg_wal, which no copy of the cluster takes along,
// says that it was there.
#include <unistd.h>

#include "extension/settings.h"
#include "extension/standby_setting.h"
#include "extension/tail_worker.h"
#include "extension/wal_sync.h"

namespace ark::pg {
namespace {

constexpr const char *kMark = "pg_wal/ark_wal_sync";
constexpr const char *kPostmasterFile = "postmaster.pid";
constexpr const char *kAutoFile = "postgresql.auto.conf";

// The postmaster says so in its file.
bool ServerStops() {
    FILE *file = AllocateFile(kPostmasterFile, "r");
    if (!file) return false;
    char line[MAXPGPATH] = "";
    int number = 0;
    while (number < LOCK_FILE_LINE_PM_STATUS && fgets(line, sizeof line, file)) number++;
    FreeFile(file);
    return number == LOCK_FILE_LINE_PM_STATUS && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

bool Exists(const char *path) { return access(path, F_OK) == 0; }

// Only whole.
bool WriteMark() {
    FILE *file = AllocateFile(kMark, "w");
    if (!file) return false;
    bool written = fputs("The server waited for the store when it stopped.\n", file) >= 0 && fflush(file) == 0 &&
                   pg_fsync(fileno(file)) == 0;
    FreeFile(file);
    fsync_fname("pg_wal", true);
    return written;
}

// The last one of a name is in force. There is no other process yet.
bool AppendEntry(const char *names) {
    FILE *file = AllocateFile(kAutoFile, "a");
    if (!file) return false;
    bool written = fprintf(file, "\nsynchronous_standby_names = '%s'\n", escape_single_quotes_ascii(names)) > 0 &&
                   fflush(file) == 0 && pg_fsync(fileno(file)) == 0;
    FreeFile(file);
    return written;
}

}    // namespace

void LeaveWalSync() {
    Failure failure{};
    if (!StoreIsNamed() || !ServerStops() || !WriteMark()) return;
    if (!GiveStandbyNamesBack(&failure)) unlink(kMark);
}

void ReturnToWalSync() {
    if (!IsPostmasterEnvironment || IsUnderPostmaster || !Exists(kMark)) return;
    Failure failure{};
    StandbySetting setting{};
    const char *own = GetConfigOption("synchronous_standby_names", true, false);
    CopyText(setting.own, sizeof setting.own, own ? own : "");
    bool wanted = SettingBool("wal_sync") && !WhyNoShipping() && !StoreIsNamed() && !Exists("standby.signal") &&
                  !Exists("recovery.signal") && ReadStandbyEntry(&setting) &&
                  (!setting.has_entry || setting.over_nobody);
    const char *names = wanted ? NamesWithStore(setting, &failure) : nullptr;
    if (names && AppendEntry(names)) {
        SetConfigOption("synchronous_standby_names", names, PGC_SIGHUP, PGC_S_FILE);
        ereport(LOG, (errmsg("pg_ark: commits wait until the store has their WAL, as before")));
    }
    unlink(kMark);
}

}    // namespace ark::pg
