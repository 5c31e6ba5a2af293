#include "logical/base_backup.h"

#include <fmt/format.h>

#include <charconv>

#include "logical/entries.h"
#include "repo/tree_walk.h"

namespace ark {
namespace {

constexpr int kStepsBeforeSeek = 4;

// Packs are named by 64 random digits; their first 16 tell them apart well enough for a decision about thrift.
std::uint64_t ShortName(std::string_view pack) {
    std::uint64_t name = 0;
    std::string_view digits = LeafOf(pack).substr(0, 16);
    std::from_chars(digits.data(), digits.data() + digits.size(), name, 16);
    return name;
}

bool IsDamage(const Error &error) { return error.code == Code::kCorrupt || error.code == Code::kNotFound; }

}    // namespace

SparsePacks::SparsePacks(const Repository &repository, std::shared_ptr<FrameReader> frames, const Manifest &base,
                         double rewrite_share, Ticker &ticker)
    : budget_(static_cast<std::int64_t>(rewrite_share * static_cast<double>(base.clear.stored_bytes))) {
    if (budget_ <= 0) return;
    try {
        Count(repository, frames, base, ticker);
    } catch (const Error &error) {
        if (!IsDamage(error)) throw;
        sparse_.clear();
    }
}

void SparsePacks::Count(const Repository &repository, const std::shared_ptr<FrameReader> &frames, const Manifest &base,
                        Ticker &ticker) {
    TreeRoot root = TreeRootFromJson(base.body.at("tree"));
    auto count = [&](const FrameRef &ref) { sparse_[ShortName(ref.pack)] += ref.stored; };
    for (const FrameRef &ref : root.frames) count(ref);
    for (int level = root.level; level > 0; level--)
        for (TreeWalk walk(frames, root, level); const Json *line = walk.Current(); walk.Next()) count(NodeOf(*line));
    for (TreeCursor cursor(frames, root); const Json *entry = cursor.Current(); cursor.Next()) {
        ticker.Check();
        for (const FrameRef &ref : FramesOf(*entry)) count(ref);
    }
    ReadPackList(repository, base.clear, [&](const PackInfo &pack) {
        if (auto at = sparse_.find(ShortName(pack.pack)); at != sparse_.end() && at->second * 2 >= pack.size)
            sparse_.erase(at);
    });
}

bool SparsePacks::Rewrite(const FrameRef &ref) const {
    if (sparse_.empty() || !sparse_.contains(ShortName(ref.pack))) return false;
    auto size = static_cast<std::int64_t>(ref.stored);
    if (budget_.fetch_sub(size) >= size) return true;
    budget_.fetch_add(size);
    return false;
}

BaseBackup::BaseBackup(BackupSession &session, Log &log) : session_(session), log_(log) {
    if (session.bases().empty()) return;
    root_ = TreeRootFromJson(session.BaseManifest(session.bases().front()).body.at("tree"));
    Rewind();
}

void BaseBackup::Rewind() {
    if (root_) cursor_.emplace(session_.frames(), *root_);
}

const Json *BaseBackup::EntryAt(std::string_view path) {
    for (int step = 0; cursor_->Current() && cursor_->Path() < path; step++) {
        if (step < kStepsBeforeSeek)
            cursor_->Next();
        else
            cursor_->Seek(path);
    }
    return cursor_->Current() && cursor_->Path() == path ? cursor_->Current() : nullptr;
}

std::vector<FrameRef> BaseBackup::FramesAt(std::string_view path) {
    if (!cursor_) return {};
    try {
        const Json *entry = EntryAt(path);
        return entry ? FramesOf(*entry) : std::vector<FrameRef>();
    } catch (const Error &error) {
        if (!IsDamage(error)) throw;
        log_.Warn(fmt::format("the list of contents of backup {} is damaged, so the rest is stored afresh: {}",
                              session_.bases().front(), error.message));
        cursor_.reset();
        root_.reset();
        return {};
    }
}

TreeWriter::Reuse BaseBackup::NodeReuse(const SparsePacks &sparse) {
    if (!root_) return nullptr;
    return ark::NodeReuse(session_.frames(), *root_, [this, &sparse](const FrameRef &ref) {
        return !sparse.Rewrite(ref) && session_.Reference(ref);
    });
}

}    // namespace ark
