#include "repo/checkpoint_writer.h"

#include <algorithm>
#include <utility>

namespace ark {

void CheckpointWriter::Add(const Json &entry, const std::vector<FrameRef> &frames, const Json *head) {
    Held held;
    bool of_bases = true;
    const std::string *seen = nullptr;    // a pack of the bases
    for (const FrameRef &frame : frames) {
        if (seen && *seen == frame.pack) continue;
        if (session_.IsOfBase(frame)) {
            seen = &frame.pack;
            continue;
        }
        of_bases = false;
        if (!frame.pack.starts_with(session_.id() + "/")) continue;    // an interrupted backup's
        held.stored += frame.stored;
        bool again = !held.own.empty() && held.own.back().pack == frame.pack;
        if (!again) held.own.push_back(frame);
    }
    if (of_bases) return;
    if (head) {
        std::string path = JsonString(*head, "path", "an entry of a checkpoint");
        if (path != std::exchange(last_head_, path)) held.text = JsonText(*head) + "\n";
    }
    held.text += JsonText(entry) + "\n";
    held_bytes_ += held.text.size();
    held_.push_back(std::move(held));
    TakeStored();
    std::uint64_t step = std::clamp(session_.new_bytes() / 16, limits_.least, limits_.most);
    if (stored_ >= step || text_.size() >= limits_.text) Write();
}

void CheckpointWriter::Finish() {
    TakeStored();
    if (written_ && !text_.empty()) Write();
}

bool CheckpointWriter::IsStored(Held &held) const {
    while (!held.own.empty() && session_.IsStored(held.own.back())) held.own.pop_back();
    return held.own.empty();
}

void CheckpointWriter::TakeStored() {
    while (!held_.empty()) {
        Held &first = held_.front();
        bool stored = IsStored(first);
        if (!stored && held_bytes_ <= limits_.held) break;
        held_bytes_ -= first.text.size();
        if (stored) {
            text_ += first.text;
            stored_ += first.stored;
        }
        held_.pop_front();
    }
}

void CheckpointWriter::Write() {
    session_.WriteCheckpoint(facts_(), std::exchange(text_, {}));
    stored_ = 0;
    written_ = true;
}

}    // namespace ark
