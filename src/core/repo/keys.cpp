#include "repo/keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/digest.h"
#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::string_view kAlgorithm = "aes-256-gcm";

std::string WrapContext(const Repository &repository, std::string_view domain, std::uint64_t generation) {
    return fmt::format("pg_ark|1|{}|{}|key|{}", repository.id(), domain, generation);
}

Json WrapKey(const Repository &repository, const Key &kek, const DomainKey &key, Random &random) {
    std::array<std::byte, 32> salt;
    random.Fill(salt);
    Bytes wrapped;
    GcmSeal(Hkdf(kek.bytes(), salt, "pg_ark wrap 1"), NumberNonce(0),
            WrapContext(repository, key.domain, key.generation), key.key->bytes(), wrapped);
    return {{"domain", key.domain},    {"generation", key.generation}, {"wrap", KeyFingerprint(kek)},
            {"algorithm", kAlgorithm}, {"salt", Base64Encode(salt)},   {"wrapped", Base64Encode(wrapped)}};
}

Key UnwrapKey(const Repository &repository, const Key &kek, std::string_view domain, std::uint64_t generation,
              const Json &wrap) {
    std::string what = fmt::format("key of \"{}\", generation {}", domain, generation);
    if (std::string algorithm = JsonString(wrap, "algorithm", what); algorithm != kAlgorithm)
        throw Error(Code::kUnsupported, fmt::format("{} is wrapped by the unknown algorithm \"{}\"", what, algorithm));
    try {
        Bytes salt = Base64Decode(JsonString(wrap, "salt", what)), plain;
        GcmOpen(Hkdf(kek.bytes(), salt, "pg_ark wrap 1"), NumberNonce(0), WrapContext(repository, domain, generation),
                Base64Decode(JsonString(wrap, "wrapped", what)), plain);
        Secret wiped{std::string(AsText(plain))};
        std::ranges::fill(plain, std::byte{});
        return Key(AsBytes(wiped.Reveal()));
    } catch (Error &e) {
        throw Error(Code::kCorrupt, fmt::format("{} cannot be unwrapped", what), e.message);
    }
}

// The store holds no wrap by our key-encryption key.
Error WrongKey(const std::string &domain, std::uint64_t generation, const std::vector<std::string> &there,
               const std::string &ours) {
    return Error(Code::kPermissionDenied,
                 fmt::format("the key given is not the one that this cluster path is encrypted with"),
                 fmt::format("Key of \"{}\", generation {}, is wrapped by {}; the key given is {}.", domain, generation,
                             fmt::join(there, ", "), ours),
                 "Give the key whose fingerprint is listed; the recovery sheet names it.");
}

Key DigestKeyOf(const Key &key) { return Hkdf(key.bytes(), {}, "pg_ark digest 1"); }

}    // namespace

std::string DomainKey::Digest(ByteView plain) const {
    if (!key) return Sha256Hex(plain);
    return HexEncode(HmacSha256((digest_key ? *digest_key : DigestKeyOf(*key)).bytes(), plain));
}

Key DomainKey::PackKey(ByteView pack_id) const { return Hkdf(key.value().bytes(), pack_id, "pg_ark pack 1"); }

Key DomainKey::ManifestKey(const BackupId &id) const {
    return Hkdf(key.value().bytes(), AsBytes(id), "pg_ark manifest 1");
}

Key DomainKey::CheckpointKey(std::string_view name) const {
    return Hkdf(key.value().bytes(), AsBytes(name), "pg_ark checkpoint 1");
}

KeyRing::KeyRing(std::shared_ptr<Repository> repository, std::optional<Key> kek)
    : repository_(std::move(repository)), kek_(std::move(kek)) {
    std::string path = repository_->cluster().Path();
    if (repository_->encrypted() && !kek_)
        throw Error(Code::kInvalidArgument, fmt::format("cluster path \"{}\" is encrypted, and no key was given", path),
                    {}, "Set ark.encryption_key, or give --encryption-key file:PATH.");
    if (!repository_->encrypted() && kek_)
        throw Error(Code::kInvalidArgument,
                    fmt::format("a key was given, but cluster path \"{}\" is not encrypted", path), {},
                    "Give no key for it, or use another store or prefix for encrypted backups.");
}

std::vector<KeyRing::Wrap> KeyRing::Wraps() const {
    std::vector<Wrap> wraps;
    repository_->List("keys/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a key", info.name));
        wraps.push_back({place->subject, std::stoull(place->id.substr(0, 10)), place->id.substr(11), info.modified});
        return true;
    });
    return wraps;
}

DomainKey KeyRing::Newest(const std::string &domain, bool create, Random &random) {
    if (!kek_) return DomainKey{domain, 0, std::nullopt};
    std::uint64_t newest = 0;
    for (const Wrap &wrap : Wraps())
        if (wrap.domain == domain) newest = std::max(newest, wrap.generation);
    if (newest > 0) return Get(domain, newest);
    if (!create)
        throw Error(Code::kNotFound,
                    fmt::format("cluster path \"{}\" has no key for \"{}\"", repository_->cluster().Path(), domain));
    NewGeneration(domain, random);
    return Newest(domain, false, random);
}

DomainKey KeyRing::Get(const std::string &domain, std::uint64_t generation) {
    if (!kek_ && generation == 0) return DomainKey{domain, 0, std::nullopt};
    if (!kek_ || generation == 0)
        throw Error(Code::kCorrupt, fmt::format("data of \"{}\" names key generation {} in a cluster path that is {}",
                                                domain, generation, kek_ ? "encrypted" : "not encrypted"));
    std::lock_guard lock(mutex_);
    if (auto at = cache_.find({domain, generation}); at != cache_.end()) return at->second;
    std::string ours = KeyFingerprint(*kek_);
    std::optional<Json> wrap = repository_->Read(layout::Kind::kKey, layout::Key(domain, generation, ours));
    if (!wrap) {
        std::vector<std::string> there;
        for (const Wrap &other : Wraps())
            if (other.domain == domain && other.generation == generation) there.push_back(other.fingerprint);
        if (there.empty())
            throw Error(Code::kNotFound,
                        fmt::format("the key of \"{}\", generation {}, is not in the store", domain, generation),
                        "All its wraps are gone: what was encrypted with it cannot be read any more.");
        throw WrongKey(domain, generation, there, ours);
    }
    DomainKey key{domain, generation, UnwrapKey(*repository_, *kek_, domain, generation, *wrap)};
    key.digest_key = DigestKeyOf(*key.key);
    cache_.emplace(std::pair(domain, generation), key);
    return key;
}

void KeyRing::NewGeneration(const std::string &domain, Random &random) {
    if (!kek_)
        throw Error(Code::kInvalidArgument,
                    fmt::format("cluster path \"{}\" is not encrypted", repository_->cluster().Path()));
    std::uint64_t newest = 0;
    for (const Wrap &wrap : Wraps())
        if (wrap.domain == domain) newest = std::max(newest, wrap.generation);
    DomainKey key{domain, newest + 1, NewKey(random)};
    try {
        repository_->Create(layout::Kind::kKey, layout::Key(domain, key.generation, KeyFingerprint(*kek_)),
                            WrapKey(*repository_, *kek_, key, random));
    } catch (const Error &e) {    // made by another process meanwhile: as good as ours
        if (e.code != Code::kAlreadyExists) throw;
    }
}

std::size_t KeyRing::Rewrap(const Key &next, Random &random) {
    std::map<std::pair<std::string, std::uint64_t>, bool> have;    // wrapped by `next` already?
    std::string fingerprint = KeyFingerprint(next);
    for (const Wrap &wrap : Wraps()) have[{wrap.domain, wrap.generation}] |= wrap.fingerprint == fingerprint;
    std::size_t made = 0;
    for (const auto &[which, done] : have) {
        if (done) continue;
        DomainKey key = Get(which.first, which.second);
        repository_->Create(layout::Kind::kKey, layout::Key(key.domain, key.generation, fingerprint),
                            WrapKey(*repository_, next, key, random));
        made++;
    }
    return made;
}

}    // namespace ark
