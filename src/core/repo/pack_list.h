// Which packs a backup needs: the `packs` object, and a table of many packs in little memory. Section 3.
#pragma once

#include <optional>
#include <vector>

#include "base/digest.h"
#include "repo/manifest.h"

namespace ark {

// About 80 bytes a pack: filled, sealed (sorted, each pack once), then asked.
class PackTable {
public:
    void Add(const PackInfo &info);    // throws kInvalidArgument for what is no pack's name or digest
    void Truncate(std::size_t size) { rows_.resize(size); }    // forgets what was added last
    void Seal();
    std::size_t size() const { return rows_.size(); }
    std::optional<std::size_t> Find(std::string_view pack) const;
    PackInfo At(std::size_t index) const;    // ascending by name
    std::uint64_t SizeAt(std::size_t index) const { return rows_[index].size; }

private:
    struct Row {
        std::uint32_t backup = 0;    // index into backups_
        std::array<std::byte, 32> pack{};
        std::uint64_t size = 0;
        Sha256Digest sha256{};
    };
    std::vector<BackupId> backups_;    // sorted once sealed
    std::map<BackupId, std::uint32_t, std::less<>> numbers_;
    std::vector<Row> rows_;
};

// Creates the `packs` object from a sealed table, streamed; returns its SHA-256.
std::string WritePackList(Repository &repository, const BackupId &id, const PackTable &table);

}    // namespace ark
