#include "repo/frame_reader.h"

#include <fmt/format.h>

#include "repo/frame_decoder.h"
#include "repo/read_ahead.h"

namespace ark {
namespace {

constexpr std::uint64_t kGap = 64 << 10;         // bytes between neighbours that are read rather than skipped
constexpr std::uint64_t kRunStored = 8 << 20;    // of one ranged read
constexpr std::uint64_t kRunPlain = 16 << 20;    // that one read turns into; bounds memory when data compresses well

// Frames that one ranged read brings.
struct Run {
    std::span<const FrameRef> refs;
    std::uint64_t at = 0, length = 0;
};

void CheckLimits(const FrameRef &ref) {
    if (ref.stored > kLargestFrame || ref.size > kLargestFrame || ref.at > kLargestOffset ||
        !layout::IsPackName(ref.pack))
        throw Error(Code::kCorrupt,
                    fmt::format("a reference to frame {} of pack \"{}\" is beyond the limits of the format", ref.frame,
                                ref.pack));
}

// The longest run at the front of `refs`: ascending neighbours in one pack, within the limits.
Run FirstRun(std::span<const FrameRef> refs) {
    CheckLimits(refs[0]);
    std::uint64_t begin = refs[0].at, end = begin + refs[0].stored, plain = refs[0].size;
    std::size_t n = 1;
    for (; n < refs.size(); n++) {
        const FrameRef &ref = refs[n];
        CheckLimits(ref);
        plain += ref.size;
        if (ref.pack != refs[0].pack || ref.at < end || ref.at - end > kGap) break;
        if (ref.at + ref.stored - begin > kRunStored || plain > kRunPlain) break;
        end = ref.at + ref.stored;
    }
    return {refs.first(n), begin, end - begin};
}

}    // namespace

struct FrameReader::State {
    State(std::shared_ptr<Repository> in, std::shared_ptr<KeyRing> keys)
        : repository(std::move(in)), decoder(repository, std::move(keys)) {}

    std::vector<Bytes> Fetch(const Run &run) {
        const std::string &pack = run.refs[0].pack;
        auto facts = decoder.FactsOf(pack);
        Bytes stored =
            ReadExactly(*repository, layout::Pack(pack), run.at, run.length, fmt::format("pack \"{}\"", pack));
        std::vector<Bytes> plain;
        for (const FrameRef &ref : run.refs)
            plain.push_back(decoder.Decode(ref, *facts, ByteView(stored).subspan(ref.at - run.at, ref.stored)));
        return plain;
    }

    std::shared_ptr<Repository> repository;
    FrameDecoder decoder;
};

FrameReader::FrameReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys)
    : state_(std::make_unique<State>(std::move(repository), std::move(keys))) {}
FrameReader::~FrameReader() = default;

Bytes FrameReader::Read(const FrameRef &ref) { return std::move(state_->Fetch(FirstRun({&ref, 1})).front()); }

void FrameReader::ReadAll(std::span<const FrameRef> refs, std::size_t ahead,
                          const std::function<void(const FrameRef &, ByteView plain)> &visit) {
    std::span<const FrameRef> unplanned = refs, unvisited = refs;
    auto next = [&]() -> std::optional<Run> {
        if (unplanned.empty()) return std::nullopt;
        Run run = FirstRun(unplanned);
        unplanned = unplanned.subspan(run.refs.size());
        return run;
    };
    auto fetch = [this](const Run &run) { return state_->Fetch(run); };
    auto visit_all = [&](const std::vector<Bytes> &plain) {
        for (std::size_t i = 0; i < plain.size(); i++) visit(unvisited[i], plain[i]);
        unvisited = unvisited.subspan(plain.size());
    };
    if (ahead == 0 || (!refs.empty() && FirstRun(refs).refs.size() == refs.size())) {
        while (std::optional<Run> run = next()) visit_all(fetch(*run));
        return;
    }
    ReadAhead<Run, std::vector<Bytes>> pipeline(ahead, next, fetch);
    while (std::optional<std::vector<Bytes>> plain = pipeline.Take()) visit_all(*plain);
}

}    // namespace ark
