// Actors in threads of their own, of which one runs at a time: each stops before every step that can be seen from
// outside (a request to a store) and goes on when it is given the turn. Who gets it decides everything, so that a run
// repeats from its schedule.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ark::test {

// What an actor that was stopped throws at the step it never took. No code of the product catches it to go on.
class Stopped : public std::exception {};

class Turns {
public:
    using Actor = std::size_t;

    Turns() = default;
    ~Turns();    // stops whoever is left
    Turns(const Turns &) = delete;
    Turns &operator=(const Turns &) = delete;

    // Nothing of `body` runs before its first turn. May be called by an actor that has the turn.
    Actor Add(std::function<void(Actor)> body);
    std::vector<Actor> Waiting() const;    // those that are not finished
    bool Finished(Actor actor) const { return actors_[actor]->finished; }

    // One step: until the actor stops before its next one, or is finished.
    void Step(Actor actor);
    // It takes no further step: a process that was killed.
    void Stop(Actor actor);

    // Called by the actor's threads before a step; no two of them may be at one at the same time.
    void Meet(Actor actor);

private:
    // Passes the turn from one thread to another.
    class Signal {
    public:
        void Give();
        void Await();

    private:
        std::mutex mutex_;
        std::condition_variable changed_;
        bool given_ = false;
    };
    struct One {
        std::function<void(Actor)> body;
        Signal go;
        std::atomic<bool> at_step{true};
        std::atomic<bool> stopped{false};
        bool finished = false;
        std::thread thread;
    };

    std::vector<std::unique_ptr<One>> actors_;
    Signal back_;
};

}    // namespace ark::test
