#include "repo/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/encoding.h"
#include "repo/frame_stream.h"
#include "repo/pack_format.h"
#include "repo/tree.h"

namespace ark {
namespace {

constexpr std::size_t kMostProblems = 100;
constexpr std::size_t kReadSize = 1 << 20;
constexpr std::size_t kReadsAhead = 2;
constexpr std::size_t kBatchWeight = 4096;    // frames, columns and entries that are read together

class Findings {
public:
    explicit Findings(VerifyResult &result) : result_(result) {}
    void Add(std::string problem) {
        result_.ok = false;
        if (++count_ <= kMostProblems) result_.problems.push_back(std::move(problem));
    }
    void Finish() {
        if (count_ > kMostProblems) result_.problems.push_back(fmt::format("and {} more", count_ - kMostProblems));
    }

private:
    VerifyResult &result_;
    std::size_t count_ = 0;
};

std::string Describe(const Error &error) {
    return error.detail.empty() ? error.message : error.message + " (" + error.detail + ")";
}

// Worth a finding; anything else (an unreachable store, a wrong key, a cancel) ends the verification instead.
bool IsFinding(const Error &error) {
    return error.code == Code::kCorrupt || error.code == Code::kNotFound || error.code == Code::kUnsupported;
}

class Verification {
public:
    Verification(Repository &repository, std::shared_ptr<KeyRing> keys, const BackupSummary &backup, VerifyLevel level,
                 Ticker &ticker, Log &log)
        : repository_(repository),
          keys_(std::move(keys)),
          backup_(backup),
          level_(level),
          ticker_(ticker),
          log_(log),
          findings_(result_) {}

    VerifyResult Run(EntryVerifier *verifier) {
        if (!backup_.error.empty()) {
            findings_.Add(fmt::format("the manifest cannot be read: {}", backup_.error));
        } else {
            progress_.phase = "packs";
            progress_.total_items = backup_.manifest.clear.packs;
            progress_.total_bytes = level_ == VerifyLevel::kExists ? 0 : backup_.manifest.clear.stored_bytes;
            Guard([&] {
                ReadPackList(repository_, backup_.manifest.clear, [&](const PackInfo &pack) { CheckPack(pack); });
            });
            if (level_ == VerifyLevel::kDecode) Decode(verifier);
        }
        findings_.Finish();
        return std::move(result_);
    }

private:
    // Runs `check`; damage becomes a finding.
    template <class Check>
    void Guard(Check check) {
        try {
            check();
        } catch (const Error &error) {
            if (!IsFinding(error)) throw;
            findings_.Add(Describe(error));
        }
    }

    void CheckPack(const PackInfo &pack) {
        ticker_.Check();
        result_.packs++;
        Guard([&] {
            std::optional<ObjectInfo> info = repository_.Stat(layout::Pack(pack.pack));
            if (!info) throw Error(Code::kNotFound, fmt::format("pack {} is missing", pack.pack));
            if (info->size != pack.size)
                throw Error(Code::kCorrupt,
                            fmt::format("pack {} has {} bytes instead of {}", pack.pack, info->size, pack.size));
            if (level_ != VerifyLevel::kExists) ChecksumPack(pack);
        });
        progress_.done_items++;
        log_.Report(progress_);
    }

    // The whole object in one stream; its footer tells which frame is bad, if one is.
    void ChecksumPack(const PackInfo &pack) {
        std::unique_ptr<Reader> reader = repository_.storage().Open(repository_.FullName(layout::Pack(pack.pack)), {});
        if (!reader) throw Error(Code::kNotFound, fmt::format("pack {} is missing", pack.pack));
        Sha256Stream digest;
        Bytes block(kReadSize);
        for (;;) {
            ticker_.Check();
            std::size_t n = reader->Read(block);
            if (n == 0) break;
            digest.Update(ByteView(block).first(n));
            result_.bytes_read += n;
            progress_.done_bytes += n;
            log_.Report(progress_);
        }
        if (HexEncode(digest.Finish()) != pack.sha256) {
            QuarantineBadFrames(pack);
            throw Error(Code::kCorrupt,
                        fmt::format("pack {} does not have the digest that the backup recorded", pack.pack));
        }
    }

    void Quarantine(const std::string &pack, std::uint64_t frame, const std::string &why) {
        if (repository_.epoch() == 0) return;    // a reader may not write; the finding is told all the same
        std::string hex = pack.substr(pack.find('/') + 1);
        try {
            repository_.Create(layout::Kind::kQuarantine, layout::Quarantine(hex, frame),
                               {{"pack", pack}, {"frame", frame}, {"why", why}});
        } catch (const Error &error) {    // it was found before, in other words
            if (error.code != Code::kAlreadyExists) throw;
        }
    }

    // Its bad frames; or, where the pack is damaged around them, its first one: any keeps the whole pack from being reused.
    void QuarantineBadFrames(const PackInfo &pack) {
        bool named = false;
        Guard([&] {
            std::string name = layout::Pack(pack.pack), what = fmt::format("pack {}", pack.pack);
            Bytes front = ReadExactly(repository_, name, 0, std::min<std::uint64_t>(kHeaderLimit, pack.size), what);
            std::uint64_t at = ParsePackHeader(front, repository_, pack.pack).length;
            std::optional<PackTrailer> trailer =
                ParseTrailer(ReadExactly(repository_, name, pack.size - kTrailerSize, kTrailerSize, what));
            if (!trailer || trailer->footer + kTrailerSize > pack.size)
                throw Error(Code::kCorrupt, fmt::format("{} has no trailer", what));
            Bytes footer =
                ReadExactly(repository_, name, pack.size - kTrailerSize - trailer->footer, trailer->footer, what);
            std::uint64_t frame = 0;
            for (const FooterEntry &entry : ParseFooter(footer, *trailer, pack.pack)) {
                if (Sha256(ReadExactly(repository_, name, at, entry.stored, what)) != entry.digest) {
                    Quarantine(pack.pack, frame, "its stored bytes have another digest");
                    named = true;
                }
                at += entry.stored;
                frame++;
            }
        });
        if (!named) Quarantine(pack.pack, 0, "its header, footer or trailer is damaged, or it is another pack");
    }

    void Decode(EntryVerifier *verifier) {
        progress_ = {};
        progress_.phase = "decode";
        if (!backup_.manifest.readable())
            throw Error(Code::kInvalidArgument, "this backup is encrypted and no key was given", {},
                        "Give the key, or verify at level checksum.");
        const Json &body = backup_.manifest.body;
        if (body.contains("plain_bytes") && body["plain_bytes"].is_number_unsigned())
            progress_.total_bytes = body["plain_bytes"].get<std::uint64_t>();
        auto frames =
            std::make_shared<FrameReader>(std::shared_ptr<Repository>(&repository_, [](Repository *) {}), keys_);
        std::vector<Json> batch;
        auto decode = [&] { DecodeEntries(std::exchange(batch, {}), *frames, verifier); };
        Guard([&] {
            TreeCursor cursor(frames, TreeRootFromJson(body.at("tree")));
            std::string last;
            for (std::size_t weight = 0; const Json *entry = cursor.Current(); cursor.Next()) {
                if (!last.empty() && cursor.Path() <= last)
                    throw Error(Code::kCorrupt, fmt::format("entry \"{}\" stands after \"{}\"", cursor.Path(), last));
                last = cursor.Path();
                batch.push_back(*entry);
                for (const Json &member : *entry) weight += member.size();
                if (weight < kBatchWeight) continue;
                decode();
                weight = 0;
            }
        });
        decode();    // also what came before a damaged part of the tree
    }

    static std::vector<FrameRef> RefsOf(const Json &entry) {
        std::vector<FrameRef> refs;
        if (entry.contains("frames"))
            for (const Json &ref : entry["frames"]) refs.push_back(FrameRefFromJson(ref));
        return refs;
    }

    // The frames of all of them in few requests.
    void DecodeEntries(const std::vector<Json> &entries, FrameReader &frames, EntryVerifier *verifier) {
        std::vector<std::vector<FrameRef>> refs(entries.size());
        std::vector<WantedFrame> wanted;
        for (std::size_t i = 0; i < entries.size(); i++) {
            Guard([&] { refs[i] = RefsOf(entries[i]); });
            for (const FrameRef &ref : refs[i]) wanted.push_back({ref, i});
        }
        auto next = [&, at = std::size_t{0}]() mutable {
            return at < wanted.size() ? std::optional(wanted[at++]) : std::nullopt;
        };
        FrameStream stream(frames, next, kReadsAhead);
        for (std::size_t i = 0; i < entries.size(); i++) DecodeEntry(entries[i], refs[i], stream, verifier);
    }

    // `stream` comes to the entry's frames next.
    void DecodeEntry(const Json &entry, const std::vector<FrameRef> &refs, FrameStream &stream,
                     EntryVerifier *verifier) {
        std::string path = entry.value("path", "");
        progress_.current = path;
        bool whole = true;
        for (const FrameRef &ref : refs) {
            ticker_.Check();
            try {
                Buffer plain = stream.Take().value().plain;
                result_.frames++;
                result_.rows += ref.rows;
                progress_.done_bytes += plain.size();
                log_.Report(progress_);
                if (verifier) verifier->Frame(entry, ref, plain);
            } catch (const Error &error) {
                if (!IsFinding(error)) throw;
                whole = false;
                findings_.Add(fmt::format("{}: {}", path, Describe(error)));
                if (error.code == Code::kCorrupt) Quarantine(ref.pack, ref.frame, error.message);
            }
        }
        std::string problem = verifier ? verifier->EntryDone(entry) : "";
        if (whole && !problem.empty()) findings_.Add(fmt::format("{}: {}", path, problem));
    }

    Repository &repository_;
    std::shared_ptr<KeyRing> keys_;
    const BackupSummary &backup_;
    VerifyLevel level_;
    Ticker &ticker_;
    Log &log_;
    VerifyResult result_;
    Findings findings_;
    Progress progress_;
};

}    // namespace

VerifyLevel ParseVerifyLevel(std::string_view text) {
    for (VerifyLevel level : {VerifyLevel::kExists, VerifyLevel::kChecksum, VerifyLevel::kDecode})
        if (VerifyLevelName(level) == text) return level;
    throw Error(Code::kInvalidArgument, fmt::format("there is no verification level \"{}\"", text),
                "The levels are exists, checksum and decode.");
}

std::string_view VerifyLevelName(VerifyLevel level) {
    switch (level) {
    case VerifyLevel::kExists: return "exists";
    case VerifyLevel::kChecksum: return "checksum";
    case VerifyLevel::kDecode: return "decode";
    }
    return "";
}

VerifyResult VerifyBackup(Repository &repository, std::shared_ptr<KeyRing> keys, const BackupSummary &backup,
                          VerifyLevel level, EntryVerifier *verifier, Ticker &ticker, Log &log) {
    return Verification(repository, std::move(keys), backup, level, ticker, log).Run(verifier);
}

}    // namespace ark
