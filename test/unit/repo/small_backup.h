// Backups of a few tables, taken and compared the way the logical layer does it, in small.
#pragma once

#include <gtest/gtest.h>

#include "base/digest.h"
#include "unit/repo/sample.h"

namespace ark::test {

constexpr std::size_t kTables = 30;

inline PackSettings Small() {
    PackSettings settings;
    settings.target_size = 60 << 10;
    settings.part_size = 20 << 10;
    return settings;
}

// A backup of thirty tables, each of one frame, that reuses what its base has.
// `changed` says which table's text differs from the others' seed 0.
struct Taken {
    ManifestClear clear;
    std::uint64_t stored_frames = 0;
};
inline Taken TakeBackup(BackupSession &session, std::size_t changed = kTables) {
    Taken taken;
    auto packs = session.NewPackWriter(Small());
    std::optional<TreeRoot> base;
    if (!session.bases().empty()) base = TreeRootFromJson(session.BaseManifest(session.bases()[0]).body.at("tree"));
    TreeCursor old(session.frames(), base.value_or(TreeRoot{}));
    TreeWriter tree(
        *packs, session.key(),
        base ? NodeReuse(session.frames(), *base, [&](const FrameRef &ref) { return session.Reference(ref); })
             : nullptr);
    for (std::size_t i = 0; i < kTables; i++) {
        Bytes rows = SampleText(40'000, i * 100 + (i == changed ? 1 : 0));
        std::string path = "table/public/t" + std::to_string(10 + i) + "/data/0000000000",
                    digest = session.key().Digest(rows);
        old.Seek(path);
        std::optional<FrameRef> ref;
        if (old.Current() != nullptr && old.Path() == path) ref = FrameRefFromJson(old.Current()->at("frames").at(0));
        if (!ref || ref->digest != digest || !session.Reference(*ref)) {
            ref = packs->Append(rows, digest);
            taken.stored_frames++;
        }
        tree.Add({{"path", path}, {"frames", {ToJson(*ref)}}});
    }
    TreeRoot root = tree.Finish();
    packs->Finish();
    taken.clear = session.Commit({{"tree", ToJson(root)}});
    return taken;
}

inline void CheckBackup(Sample &sample, const BackupId &id, std::size_t changed = kTables) {
    std::optional<Manifest> manifest = ReadManifest(*sample.repository, id, sample.keys.get());
    ASSERT_TRUE(manifest);
    ASSERT_EQ(manifest->clear.state, "complete");
    std::map<std::string, std::uint64_t> listed;
    std::uint64_t bytes = 0;
    ReadPackList(*sample.repository, manifest->clear, [&](const PackInfo &info) {
        listed[info.pack] = info.size;
        bytes += info.size;
        EXPECT_EQ(Sha256Hex(sample.Load(layout::Pack(info.pack))), info.sha256);
    });
    EXPECT_EQ(bytes, manifest->clear.stored_bytes);
    EXPECT_EQ(listed.size(), manifest->clear.packs);
    auto reader = sample.Reader();
    TreeRoot root = TreeRootFromJson(manifest->body.at("tree"));
    for (const FrameRef &node : root.frames) EXPECT_TRUE(listed.contains(node.pack));
    TreeCursor cursor(reader, root);
    std::size_t i = 0;
    for (; cursor.Current() != nullptr; cursor.Next(), i++) {
        FrameRef ref = FrameRefFromJson(cursor.Current()->at("frames").at(0));
        EXPECT_TRUE(listed.contains(ref.pack)) << "a frame lies in a pack that the list does not name";
        EXPECT_EQ(reader->Read(ref), SampleText(40'000, i * 100 + (i == changed ? 1 : 0)));
    }
    EXPECT_EQ(i, kTables);
}

// The names and sizes of everything in a store.
inline std::map<std::string, std::uint64_t> ContentOf(Storage &storage) {
    std::map<std::string, std::uint64_t> content;
    storage.List("", [&](const ObjectInfo &info) {
        content[info.name] = info.size;
        return true;
    });
    return content;
}

// The packs that a backup names.
inline std::vector<PackInfo> PacksOf(Sample &sample, const BackupId &id) {
    std::vector<PackInfo> packs;
    ReadPackList(*sample.repository, ReadManifestClear(*sample.repository, id).value(),
                 [&](const PackInfo &info) { packs.push_back(info); });
    return packs;
}

// What a small object's JSON says, altered by `change`, with the check line that belongs to it.
inline void Rewrite(Sample &sample, const std::string &name, const std::function<void(std::string &)> &change) {
    Bytes object = sample.Load(name);
    std::string text(AsText(WithoutCheckLine(object, name)));
    change(text);
    Bytes altered = ToBytes(text);
    AppendCheckLine(altered);
    sample.Replace(name, altered);
}

inline void Substitute(std::string &text, std::string_view from, std::string_view to) {
    std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::logic_error("not there: " + std::string(from));
    text.replace(at, from.size(), to);
}

}    // namespace ark::test
