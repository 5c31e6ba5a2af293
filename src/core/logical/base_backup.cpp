#include "logical/base_backup.h"

#include <fmt/format.h>

#include <iterator>

#include "logical/entries.h"

namespace ark {
namespace {

constexpr std::size_t kMostReusable = 50'000;

bool IsDamage(const Error &error) { return error.code == Code::kCorrupt || error.code == Code::kNotFound; }

}    // namespace

BaseBackup::BaseBackup(BackupSession &session, const Compaction &compaction, Log &log)
    : session_(session), compaction_(compaction), log_(log) {
    if (session.bases().empty()) return;
    root_ = TreeRootFromJson(session.BaseManifest(session.bases().front()).body.at("tree"));
    Rewind();
}

void BaseBackup::Rewind() {
    if (root_) cursor_.emplace(session_.frames(), *root_);
}

void BaseBackup::AddFramesHere(std::vector<FrameRef> &frames) {
    std::vector<FrameRef> here = FramesOf(*cursor_->Current());
    compaction_.DropScattered(cursor_->Path(), here);
    frames.insert(frames.end(), std::make_move_iterator(here.begin()), std::make_move_iterator(here.end()));
}

template <class Visit>
std::vector<FrameRef> BaseBackup::Frames(Visit visit) {
    std::vector<FrameRef> frames;
    if (!cursor_) return frames;
    try {
        visit(frames);
        return frames;
    } catch (const Error &error) {
        if (!IsDamage(error)) throw;
        log_.Warn(fmt::format("the list of contents of backup {} is damaged, so the rest is stored afresh: {}",
                              session_.bases().front(), error.message));
        cursor_.reset();
        root_.reset();
        return {};
    }
}

std::vector<FrameRef> BaseBackup::FramesAt(std::string_view path) {
    return Frames([&](std::vector<FrameRef> &frames) {
        cursor_->SkipTo(path);
        if (cursor_->Current() && cursor_->Path() == path) AddFramesHere(frames);
    });
}

std::vector<FrameRef> BaseBackup::FramesBelow(std::string_view prefix) {
    return Frames([&](std::vector<FrameRef> &frames) {
        cursor_->SkipTo(prefix);
        for (; cursor_->Current() && cursor_->Path().starts_with(prefix) && frames.size() < kMostReusable;
             cursor_->Next())
            AddFramesHere(frames);
    });
}

TreeWriter::Reuse BaseBackup::NodeReuse() {
    if (!root_) return nullptr;
    return ark::NodeReuse(session_.frames(), *root_, [this](const FrameRef &ref) {
        return !compaction_.LeavesPack(ref) && session_.Reference(ref);
    });
}

}    // namespace ark
