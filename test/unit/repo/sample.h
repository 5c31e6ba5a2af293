// A repository in memory (or in a store that is given), ready to be written to.
#pragma once

#include <gtest/gtest.h>

#include "repo/backup_session.h"
#include "storage/memory_storage.h"
#include "support/fake_clock.h"

namespace ark::test {

inline const ClusterName kSampleCluster{"main", "7301234567890123456"};

struct Sample {
    explicit Sample(bool encrypted, StoragePtr given = nullptr, std::uint64_t seed = 1)
        : random(seed), storage(given ? std::move(given) : MakeMemoryStorage(clock)) {
        repository = Repository::Init(storage, kSampleCluster, encrypted, clock, random);
        repository->SetEpoch(1);
        if (encrypted) kek = Key(AsBytes("0123456789abcdef0123456789abcdef"));
        keys = std::make_shared<KeyRing>(repository, kek);
    }

    DomainKey Domain(const std::string &domain = "cluster") { return keys->Newest(domain, true, random); }
    std::shared_ptr<FrameReader> Reader() { return std::make_shared<FrameReader>(repository, keys); }
    std::unique_ptr<BackupSession> Begin(std::vector<BackupId> bases = {}) {
        BackupPlan plan;
        plan.kind = "logical";
        plan.bases = std::move(bases);
        plan.reason = "test";
        return BackupSession::Begin(repository, keys, plan, clock, random);
    }
    Bytes Load(const std::string &name) { return repository->ReadRaw(name).value(); }
    void Replace(const std::string &name, ByteView bytes) {    // what an attacker or a bad disk does
        MemorySource source(bytes);
        storage->Put(repository->FullName(name), source, PutMode::kUnconditional);
    }

    FakeClock clock;
    SeededRandom random;
    StoragePtr storage;
    std::shared_ptr<Repository> repository;
    std::optional<Key> kek;
    std::shared_ptr<KeyRing> keys;
};

// Compressible text that differs by seed. Made once: the same is asked for again and again.
inline Bytes SampleText(std::size_t size, std::uint64_t seed) {
    static std::mutex mutex;
    static std::map<std::pair<std::size_t, std::uint64_t>, Bytes> made;
    std::lock_guard lock(mutex);
    Bytes &bytes = made[{size, seed}];
    if (!bytes.empty() || size == 0) return bytes;
    SeededRandom random(seed);
    std::string text;
    while (text.size() < size)
        text += std::to_string(random.Below(1000000)) + "\tcustomer " + std::to_string(random.Below(5000)) +
                "\t2026-01-16 08:00:00+00\t\\N\n";
    text.resize(size);
    return bytes = ToBytes(text);
}

// The code of the Error that `work` throws.
template <class Work>
std::optional<Code> Thrown(Work work) {
    try {
        work();
    } catch (const Error &e) {
        return e.code;
    }
    return std::nullopt;
}

// The error that `work` throws; a failure of the test if it throws none.
template <class Work>
Error ErrorOf(Work work) {
    try {
        work();
    } catch (const Error &error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::kInternal, "nothing was thrown");
}

}    // namespace ark::test
