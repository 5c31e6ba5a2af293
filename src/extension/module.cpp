// What happens when the library is loaded. Preloaded, it defines the settings, asks for shared memory and registers the
// launcher. Loaded on demand into a session, it does nothing: its functions then say what is missing, or need nothing of it.
#include "extension/settings.h"
#include "extension/shared_state.h"
#include "extension/wal_sync.h"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

namespace ark::pg {
namespace {

void RegisterLauncher() {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;    // it writes: on a standby it waits for the promotion
    worker.bgw_restart_time = 5;
    strlcpy(worker.bgw_library_name, "pg_ark", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "ark_launcher_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, "pg_ark launcher", sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, "pg_ark launcher", sizeof worker.bgw_type);
    RegisterBackgroundWorker(&worker);
}

}    // namespace
}    // namespace ark::pg

void _PG_init(void) {
    if (!process_shared_preload_libraries_in_progress) return;
    ark::pg::DefineSettings();
    ark::pg::InstallSharedStateHooks();
    ark::pg::RegisterLauncher();
    ark::pg::ReturnToWalSync();
}
