// One cluster path in memory, with actors whose every request to it is a step that a schedule places, and what must be
// true after each step (docs/repository-format.md, section 4).
#pragma once

#include <set>

#include "repo/backup_session.h"
#include "repo/sweep.h"
#include "support/fake_clock.h"
#include "support/turns.h"

namespace ark::test {

// What one backup is made of: the version of each of its few tables.
using Versions = std::vector<unsigned>;

// What becomes of a request: the answer to a Put may be lost after it was done, or before, the Put being done later.
enum class Mishap { kNone, kAnswerLost, kDoneLater };

struct Reuse {
    std::size_t newest = 1;    // base the backup on that many of the newest ones listed
    bool resumes = false;      // goes on from those that were interrupted, and leaves word for others
    bool dies = false;         // once it has
};

class World {
public:
    // Everything random follows from `seed`. A listing is answered in pages of `page` names, each of them a step.
    explicit World(std::uint64_t seed, std::size_t page = 1000);
    World(World &from, std::uint64_t seed, std::size_t page);    // a copy of its store; `from` must be quiet

    Turns &turns() { return *turns_; }

    // What actors do. A backup that fails fences itself and is taken again, up to `tries` times.
    Turns::Actor AddBackup(Versions versions, Reuse reuse, int tries = 1);
    Turns::Actor AddExpire(std::size_t keep_last);
    Turns::Actor AddSweep(Duration abandon_after);
    Turns::Actor AddExpireAndSweep(std::size_t keep_last, Duration abandon_after);

    // Asked at each Put of an actor. What is done later is an actor of its own.
    using Mishaps = std::function<Mishap(std::string_view name)>;
    void SetMishaps(Mishaps mishaps) { mishaps_ = std::move(mishaps); }

    // One step of an actor, then everything is checked.
    void Step(Turns::Actor actor);
    void Stop(Turns::Actor actor);
    void RunAll();                                             // those that are left, one after another
    const std::string &problem() const { return problem_; }    // the first thing found false, or empty
    const std::string &trace() const { return trace_; }        // the requests, in order

    // Without steps, by a program that nothing happens to.
    void TakeBackup(const Versions &versions, Reuse reuse = {});
    void Interrupt(const Versions &versions);    // a backup that dies half-way, and left word of what it stored
    void Expire(std::size_t keep_last);
    // A day after everybody stopped: sweeps until nothing changes; then what is left must be needed by somebody.
    void Settle();
    std::size_t Listed();

private:
    friend class ActorStorage;
    struct InFlight {
        BackupId id;
        std::set<std::string> packs;    // written or referenced so far
    };

    std::shared_ptr<Repository> OpenFor(StoragePtr storage);
    StoragePtr StorageOf(Turns::Actor actor);
    void Backup(const std::shared_ptr<Repository> &repository, const Versions &versions, Reuse reuse, InFlight &mine);
    void ExpireIn(Repository &repository, std::size_t keep_last);
    void SweepIn(Repository &repository, Duration abandon_after);
    void Put(std::string_view name, ByteView bytes, PutMode mode);    // notes what it means
    void Remove(const std::string &name);
    void Fail(std::string problem);
    void Check();
    void CheckListed();
    std::string Damage(const BackupSummary &backup);    // restores it; empty if it is what it was made of
    void CheckInFlight();
    std::set<std::string> Needed();

    FakeClock clock_;
    SeededRandom random_;
    std::size_t page_;
    StoragePtr truth_;
    std::shared_ptr<Repository> plain_;    // over truth_, without steps
    std::map<BackupId, Versions> made_of_;
    // From the Puts that succeeded. A manifest decides once, even if it is removed, and a late one arrives after that.
    std::set<BackupId> decided_, complete_, ended_;
    std::map<Turns::Actor, InFlight> in_flight_;
    Mishaps mishaps_;
    std::map<std::string, std::set<BackupId>> readers_;    // who was restored from an object
    std::set<BackupId> restored_;
    bool changed_ = false, listing_changed_ = false;    // since the last check
    std::string problem_, trace_;
    std::unique_ptr<Turns> turns_ = std::make_unique<Turns>();    // last: its threads use all of the above
};

}    // namespace ark::test
