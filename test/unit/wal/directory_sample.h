// A data directory of the sample's cluster (server 15, segments of 1 MiB), with a pg_wal to put files into.
#pragma once

#include <filesystem>

#include "base/file.h"
#include "pgdata/data_directory.h"
#include "support/temporary_directory.h"
#include "unit/pgdata/control_sample.h"
#include "unit/wal/wal_sample.h"

namespace ark::test {

constexpr std::uint32_t kSmallSegment = 1 << 20;

class DirectorySample {
public:
    DirectorySample() {
        std::filesystem::create_directories(path() / "global");
        std::filesystem::create_directories(path() / "pg_wal" / "archive_status");
        SetState(ClusterState::kInProduction);
    }
    const std::filesystem::path &path() const { return directory_.path(); }
    DataDirectory Open() const { return DataDirectory(path()); }

    void SetState(ClusterState state, std::uint32_t timeline = 1) {
        Write(path() / "global" / "pg_control", Altered([&](Bytes &file) {
                  PutLittleEndian(file.data(), std::uint64_t{std::stoull(kSampleCluster.system_identifier)});
                  PutLittleEndian(file.data() + 16, static_cast<std::uint32_t>(state));
                  PutLittleEndian(file.data() + 48, timeline);
                  PutLittleEndian(file.data() + 228, kSmallSegment);
              }));
    }
    // A segment with the front that a server gives it, and other bytes for every `seed`.
    std::filesystem::path AddSegment(const std::string &name, std::uint64_t seed = 1, bool ready = false) {
        Bytes file = ShortSegment(seed);
        SegmentName segment = ParseSegmentName(name);
        PutLittleEndian(file.data(), std::uint16_t{0xD110});
        PutLittleEndian(file.data() + 2, std::uint16_t{2});
        PutLittleEndian(file.data() + 4, segment.timeline.value);
        PutLittleEndian(file.data() + 8, segment.Start(WalSegmentSize(kSmallSegment)).value);
        PutLittleEndian(file.data() + 16, std::uint64_t{0});
        PutLittleEndian(file.data() + 24, std::uint64_t{std::stoull(kSampleCluster.system_identifier)});
        PutLittleEndian(file.data() + 32, kSmallSegment);
        PutLittleEndian(file.data() + 36, std::uint32_t{8192});
        std::filesystem::path added = Add(name, file);
        if (ready) Write(path() / "pg_wal" / "archive_status" / (name + ".ready"), {});
        return added;
    }
    std::filesystem::path Add(const std::string &name, ByteView bytes) {
        Write(path() / "pg_wal" / name, bytes);
        return path() / "pg_wal" / name;
    }
    static void Write(const std::filesystem::path &path, ByteView bytes) { WriteFileAtomically(path, bytes); }

private:
    TemporaryDirectory directory_;
};

}    // namespace ark::test
