#include "logical/content_stream.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "logical/entries.h"
#include "repo/frame_stream.h"

namespace ark {
namespace {

constexpr std::size_t kReadsAhead = 3;
constexpr std::size_t kMostSpare = 4;

}    // namespace

std::unique_ptr<TreeCursor> SpareCursors::Take() {
    std::lock_guard lock(mutex_);
    if (cursors_.empty()) return std::make_unique<TreeCursor>(frames_, root_);
    std::unique_ptr<TreeCursor> cursor = std::move(cursors_.back());
    cursors_.pop_back();
    return cursor;
}

void SpareCursors::Return(std::unique_ptr<TreeCursor> cursor) {
    std::lock_guard lock(mutex_);
    if (cursors_.size() < kMostSpare) cursors_.push_back(std::move(cursor));
}

struct ContentStream::State {
    State(std::shared_ptr<FrameReader> reader, std::shared_ptr<SpareCursors> spare, std::vector<std::string> wanted)
        : frames(std::move(reader)),
          cursors(std::move(spare)),
          paths(std::move(wanted)),
          stream(
              *frames, [this] { return NextFrame(); }, kReadsAhead) {}

    std::optional<WantedFrame> NextFrame() {
        while (next_ref == refs.size()) {
            if (path == paths.size()) {
                if (cursor) cursors->Return(std::move(cursor));
                return std::nullopt;
            }
            refs = NextEntry();
            next_ref = 0;
        }
        return WantedFrame{std::move(refs[next_ref++]), path_of_refs};
    }

    // The frames of the next entry of the current path; none, and on to the next path, when there is no other.
    std::vector<FrameRef> NextEntry() {
        const std::string &wanted = paths[path];
        bool below = wanted.ends_with('/');
        path_of_refs = path;
        if (std::exchange(inside, true))
            cursor->Next();
        else
            Reach(wanted);
        const Json *entry = cursor->Current();
        bool found = entry && (below ? cursor->Path().starts_with(wanted) : cursor->Path() == wanted);
        if (!found && !below) throw Error(Code::kNotFound, fmt::format("the backup has no \"{}\"", wanted));
        if (!found || !below) {
            path++;
            inside = false;
        }
        return found ? FramesOf(*entry) : std::vector<FrameRef>();
    }

    void Reach(const std::string &wanted) {
        bool ascending = cursor && path > 0 && paths[path - 1] < wanted;
        if (!cursor) cursor = cursors->Take();
        if (ascending)
            cursor->SkipTo(wanted);
        else
            cursor->Seek(wanted);
    }

    std::shared_ptr<FrameReader> frames;
    std::shared_ptr<SpareCursors> cursors;
    std::vector<std::string> paths;
    std::unique_ptr<TreeCursor> cursor;    // used by the stream's source alone, as is what follows
    std::size_t path = 0, path_of_refs = 0;
    bool inside = false;    // the cursor is at an entry of the current path that was taken
    std::vector<FrameRef> refs;
    std::size_t next_ref = 0;

    std::size_t visited = 0;            // paths, by whoever takes
    std::optional<TakenFrame> taken;    // the first frame of a later path
    FrameStream stream;
};

ContentStream::ContentStream(std::shared_ptr<FrameReader> frames, std::shared_ptr<SpareCursors> cursors,
                             std::vector<std::string> paths)
    : state_(std::make_unique<State>(std::move(frames), std::move(cursors), std::move(paths))) {}
ContentStream::~ContentStream() = default;
ContentStream::ContentStream(ContentStream &&) noexcept = default;

void ContentStream::Next(const std::function<void(ByteView)> &visit) {
    State &state = *state_;
    std::size_t mine = state.visited++;
    if (mine >= state.paths.size()) throw Error(Code::kInternal, "more was asked of a backup than was announced");
    for (;;) {
        if (!state.taken) state.taken = state.stream.Take();
        if (!state.taken || state.taken->of != mine) return;
        TakenFrame frame = *std::exchange(state.taken, std::nullopt);
        visit(frame.plain);
    }
}

}    // namespace ark
