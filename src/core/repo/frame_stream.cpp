#include "repo/frame_stream.h"

#include <deque>
#include <map>
#include <utility>

#include "repo/read_ahead.h"
#include "repo/read_plan.h"

namespace ark {
namespace {

constexpr std::uint64_t kWindowPlain = 16 << 20;    // bounds memory when data compresses well
constexpr std::size_t kWindowFrames = 4096;         // and when frames are tiny

struct Window {
    std::vector<WantedFrame> wanted;
    std::vector<FrameOutcome> outcomes;
};

struct Task {
    std::shared_ptr<Window> window;
    RangedRead read;
    bool last = false;    // of its window
};

std::vector<RangedRead> PlanWindow(const Window &window) {
    std::map<std::string_view, std::uint64_t> packs;
    std::vector<FramePlace> places;
    for (const WantedFrame &frame : window.wanted) {
        std::uint64_t pack = packs.try_emplace(frame.ref.pack, packs.size()).first->second;
        places.push_back({pack, frame.ref.at, frame.ref.stored});
    }
    return PlanReads(places);
}

}    // namespace

struct FrameStream::State {
    State(FrameReader &from, Source what, std::size_t most) : reader(from), source(std::move(what)), ahead(most) {}

    std::shared_ptr<Window> GatherWindow() {
        auto window = std::make_shared<Window>();
        std::uint64_t stored = 0, plain = 0;
        for (;;) {
            if (!held && !ended) {
                ended = true;    // also if the source throws
                held = source();
                ended = !held;
            }
            if (!held) return window;
            const FrameRef &ref = held->ref;
            bool alone = !WithinLimits(ref);    // it will not be read; no sums with it
            bool fits = !alone && stored + ref.stored <= kReadStored && plain + ref.size <= kWindowPlain &&
                        window->wanted.size() < kWindowFrames;
            if (!window->wanted.empty() && !fits) return window;
            stored += ref.stored;
            plain += ref.size;
            window->wanted.push_back(*std::exchange(held, std::nullopt));
            if (alone) return window;
        }
    }

    void Plan() {
        std::shared_ptr<Window> window = GatherWindow();
        window->outcomes.resize(window->wanted.size());
        for (RangedRead &read : PlanWindow(*window)) planned.push_back({window, std::move(read)});
        if (!planned.empty()) planned.back().last = true;
    }

    std::optional<Task> NextTask() {
        if (planned.empty()) Plan();
        if (planned.empty()) return std::nullopt;
        Task task = std::move(planned.front());
        planned.pop_front();
        return task;
    }

    // Frames of a window belong to one task each, and to the caller once the last task is done.
    std::shared_ptr<Window> Run(const Task &task) {
        std::vector<FrameRef> refs;
        for (std::size_t i : task.read.frames) refs.push_back(task.window->wanted[i].ref);
        std::vector<FrameOutcome> outcomes = reader.ReadRange(refs, task.read.at, task.read.length);
        for (std::size_t i = 0; i < refs.size(); i++)
            task.window->outcomes[task.read.frames[i]] = std::move(outcomes[i]);
        return task.last ? task.window : nullptr;
    }

    std::shared_ptr<Window> NextWindow() {
        if (!std::exchange(started, true)) {
            Plan();
            bool at_once = ahead == 0 || (ended && !held && planned.size() <= 1);
            if (!at_once)
                pipeline = std::make_unique<Pipeline>(
                    ahead, [this] { return NextTask(); }, [this](const Task &task) { return Run(task); });
        }
        if (!pipeline) {
            while (std::optional<Task> task = NextTask())
                if (std::shared_ptr<Window> window = Run(*task)) return window;
            return nullptr;
        }
        while (auto result = pipeline->Take())
            if (*result) return *result;
        return nullptr;
    }

    FrameReader &reader;
    Source source;
    std::size_t ahead;
    std::optional<WantedFrame> held;    // that did not fit into the window before
    bool started = false, ended = false;
    std::deque<Task> planned;
    std::shared_ptr<Window> current;    // that is being taken from
    std::size_t taken = 0;
    using Pipeline = ReadAhead<Task, std::shared_ptr<Window>>;
    std::unique_ptr<Pipeline> pipeline;    // its threads use what stands above
};

FrameStream::FrameStream(FrameReader &reader, Source next, std::size_t ahead)
    : state_(std::make_unique<State>(reader, std::move(next), ahead)) {}
FrameStream::~FrameStream() = default;

std::optional<TakenFrame> FrameStream::Take() {
    State &state = *state_;
    if (!state.current || state.taken == state.current->wanted.size()) {
        state.current.reset();    // before others are read
        state.taken = 0;
        state.current = state.NextWindow();
        if (!state.current) return std::nullopt;
    }
    std::size_t i = state.taken++;
    FrameOutcome &outcome = state.current->outcomes[i];
    if (const Error *error = std::get_if<Error>(&outcome)) throw *error;
    WantedFrame &wanted = state.current->wanted[i];
    return TakenFrame{std::move(wanted.ref), wanted.of, std::move(std::get<Buffer>(outcome))};
}

}    // namespace ark
