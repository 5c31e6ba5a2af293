// Owners of a path after and beside one another, with anything under way: what could be restored after each single change of the store.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "unit/wal/tail_sample.h"

namespace ark::test {
namespace {

constexpr std::uint64_t kMb = kSmallSegment, kFirst = 3 * kMb, kEnd = 8 * kMb;
constexpr std::uint64_t kSeeds = 3;    // hundreds were run
const TimePoint kNoon = ParseTime("2026-11-27T12:00:00Z");
const WalSegmentSize kSize(kSmallSegment);

// Changes come one after the other, in an order that follows from the threads' pauses, and each is looked at.
class WatchedStorage : public Storage {
public:
    WatchedStorage(StoragePtr inner, std::uint64_t seed) : inner_(std::move(inner)), random_(seed) {}

    std::recursive_mutex mutex;
    std::function<void(std::string_view change)> look = [](std::string_view) {};
    std::atomic<unsigned> failing = 0;    // of a hundred requests

    ObjectInfo Put(std::string_view name, Source &source, PutMode mode) override {
        bool lost = Meet(true);
        std::lock_guard lock(mutex);
        ObjectInfo info = inner_->Put(name, source, mode);
        look(name);
        if (lost) Fail();
        return info;
    }
    void Remove(const std::vector<std::string> &names) override {
        for (const std::string &name : names) {
            bool lost = Meet(true);
            std::lock_guard lock(mutex);
            inner_->Remove({name});
            look("removal of " + name);
            if (lost) Fail();
        }
    }
    std::unique_ptr<Reader> Open(std::string_view name, Range range) override {
        if (Meet(false)) Fail();
        return inner_->Open(name, range);
    }
    std::optional<ObjectInfo> Stat(std::string_view name) override {
        if (Meet(false)) Fail();
        return inner_->Stat(name);
    }
    void List(std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) override {
        if (Meet(false)) Fail();
        inner_->List(prefix, visit);
    }
    std::string Describe() const override { return inner_->Describe(); }

private:
    [[noreturn]] static void Fail() { throw Error(Code::kUnavailable, "the store is away"); }
    // Whether the answer is to be lost.
    bool Meet(bool pauses) {
        unsigned number, pause;
        {
            std::lock_guard lock(random_mutex_);
            number = static_cast<unsigned>(random_.Below(200));
            pause = static_cast<unsigned>(random_.Below(4) ? random_.Below(300) : random_.Below(10'000));
        }
        if (pauses) std::this_thread::sleep_for(std::chrono::microseconds(pause));
        if (number < failing) Fail();
        return number < 2 * failing;
    }

    StoragePtr inner_;
    std::mutex random_mutex_;
    SeededRandom random_;
};

// Another WAL from there on. (Sample texts are kept for good.)
Bytes OtherFrom(Bytes log, std::uint64_t at, std::uint64_t seed) {
    Bytes other(61);
    SeededRandom(seed).Fill(other);
    for (std::size_t i = at; i < log.size(); i++) log[i] ^= other[i % other.size()];
    return log;
}

struct Server {
    Bytes log;
    std::uint64_t flushed, epoch;
    std::shared_ptr<Repository> repository;
    std::unique_ptr<TailShipper> shipper = nullptr;
    bool shipped = false;    // something as this owner
};

class Takeovers {
public:
    // `beside`: an earlier owner goes on, by itself, until the next one is one.
    Takeovers(bool encrypted, std::uint64_t seed, bool beside)
        : beside_(beside),
          store_(encrypted, MakeMemoryStorage(clock_)),
          watched_(std::make_shared<WatchedStorage>(store_.storage, seed)),
          random_(seed) {
        now_ = {SampleText(kEnd, 3), kFirst, 1, OpenAs(1)};
        histories_.push_back(now_.log);
        Archive(2);
        watched_->look = [this](std::string_view change) { Look(change); };
    }

    void Go(int steps, unsigned failing) {
        watched_->failing = failing;
        for (int step = 0; step < steps && !testing::Test::HasFailure(); step++) {
            switch (random_.Below(14)) {
            case 0: SetBack(); break;
            case 1:
                if (random_.Below(2)) break;
                TakeOver();
                if (beside_) Require(0);
                break;
            case 2: now_.shipper.reset(); break;
            case 3:    // not before the shipper of one that was set back has stored anything: that is known
                if ((!set_back_ || now_.shipped) && now_.flushed >= (archived_ + 2) * kMb) Archive(archived_ + 1);
                break;
            case 4:
            case 5:
            case 6:
            case 7:
                if (earlier_ && earlier_->shipper) Step(*earlier_);
                break;
            default: Step(now_);
            }
        }
    }

    // What is left is shipped, by a second one at most.
    void End() {
        watched_->failing = 0;
        earlier_.reset();
        auto ship = [&] {
            if (!now_.shipper) Begin(now_);
            if (now_.shipper->taken().value < now_.flushed) Take(now_, now_.flushed);
            now_.shipper->Ship(kNoon);
            Await(now_);
        };
        ship();
        if (!now_.shipper) ship();    // it died of what had failed, or was taken away, before
        ASSERT_TRUE(now_.shipper);
        EXPECT_EQ(now_.shipper->confirmed().value, now_.flushed);
        EXPECT_EQ(Reached().size(), now_.flushed - kFirst) << Names();
        Look("the end");
    }

private:
    std::shared_ptr<Repository> OpenAs(std::uint64_t epoch) {
        const unsigned failing = watched_->failing.exchange(0);
        std::shared_ptr<Repository> repository = Repository::Open(watched_, kSampleCluster);
        watched_->failing = failing;
        repository->SetEpoch(epoch);
        return repository;
    }
    void Archive(unsigned number) {
        std::lock_guard lock(watched_->mutex);
        store_.Write(ByteView(now_.log).subspan(number * kMb, kMb), TailSample::Name(number).Text());
        archived_ = number;
    }

    Bytes Reached() {
        Bytes reached;
        for (SegmentName segment = TailSample::Name(3);; segment = segment.Next(kSize)) {
            Bytes part;
            if (std::optional<Bytes> whole = store_.Read(segment.Text()))
                part = *whole;
            else
                ReadPieces(*store_.repository, *store_.keys, segment, kSize, std::nullopt,
                           {[&] { part.clear(); }, [&](ByteView bytes) { Append(part, bytes); }});
            Append(reached, part);
            if (part.size() < kMb) return reached;
        }
    }
    static bool IsPastOf(const Bytes &log, ByteView reached) {
        return std::equal(reached.begin(), reached.end(), log.begin() + kFirst);
    }
    // One history, never mixed, with all that its owner was told to be safe.
    void Look(std::string_view change) {
        std::lock_guard lock(watched_->mutex);
        if (testing::Test::HasFailure()) return;
        try {
            Bytes reached = Reached();
            const std::uint64_t least = required_ - kFirst;
            bool all = reached.size() >= least && IsPastOf(now_.log, ByteView(reached).first(least));
            bool one = std::ranges::any_of(histories_, [&](const Bytes &log) { return IsPastOf(log, reached); });
            // Beside an earlier owner, what it joins may be missing until that is noticed.
            const SegmentName end = SegmentName::Containing({1}, {kFirst + reached.size()}, kSize);
            EXPECT_FALSE(!beside_ && IsHole(*store_.repository, *store_.keys, end, kSize)) << change << Names();
            EXPECT_TRUE(all && one) << "after " << change << ": " << reached.size() << " of " << least << Names();
        } catch (const Error &error) {
            ADD_FAILURE() << "after " << change << ": " << error.message << " " << error.detail << Names();
        }
    }
    std::string Names() {
        std::string names = told_;
        for (const layout::TailName &name : ListTail(*store_.repository)) names += "\n" + layout::Tail(name);
        return names;
    }

    void Begin(Server &server) {
        TailPlace place{{1}, kSize, {server.flushed}};
        if (random_.Below(3) == 0) place.held = Lsn{kFirst};
        server.shipper = std::make_unique<TailShipper>(*server.repository, *store_.keys, store_.key, place,
                                                       ParseCompression("zstd:1"), store_.random, SilentLog());
        server.shipper->Begin();
    }
    void Take(Server &server, std::uint64_t to) {
        const std::uint64_t from = server.shipper->taken().value;
        server.shipper->Take({from}, ByteView(server.log).subspan(from, to - from));
    }
    void Settle(Server &server) {
        server.shipper->Settle();
        if (&server == &now_) required_ = std::max<std::uint64_t>(required_, server.shipper->confirmed().value);
        server.shipped = server.shipped || server.shipper->pieces() > 0;
    }
    // A shipper dies of a store that fails.
    void Do(Server &server, const std::function<void()> &work) {
        try {
            work();
        } catch (const Error &error) {
            EXPECT_EQ(error.code, Code::kUnavailable) << error.message << ": " << error.detail << Names();
            server.shipper.reset();
        }
    }
    void Await(Server &server) {
        Do(server, [&] {
            while (server.shipper && !server.shipper->Idle()) {
                server.shipper->AwaitNews(std::chrono::milliseconds(1));
                Settle(server);
            }
        });
    }
    // One thing that a server's shipper may do next.
    void Step(Server &server) {
        Do(server, [&] {
            if (!server.shipper) Begin(server);
            auto at = [&] { return random_.Below(2) ? std::optional(kNoon) : std::nullopt; };
            switch (random_.Below(7)) {
            case 0: server.shipper->Ship(at()); break;
            case 1: server.shipper->Join(4); break;
            case 2: server.shipper->Tidy(); break;
            case 3: Await(server); break;
            default:
                const std::uint64_t from = server.shipper->taken().value;
                std::uint64_t to = from + (random_.Below(4) == 0 ? random_.Below(500'000) : random_.Below(400));
                if (from < server.flushed && random_.Below(3)) to = server.flushed;
                to = std::min(to, kEnd);
                server.flushed = std::max(server.flushed, to);
                Take(server, to);
                if (random_.Below(2)) server.shipper->Ship(at());
            }
            if (server.shipper) Settle(server);
        });
    }

    void TakeOver() {
        earlier_.reset();
        const std::uint64_t epoch = now_.epoch + 1;
        std::shared_ptr<Repository> repository = OpenAs(epoch);
        Server next{now_.log, now_.flushed, epoch, repository};
        if (beside_)
            Await(now_);
        else
            now_.shipper.reset();    // what is under way ends
        std::lock_guard lock(watched_->mutex);
        if (beside_) {
            earlier_ = std::move(now_);
            earlier_->log = OtherFrom(earlier_->log, earlier_->flushed, epoch * 1000 + 1);
            histories_.push_back(earlier_->log);
        }
        now_ = std::move(next);
        set_back_ = false;
        told_ += " moved as " + std::to_string(epoch) + ", flushed " + Lsn{now_.flushed}.Text();
    }
    void SetBack() {
        const std::uint64_t least = (archived_ + 1) * kMb;
        if (now_.flushed < least || random_.Below(2)) return;
        TakeOver();
        std::lock_guard lock(watched_->mutex);
        const std::uint64_t behind = now_.flushed - least;
        const std::uint64_t at =
            now_.flushed - random_.Below(random_.Below(2) ? behind + 1 : std::min<std::uint64_t>(behind, 2000) + 1);
        now_.log = OtherFrom(now_.log, at, now_.epoch * 1000);
        histories_.push_back(now_.log);
        now_.flushed = std::min(at + random_.Below(3000), kEnd);
        Require(beside_ ? 0 : at);
        set_back_ = true;
        told_ += ", set back to " + Lsn{at}.Text() + ", flushed " + Lsn{now_.flushed}.Text();
    }
    // No more than that, and what is archived. Beside an earlier owner nothing of his is safe that is not made the later one's yet.
    void Require(std::uint64_t most) {
        required_ = std::min<std::uint64_t>(required_, std::max<std::uint64_t>(most, (archived_ + 1) * kMb));
    }

    const bool beside_;
    FakeClock clock_;
    WalSample store_;    // read past what is watched
    std::shared_ptr<WatchedStorage> watched_;
    SeededRandom random_;
    std::vector<Bytes> histories_;
    Server now_;
    std::optional<Server> earlier_;
    bool set_back_ = false;
    std::atomic<std::uint64_t> required_ = kFirst;
    unsigned archived_ = 2;
    std::string told_ = "\n";
};

class ShipTakeovers : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, ShipTakeovers, testing::Bool(),
                         [](const auto &which) { return which.param ? "encrypted" : "plain"; });

TEST_P(ShipTakeovers, LeaveOneHistoryWithAllThatItsOwnerWasTold) {
    for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); seed++)
        for (bool beside : {false, true}) {
            SCOPED_TRACE(std::to_string(seed) + (beside ? " beside" : ""));
            Takeovers run(GetParam(), seed, beside);
            run.Go(100, static_cast<unsigned>(seed % 3));
            if (!HasFailure()) run.End();
        }
}

}    // namespace
}    // namespace ark::test
