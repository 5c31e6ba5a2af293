// How a job gets into a slot, how somebody waits for it, and how it is ended before its time.
#pragma once

#include "extension/catalog.h"
#include "extension/shared_state.h"

namespace ark::pg {

// Columns of a row from `first` on: action, verb, source, database, kind, exclusive, schedule, light, caller, arguments.
// Raises an error for arguments that are too long.
void ReadJobRequest(const Row &row, int first, JobRequest *request);

// In a session. Raises an error unless jobs can run here and now: preloaded, enabled, a launcher, not a standby, the right database.
void RequireRunningLauncher();

// In a session: returns once the launcher has committed the job's row, so that neither a ROLLBACK nor a crash loses it.
// With `waits` the slot stays as it is until WaitForJob has read the outcome from it.
int64 SubmitJob(const JobRequest &request, bool waits);
// In the launcher: for a job whose row is committed. False: all slots are taken.
bool SubmitRecordedJob(int64 job_id, const JobRequest &request);

// Asks for the end of a job. False: there is no such job, or it has ended.
bool CancelJob(int64 job_id, const char *reason);

// Waits for the end of a job and tells its progress by NOTICE. Returns when it is done; raises the job's error when it
// failed. A statement_timeout or a lost client ends the wait and not the job; an explicit cancel ends both.
void WaitForJob(int64 job_id);

}    // namespace ark::pg
