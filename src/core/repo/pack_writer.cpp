#include "repo/pack_writer.h"

#include <fmt/format.h>

#include <utility>

#include "base/encoding.h"
#include "repo/pack_format.h"
#include "repo/pack_upload.h"

namespace ark {

struct PackWriter::State {
    State(std::shared_ptr<Repository> in, DomainKey with, BackupId of, PackSettings how, Random &names,
          std::function<void(PackInfo)> done)
        : repository(std::move(in)),
          key(std::move(with)),
          backup(std::move(of)),
          settings(how),
          random(names),
          finished(std::move(done)),
          compressor(how.compression) {}

    std::shared_ptr<Repository> repository;
    DomainKey key;
    BackupId backup;
    PackSettings settings;
    Random &random;
    std::function<void(PackInfo)> finished;
    Compressor compressor;

    // The pack being filled.
    std::string pack;    // empty: none is open
    std::optional<Key> pack_key;
    std::uint64_t at = 0;
    std::vector<FooterEntry> frames;
    Bytes part;
    std::unique_ptr<PackUpload> upload;
    std::unique_ptr<PackUpload> previous;    // all of it was handed over; it is proven while the next pack is filled

    std::uint64_t stored_bytes = 0;
    Ticker *stop = nullptr;
    bool failed = false;    // an error left a frame half written: its number must never be used again

    void Open() {
        pack = backup + "/" + random.Hex(32);
        if (key.encrypted()) pack_key = key.PackKey(PackIdBytes(pack));
        frames.clear();
        at = 0;
        part.reserve(settings.part_size + (1 << 20));
        Put(AsBytes(FormatPackHeader(*repository, pack, key, settings.compression)));
    }

    void Put(ByteView bytes) {
        ark::Append(part, bytes);
        Count(bytes.size());
    }
    void Count(std::size_t size) {
        at += size;
        stored_bytes += size;
    }

    template <class Work>
    auto Guarded(Work work) {
        if (failed)
            throw Error(Code::kInternal, fmt::format("a pack of backup \"{}\" was written to after a failure", backup));
        failed = true;
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            failed = false;
        } else {
            auto result = work();
            failed = false;
            return result;
        }
    }

    // Hands over what is full. The waits come first: whoever gives one up leaves everything as it was.
    void MakeRoom() {
        if (pack.empty()) return;
        bool full = at >= settings.target_size || frames.size() == kMostFrames;
        if (full) {
            if (previous) previous->WaitUntilFinished(stop);
            if (upload) upload->WaitForRoom(stop);
            Guarded([&] { Close(); });
        } else if (part.size() >= settings.part_size) {
            if (upload) upload->WaitForRoom(stop);
            Guarded([&] { HandOver(); });
        }
    }

    // The reference lacks its digest, which is that of the stored bytes or for the caller to say.
    FrameRef AppendFrame(ByteView plain, Sha256Digest &of_stored) {
        if (plain.size() > kLargestFrame)
            throw Error(Code::kUnsupported, fmt::format("a piece of {} bytes is too large for a frame", plain.size()));
        if (pack.empty()) Open();
        FrameRef ref{pack, frames.size(), at, 0, plain.size(), {}};
        std::size_t begin = part.size();
        compressor.Compress(plain, part);
        if (pack_key)
            GcmSealTail(*pack_key, NumberNonce(ref.frame), FrameContext(*repository, key.domain, pack, ref.frame), part,
                        begin);
        ByteView stored = ByteView(part).subspan(begin);
        ref.stored = stored.size();
        of_stored = Sha256(stored);
        frames.push_back({ref.stored, ref.size, of_stored});
        Count(stored.size());
        return ref;
    }

    void OpenUpload() {
        if (!upload)
            upload = std::make_unique<PackUpload>(repository, pack, (settings.parts_queued + 1) * settings.part_size);
    }

    void HandOver() {
        OpenUpload();
        Bytes full;
        full.reserve(settings.part_size + (1 << 20));
        std::swap(full, part);
        upload->Push(std::move(full));
    }

    void Close() {
        Put(FormatFooter(frames));
        OpenUpload();
        upload->End(std::move(part));
        part = {};
        pack.clear();
        pack_key.reset();
        Settle();
        previous = std::move(upload);
    }

    void Settle() {
        if (!previous) return;
        PackInfo info = previous->Wait();
        previous.reset();
        finished(std::move(info));
    }
};

PackWriter::PackWriter(std::shared_ptr<Repository> repository, DomainKey key, BackupId backup, PackSettings settings,
                       Random &random, std::function<void(PackInfo)> finished)
    : state_(std::make_unique<State>(std::move(repository), std::move(key), std::move(backup), settings, random,
                                     std::move(finished))) {
    if (state_->repository->epoch() == 0) throw Error(Code::kInternal, "a pack would be written without an epoch");
    if (state_->repository->encrypted() != state_->key.encrypted())
        throw Error(Code::kInternal, "a pack would be written with the wrong kind of key");
}

PackWriter::~PackWriter() = default;

Ticker *PackWriter::StopWith(Ticker *stop) { return std::exchange(state_->stop, stop); }

FrameRef PackWriter::Append(ByteView plain, std::string digest) {
    state_->MakeRoom();
    return state_->Guarded([&] {
        Sha256Digest of_stored;
        if (digest.empty()) digest = state_->key.Digest(plain);
        FrameRef ref = state_->AppendFrame(plain, of_stored);
        ref.digest = std::move(digest);
        return ref;
    });
}

FrameRef PackWriter::AppendDigestStored(ByteView plain) {
    state_->MakeRoom();
    return state_->Guarded([&] {
        Sha256Digest of_stored;
        FrameRef ref = state_->AppendFrame(plain, of_stored);
        ref.digest = HexEncode(of_stored);
        ref.of_stored = true;
        return ref;
    });
}

void PackWriter::End() {
    state_->Guarded([&] {
        if (!state_->pack.empty()) state_->Close();
    });
}

void PackWriter::Finish() {
    End();
    state_->Guarded([&] { state_->Settle(); });
}

std::uint64_t PackWriter::stored_bytes() const { return state_->stored_bytes; }

}    // namespace ark
