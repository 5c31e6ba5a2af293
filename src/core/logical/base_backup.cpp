#include "logical/base_backup.h"

#include <fmt/format.h>

#include "logical/entries.h"

namespace ark {
namespace {

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

const Json *BaseBackup::EntryAt(std::string_view path) {
    cursor_->SkipTo(path);
    return cursor_->Current() && cursor_->Path() == path ? cursor_->Current() : nullptr;
}

std::vector<FrameRef> BaseBackup::FramesAt(std::string_view path) {
    if (!cursor_) return {};
    try {
        const Json *entry = EntryAt(path);
        if (!entry) return {};
        std::vector<FrameRef> frames = FramesOf(*entry);
        compaction_.DropScattered(path, frames);
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

TreeWriter::Reuse BaseBackup::NodeReuse() {
    if (!root_) return nullptr;
    return ark::NodeReuse(session_.frames(), *root_, [this](const FrameRef &ref) {
        return !compaction_.LeavesPack(ref) && session_.Reference(ref);
    });
}

}    // namespace ark
