// Section 4 of docs/repository-format.md: no interleaving of backups, expiry, sweeps, stalls and crashes loses data.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "unit/simulation/effort.h"
#include "unit/simulation/model_world.h"

namespace ark::test {
namespace {

constexpr Duration kDay = std::chrono::hours(24), kAtOnce = Duration::zero();

struct Pair {
    const char *name;
    std::function<Turns::Actor(World &)> first, second;
    int interrupted = 0;    // backups were, before, each going on from the one before it
};

Turns::Actor Backup(World &world) { return world.AddBackup({1, 2, 1, 2}, {}); }
Turns::Actor Resume(World &world) { return world.AddBackup({3, 2, 1, 2}, {.newest = 1, .resumes = true}); }
Turns::Actor ExpireAndSweep(World &world) { return world.AddExpireAndSweep(0, kDay); }
Turns::Actor ExpireAndFence(World &world) { return world.AddExpireAndSweep(0, kAtOnce); }
Turns::Actor KeepOneAndFence(World &world) { return world.AddExpireAndSweep(1, kAtOnce); }

// Its commit is done, and it does not learn so until it has asked again.
Turns::Actor BackupThatAsksAgain(World &world) {
    world.SetMishaps([left = 1](std::string_view name) mutable {
        return name.ends_with("/manifest") && left-- > 0 ? Mishap::kAnswerLost : Mishap::kNone;
    });
    return Backup(world);
}
// A request is on its way for so long that the backup gives up and fences itself; then it arrives, several times.
Turns::Actor BackupThatGivesUpAt(World &world, const std::string &part) {
    world.SetMishaps([part, seen = std::map<std::string, int>()](std::string_view name) mutable {
        bool meant = name.find(part) != std::string_view::npos;
        return meant && seen[std::string(name)]++ < 4 ? Mishap::kDoneLater : Mishap::kNone;
    });
    return Backup(world);
}
Turns::Actor BackupThatGivesUpItsCommit(World &world) { return BackupThatGivesUpAt(world, "/manifest"); }
Turns::Actor BackupThatGivesUpAPack(World &world) { return BackupThatGivesUpAt(world, "/packs/"); }

const Pair kPairs[] = {{"BackupAndExpireAndSweep", Backup, ExpireAndSweep},
                       {"BackupAndExpireAndFence", Backup, ExpireAndFence},
                       {"BackupAndKeepOneAndFence", Backup, KeepOneAndFence},
                       {"CommitAskedAgainAndExpireAndSweep", BackupThatAsksAgain, ExpireAndSweep},
                       {"CommitGivenUpAndExpireAndFence", BackupThatGivesUpItsCommit, ExpireAndFence},
                       {"PackGivenUpAndExpireAndSweep", BackupThatGivesUpAPack, ExpireAndSweep},
                       {"TwoSweeps", ExpireAndFence, ExpireAndSweep},
                       {"ResumeAndExpireAndSweep", Resume, ExpireAndSweep, 1},
                       {"ResumeAndExpireAndFence", Resume, ExpireAndFence, 1},
                       {"ResumeAndKeepOneAndFence", Resume, KeepOneAndFence, 1},
                       {"ResumeAgainAndExpireAndFence", Resume, ExpireAndFence, 2},
                       {"TwoResume", Resume, Resume, 1}};

// Two backups that share packs, of which the older one may have been expired; and some that did not come to their end.
std::unique_ptr<World> Base(bool expired, int interrupted) {
    auto world = std::make_unique<World>(1);
    world->TakeBackup({1, 1, 1, 1});
    world->TakeBackup({1, 2, 1, 1});
    if (expired) world->Expire(1);
    for (int i = 0; i < interrupted; i++) world->Interrupt({3, 2, 2, 1});
    return world;
}

std::size_t RunSteps(World &world, Turns::Actor actor, std::size_t steps) {
    std::size_t done = 0;
    for (; done < steps && !world.turns().Finished(actor) && world.problem().empty(); done++) world.Step(actor);
    return done;
}

// A last backup that reuses what is there, then quiet.
void Finish(World &world) {
    world.RunAll();
    if (world.problem().empty()) world.TakeBackup({1, 2, 2, 2}, {.newest = 2, .resumes = true});
    if (world.problem().empty()) world.Settle();
}

// How much is tried: ARK_MODEL_EFFORT times as much as in a build that people wait for. 16 is every pair of places.
std::size_t Effort() {
    const char *text = std::getenv("ARK_MODEL_EFFORT");
    return text != nullptr ? std::strtoul(text, nullptr, 10) : 1;
}

// Runs try_one(0), try_one(1), … in threads, until one says that there is no more to try. Each returns what is wrong, or
// empty. Returns the first of what was found.
struct Tried {
    std::string problem = {};
    bool last = false;
};
std::string TryAll(const std::function<Tried(std::size_t)> &try_one) {
    std::atomic<std::size_t> next{0};
    std::atomic<bool> done{false};
    std::mutex mutex;
    std::map<std::size_t, std::string> problems;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            while (!done) {
                std::size_t i = next++;
                Tried tried = try_one(i);
                if (tried.last || !tried.problem.empty()) done = true;
                std::lock_guard lock(mutex);
                if (!tried.problem.empty()) problems.emplace(i, std::move(tried.problem));
            }
        });
    for (std::thread &thread : threads) thread.join();
    return problems.empty() ? "" : problems.begin()->second;
}

std::string Report(const World &world, const std::string &schedule) {
    if (world.problem().empty()) return {};
    return fmt::format("{}\n{}\n{}", world.problem(), schedule, world.trace());
}

class Pairs : public testing::TestWithParam<std::tuple<Pair, bool, bool>> {
protected:
    Pairs() : base_(Base(std::get<1>(GetParam()), std::get<0>(GetParam()).interrupted)) {
        const Pair &pair = std::get<0>(GetParam());
        bool turned = std::get<2>(GetParam());
        one_ = turned ? pair.second : pair.first;
        two_ = turned ? pair.first : pair.second;
    }
    std::unique_ptr<World> base_;
    std::function<Turns::Actor(World &)> one_, two_;
};

// The first runs i steps, the second j or all, the first the rest, the second the rest: every i, and many j.
TEST_P(Pairs, InterleavedWithTwoSwitches) {
    std::size_t stride = std::max<std::size_t>(16 / std::max<std::size_t>(Effort(), 1), 1);
    EXPECT_EQ(TryAll([&](std::size_t n) {
                  const std::size_t i = n * Stride();
                  for (std::size_t j = 1 + i % stride;; j += stride) {
                      World world(*base_, 100 * i + j, 1000);
                      Turns::Actor one = one_(world), two = two_(world);
                      std::size_t i_done = RunSteps(world, one, i), j_done = RunSteps(world, two, j);
                      RunSteps(world, one, SIZE_MAX);
                      Finish(world);
                      std::string problem = Report(world, fmt::format("i {} j {}", i, j));
                      if (!problem.empty() || i_done < i || j_done < j) return Tried{problem, i_done < i};
                  }
              }),
              "");
}

// The first is killed at any of its steps; the second comes before, between or after them.
TEST_P(Pairs, CrashAtEveryRequest) {
    constexpr std::size_t kBetween = 20;
    for (std::size_t before : {std::size_t{0}, kBetween, SIZE_MAX}) {
        EXPECT_EQ(TryAll([&](std::size_t n) {
                      const std::size_t i = n * Stride();
                      World world(*base_, i, 1000);
                      Turns::Actor victim = one_(world), other = two_(world);
                      RunSteps(world, other, before);
                      bool finished = RunSteps(world, victim, i) < i;
                      world.Stop(victim);
                      Finish(world);
                      return Tried{Report(world, fmt::format("i {} before {}", i, before)), finished};
                  }),
                  "");
    }
}

std::string NameOf(const testing::TestParamInfo<Pairs::ParamType> &chosen) {
    const auto &[pair, expired, turned] = chosen.param;
    return fmt::format("{}{}{}", pair.name, expired ? "Expired" : "", turned ? "Turned" : "");
}
INSTANTIATE_TEST_SUITE_P(Model, Pairs, testing::Combine(testing::ValuesIn(kPairs), testing::Bool(), testing::Bool()),
                         NameOf);

// Who goes next: anybody; or whoever has the highest priority, which is lost at a few moments, so that some stall long.
class Choice {
public:
    Choice(SeededRandom &random, std::size_t switches) : random_(random) {
        for (std::size_t i = 0; i < switches; i++) moments_.insert(random_.Below(400));
    }
    Turns::Actor Next(const std::vector<Turns::Actor> &waiting) {
        if (moments_.empty()) return waiting[random_.Below(waiting.size())];
        for (Turns::Actor actor : waiting) priority_.emplace(actor, random_.Below(1'000'000) + 1000);
        Turns::Actor best = *std::ranges::max_element(waiting, {}, [&](Turns::Actor a) { return priority_[a]; });
        if (moments_.contains(step_++)) priority_[best] = 400 - std::min<std::uint64_t>(step_, 400);
        return best;
    }

private:
    SeededRandom &random_;
    std::set<std::uint64_t> moments_;
    std::map<Turns::Actor, std::uint64_t> priority_;
    std::uint64_t step_ = 0;
};

// Mishaps come alone or in a row: a store that cannot be reached for a while.
World::Mishaps RandomMishaps(SeededRandom &random) {
    return [&random, left = std::uint64_t{0}](std::string_view) mutable {
        if (left > 0)
            left--;
        else if (random.Below(25) == 0)
            left = random.Below(6);
        else
            return Mishap::kNone;
        return random.Below(2) == 0 ? Mishap::kAnswerLost : Mishap::kDoneLater;
    };
}

std::string RunSeed(std::uint64_t seed) {
    SeededRandom random(seed);
    World world(seed, random.Below(2) == 0 ? 1000 : 2);
    auto versions = [&] {
        Versions made;
        for (int i = 0; i < 4; i++) made.push_back(static_cast<unsigned>(random.Below(2)));
        return made;
    };
    auto age = [&] { return random.Below(2) == 0 ? kAtOnce : kDay; };
    world.TakeBackup(versions());
    world.TakeBackup(versions());
    if (random.Below(2) == 0) world.Interrupt(versions());
    if (random.Below(2) == 0) world.SetMishaps(RandomMishaps(random));
    for (std::uint64_t i = 1 + random.Below(3); i > 0; i--)
        world.AddBackup(versions(), {.newest = 1 + random.Below(2), .resumes = random.Below(2) == 0}, 2);
    for (std::uint64_t i = random.Below(2); i > 0; i--) world.AddExpire(random.Below(2));
    for (std::uint64_t i = 1 + random.Below(2); i > 0; i--) world.AddExpireAndSweep(random.Below(3), age());
    if (random.Below(2) == 0) world.AddSweep(age());

    Choice choice(random, random.Below(2) * (1 + random.Below(6)));
    bool crashes = random.Below(2) == 0;
    while (world.problem().empty()) {
        std::vector<Turns::Actor> waiting = world.turns().Waiting();
        if (waiting.empty()) break;
        Turns::Actor next = choice.Next(waiting);
        if (crashes && random.Below(100) == 0)
            world.Stop(next);
        else
            world.Step(next);
    }
    Finish(world);
    return world.problem().empty() ? "" : fmt::format("{}\n{}", world.problem(), world.trace());
}

TEST(Model, ManyActorsInRandomOrder) {
    std::size_t seeds = Seeds(800 * Effort());
    EXPECT_EQ(TryAll([&](std::size_t seed) {
                  std::string problem = RunSeed(seed);
                  if (!problem.empty()) problem = fmt::format("seed {}: {}", seed, problem);
                  return Tried{std::move(problem), seed >= seeds};
              }),
              "");
}

TEST(Model, ARunRepeatsFromItsSeed) {
    auto trace = [] {
        World world(7);
        world.TakeBackup({1, 1, 1, 1});
        SeededRandom random(7);
        world.AddBackup({1, 2, 1, 1}, {});
        world.AddExpireAndSweep(0, kAtOnce);
        while (!world.turns().Waiting().empty()) {
            std::vector<Turns::Actor> waiting = world.turns().Waiting();
            world.Step(waiting[random.Below(waiting.size())]);
        }
        return world.trace();
    };
    std::string first = trace();
    EXPECT_GE(std::ranges::count(first, '\n'), 40);
    EXPECT_EQ(first, trace());
}

}    // namespace
}    // namespace ark::test
