#include "repo/pack_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "repo/pack_format.h"

namespace ark {
namespace {

constexpr std::size_t kLongestLine = 256;

std::string FormatLine(const PackInfo &info) { return fmt::format("{} {} {}\n", info.pack, info.size, info.sha256); }

std::optional<PackInfo> ParseLine(std::string_view line) {
    std::size_t first = line.find(' '), second = line.rfind(' ');
    if (first == std::string_view::npos || first == second) return std::nullopt;
    PackInfo info{std::string(line.substr(0, first)), 0, std::string(line.substr(second + 1))};
    std::string_view size = line.substr(first + 1, second - first - 1);
    auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), info.size);
    if (error != std::errc() || end != size.data() + size.size() || !layout::IsPackName(info.pack) ||
        info.sha256.size() != 64 || info.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        return std::nullopt;
    return info;
}

// The object's bytes, made while they are sent.
class ListSource : public Source {
public:
    ListSource(std::string header, const PackTable &table) : header_(std::move(header)), table_(table) { Rewind(); }
    std::size_t Read(MutableBytes to) override {
        std::size_t filled = 0;
        while (filled < to.size()) {
            if (at_ == line_.size()) {
                if (next_ == table_.size()) break;
                line_ = FormatLine(table_.At(next_++));
                at_ = 0;
            }
            std::size_t n = std::min(to.size() - filled, line_.size() - at_);
            std::copy_n(AsBytes(line_).begin() + static_cast<std::ptrdiff_t>(at_), n,
                        to.begin() + static_cast<std::ptrdiff_t>(filled));
            at_ += n;
            filled += n;
        }
        return filled;
    }
    bool Rewind() override {
        line_ = header_;
        at_ = next_ = 0;
        return true;
    }

private:
    std::string header_;
    const PackTable &table_;
    std::string line_;
    std::size_t at_ = 0, next_ = 0;
};

template <class Readable>
std::string DigestOf(Readable &from) {
    Sha256Stream digest;
    Bytes block(64 << 10);
    while (std::size_t n = from.Read(block)) digest.Update(ByteView(block).first(n));
    return HexEncode(digest.Finish());
}

}    // namespace

void PackTable::Add(const PackInfo &info) {
    if (!layout::IsPackName(info.pack) || info.sha256.size() != 64)
        throw Error(Code::kInvalidArgument, fmt::format("\"{}\" is not a pack", info.pack));
    BackupId backup = info.pack.substr(0, 25);
    auto [at, fresh] = numbers_.emplace(backup, static_cast<std::uint32_t>(backups_.size()));
    if (fresh) backups_.push_back(backup);
    Row row{at->second, {}, info.size, {}};
    std::ranges::copy(PackIdBytes(info.pack), row.pack.begin());
    std::ranges::copy(HexDecode(info.sha256), row.sha256.begin());
    rows_.push_back(row);
}

void PackTable::Seal() {
    std::vector<std::uint32_t> renumbered(backups_.size());
    std::vector<BackupId> sorted;
    for (const auto &[backup, number] : numbers_) {    // ascending
        renumbered[number] = static_cast<std::uint32_t>(sorted.size());
        sorted.push_back(backup);
    }
    for (Row &row : rows_) row.backup = renumbered[row.backup];
    backups_ = std::move(sorted);
    for (std::uint32_t i = 0; i < backups_.size(); i++) numbers_[backups_[i]] = i;
    auto order = [](const Row &a, const Row &b) { return std::tie(a.backup, a.pack) < std::tie(b.backup, b.pack); };
    auto same = [](const Row &a, const Row &b) { return a.backup == b.backup && a.pack == b.pack; };
    std::ranges::sort(rows_, order);
    rows_.erase(std::unique(rows_.begin(), rows_.end(), same), rows_.end());
}

std::optional<std::size_t> PackTable::Find(std::string_view pack) const {
    if (!layout::IsPackName(pack)) return std::nullopt;
    auto number = numbers_.find(pack.substr(0, 25));
    if (number == numbers_.end()) return std::nullopt;
    Row wanted{number->second};
    std::ranges::copy(PackIdBytes(std::string(pack)), wanted.pack.begin());
    auto at = std::ranges::lower_bound(rows_, wanted, [](const Row &a, const Row &b) {
        return std::tie(a.backup, a.pack) < std::tie(b.backup, b.pack);
    });
    if (at == rows_.end() || at->backup != wanted.backup || at->pack != wanted.pack) return std::nullopt;
    return static_cast<std::size_t>(at - rows_.begin());
}

PackInfo PackTable::At(std::size_t index) const {
    const Row &row = rows_[index];
    return {backups_[row.backup] + "/" + HexEncode(row.pack), row.size, HexEncode(row.sha256)};
}

std::string WritePackList(Repository &repository, const BackupId &id, const PackTable &table) {
    std::string name = layout::Packs(id);
    ListSource source(FormatHeader(repository.HeaderFor(layout::Kind::kPacks, name)), table);
    std::string digest = DigestOf(source);
    source.Rewind();
    try {
        repository.storage().Put(repository.FullName(name), source, PutMode::kCreate);
    } catch (const Error &e) {    // an earlier try of ours may have arrived
        if (e.code != Code::kAlreadyExists) throw;
        std::unique_ptr<Reader> there = repository.storage().Open(repository.FullName(name), {});
        if (!there || DigestOf(*there) != digest) throw;
    }
    return digest;
}

void ReadPackList(const Repository &repository, const ManifestClear &clear,
                  const std::function<void(const PackInfo &)> &visit) {
    std::string name = layout::Packs(clear.backup);
    Error damaged(Code::kCorrupt, fmt::format("the list of packs of backup \"{}\" is damaged", clear.backup));
    std::unique_ptr<Reader> reader = repository.storage().Open(repository.FullName(name), {});
    if (!reader)
        throw Error(Code::kNotFound, fmt::format("the list of packs of backup \"{}\" is missing", clear.backup));
    Sha256Stream digest;
    Bytes block(64 << 10);
    std::string rest, previous;
    bool header_seen = false;
    std::uint64_t packs = 0;
    while (std::size_t n = reader->Read(block)) {
        digest.Update(ByteView(block).first(n));
        rest += AsText(ByteView(block).first(n));
        std::size_t begin = 0;
        for (std::size_t newline; (newline = rest.find('\n', begin)) != std::string::npos; begin = newline + 1) {
            if (!header_seen) {
                std::size_t length = 0;
                ParseHeader(AsBytes(rest), layout::Kind::kPacks, name, repository.id(), length);
                header_seen = true;
                continue;
            }
            std::optional<PackInfo> info = ParseLine(std::string_view(rest).substr(begin, newline - begin));
            if (!info || info->pack <= previous)
                throw damaged.WithDetail(fmt::format("Line {} is not understood or out of order.", packs + 2));
            visit(*info);
            previous = std::move(info->pack);
            packs++;
        }
        rest.erase(0, begin);
        if (rest.size() > std::max(kLongestLine, header_seen ? 0 : kHeaderLimit))
            throw damaged.WithDetail("A line is too long.");
    }
    if (!rest.empty() || packs != clear.packs || HexEncode(digest.Finish()) != clear.packs_digest)
        throw damaged.WithDetail("Its digest or length is not what the manifest says.");
}

}    // namespace ark
