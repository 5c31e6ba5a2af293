// Foreign bytes of a store: headers, manifests, lists of packs, footers, tree nodes, checkpoints. Whatever they are, the reader either takes
// them or throws Error. The first byte of the input chooses what is read.
#include <algorithm>

#include "base/digest.h"
#include "repo/interrupted.h"
#include "repo/pack_format.h"
#include "repo/pack_list.h"
#include "repo/tree.h"
#include "storage/memory_storage.h"

namespace {

using namespace ark;

const BackupId kBackup = "20260116T080000Z-0a1b2c3d";
const std::string kPack = kBackup + "/" + std::string(64, 'a');

struct World {
    World() : random(1), storage(MakeMemoryStorage()) {
        repository = Repository::Init(storage, {"main", "7301234567890123456"}, false, SystemClock(), random);
        repository->SetEpoch(1);
    }
    void Place(const std::string &name, ByteView bytes) {
        MemorySource source(bytes);
        storage->Put(repository->FullName(name), source, PutMode::kUnconditional);
    }
    SeededRandom random;
    StoragePtr storage;
    std::shared_ptr<Repository> repository;
};

void ReadHeader(World &world, ByteView input) {
    std::size_t length = 0;
    ParseHeader(input, layout::Kind::kManifest, layout::Manifest(kBackup), world.repository->id(), length);
}

void ReadManifestObject(World &world, ByteView input) {
    Bytes object =
        ToBytes(FormatHeader(world.repository->HeaderFor(layout::Kind::kManifest, layout::Manifest(kBackup))));
    Append(object, input);
    AppendCheckLine(object);
    Manifest manifest = ParseManifest(object, *world.repository, kBackup, nullptr);
    if (manifest.readable() && manifest.body.contains("tree")) TreeRootFromJson(manifest.body["tree"]);
}

void ReadReference(World &, ByteView input) {
    Json json = ParseJson(AsText(input), "input");
    if (Json again = ToJson(FrameRefFromJson(json)); FrameRefFromJson(again).digest != json["digest"]) __builtin_trap();
}

void ReadList(World &world, ByteView input) {
    Bytes object = ToBytes(FormatHeader(world.repository->HeaderFor(layout::Kind::kPacks, layout::Packs(kBackup))));
    Append(object, input);
    world.Place(layout::Packs(kBackup), object);
    ManifestClear clear;
    clear.backup = kBackup;
    clear.packs_digest = Sha256Hex(object);
    clear.packs = static_cast<std::uint64_t>(std::count(input.begin(), input.end(), std::byte{'\n'}));
    PackTable table;
    ReadPackList(*world.repository, clear, [&](const PackInfo &info) { table.Add(info); });
    table.Seal();
}

void ReadFooter(World &, ByteView input) {
    if (input.size() < kTrailerSize) return;
    if (std::optional<PackTrailer> trailer = ParseTrailer(input.last(kTrailerSize)))
        ParseFooter(input.first(input.size() - kTrailerSize), *trailer, kPack);
}

void ReadTree(World &world, ByteView input) {
    Bytes pack = ToBytes(FormatPackHeader(*world.repository, kPack, DomainKey{}, ParseCompression("none")));
    FrameRef ref{kPack, 0, pack.size(), input.size(), input.size(), Sha256Hex(input)};
    Append(pack, input);
    world.Place(layout::Pack(kPack), pack);
    for (int level : {0, 1}) {
        TreeCursor cursor(std::make_shared<FrameReader>(world.repository, nullptr), {level, {ref}});
        while (cursor.Current() != nullptr) cursor.Next();
        cursor.Seek("table/");
        if (cursor.Current() != nullptr) cursor.Path();
    }
}

void ReadCheckpointObject(World &world, ByteView input) {
    ObjectHeader header = world.repository->HeaderFor(layout::Kind::kCheckpoint, layout::Checkpoint(kBackup, 1));
    header.more = {{"domain", "cluster"}, {"generation", 0}};
    Bytes object = ToBytes(FormatHeader(header));
    Compressor(Compression{}).Compress(input, object);
    AppendCheckLine(object);
    world.Place(layout::Checkpoint(kBackup, 1), object);
    auto load = [&](std::uint64_t number) { return ReadCheckpoint(*world.repository, kBackup, number, DomainKey{}); };
    CheckpointEntries entries(load, 1);
    for (std::string path; const Json *entry = entries.SkipTo(path); path = entry->at("path").get<std::string>() + "!")
        FramesOf(*entry);
}

}    // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static World world;
    if (size == 0) return 0;
    ByteView input = AsBytes({reinterpret_cast<const char *>(data) + 1, size - 1});
    constexpr void (*kReaders[])(World &, ByteView) = {ReadHeader, ReadManifestObject, ReadReference,       ReadList,
                                                       ReadFooter, ReadTree,           ReadCheckpointObject};
    try {
        kReaders[data[0] % std::size(kReaders)](world, input);
    } catch (const Error &) {    // refused: as it should be
        return 0;
    }
    return 0;
}
