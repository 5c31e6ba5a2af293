// What all background workers of this library have in common.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// One that runs once; its name is its type's until the caller gives it another. They write: on a standby they wait for the promotion.
inline BackgroundWorker DescribeWorker(const char *function, const char *type, int flags = 0) {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | flags;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "pg_ark", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, function, sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_name, type, sizeof worker.bgw_name);
    strlcpy(worker.bgw_type, type, sizeof worker.bgw_type);
    return worker;
}

// From here on the worker takes up changes of the settings (ConfigReloadPending). StartBackgroundWorker() has ignored SIGHUP until now, and so
// lost a reload between the fork and this: what the files say now is read.
inline void FollowSettings() {
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    ProcessConfigFile(PGC_SIGHUP);
}

}    // namespace ark::pg
