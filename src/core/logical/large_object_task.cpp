#include "logical/large_object_task.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::size_t kFrame = 1 << 20;
constexpr std::uint64_t kPage = 2048;    // LOBLKSIZE
constexpr int kBatch = 200;

struct LargeObject {
    std::uint64_t oid = 0;
    std::string owner;
    Candidates reusable;
    std::uint64_t size = 0;
    std::string digest;
    std::vector<FrameRef> frames;
};

// Bytes of one object as they come, with holes.
class ObjectWriter {
public:
    ObjectWriter(FrameStore &store, LargeObject &object) : store_(store), object_(object) { object_.frames.clear(); }

    void Put(std::uint64_t offset, ByteView bytes) {
        while (at_ + frame_.size() < offset) {
            std::uint64_t hole = offset - at_ - frame_.size();
            frame_.resize(frame_.size() + std::min<std::uint64_t>(hole, kFrame - frame_.size()));
            if (frame_.size() == kFrame) Emit();
        }
        while (!bytes.empty()) {
            ByteView part = bytes.first(std::min(bytes.size(), kFrame - frame_.size()));
            Append(frame_, part);
            only_zeros_ = false;
            bytes = bytes.subspan(part.size());
            if (frame_.size() == kFrame) Emit();
        }
    }

    void Finish() {
        if (!frame_.empty()) Emit();
        object_.size = at_;
        object_.digest = HexEncode(sha256_.Finish());
    }

private:
    // Frames of a large hole are all the same one, stored once.
    void Emit() {
        sha256_.Update(frame_);
        bool zeros = only_zeros_ && frame_.size() == kFrame;
        if (zeros && !zeros_.digest.empty()) {
            object_.frames.push_back(zeros_);
        } else {
            object_.frames.push_back(store_.Put(frame_, 0, object_.reusable));
            if (zeros) zeros_ = object_.frames.back();
        }
        at_ += frame_.size();
        frame_.clear();
        only_zeros_ = true;
    }

    FrameStore &store_;
    LargeObject &object_;
    Bytes frame_;
    bool only_zeros_ = true;
    FrameRef zeros_;
    std::uint64_t at_ = 0;    // of the frame that is being filled
    Sha256Stream sha256_;
};

class LargeObjectTask : public ExportTask {
public:
    LargeObjectTask(std::vector<LargeObject> objects, bool whole_table)
        : objects_(std::move(objects)), whole_table_(whole_table) {}

    void Run(Connection &connection, const std::string &before, FrameStore &store) override {
        if (!before.empty()) connection.Execute(before);
        if (whole_table_) return ReadTogether(connection, store);
        for (LargeObject &object : objects_) ReadAlone(connection, store, object);
    }

    void Emit(EntryWriter &writer) override {
        for (const LargeObject &object : objects_) {
            writer.Add({{"path", LargeObjectPath(object.oid)},
                        {"oid", object.oid},
                        {"owner", object.owner},
                        {"size", object.size},
                        {"digest", object.digest},
                        {"frames", FramesJson(object.frames)}});
            writer.totals.plain_bytes += object.size;
        }
    }
    std::string What() const override { return fmt::format("large object {}", objects_.front().oid); }
    std::size_t MemoryCost() const override { return objects_.size() * 600; }

private:
    // One scan of the range; COPY BINARY gives the pages as they are: field count, then each field's length and bytes.
    void ReadTogether(Connection &connection, FrameStore &store) {
        std::size_t next = 0;
        std::optional<ObjectWriter> writer;
        auto begin = [&](std::size_t object) {
            if (writer) writer->Finish();
            writer.emplace(store, objects_[object]);
        };
        bool header = true;
        connection.CopyOut(
            fmt::format("COPY (SELECT loid, pageno, data FROM pg_catalog.pg_largeobject WHERE loid BETWEEN {} AND {} "
                        "ORDER BY loid, pageno)"
                        " TO STDOUT (FORMAT binary)",
                        objects_.front().oid, objects_.back().oid),
            [&](std::string_view message) {
                constexpr std::size_t kHeader =
                    19;    // signature, flags, length of the extension; the first message has no row
                if (std::exchange(header, false)) message.remove_prefix(std::min(kHeader, message.size()));
                ByteView bytes = AsBytes(message);
                if (bytes.size() < 2 || GetBigEndian<std::uint16_t>(bytes.data()) != 3) return;
                auto oid = GetBigEndian<std::uint32_t>(bytes.data() + 6);
                auto page = GetBigEndian<std::uint32_t>(bytes.data() + 14);
                while (next == 0 || objects_[next - 1].oid < oid) {
                    if (next == objects_.size())
                        throw Error(Code::kCorrupt, fmt::format("large object {} has pages but is not listed", oid));
                    begin(next++);
                }
                if (objects_[next - 1].oid != oid)
                    throw Error(Code::kCorrupt, fmt::format("large object {} has pages but is not listed", oid));
                writer->Put(page * kPage, bytes.subspan(22));
            });
        while (next < objects_.size()) begin(next++);
        writer->Finish();
    }

    void ReadAlone(Connection &connection, FrameStore &store, LargeObject &object) {
        ObjectWriter writer(store, object);
        for (std::uint64_t offset = 0;; offset += kFrame) {
            Result result =
                connection.Query(fmt::format("SELECT pg_catalog.lo_get({}, {}, {})", object.oid, offset, kFrame));
            Bytes bytes = HexDecode(result.Text(0, 0).substr(2));
            writer.Put(offset, bytes);
            if (bytes.size() < kFrame) break;
        }
        writer.Finish();
    }

    std::vector<LargeObject> objects_;
    bool whole_table_;
};

}    // namespace

LargeObjectSource::LargeObjectSource(Connection &coordinator, ReusableFrames &reusable)
    : coordinator_(coordinator), reusable_(reusable) {
    whole_table_ =
        coordinator_.Query("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')").Bool(0, 0);
    coordinator_.Execute(
        "DECLARE ark_large_objects NO SCROLL CURSOR FOR"
        " SELECT oid, pg_catalog.pg_get_userbyid(lomowner) FROM pg_catalog.pg_largeobject_metadata ORDER BY oid");
}

std::unique_ptr<ExportTask> LargeObjectSource::Next() {
    Result result = coordinator_.Query(fmt::format("FETCH {} FROM ark_large_objects", kBatch));
    if (result.rows() == 0) return nullptr;
    std::vector<LargeObject> objects(static_cast<std::size_t>(result.rows()));
    for (int row = 0; row < result.rows(); row++) {
        LargeObject &object = objects[static_cast<std::size_t>(row)];
        object.oid = result.Unsigned(row, 0);
        object.owner = result.String(row, 1);
        object.reusable = reusable_.At(LargeObjectPath(object.oid));
    }
    return std::make_unique<LargeObjectTask>(std::move(objects), whole_table_);
}

}    // namespace ark
