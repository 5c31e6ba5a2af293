#include "repo/backup_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "repo/base_packs.h"
#include "repo/catalog.h"
#include "repo/resumed_packs.h"

namespace ark {
namespace {

constexpr std::size_t kBeginsRead = 16;    // the newest by name, and the newest by the store's clock

// The caller's randomness, for writers in several threads.
class SharedRandom : public Random {
public:
    explicit SharedRandom(Random &inner) : inner_(inner) {}
    void Fill(MutableBytes bytes) override {
        std::lock_guard lock(mutex_);
        inner_.Fill(bytes);
    }

private:
    Random &inner_;
    std::mutex mutex_;
};

// The begins that can hold the highest sequence. Names sort by a clock that can be set back, and so can the store's:
// the newest by either are looked at.
std::set<BackupId> NewestBegins(const Repository &repository) {
    std::vector<std::pair<TimePoint, BackupId>> begins;
    repository.List("backups/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (place && place->kind == layout::Kind::kBegin) begins.emplace_back(info.modified, place->backup);
        return true;
    });
    std::set<BackupId> chosen;
    auto take_last = [&] {
        for (std::size_t i = begins.size() - std::min(begins.size(), kBeginsRead); i < begins.size(); i++)
            chosen.insert(begins[i].second);
    };
    take_last();    // the listing is by name
    std::ranges::sort(begins);
    take_last();
    return chosen;
}

// 0 for a begin that a sweep has removed. One that is damaged must not keep all backups from being taken: its manifest
// says the same.
std::uint64_t SequenceOf(const Repository &repository, const BackupId &id) {
    try {
        std::optional<Json> begin = repository.Read(layout::Kind::kBegin, layout::Begin(id));
        return begin ? JsonNumber(*begin, "sequence", fmt::format("the begin of backup \"{}\"", id)) : 0;
    } catch (const Error &e) {
        if (e.code != Code::kCorrupt) throw;
    }
    try {
        std::optional<ManifestClear> manifest = ReadManifestClear(repository, id);
        return manifest ? manifest->sequence : 0;
    } catch (const Error &e) {
        if (e.code != Code::kCorrupt) throw;
        return 0;
    }
}

std::uint64_t NextSequence(const Repository &repository) {
    std::uint64_t highest = 0;
    for (const BackupId &id : NewestBegins(repository)) highest = std::max(highest, SequenceOf(repository, id));
    return highest + 1;
}

}    // namespace

struct BackupSession::State {
    State(std::shared_ptr<Repository> in, std::shared_ptr<KeyRing> with, BackupPlan what, Clock &time, Random &names)
        : repository(std::move(in)),
          keys(std::move(with)),
          plan(std::move(what)),
          clock(time),
          random(names),
          frames(std::make_shared<FrameReader>(repository, keys)) {}

    std::shared_ptr<Repository> repository;
    std::shared_ptr<KeyRing> keys;
    BackupPlan plan;
    Clock &clock;
    SharedRandom random;
    std::shared_ptr<FrameReader> frames;
    DomainKey key;
    BackupId id;
    std::uint64_t sequence = 0;
    std::vector<BackupId> bases;
    std::vector<std::string> unused_bases;
    std::map<BackupId, Manifest> base_manifests;
    std::unique_ptr<BasePacks> base_packs;
    std::vector<InterruptedBackup> interrupted;    // as they were found; `resumed` are those that may be used
    std::vector<ResumedBackup> resumed;
    std::unique_ptr<ResumedPacks> resumed_packs;
    std::uint64_t checkpoints = 0;            // tried
    bool tried = false, committed = false;    // to commit; a manifest is formatted once

    mutable std::mutex mutex;    // guards what follows
    std::vector<PackInfo> own;
    std::set<std::string, std::less<>> own_names;
    std::size_t own_told = 0;    // by checkpoints
    std::uint64_t new_bytes = 0;

    // Whatever an interrupted backup's entries may lie in stays as long as this one is open.
    std::vector<BackupId> Named() const {
        std::vector<BackupId> named = plan.bases;
        auto add = [&](const BackupId &backup) {
            if (std::ranges::find(named, backup) == named.end()) named.push_back(backup);
        };
        for (const InterruptedBackup &backup : interrupted) {
            add(backup.id);
            for (const BackupId &base : backup.bases) add(base);
        }
        return named;
    }

    void CreateBegin() {
        key = keys->Newest(plan.domain, true, random);
        TimePoint now = std::chrono::floor<std::chrono::seconds>(clock.Now());
        id = CompactTime(now) + "-" + random.Hex(4);
        sequence = NextSequence(*repository);
        if (plan.resumes_after) interrupted = FindInterrupted(*repository, plan.kind, *plan.resumes_after);
        repository->Create(layout::Kind::kBegin, layout::Begin(id),
                           {{"backup", id},
                            {"sequence", sequence},
                            {"kind", plan.kind},
                            {"started", FormatTime(now)},
                            {"bases", Named()},
                            {"host", HostName()},
                            {"pid", getpid()},
                            {"reason", plan.reason}});
    }

    // Why `base` must not be reused; empty if it may.
    std::string TryBase(const BackupId &base) {
        if (repository->Stat(layout::End(base))) return "it has been expired";
        try {
            std::optional<Manifest> manifest = ReadManifest(*repository, base, keys.get());
            if (!manifest || manifest->clear.state != "complete") return "it is not complete";
            if (manifest->clear.domain != plan.domain) return "it is of another database";
            if (manifest->clear.generation != key.generation) return "there is a newer key";
            base_packs->Load(manifest->clear);
            base_manifests.emplace(base, std::move(*manifest));
        } catch (const Error &e) {    // what cannot be read is stored afresh
            if (e.code != Code::kCorrupt && e.code != Code::kNotFound && e.code != Code::kUnsupported) throw;
            return e.message;
        }
        return {};
    }

    // After `begin` names them: a sweep that began earlier has ended none of those that pass.
    void ChooseBases() {
        std::optional<ObjectInfo> begin = repository->Stat(layout::Begin(id));
        if (!begin)
            throw Error(Code::kConflict, fmt::format("the beginning of backup \"{}\" was removed from the store", id));
        base_packs = std::make_unique<BasePacks>(repository, begin->modified - plan.full_every);
        resumed_packs = std::make_unique<ResumedPacks>(repository, begin->modified - plan.full_every);
        for (const BackupId &base : plan.bases) {
            std::string why_not = TryBase(base);
            if (why_not.empty())
                bases.push_back(base);
            else
                unused_bases.push_back(fmt::format("backup \"{}\" is not reused: {}", base, why_not));
        }
        base_packs->Seal();
        std::erase_if(bases, [&](const BackupId &base) {
            std::string why_not = TryTree(base);
            if (!why_not.empty()) unused_bases.push_back(fmt::format("backup \"{}\" is not reused: {}", base, why_not));
            return !why_not.empty();
        });
    }

    // Why `backup` is not gone on from; empty if it is. As long as it has no manifest, no sweep can have counted its packs dead;
    // and one that begins after a fence sees this backup's begin.
    std::string TryInterrupted(const InterruptedBackup &backup) {
        if (repository->Stat(layout::Manifest(backup.id))) return "it has come to an end";
        if (!repository->Stat(layout::Begin(backup.id))) return "it was removed";
        try {
            resumed.push_back({backup, ReadCheckpoint(*repository, backup.id, backup.checkpoints, key).facts});
        } catch (const Error &e) {    // what cannot be read is stored afresh
            if (e.code != Code::kCorrupt && e.code != Code::kNotFound && e.code != Code::kUnsupported) throw;
            return e.message;
        }
        return {};
    }

    void ChooseInterrupted() {
        for (const InterruptedBackup &backup : interrupted)
            if (std::string why_not = TryInterrupted(backup); !why_not.empty())
                unused_bases.push_back(fmt::format("interrupted backup \"{}\" is not resumed: {}", backup.id, why_not));
    }

    // They have no use any more. One whose writer may be alive is left to the sweep.
    void FenceResumed() noexcept {
        try {
            for (const ResumedBackup &backup : resumed)
                if (WriterIsGone(backup.interrupted)) FenceBackup(*repository, backup.interrupted.id, clock);
        } catch (const std::exception &) {    // best effort: a sweep does it later
            return;
        }
    }

    // Without the topmost nodes of its tree, a base that is whole otherwise names nothing to reuse.
    std::string TryTree(const BackupId &base) {
        const Json &body = base_manifests.at(base).body;
        if (!body.is_object() || !body.contains("tree")) return {};    // a backup of nothing
        try {
            for (const FrameRef &node : TreeRootFromJson(body["tree"]).frames) frames->Read(node);
        } catch (const Error &e) {
            if (e.code != Code::kCorrupt && e.code != Code::kNotFound && e.code != Code::kUnsupported) throw;
            return e.message;
        }
        return {};
    }

    PackTable Packs() const {
        PackTable table;
        base_packs->AddReferenced(table);
        resumed_packs->AddReferenced(table);
        std::lock_guard lock(mutex);
        for (const PackInfo &info : own) table.Add(info);
        table.Seal();
        return table;
    }

    ManifestClear Clear(std::string state) const {
        ManifestClear clear;
        clear.state = std::move(state);
        clear.backup = id;
        clear.sequence = sequence;
        clear.kind = plan.kind;
        clear.finished = std::chrono::floor<std::chrono::seconds>(clock.Now());
        clear.domain = key.domain;
        clear.generation = key.generation;
        return clear;
    }

    [[noreturn]] void ExplainConflict(const Error &e) const {
        std::optional<ManifestClear> there = ReadManifestClear(*repository, id);
        if (!there || there->state != "aborted") throw Error(e);
        throw Error(Code::kConflict, fmt::format("backup \"{}\" was fenced before it could be committed", id),
                    "A sweep or another process declared it dead, and its data may be deleted at any time.",
                    "Take another backup; if backups really last that long, raise ark.abandon_after.");
    }
};

BackupSession::BackupSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
BackupSession::~BackupSession() = default;

std::unique_ptr<BackupSession> BackupSession::Begin(std::shared_ptr<Repository> repository,
                                                    std::shared_ptr<KeyRing> keys, BackupPlan plan, Clock &clock,
                                                    Random &random) {
    auto state = std::make_unique<State>(std::move(repository), std::move(keys), std::move(plan), clock, random);
    state->CreateBegin();
    state->ChooseBases();
    state->ChooseInterrupted();
    return std::unique_ptr<BackupSession>(new BackupSession(std::move(state)));
}

const BackupId &BackupSession::id() const { return state_->id; }
std::uint64_t BackupSession::sequence() const { return state_->sequence; }
const DomainKey &BackupSession::key() const { return state_->key; }
const std::vector<BackupId> &BackupSession::bases() const { return state_->bases; }
const std::vector<std::string> &BackupSession::unused_bases() const { return state_->unused_bases; }
std::shared_ptr<FrameReader> BackupSession::frames() const { return state_->frames; }

Manifest BackupSession::BaseManifest(const BackupId &base) {
    auto at = state_->base_manifests.find(base);
    if (at == state_->base_manifests.end())
        throw Error(Code::kInternal, fmt::format("backup \"{}\" is no base of \"{}\"", base, id()));
    return at->second;
}

std::unique_ptr<PackWriter> BackupSession::NewPackWriter(const PackSettings &settings) {
    State &state = *state_;
    return std::make_unique<PackWriter>(state.repository, state.key, state.id, settings, state.random,
                                        [&state](PackInfo info) {
                                            std::lock_guard lock(state.mutex);
                                            state.new_bytes += info.size;
                                            state.own_names.insert(info.pack);
                                            state.own.push_back(std::move(info));
                                        });
}

bool BackupSession::Reference(const FrameRef &ref) {
    if (ref.pack.starts_with(state_->id + "/")) return true;    // our own
    return state_->base_packs->Reference(ref.pack) || state_->resumed_packs->Reference(ref.pack);
}

const std::vector<ResumedBackup> &BackupSession::resumed() const { return state_->resumed; }

CheckpointEntries BackupSession::EntriesOf(const ResumedBackup &backup) {
    auto load = [&state = *state_, id = backup.interrupted.id](std::uint64_t number) {
        Checkpoint checkpoint = ReadCheckpoint(*state.repository, id, number, state.key);
        state.resumed_packs->Admit(checkpoint.packs);
        return checkpoint;
    };
    return {load, backup.interrupted.checkpoints};
}

bool BackupSession::IsResumed(const FrameRef &ref) const {
    return !IsOfBase(ref) && state_->resumed_packs->Knows(ref.pack);
}

bool BackupSession::IsOfBase(const FrameRef &ref) const { return state_->base_packs->Names(ref.pack); }

bool BackupSession::IsStored(const FrameRef &ref) const {
    if (!ref.pack.starts_with(state_->id + "/")) return true;
    std::lock_guard lock(state_->mutex);
    return state_->own_names.contains(ref.pack);
}

void BackupSession::WriteCheckpoint(Json facts, std::string entries) {
    State &state = *state_;
    Checkpoint checkpoint{std::move(facts), state.resumed_packs->TakeNewlyReferenced(), std::move(entries)};
    {
        std::lock_guard lock(state.mutex);
        checkpoint.packs.insert(checkpoint.packs.end(), state.own.begin() + static_cast<std::ptrdiff_t>(state.own_told),
                                state.own.end());
        state.own_told = state.own.size();
    }
    std::uint64_t number = ++state.checkpoints;
    state.repository->CreateRaw(layout::Checkpoint(state.id, number),
                                FormatCheckpoint(*state.repository, state.id, number, checkpoint, state.key));
}

std::uint64_t BackupSession::new_bytes() const {
    std::lock_guard lock(state_->mutex);
    return state_->new_bytes;
}

std::uint64_t BackupSession::reused_packs() const { return state_->base_packs->referenced(); }

ManifestClear BackupSession::Commit(Json body) {
    State &state = *state_;
    if (std::exchange(state.tried, true))
        throw Error(Code::kInternal, fmt::format("backup \"{}\" was committed twice", state.id));
    PackTable packs = state.Packs();
    ManifestClear clear = state.Clear("complete");
    clear.packs = packs.size();
    for (std::size_t i = 0; i < packs.size(); i++) clear.stored_bytes += packs.SizeAt(i);
    clear.new_bytes = new_bytes();
    clear.sealed = state.key.encrypted();
    clear.packs_digest = WritePackList(*state.repository, state.id, packs);
    try {
        state.repository->CreateRaw(layout::Manifest(state.id),
                                    FormatManifest(*state.repository, {clear, std::move(body)}, state.key));
    } catch (const Error &e) {
        if (e.code != Code::kAlreadyExists) throw;
        state.ExplainConflict(e);
    }
    state.committed = true;
    state.FenceResumed();
    return clear;
}

void BackupSession::Abort() noexcept {
    State &state = *state_;
    if (state.committed || state.checkpoints > 0) return;
    try {    // if a commit's answer was lost, its manifest is there and stays
        state.repository->CreateRaw(layout::Manifest(state.id),
                                    FormatManifest(*state.repository, {state.Clear("aborted"), nullptr}, state.key));
    } catch (const std::exception &) {    // best effort: without the fence the begin is fenced later, by a sweep
        return;
    }
}

}    // namespace ark
