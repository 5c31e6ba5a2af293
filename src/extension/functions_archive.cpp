// What SQL may ask of the archiver.
#include "extension/shared_state.h"

namespace ark::pg {

// (archiver_pid, engine_pid, engine, why_not, last_archived_wal, last_archived_at, archived_count, ahead_count, failing_since, failed_wal,
//  last_failed_at, message, detail, hint, last_segment, last_segment_at, dropping_since, shipped_until, shipped_at); no row where the
//  library was not preloaded
ARK_FUNCTION(ark_archive_state) {
    constexpr int kColumns = 19;
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (!shared) return Datum(0);
    auto *state = static_cast<ArchiveState *>(palloc(sizeof(ArchiveState)));
    LWLockAcquire(shared->lock, LW_SHARED);
    std::memcpy(static_cast<void *>(state), &shared->archive, sizeof *state);
    ShippedState shipped = shared->shipped;
    LWLockRelease(shared->lock);
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    int column = 0;
    auto text = [&](const char *value) {
        nulls[column] = !value[0];
        values[column++] = value[0] ? CStringGetTextDatum(value) : Datum(0);
    };
    auto number = [&](int64 value, bool unknown = false) {
        nulls[column] = unknown;
        values[column++] = Int64GetDatum(value);
    };
    number(state->archiver_pid, state->archiver_pid == 0);
    number(state->engine_pid, state->engine_pid == 0);
    text(state->engine);
    text(state->why_not);
    text(state->last_archived);
    number(state->last_archived_at, state->last_archived_at == 0);
    number(state->archived_count);
    number(state->ahead_count);
    number(state->failing_since, state->failing_since == 0);
    text(state->failed);
    number(state->last_failed_at, state->last_failed_at == 0);
    text(state->failure.message);
    text(state->failure.detail);
    text(state->failure.hint);
    text(state->last_segment);
    number(state->last_segment_at, state->last_segment_at == 0);
    number(state->dropping_since, state->dropping_since == 0);
    text(shipped.shipped_until);
    number(shipped.shipped_at, shipped.shipped_at == 0);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return Datum(0);
}

// (phase, since, why, remedy); no row where the library was not preloaded
ARK_FUNCTION(ark_wal_sync_state) {
    constexpr const char *kPhases[] = {"off", "catching up", "waiting", "timed out", "refused", "stuck"};
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (!shared) return Datum(0);
    auto *state = static_cast<WalSyncState *>(palloc(sizeof(WalSyncState)));
    LWLockAcquire(shared->lock, LW_SHARED);
    std::memcpy(static_cast<void *>(state), &shared->wal_sync, sizeof *state);
    LWLockRelease(shared->lock);
    Datum values[] = {CStringGetTextDatum(kPhases[static_cast<int>(state->phase)]), Int64GetDatum(state->since),
                      CStringGetTextDatum(state->why), CStringGetTextDatum(state->remedy)};
    bool nulls[] = {false, state->since == 0, !state->why[0], !state->remedy[0]};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return Datum(0);
}

// (store, last_copied, copied_until_at, waiting_files, waiting_bytes, waiting_since, looked_at, failing_since, error, hint): a row for each
// store with ack=async that its engine has told of
ARK_FUNCTION(ark_queue_state) {
    constexpr int kColumns = 10;
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (!shared) return Datum(0);
    auto *queues = static_cast<QueueState *>(palloc(sizeof shared->queues));
    LWLockAcquire(shared->lock, LW_SHARED);
    std::memcpy(static_cast<void *>(queues), shared->queues, sizeof shared->queues);
    LWLockRelease(shared->lock);
    for (int i = 0; i < kMostQueues; i++) {
        const QueueState &queue = queues[i];
        if (!queue.store[0]) continue;
        Datum values[kColumns] = {};
        bool nulls[kColumns] = {};
        int column = 0;
        auto text = [&](const char *value) {
            nulls[column] = !value[0];
            values[column++] = value[0] ? CStringGetTextDatum(value) : Datum(0);
        };
        auto number = [&](int64 value, bool unknown) {
            nulls[column] = unknown;
            values[column++] = Int64GetDatum(value);
        };
        auto moment = [&](TimestampTz value) { number(value, value == 0); };
        text(queue.store);
        text(queue.last_copied);
        moment(queue.copied_until_at);
        number(queue.waiting_files, false);
        number(queue.waiting_bytes, false);
        moment(queue.waiting_since);
        moment(queue.looked_at);
        moment(queue.failing_since);
        text(queue.error);
        text(queue.hint);
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum(0);
}

}    // namespace ark::pg
