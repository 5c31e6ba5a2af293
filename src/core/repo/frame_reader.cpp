#include "repo/frame_reader.h"

#include <fmt/format.h>

#include "repo/frame_decoder.h"
#include "repo/frame_stream.h"

namespace ark {
namespace {

void CheckLimits(const FrameRef &ref) {
    if (!WithinLimits(ref))
        throw Error(Code::kCorrupt,
                    fmt::format("a reference to frame {} of pack \"{}\" is beyond the limits of the format", ref.frame,
                                ref.pack));
}

}    // namespace

bool WithinLimits(const FrameRef &ref) {
    return ref.stored <= kLargestFrame && ref.size <= kLargestFrame && ref.at <= kLargestOffset &&
           layout::IsPackName(ref.pack);
}

struct FrameReader::State {
    State(std::shared_ptr<Repository> in, std::shared_ptr<KeyRing> keys)
        : repository(std::move(in)), decoder(repository, std::move(keys)) {}

    std::shared_ptr<Repository> repository;
    FrameDecoder decoder;
};

FrameReader::FrameReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys)
    : state_(std::make_unique<State>(std::move(repository), std::move(keys))) {}
FrameReader::~FrameReader() = default;

Buffer FrameReader::Read(const FrameRef &ref) {
    FrameOutcome outcome = std::move(ReadRange({&ref, 1}, ref.at, ref.stored).front());
    if (const Error *error = std::get_if<Error>(&outcome)) throw *error;
    return std::move(std::get<Buffer>(outcome));
}

std::vector<FrameOutcome> FrameReader::ReadRange(std::span<const FrameRef> refs, std::uint64_t at,
                                                 std::uint64_t length) {
    std::vector<FrameOutcome> outcomes;
    const std::string &pack = refs.front().pack;
    std::shared_ptr<const FrameDecoder::Facts> facts;
    Bytes stored;
    try {
        CheckLimits(refs.front());
        facts = state_->decoder.FactsOf(pack);
        stored = ReadExactly(*state_->repository, layout::Pack(pack), at, length, fmt::format("pack \"{}\"", pack));
    } catch (const Error &error) {
        for (std::size_t i = 0; i < refs.size(); i++) outcomes.emplace_back(error);
        return outcomes;
    }
    for (const FrameRef &ref : refs) {
        try {
            outcomes.emplace_back(
                state_->decoder.Decode(ref, *facts, ByteView(stored).subspan(ref.at - at, ref.stored)));
        } catch (const Error &error) {
            outcomes.emplace_back(error);
        }
    }
    return outcomes;
}

void FrameReader::ReadAll(std::span<const FrameRef> refs, std::size_t ahead,
                          const std::function<void(const FrameRef &, ByteView plain)> &visit) {
    auto next = [&]() -> std::optional<WantedFrame> {
        if (refs.empty()) return std::nullopt;
        WantedFrame frame{refs.front()};
        refs = refs.subspan(1);
        return frame;
    };
    FrameStream stream(*this, next, ahead);
    while (std::optional<TakenFrame> frame = stream.Take()) visit(frame->ref, frame->plain);
}

}    // namespace ark
