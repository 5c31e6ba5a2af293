// Entries of a base backup's tree, as a store may hand them out: read one by one, verified, and restored into a directory. Each is taken
// or refused with an Error; what was taken covers what it says, and nothing is written outside of the directory. The first byte
// chooses; "@" in the input stands for a reference to a frame that is there, of 256 KiB.
#include <unistd.h>

#include <cstdlib>

#include "base/digest.h"
#include "physical/piece.h"
#include "physical/restore_files.h"
#include "physical/verify_files.h"
#include "repo/pack_format.h"
#include "storage/memory_storage.h"

namespace {

using namespace ark;

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";
const std::string kTreePack = kBackup + "/" + std::string(64, 'a'), kDataPack = kBackup + "/" + std::string(64, 'b');

class World {
public:
    World() : random_(1), storage_(MakeMemoryStorage()), content_(kPhysicalFrame) {
        repository_ = Repository::Init(storage_, {"main", "7301234567890123456"}, false, SystemClock(), random_);
        repository_->SetEpoch(1);
        for (std::size_t i = 0; i < content_.size(); i++) content_[i] = static_cast<std::byte>(i * 7 + i / 4096);
        frame_ = Place(kDataPack, content_);
        std::string pattern = (std::filesystem::temp_directory_path() / "ark-fuzz-XXXXXX").string();
        if (!mkdtemp(pattern.data())) std::abort();
        directory_ = pattern;
    }
    ~World() {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    const FrameRef &frame() const { return frame_; }
    ByteView content() const { return content_; }
    std::string WithFrames(ByteView input) const {
        std::string text(AsText(input)), reference = ToJson(frame_).dump();
        for (std::size_t at = 0; (at = text.find("\"@\"", at)) != std::string::npos; at += reference.size())
            text.replace(at, 3, reference);
        return text;
    }
    // Restores a backup whose tree has these lines.
    void Restore(std::string_view lines) {
        Manifest backup;
        backup.clear.kind = "physical";
        backup.body = {
            {"files", 1}, {"plain_bytes", 1}, {"tree", ToJson(TreeRoot{0, {Place(kTreePack, AsBytes(lines))}})}};
        std::filesystem::path data = directory_ / "data";
        std::filesystem::create_directory(data);
        try {
            RestoreFiles({data, {}, 1}, backup, std::make_shared<FrameReader>(repository_, nullptr), NeverCancelled(),
                         SilentLog());
        } catch (const Error &) {    // refused
        }
        for (const auto &entry : std::filesystem::directory_iterator(directory_))
            if (entry.path() != data) std::abort();
        std::filesystem::remove_all(data);
    }

private:
    FrameRef Place(const std::string &name, ByteView plain) {
        Bytes pack = ToBytes(FormatPackHeader(*repository_, name, DomainKey{}, ParseCompression("none")));
        FrameRef ref{name, 0, pack.size(), plain.size(), plain.size(), Sha256Hex(plain)};
        Append(pack, plain);
        MemorySource source(pack);
        storage_->Put(repository_->FullName(layout::Pack(name)), source, PutMode::kUnconditional);
        return ref;
    }

    SeededRandom random_;
    StoragePtr storage_;
    std::shared_ptr<Repository> repository_;
    Bytes content_;
    FrameRef frame_;
    std::filesystem::path directory_;
};

// Two bytes say how long the piece is; an entry follows.
void ReadEntry(World &world, ByteView input) {
    if (input.size() < 2) return;
    std::uint64_t length =
        (std::to_integer<std::uint64_t>(input[0]) << 8 | std::to_integer<std::uint64_t>(input[1])) * 256 +
        (std::to_integer<std::uint64_t>(input[1]) & 7);
    Json entry = ParseJson(world.WithFrames(input.subspan(2)), "input");
    if (!entry.is_object()) return;
    for (std::uint64_t unit : {kSmallestUnit, kLargestUnit}) try {
            Piece piece = PieceFromEntry(entry, length, unit);
            std::uint64_t covered = 0;
            for (const UnitRun &run : piece.map) {
                covered += run.units;
                std::uint64_t end = std::min(covered * unit, length), begin = (covered - run.units) * unit;
                if (run.first * unit + (end - begin) > piece.frames.at(run.frame).size) std::abort();
            }
            if (covered != piece.Units() || (covered > 0 && (covered - 1) * unit >= length)) std::abort();
            Piece again = PieceFromEntry(PieceEntry("file/x#0000000000", piece, unit), length, unit);
            if (again.map != piece.map || again.units != piece.units) std::abort();
        } catch (const Error &) {    // refused
        }
}

// A line an entry; every frame that it names has the content of the one that is there.
void Verify(World &world, ByteView input) {
    std::unique_ptr<EntryVerifier> verifier = MakeFileVerifier(DomainKey());
    std::string text = world.WithFrames(input);
    for (std::size_t at = 0, end = 0; at < text.size(); at = end + 1) {
        end = std::min(text.find('\n', at), text.size());
        Json entry = Json::parse(text.substr(at, end - at), nullptr, false);
        if (!entry.is_object() || !entry.contains("path") || !entry["path"].is_string()) continue;
        Json frames = entry.value("frames", Json::array());
        for (const Json &frame : frames.is_array() ? frames : Json::array()) {
            FrameRef ref = FrameRefFromJson(frame);
            if (ref.digest == world.frame().digest) verifier->Frame(entry, ref, world.content());
        }
        verifier->EntryDone(entry);
    }
}

}    // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static World world;
    if (size == 0) return 0;
    ByteView input = AsBytes({reinterpret_cast<const char *>(data) + 1, size - 1});
    try {
        switch (data[0] % 3) {
        case 0: ReadEntry(world, input); break;
        case 1: Verify(world, input); break;
        default: world.Restore(world.WithFrames(input));
        }
    } catch (const Error &) {    // refused: as it should be
        return 0;
    }
    return 0;
}
