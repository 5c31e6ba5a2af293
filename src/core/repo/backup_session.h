// The life of a backup from begin to commit. Section 4.
//
// auto session = BackupSession::Begin(repository, keys, {...});      creates `begin`, then drops bases that have an end
// PackWriter packs = session->NewPackWriter(settings);                one a thread
// session->Reference(ref) for every frame that is reused              its pack goes into the list, after it was checked
// session->Commit(body)                                               packs list, then the manifest: the commit
// Destroyed without Commit: nothing is undone; the next sweep finds a begin without a manifest. Abort() fences it at once, unless it
// wrote a checkpoint: then the next backup of its kind goes on from there.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/log.h"
#include "repo/interrupted.h"
#include "repo/manifest.h"

namespace ark {

struct BackupPlan {
    std::string kind;    // logical, entities, …
    std::string domain = "cluster";
    std::vector<BackupId> bases;    // may be reused from
    std::string reason;
    Duration full_every = std::chrono::hours(24 * 30);    // packs older than this are not reused
    // Interrupted backups of the kind with a higher sequence are gone on from; nullopt: none are.
    std::optional<std::uint64_t> resumes_after = std::nullopt;
};

// An interrupted backup that this one goes on from.
struct ResumedBackup {
    InterruptedBackup interrupted;
    Json facts;    // of its last checkpoint
};

class BackupSession {
public:
    static std::unique_ptr<BackupSession> Begin(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys,
                                                BackupPlan plan, Clock &clock, Random &random);
    ~BackupSession();

    const BackupId &id() const;
    std::uint64_t sequence() const;
    const DomainKey &key() const;
    const std::vector<BackupId> &bases() const;              // those that may really be used
    const std::vector<std::string> &unused_bases() const;    // why the others may not, for people
    std::shared_ptr<FrameReader> frames() const;
    // The body and tree of a usable base; kept alive by `begin`.
    Manifest BaseManifest(const BackupId &base);

    // Those that this one goes on from, the newest first.
    const std::vector<ResumedBackup> &resumed() const;
    // Their entries. What they name can be referenced from then on.
    CheckpointEntries EntriesOf(const ResumedBackup &backup);
    // True if an interrupted backup stored it, and no base has it. Thread-safe.
    bool IsResumed(const FrameRef &ref) const;

    // Thread-safe. Finish() every writer before Commit(), and destroy it before the session.
    std::unique_ptr<PackWriter> NewPackWriter(const PackSettings &settings);

    // True if the frame's pack is this backup's own, or one of a base that is present with its size, young enough and not in quarantine (one
    // listing for all packs of a maker); then the pack is added to this backup's list. Thread-safe.
    bool Reference(const FrameRef &ref);

    // True if its pack is one of a base (or would be: whether it can be reused is another question).
    bool IsOfBase(const FrameRef &ref) const;
    // True if its pack was proven to be in the store, or is none of this backup's. Thread-safe.
    bool IsStored(const FrameRef &ref) const;
    // Entries (lines, ascending, behind those of the checkpoint before) whose frames are all stored.
    void WriteCheckpoint(Json facts, std::string entries);

    std::uint64_t new_bytes() const;
    std::uint64_t reused_packs() const;

    // Creates the packs list and the manifest, once. Throws kConflict if the backup was fenced meanwhile.
    ManifestClear Commit(Json body);
    void Abort() noexcept;    // fences, but for checkpoints: creates the manifest as aborted; best effort

private:
    struct State;
    explicit BackupSession(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}    // namespace ark
