// What SQL may ask of the archiver.
#include "extension/rows.h"

namespace ark::pg {

// (archiver_pid, engine_pid, engine, why_not, last_archived_wal, last_archived_at, archived_count, ahead_count, failing_since, failed_wal,
//  last_failed_at, message, detail, hint, last_segment, last_segment_at, dropping_since, shipped_until, shipped_at); no row where the
//  library was not preloaded
ARK_FUNCTION(ark_archive_state) {
    RowWriter row(fcinfo);
    if (!shared) return Datum(0);
    const ArchiveState *state = CopyShared(shared->archive);
    const ShippedState *shipped = CopyShared(shared->shipped);
    row.Known(state->archiver_pid);
    row.Known(state->engine_pid);
    row.Text(state->engine);
    row.Text(state->why_not);
    row.Text(state->last_archived);
    row.Known(state->last_archived_at);
    row.Number(state->archived_count);
    row.Number(state->ahead_count);
    row.Known(state->failing_since);
    row.Text(state->failed);
    row.Known(state->last_failed_at);
    row.Text(state->failure.message);
    row.Text(state->failure.detail);
    row.Text(state->failure.hint);
    row.Text(state->last_segment);
    row.Known(state->last_segment_at);
    row.Known(state->dropping_since);
    row.Text(shipped->shipped_until);
    row.Known(shipped->shipped_at);
    row.End();
    return Datum(0);
}

// (phase, since, why, remedy); no row where the library was not preloaded
ARK_FUNCTION(ark_wal_sync_state) {
    constexpr const char *kPhases[] = {"off", "catching up", "waiting", "timed out", "refused", "stuck"};
    RowWriter row(fcinfo);
    if (!shared) return Datum(0);
    const WalSyncState *state = CopyShared(shared->wal_sync);
    row.Text(kPhases[static_cast<int>(state->phase)]);
    row.Known(state->since);
    row.Text(state->why);
    row.Text(state->remedy);
    row.End();
    return Datum(0);
}

// (store, last_copied, copied_until_at, waiting_files, waiting_bytes, waiting_since, looked_at, failing_since, error, hint): a row for each
// store with ack=async that its engine has told of
ARK_FUNCTION(ark_queue_state) {
    RowWriter row(fcinfo);
    if (!shared) return Datum(0);
    for (const QueueState &theirs : shared->queues) {
        const QueueState *queue = CopyShared(theirs);
        if (!queue->store[0]) continue;
        row.Text(queue->store);
        row.Text(queue->last_copied);
        row.Known(queue->copied_until_at);
        row.Number(queue->waiting_files);
        row.Number(queue->waiting_bytes);
        row.Known(queue->waiting_since);
        row.Known(queue->looked_at);
        row.Known(queue->failing_since);
        row.Text(queue->error);
        row.Text(queue->hint);
        row.End();
    }
    return Datum(0);
}

}    // namespace ark::pg
