#include "physical/restore_rate.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "physical/base_files.h"
#include "repo/frame_stream.h"

namespace ark {
namespace {

constexpr std::uint64_t kMostBytes = 128 << 20;
constexpr Duration kMostTime = std::chrono::seconds(2);
constexpr std::size_t kReadsAhead = 2;    // as RestoreFiles() has them

std::vector<FrameRef> FirstFrames(const Manifest &backup, const std::shared_ptr<FrameReader> &frames) {
    std::vector<FrameRef> first;
    std::uint64_t bytes = 0;
    TreeCursor cursor(frames, TreeRootFromJson(backup.body.at("tree")));
    for (cursor.Seek(kFiles); cursor.Current() && cursor.Path().starts_with(kFiles) && bytes < kMostBytes;
         cursor.Next())
        if (auto of_piece = cursor.Current()->find("frames"); of_piece != cursor.Current()->end())
            for (const Json &frame : *of_piece) {
                first.push_back(FrameRefFromJson(frame));
                bytes += first.back().size;
            }
    return first;
}

}    // namespace

RestoreRate MeasureRestoreRate(const Manifest &backup, const std::shared_ptr<FrameReader> &frames, int jobs,
                               Clock &clock, Ticker &ticker) {
    std::vector<FrameRef> wanted = FirstFrames(backup, frames);
    RestoreRate rate;
    std::mutex mutex;
    std::exception_ptr failure;
    SteadyPoint began = clock.Steady();
    auto run = [&](std::span<const FrameRef> mine) {
        try {
            auto next = [&]() -> std::optional<WantedFrame> {
                if (mine.empty() || clock.Steady() - began > kMostTime) return std::nullopt;
                WantedFrame frame{mine.front()};
                mine = mine.subspan(1);
                return frame;
            };
            FrameStream stream(*frames, next, kReadsAhead);
            while (std::optional<TakenFrame> frame = stream.Take()) {
                ticker.Check();
                std::scoped_lock lock(mutex);
                rate.bytes += frame->plain.size();
            }
        } catch (...) {    // carried to the caller's thread
            std::scoped_lock lock(mutex);
            failure = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> threads;
        auto count = static_cast<std::size_t>(jobs);
        for (std::size_t i = 0; i < count; i++) {
            std::size_t from = wanted.size() * i / count, to = wanted.size() * (i + 1) / count;
            threads.emplace_back(run, std::span<const FrameRef>(wanted).subspan(from, to - from));
        }
    }
    if (failure) std::rethrow_exception(failure);
    rate.time = std::chrono::duration_cast<Duration>(clock.Steady() - began);
    return rate;
}

}    // namespace ark
