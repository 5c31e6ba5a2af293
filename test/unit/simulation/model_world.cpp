#include "unit/simulation/model_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "repo/frame_reader.h"
#include "storage/memory_storage.h"
#include "storage/retry.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

constexpr Duration kGrace = std::chrono::milliseconds(100);
constexpr Duration kDay = std::chrono::hours(24);
constexpr Turns::Actor kNobody = SIZE_MAX;    // whose requests are no steps

std::string TableText(std::size_t table, unsigned version) {
    return fmt::format("table {} in version {}, {}\n", table, version, std::string(20, 'x'));
}
std::string TablePath(std::size_t table) { return fmt::format("table/public/t{}/data/0000000000", table); }

std::string Describe(const Error &error) {
    return error.detail.empty() ? error.message : error.message + ": " + error.detail;
}

}    // namespace

// The store as one actor reaches it: every request is a step.
class ActorStorage : public Storage {
public:
    ActorStorage(World &world, Turns::Actor actor) : world_(world), actor_(actor) {}

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        Meet("put", name);
        Bytes bytes, block(4096);
        while (std::size_t n = source.Read(block)) Append(bytes, ByteView(block).first(n));
        Mishap mishap = actor_ != kNobody && world_.mishaps_ ? world_.mishaps_(name) : Mishap::kNone;
        if (mishap == Mishap::kDoneLater)
            world_.turns().Add([&world = world_, name = std::string(name), bytes, mode](Turns::Actor) {
                world.trace_ += fmt::format("late put {}\n", name);
                try {
                    world.Put(name, bytes, mode);
                } catch (const Error &) {    // nobody waits for the answer
                }
            });
        else
            world_.Put(name, bytes, mode);
        if (mishap != Mishap::kNone) throw Error(Code::kUnavailable, "the answer to a request was lost");
        return {std::string(name), bytes.size(), world_.clock_.Now()};
    }
    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        Meet("open", name);
        return world_.truth_->Open(name, range);
    }
    std::optional<ObjectInfo> Stat(std::string_view name) override {
        Meet("stat", name);
        return world_.truth_->Stat(name);
    }
    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        for (std::string after;;) {
            Meet("list", prefix);
            std::vector<ObjectInfo> found;
            bool more = false;
            world_.truth_->List(prefix, [&](const ObjectInfo &info) {
                if (info.name <= after) return true;
                more = found.size() == world_.page_;
                if (!more) found.push_back(info);
                return !more;
            });
            for (const ObjectInfo &info : found)
                if (!visit(info)) return;
            if (!more) return;
            after = found.back().name;
        }
    }
    void Remove(const std::vector<std::string> &names) override {
        for (const std::string &name : names) {
            Meet("remove", name);
            world_.Remove(name);
        }
    }
    std::string Describe() const override { return "model"; }

private:
    void Meet(std::string_view verb, std::string_view name) {
        if (actor_ == kNobody) return;
        if (name.starts_with(".probe/")) name = ".probe/";    // the one name that does not follow from the seed
        world_.turns().Meet(actor_);
        world_.trace_ += fmt::format("{} {} {}\n", actor_, verb, name);
    }

    World &world_;
    Turns::Actor actor_;
};

World::World(std::uint64_t seed, std::size_t page) : random_(seed), page_(page), truth_(MakeMemoryStorage(clock_)) {
    plain_ = Repository::Init(truth_, kSampleCluster, false, clock_, random_);
    plain_->SetEpoch(1);
}

World::World(World &from, std::uint64_t seed, std::size_t page)
    : random_(seed),
      page_(page),
      truth_(MakeMemoryStorage(clock_)),
      made_of_(from.made_of_),
      decided_(from.decided_),
      complete_(from.complete_),
      ended_(from.ended_) {
    from.truth_->List("", [&](const ObjectInfo &info) {
        Bytes bytes = ReadObject(*from.truth_, info.name).value();
        MemorySource copy{ByteView(bytes)};
        truth_->Put(info.name, copy, PutMode::kCreate);
        return true;
    });
    clock_.Advance(std::chrono::minutes(1));
    plain_ = OpenFor(truth_);
}

std::shared_ptr<Repository> World::OpenFor(StoragePtr storage) {
    auto repository = Repository::Open(std::move(storage), kSampleCluster);
    repository->SetEpoch(1);
    return repository;
}

StoragePtr World::StorageOf(Turns::Actor actor) {
    RetrySettings brief{.deadline = std::chrono::milliseconds(500)};
    auto policy = std::make_shared<RetryPolicy>(brief, clock_, random_, NeverCancelled());
    return MakeRetryStorage(std::make_shared<ActorStorage>(*this, actor), policy);
}

// ---- what the store is told ----------------------------------------------------------------------------

void World::Put(std::string_view name, ByteView bytes, PutMode mode) {
    if (mode != PutMode::kCreate) Fail(fmt::format("\"{}\" was written without a condition", name));
    MemorySource source(bytes);
    truth_->Put(name, source, mode);
    std::string below(name.substr(std::min(name.size(), plain_->FullName("").size())));
    std::optional<layout::Place> place = layout::Parse(below);
    if (!place) return;
    if (place->kind == layout::Kind::kEnd) ended_.insert(place->backup);
    if (place->kind == layout::Kind::kManifest && decided_.insert(place->backup).second &&
        ParseManifest(bytes, *plain_, place->backup, nullptr).clear.state == "complete")
        complete_.insert(place->backup);
    if (place->kind == layout::Kind::kManifest || place->kind == layout::Kind::kEnd) changed_ = listing_changed_ = true;
}

void World::Remove(const std::string &name) {
    truth_->Remove({name});
    if (auto of = readers_.find(name); of != readers_.end())
        for (const BackupId &id : of->second)
            if (!ended_.contains(id)) Fail(fmt::format("\"{}\" was removed, and backup {} is listed", name, id));
    changed_ = true;
    listing_changed_ |= name.starts_with(plain_->FullName("backups/"));
}

// ---- what actors do ------------------------------------------------------------------------------------

void World::Backup(const std::shared_ptr<Repository> &repository, const Versions &versions, Reuse reuse,
                   InFlight &mine) {
    mine = {};
    auto keys = std::make_shared<KeyRing>(repository, std::nullopt);
    BackupPlan plan{.kind = "logical", .domain = "cluster", .bases = {}, .reason = "model"};
    for (const BackupSummary &listed : ListBackups(*repository, nullptr, clock_.Now()))
        if (plan.bases.size() < reuse.newest) plan.bases.push_back(listed.manifest.clear.backup);
    if (reuse.resumes) {
        plan.resumes_after = 0;
        if (!plan.bases.empty())
            if (std::optional<ManifestClear> newest = ReadManifestClear(*repository, plan.bases.front()))
                plan.resumes_after = newest->sequence;
    }
    auto session = BackupSession::Begin(repository, keys, plan, clock_, random_);
    mine.id = session->id();
    made_of_[mine.id] = versions;
    try {
        std::map<std::string, std::vector<FrameRef>> known;
        for (const BackupId &base : session->bases())
            for (TreeCursor at(session->frames(), TreeRootFromJson(session->BaseManifest(base).body.at("tree")));
                 at.Current() != nullptr; at.Next())
                known[at.Path()].push_back(FrameRefFromJson(at.Current()->at("frames").at(0)));
        for (const ResumedBackup &resumed : session->resumed()) {
            CheckpointEntries left = session->EntriesOf(resumed);
            for (std::size_t table = 0; table < versions.size(); table++)
                if (const Json *entry = left.SkipTo(TablePath(table)); entry && entry->at("path") == TablePath(table))
                    known[TablePath(table)].push_back(FramesOf(*entry).at(0));
        }
        std::vector<Json> entries;
        auto store = [&](PackWriter &packs, std::size_t table) {
            std::string text = TableText(table, versions[table]), path = TablePath(table);
            std::string digest = session->key().Digest(AsBytes(text));
            for (const FrameRef &ref : known[path]) {
                if (ref.digest != digest || !session->Reference(ref)) continue;
                mine.packs.insert(ref.pack);
                entries.push_back({{"path", path}, {"frames", {ToJson(ref)}}});
                return;
            }
            FrameRef ref = packs.Append(AsBytes(text), digest);
            entries.push_back({{"path", path}, {"frames", {ToJson(ref)}}});
        };
        TreeRoot root;
        for (bool last : {false, true}) {    // two packs, one after the other; the second one holds the tree
            PackSettings settings;
            settings.compression.kind = CompressionKind::kNone;
            auto packs = session->NewPackWriter(settings);
            std::size_t half = versions.size() / 2;
            for (std::size_t i = last ? half : 0; i < (last ? versions.size() : half); i++) store(*packs, i);
            if (last) {
                TreeWriter tree(*packs, session->key());
                for (const Json &entry : entries) tree.Add(entry);
                root = tree.Finish();
            }
            packs->Finish();
            for (const Json &entry : entries) mine.packs.insert(FrameRefFromJson(entry.at("frames").at(0)).pack);
            if (last || !reuse.resumes) continue;
            std::string lines;
            for (const Json &entry : entries)
                if (!session->IsOfBase(FramesOf(entry).at(0))) lines += JsonText(entry) + "\n";
            session->WriteCheckpoint(Json::object(), lines);
            if (reuse.dies) throw Error(Code::kCancelled, "it dies");
        }
        bool fenced = ReadManifestClear(*plain_, mine.id).has_value();
        session->Commit({{"tree", ToJson(root)}});
        if (fenced) Fail(fmt::format("backup {} was fenced, and could be committed", mine.id));
    } catch (const Error &) {
        session->Abort();
        mine = {};
        throw;
    }
    mine = {};
}

Turns::Actor World::AddBackup(Versions versions, Reuse reuse, int tries) {
    return turns_->Add([=, this](Turns::Actor actor) {
        for (int i = 0; i < tries; i++) {
            try {
                return Backup(OpenFor(StorageOf(actor)), versions, reuse, in_flight_[actor]);
            } catch (const Error &error) {
                trace_ += fmt::format("{} failed: {}\n", actor, Describe(error));
            }
        }
    });
}

void World::ExpireIn(Repository &repository, std::size_t keep_last) {
    std::size_t kept = 0;
    for (const BackupSummary &backup : ListBackups(repository, nullptr, clock_.Now()))
        if (kept++ >= keep_last) EndBackup(repository, backup.manifest.clear.backup, "retention", "model", clock_);
}

void World::SweepIn(Repository &repository, Duration abandon_after) {
    SweepSettings settings{.grace = kGrace, .abandon_after = abandon_after};
    Sweep(repository, settings, clock_, NeverCancelled(), SilentLog());
}

// Another sweep that removes what this one looks at is a conflict, and nothing else is.
Turns::Actor World::AddExpireAndSweep(std::size_t keep_last, Duration abandon_after) {
    return turns_->Add([=, this](Turns::Actor actor) {
        try {
            auto repository = OpenFor(StorageOf(actor));
            if (keep_last != SIZE_MAX) ExpireIn(*repository, keep_last);
            if (abandon_after >= Duration::zero()) SweepIn(*repository, abandon_after);
        } catch (const Error &error) {
            trace_ += fmt::format("{} failed: {}\n", actor, Describe(error));
            if (error.code != Code::kConflict && error.code != Code::kUnavailable)
                Fail(fmt::format("a sweep or expiry failed: {}", Describe(error)));
        }
    });
}
Turns::Actor World::AddExpire(std::size_t keep_last) { return AddExpireAndSweep(keep_last, Duration(-1)); }
Turns::Actor World::AddSweep(Duration abandon_after) { return AddExpireAndSweep(SIZE_MAX, abandon_after); }

void World::TakeBackup(const Versions &versions, Reuse reuse) {
    clock_.Advance(std::chrono::minutes(1));
    InFlight mine;
    Backup(OpenFor(StorageOf(kNobody)), versions, reuse, mine);
}

void World::Interrupt(const Versions &versions) {
    try {
        TakeBackup(versions, {.newest = 1, .resumes = true, .dies = true});
    } catch (const Error &) {    // as it should
        return;
    }
    Fail("a backup that dies came to its end");
}

void World::Expire(std::size_t keep_last) { ExpireIn(*OpenFor(StorageOf(kNobody)), keep_last); }

// ---- steps, and what must be true ----------------------------------------------------------------------

void World::Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
}

void World::Step(Turns::Actor actor) {
    turns_->Step(actor);
    Check();
}

void World::Stop(Turns::Actor actor) {
    trace_ += fmt::format("{} stops for ever\n", actor);
    turns_->Stop(actor);
    in_flight_.erase(actor);
    Check();
}

void World::RunAll() {
    for (std::vector<Turns::Actor> waiting; !(waiting = turns_->Waiting()).empty() && problem_.empty();)
        Step(waiting.front());
}

// A backup that is listed is restored at once; later only the removal of what it reads can harm it, because objects
// never change. What is listed depends on the objects of backups.
void World::Check() {
    if (std::exchange(listing_changed_, false)) CheckListed();
    if (std::exchange(changed_, false)) CheckInFlight();
}

void World::CheckListed() {
    std::set<BackupId> must, are;
    std::ranges::set_difference(complete_, ended_, std::inserter(must, must.end()));
    for (const BackupSummary &backup : ListBackups(*plain_, nullptr, clock_.Now())) {
        are.insert(backup.manifest.clear.backup);
        if (restored_.contains(backup.manifest.clear.backup)) continue;
        if (std::string damage = Damage(backup); !damage.empty())
            Fail(fmt::format("backup {} is listed and cannot be restored: {}", backup.manifest.clear.backup, damage));
        restored_.insert(backup.manifest.clear.backup);
    }
    for (const BackupId &id : must)
        if (!are.contains(id)) Fail(fmt::format("backup {} is complete, and not listed", id));
    for (const BackupId &id : are)
        if (!must.contains(id)) Fail(fmt::format("backup {} is listed, and must not be", id));
}

std::string World::Damage(const BackupSummary &backup) {
    if (!backup.error.empty()) return backup.error;
    const BackupId &id = backup.manifest.clear.backup;
    const Versions &versions = made_of_.at(id);
    auto reads = [&](const std::string &name) { readers_[plain_->FullName(name)].insert(id); };
    try {
        reads(layout::Manifest(id));
        reads(layout::Packs(id));
        std::set<std::string> named;
        ReadPackList(*plain_, backup.manifest.clear, [&](const PackInfo &pack) {
            named.insert(pack.pack);
            reads(layout::Pack(pack.pack));
            if (std::optional<ObjectInfo> found = plain_->Stat(layout::Pack(pack.pack));
                !found || found->size != pack.size)
                throw Error(Code::kNotFound, fmt::format("pack {} is gone", pack.pack));
        });
        auto reader = std::make_shared<FrameReader>(plain_, std::make_shared<KeyRing>(plain_, std::nullopt));
        TreeCursor at(reader, TreeRootFromJson(backup.manifest.body.at("tree")));
        for (std::size_t table = 0; table < versions.size(); table++, at.Next()) {
            if (at.Current() == nullptr || at.Path() != TablePath(table)) return fmt::format("no table {}", table);
            FrameRef ref = FrameRefFromJson(at.Current()->at("frames").at(0));
            if (!named.contains(ref.pack)) return fmt::format("table {} lies in a pack that is not named", table);
            if (AsText(reader->Read(ref)) != TableText(table, versions[table]))
                return fmt::format("table {} has other rows", table);
        }
        return at.Current() == nullptr ? "" : "there is a table too many";
    } catch (const Error &error) {
        return Describe(error);
    }
}

// What a backup that can still commit has written or means to reuse.
void World::CheckInFlight() {
    for (const auto &[actor, mine] : in_flight_) {
        if (mine.id.empty() || decided_.contains(mine.id)) continue;
        for (const std::string &pack : mine.packs)
            if (!plain_->Stat(layout::Pack(pack)))
                Fail(fmt::format("pack {} is gone, and backup {} can still commit", pack, mine.id));
    }
}

std::set<std::string> World::Needed() {
    std::set<std::string> needed{plain_->FullName(layout::kIdentity)};
    auto need = [&](const std::string &name) { needed.insert(plain_->FullName(name)); };
    for (const BackupSummary &backup : ListBackups(*plain_, nullptr, clock_.Now())) {
        const BackupId &id = backup.manifest.clear.backup;
        for (const std::string &name : {layout::Begin(id), layout::Packs(id), layout::Manifest(id)}) need(name);
        ReadPackList(*plain_, backup.manifest.clear, [&](const PackInfo &pack) { need(layout::Pack(pack.pack)); });
        // A maker's own objects stay as long as one of its packs.
        ReadPackList(*plain_, backup.manifest.clear, [&](const PackInfo &pack) {
            BackupId maker = pack.pack.substr(0, 25);
            for (const std::string &name :
                 {layout::Begin(maker), layout::Packs(maker), layout::Manifest(maker), layout::End(maker)})
                if (maker != id && plain_->Stat(name)) need(name);
        });
    }
    plain_->List("backups/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (place && place->kind == layout::Kind::kManifest &&
            ReadManifestClear(*plain_, place->backup)->kind == kFenceKind)
            need(info.name);    // a fence stays for ever
        return true;
    });
    return needed;
}

void World::Settle() {
    constexpr int kMostSweeps = 2;    // the second removes what the first left behind for it
    for (int i = 0; i < kMostSweeps && problem_.empty(); i++) {
        clock_.Advance(2 * kDay);
        trace_ += "a sweep in peace\n";
        SweepIn(*OpenFor(StorageOf(kNobody)), kDay);
    }
    restored_.clear();
    CheckListed();
    std::set<std::string> needed = Needed();
    truth_->List("", [&](const ObjectInfo &info) {
        if (!needed.contains(info.name)) Fail(fmt::format("\"{}\" stays for ever, and nothing needs it", info.name));
        return true;
    });
}

std::size_t World::Listed() { return ListBackups(*plain_, nullptr, clock_.Now()).size(); }

}    // namespace ark::test
