// A repository in memory that takes WAL, and segments to put into it.
#pragma once

#include <gtest/gtest.h>

#include "unit/repo/sample.h"
#include "wal/segment_object.h"

namespace ark::test {

inline const std::string kSegmentText = "000000010000000A000000C3";

struct WalSample : Sample {
    explicit WalSample(bool encrypted, StoragePtr given = nullptr)
        : Sample(encrypted, std::move(given)), key(Domain()) {}

    static SegmentFacts Facts(const std::string &name = kSegmentText) {
        return {ParseWalFileName(name), kSampleCluster.system_identifier};
    }
    SegmentResult Write(ByteView file, const std::string &name = kSegmentText) {
        MemorySource source(file);
        return WriteSegment(*repository, *keys, key, Facts(name), source, random);
    }
    std::optional<Bytes> Read(const std::string &name = kSegmentText) { return ReadWith(*keys, name); }
    std::optional<Bytes> ReadWith(KeyRing &ring, const std::string &name = kSegmentText) {
        Bytes file;
        std::optional<SegmentInfo> info =
            ReadSegment(*repository, ring, ParseWalFileName(name), [&](ByteView piece) { Append(file, piece); });
        if (!info) return std::nullopt;
        EXPECT_EQ(info->length, file.size());
        return file;
    }
    std::optional<SegmentInfo> Stat(const std::string &name = kSegmentText) {
        return StatSegment(*repository, *keys, ParseWalFileName(name));
    }
    static std::string ObjectName(const std::string &name = kSegmentText) {
        return layout::Wal(ParseWalFileName(name));
    }

    DomainKey key;
};

// 1 MiB and 2 MiB are segment sizes; the longer one makes two frames.
inline const Bytes &ShortSegment(std::uint64_t seed = 1) {
    static std::map<std::uint64_t, Bytes> made;
    if (!made.contains(seed)) made[seed] = SampleText(1 << 20, seed);
    return made[seed];
}
inline Bytes LongSegment() { return SampleText(2 << 20, 7); }

}    // namespace ark::test
