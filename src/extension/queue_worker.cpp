#include "extension/queue_worker.h"

#include "extension/kept_engine.h"
#include "extension/settings.h"

namespace ark::pg {
namespace {

bool IsWanted() { return SettingBool("enabled") && XLogArchivingActive() && strstr(SettingText("store"), "ack=async"); }

// What was told may be of other stores.
void Begin() {
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    for (QueueState &queue : shared->queues) queue = {};
    LWLockRelease(shared->lock);
}

void Handle(const Event &event) {
    if (event.kind != EventKind::kQueue) return;
    LWLockAcquire(shared->lock, LW_EXCLUSIVE);
    for (QueueState &queue : shared->queues)
        if (!queue.store[0] || strcmp(queue.store, event.queue.store) == 0) {
            queue = event.queue;
            break;
        }
    LWLockRelease(shared->lock);
}

const KeptEngine kQueues{.name = "pg_ark wal-copy",
                         .function = "ark_queue_worker_main",
                         .verb = "wal-copy",
                         .trouble = "pg_ark copies no WAL",
                         .state = &SharedState::copies,
                         .outlives_server = false,
                         .is_wanted = IsWanted,
                         .begin = Begin,
                         .handle = Handle};
KeptWorker worker;

}    // namespace

long KeepQueueWorker() { return KeepEngine(kQueues, &worker); }

}    // namespace ark::pg

void ark_queue_worker_main(Datum) {
    using namespace ark::pg;
    RunKeptEngine(kQueues);
}
