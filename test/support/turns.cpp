#include "support/turns.h"

#include <cstdio>
#include <cstdlib>

namespace ark::test {

void Turns::Signal::Give() {
    std::lock_guard lock(mutex_);
    given_ = true;
    changed_.notify_one();
}

void Turns::Signal::Await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return given_; });
    given_ = false;
}

Turns::~Turns() {
    for (Actor actor = 0; actor < actors_.size(); actor++) Stop(actor);
    for (const auto &one : actors_) one->thread.join();
}

Turns::Actor Turns::Add(std::function<void(Actor)> body) {
    Actor actor = actors_.size();
    actors_.push_back(std::make_unique<One>());
    actors_.back()->body = std::move(body);
    actors_.back()->thread = std::thread([this, actor, one = actors_.back().get()] {
        one->go.Await();
        one->at_step = false;
        try {
            if (!one->stopped) one->body(actor);
        } catch (const Stopped &) {}
        one->finished = true;
        back_.Give();
    });
    return actor;
}

std::vector<Turns::Actor> Turns::Waiting() const {
    std::vector<Actor> waiting;
    for (Actor actor = 0; actor < actors_.size(); actor++)
        if (!actors_[actor]->finished) waiting.push_back(actor);
    return waiting;
}

void Turns::Step(Actor actor) {
    if (actors_[actor]->finished) return;
    actors_[actor]->go.Give();
    back_.Await();
}

void Turns::Stop(Actor actor) {
    actors_[actor]->stopped = true;
    Step(actor);
}

void Turns::Meet(Actor actor) {
    One &one = *actors_[actor];
    if (one.stopped) throw Stopped();
    if (one.at_step.exchange(true)) {
        std::fprintf(stderr, "two threads of one actor are at a step: the run would not repeat\n");
        std::abort();
    }
    back_.Give();
    one.go.Await();
    one.at_step = false;
    if (one.stopped) throw Stopped();
}

}    // namespace ark::test
