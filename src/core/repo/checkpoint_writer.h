// Writes a backup's checkpoints: holds what was stored back until all of its frames are proven to be in the store. One thread uses it.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "repo/backup_session.h"

namespace ark {

class CheckpointWriter {
public:
    // A checkpoint comes after a sixteenth of what the backup has stored, but neither sooner than `least` nor later than `most`
    // bytes; and when its entries make up `text`. Entries of which more than `held` bytes wait for their packs are left out.
    struct Limits {
        std::uint64_t least = 32 << 20, most = std::uint64_t{1} << 30;
        std::size_t text = 4 << 20, held = 32 << 20;
    };
    // `facts` is asked when a checkpoint is written.
    CheckpointWriter(BackupSession &session, const Limits &limits, std::function<Json()> facts)
        : session_(session), limits_(limits), facts_(std::move(facts)) {}

    // Entries in ascending order. One that lies in the packs of bases alone is left out: they are there anyway. `head` (may be
    // nullptr), an entry before it without frames, comes with the first of those that it belongs to.
    void Add(const Json &entry, const std::vector<FrameRef> &frames, const Json *head);

    // The packs are all stored: writes what is left, if a checkpoint was written before.
    void Finish();

private:
    struct Held {
        std::string text;
        std::vector<FrameRef> own;    // that are not known to be stored
        std::uint64_t stored = 0;
    };
    bool IsStored(Held &held) const;
    void TakeStored();
    void Write();

    BackupSession &session_;
    Limits limits_;
    std::function<Json()> facts_;
    std::string last_head_;
    std::deque<Held> held_;
    std::size_t held_bytes_ = 0;
    std::string text_;            // all of it stored
    std::uint64_t stored_ = 0;    // bytes of the frames in text_
    bool written_ = false;
};

}    // namespace ark
