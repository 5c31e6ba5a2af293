// What happens when the library is loaded. Preloaded, it defines the settings, asks for shared memory and registers the
// launcher. Loaded on demand into a session, it does nothing: its functions then say what is missing, or need nothing of it.
#include "extension/background_worker.h"
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
    BackgroundWorker worker =
        DescribeWorker("ark_launcher_main", "pg_ark launcher", BGWORKER_BACKEND_DATABASE_CONNECTION);
    worker.bgw_restart_time = 5;
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
