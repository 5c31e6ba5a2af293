#include "extension/shared_state.h"

namespace ark::pg {

SharedState *shared = nullptr;

namespace {

shmem_request_hook_type previous_request_hook;
shmem_startup_hook_type previous_startup_hook;

void RequestSharedState() {
    if (previous_request_hook) previous_request_hook();
    RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
    RequestNamedLWLockTranche("pg_ark", 1);
}

void StartSharedState() {
    if (previous_startup_hook) previous_startup_hook();
    bool found;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    shared = static_cast<SharedState *>(ShmemInitStruct("pg_ark", sizeof(SharedState), &found));
    if (!found) {
        std::memset(static_cast<void *>(shared), 0, sizeof *shared);
        shared->lock = &GetNamedLWLockTranche("pg_ark")->lock;
        shared->connect_directly = true;
    }
    LWLockRelease(AddinShmemInitLock);
}

}    // namespace

const char *JobStateName(JobState state) {
    switch (state) {
    case JobState::kFree: return "free";
    case JobState::kQueued: return "queued";
    case JobState::kStarting: return "starting";
    case JobState::kRunning: return "running";
    case JobState::kDone: return "done";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
    }
    return "unknown";
}

void InstallSharedStateHooks() {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = RequestSharedState;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = StartSharedState;
}

void RequireSharedState() {
    if (shared) return;
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("pg_ark is not loaded by this server"),
             errdetail("shared_preload_libraries does not name pg_ark, so there is no launcher that could run a job."),
             errhint("Add pg_ark to shared_preload_libraries and restart the server.")));
}

JobSlot *FindSlot(int64 job_id) {
    for (JobSlot &slot : shared->slots)
        if (slot.state != JobState::kFree && slot.job_id == job_id) return &slot;
    return nullptr;
}

void WakeLauncher() {
    if (shared->launcher_latch) SetLatch(shared->launcher_latch);
}

void AddNote(JobSlot &slot, int level, std::string_view text) {
    Note &note = slot.notes[slot.notes_written % kNotes];
    note.level = level;
    CopyText(note.text, sizeof note.text, text);
    slot.notes_written++;
    if (slot.waiter_latch) SetLatch(slot.waiter_latch);
}

}    // namespace ark::pg
