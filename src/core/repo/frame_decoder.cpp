#include "repo/frame_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ark {
namespace {

constexpr std::size_t kPacksRemembered = 1024;

// Working memory of the libraries, one set a thread.
Decompressor &ThreadDecompressor(CompressionKind kind) {
    thread_local std::array<std::unique_ptr<Decompressor>, 3> all;
    std::unique_ptr<Decompressor> &one = all.at(static_cast<std::size_t>(kind));
    if (!one) one = std::make_unique<Decompressor>(kind);
    return *one;
}

Error Damaged(const FrameRef &ref, std::string_view why, std::string_view more = {}) {
    std::string detail(why);
    if (!more.empty()) detail += fmt::format(" ({})", more);
    return Error(Code::kCorrupt, fmt::format("frame {} of pack \"{}\" is damaged", ref.frame, ref.pack), detail,
                 "Run pg_ark verify to learn which backups need it; another backup stores that data afresh.");
}

}    // namespace

std::shared_ptr<const FrameDecoder::Facts> FrameDecoder::ReadFacts(const std::string &pack) const {
    std::string name = repository_->FullName(layout::Pack(pack));
    std::optional<Bytes> front;
    if (std::unique_ptr<Reader> reader = repository_->storage().Open(name, {0, kHeaderLimit})) {
        front.emplace(kHeaderLimit);
        std::size_t have = 0;
        while (std::size_t n = have < kHeaderLimit ? reader->Read(MutableBytes(*front).subspan(have)) : 0) have += n;
        front->resize(have);
    }
    if (!front)
        throw Error(Code::kNotFound,
                    fmt::format("pack \"{}\" is missing in {}", pack, repository_->storage().Describe()), {},
                    "Run pg_ark verify to learn which backups need it.");
    Facts facts;
    facts.header = ParsePackHeader(*front, *repository_, pack);
    if (!keys_ && facts.header.generation != 0)
        throw Error(Code::kInvalidArgument, fmt::format("pack \"{}\" is encrypted, and no key was given", pack));
    facts.key = DomainKey{facts.header.domain, 0, std::nullopt};
    if (keys_) facts.key = keys_->Get(facts.header.domain, facts.header.generation);
    if (facts.key.encrypted()) facts.pack_key = facts.key.PackKey(PackIdBytes(pack));
    return std::make_shared<const Facts>(std::move(facts));
}

std::shared_ptr<const FrameDecoder::Facts> FrameDecoder::FactsOf(const std::string &pack) {
    {
        std::lock_guard lock(mutex_);
        if (auto at = by_pack_.find(pack); at != by_pack_.end()) {
            recent_.splice(recent_.begin(), recent_, at->second);
            return at->second->second;
        }
    }
    std::shared_ptr<const Facts> facts = ReadFacts(pack);
    std::lock_guard lock(mutex_);
    if (by_pack_.contains(pack)) return facts;
    recent_.emplace_front(pack, facts);
    by_pack_[pack] = recent_.begin();
    if (recent_.size() > kPacksRemembered) {
        by_pack_.erase(recent_.back().first);
        recent_.pop_back();
    }
    return facts;
}

Buffer FrameDecoder::Decode(const FrameRef &ref, const Facts &facts, ByteView stored) const {
    auto check = [&](const std::string &found) {
        if (found != ref.digest)
            throw Damaged(ref, fmt::format("Its digest is {}, the backup's manifest says {}.", found, ref.digest));
    };
    if (ref.of_stored) check(Sha256Hex(stored));
    Buffer opened, plain(ref.size);
    try {
        if (facts.pack_key) {
            opened = Buffer(stored.size() - std::min(stored.size(), kGcmTagSize));
            GcmOpen(*facts.pack_key, NumberNonce(ref.frame),
                    FrameContext(*repository_, facts.header.domain, ref.pack, ref.frame), stored, opened.bytes());
            stored = opened;
        }
        ThreadDecompressor(facts.header.compression).Decompress(stored, plain.bytes());
    } catch (const Error &e) {
        if (e.code != Code::kCorrupt) throw;
        throw Damaged(ref, e.message, e.detail);
    }
    if (!ref.of_stored) check(facts.key.Digest(plain));
    return plain;
}

}    // namespace ark
