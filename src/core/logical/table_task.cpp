#include "logical/table_task.h"

#include <fmt/format.h>

#include <deque>

#include "logical/frame_pipe.h"
#include "logical/long_rows.h"
#include "logical/unreadable_row.h"

namespace ark {

// A table from its `columns` to its `totals`, which may be several tasks.
struct TableInProgress {
    BackupTable table;
    TableSize size;
    bool may_have_long_rows = false;
    bool as_one = false;                             // by one COPY; else chunk by chunk
    std::shared_ptr<const Candidates> reusable{};    // null: looked for chunk by chunk, because they are too many
    RowsDigest digest;                               // what follows belongs to the main thread
};

namespace {

constexpr std::uint64_t kSmallTable = 1 << 20;
constexpr std::uint64_t kGroupBytes = 8 << 20;
constexpr std::size_t kGroupTables = 100;

struct ChunkRows {
    std::uint64_t rows = 0, bytes = 0;
    std::vector<FrameRef> frames;
};

// A table, or a chunk of one.
struct Piece {
    std::shared_ptr<TableInProgress> of;
    std::optional<BlockRange> blocks;
    std::uint64_t chunk = 0;    // the first, or the only one
    bool first = true, last = true;
    bool has_rows = true;    // false: a definition only
    std::shared_ptr<const Candidates> reusable;

    std::deque<ChunkRows> chunks;    // results
    RowsDigest digest;

    std::string Path(std::uint64_t number = 0) const {
        return ChunkPath(TablePrefix(of->table.schema, of->table.name), chunk + number);
    }
    std::string ReusePath() const { return of->reusable ? RowsPath(of->table) : Path(); }
    std::string Name() const { return QualifiedName(of->table.schema, of->table.name); }
    // Of heap and TOAST, of which a chunk has its share.
    std::uint64_t SourceBytes(std::uint32_t block_size) const {
        if (!blocks || blocks->whole || of->size.heap == 0) return of->size.all();
        double share =
            static_cast<double>((blocks->end - blocks->first) * block_size) / static_cast<double>(of->size.heap);
        return static_cast<std::uint64_t>(share * static_cast<double>(of->size.all()));
    }
};

class TableTask : public ExportTask {
public:
    TableTask(const TableSourceSettings &settings, EarlierFrames &earlier) : settings_(settings), earlier_(earlier) {}

    void Add(Piece piece) {
        bytes_ += piece.SourceBytes(settings_.block_size);
        pieces_.push_back(std::move(piece));
    }
    std::size_t size() const { return pieces_.size(); }
    std::string What() const override { return pieces_.empty() ? "" : pieces_.front().Name(); }
    std::uint64_t SourceBytes() const override { return bytes_; }
    std::size_t MemoryCost() const override { return pieces_.size() * 3000 + FrameMemory(bytes_); }

    std::string LockSql() const override {
        std::string tables;
        for (const Piece &piece : pieces_)
            if (piece.has_rows) tables += (tables.empty() ? "LOCK TABLE ONLY " : ", ONLY ") + piece.Name();
        return tables.empty() ? "" : tables + " IN ACCESS SHARE MODE NOWAIT";
    }

    void Run(Connection &connection, const std::string &before, FrameStore &store) override {
        FramePipe pipe(store);
        pipe_ = &pipe;
        RowFramer framer([this](RowBuffer filled, std::size_t length, std::uint64_t rows) {
            return Store(std::move(filled), length, rows);
        });
        if (way_ == Way::kTogether && !MayHaveLongRows()) return ReadTogether(connection, before, framer);
        if (!before.empty()) connection.Execute(before);
        if (way_ == Way::kFindFault) {
            failure_->detail =
                FindUnreadableRow(connection, reading_->of->table, reading_->blocks, settings_.block_size) +
                failure_->detail;
            throw *failure_;
        }
        LongRowSearch search = way_ == Way::kTogether ? LongRowSearch::kUsual : LongRowSearch::kAfterFailure;
        for (Piece &piece : pieces_)
            if (piece.has_rows)
                ReadPiece(piece, framer, [&] {
                    ReadWithLongRows(connection, piece.of->table, piece.blocks, settings_.encoding, search, framer);
                });
    }

    bool TryAnotherWay(const Error &error) override {
        if (!reading_ || way_ == Way::kFindFault) return false;
        if (way_ == Way::kTogether && IsRowTooLong(error)) {
            way_ = Way::kLongRows;
            auto reusable = std::make_shared<Candidates>(*reading_->reusable);    // what was stored already, too
            for (const ChunkRows &chunk : reading_->chunks)
                for (const FrameRef &frame : chunk.frames) reusable->Add(frame);
            reading_->reusable = std::move(reusable);
            return true;
        }
        if (!IsFaultOfARow(error)) return false;
        way_ = Way::kFindFault;
        failure_ = error;
        return true;
    }

    void Emit(EntryWriter &writer) override {
        for (Piece &piece : pieces_) {
            TableInProgress &of = *piece.of;
            if (piece.first) writer.Add(ColumnsEntry(of.table));
            bool of_blocks = piece.blocks && piece.chunks.size() == 1;
            for (std::size_t i = 0; i < piece.chunks.size(); i++) {
                const ChunkRows &chunk = piece.chunks[i];
                writer.Add({{"path", piece.Path(i)},
                            {"blocks", of_blocks ? Json{piece.blocks->first, piece.blocks->end} : Json()},
                            {"rows", chunk.rows},
                            {"bytes", chunk.bytes},
                            {"frames", FramesJson(chunk.frames)}});
                of.table.rows += chunk.rows;
                of.table.bytes += chunk.bytes;
            }
            of.digest.Add(piece.digest);
            if (!piece.last) continue;
            of.table.rows_digest = of.digest.Hex();
            writer.Add(TotalsEntry(of.table));
            writer.totals.tables++;
            writer.totals.rows += of.table.rows;
            writer.totals.plain_bytes += of.table.bytes;
        }
    }

private:
    enum class Way { kTogether, kLongRows, kFindFault };

    bool MayHaveLongRows() const {
        return std::ranges::any_of(pieces_, [](const Piece &piece) { return piece.of->may_have_long_rows; });
    }

    void ReadTogether(Connection &connection, const std::string &before, RowFramer &framer) {
        std::string sql = before;
        for (const Piece &piece : pieces_)
            if (piece.has_rows)
                sql += (sql.empty() ? "" : "; ") + CopyChunkSql(piece.of->table, piece.blocks, settings_.encoding);
        reading_ = nullptr;
        auto stream = connection.BeginCopyOut(sql);
        for (Piece &piece : pieces_) {
            if (!piece.has_rows) continue;
            ReadPiece(piece, framer, [&] {
                if (!stream.NextCopy())
                    throw Error(Code::kInternal, "the server sent fewer tables than were asked for");
                while (std::size_t length = stream.Read(framer.Space())) framer.Added(length);
            });
        }
        if (stream.NextCopy()) throw Error(Code::kInternal, "the server sent more tables than were asked for");
    }

    // A table that is read as one is cut into chunks where a frame ends.
    RowBuffer Store(RowBuffer filled, std::size_t length, std::uint64_t rows) {
        Piece &piece = *reading_;
        ChunkRows &chunk = piece.chunks.back();
        chunk.rows += rows;
        chunk.bytes += length;
        RowBuffer next = pipe_->Put({std::move(filled), length, rows, piece.reusable.get(), &chunk.frames});
        if (piece.first && piece.last && chunk.bytes >= kChunkBytes) {
            EndChunk(piece);
            piece.chunks.emplace_back();
        }
        return next;
    }

    void EndChunk(const Piece &piece) {
        pipe_->Flush();
        earlier_.Keep(piece.ReusePath(), piece.chunks.back().frames);
    }

    template <class Read>
    void ReadPiece(Piece &piece, RowFramer &framer, Read read) {
        reading_ = &piece;
        piece.chunks.assign(1, {});
        framer.Reset();
        try {
            read();
            framer.Finish();
            EndChunk(piece);
        } catch (Error &error) {
            bool of_the_server =
                !error.sqlstate.empty() && !error.sqlstate.starts_with("53");    // the rest is the store's
            if (!of_the_server || error.sqlstate == "55P03" || error.code == Code::kCancelled) throw;
            std::string range = piece.blocks && !piece.blocks->whole
                                    ? fmt::format(", blocks {} to {}", piece.blocks->first, piece.blocks->end)
                                    : "";
            error.InContext(fmt::format("could not read table {}{}", piece.Name(), range));
            throw;
        }
        if (piece.chunks.back().rows == 0) piece.chunks.pop_back();
        piece.digest = framer.digest();
    }

    TableSourceSettings settings_;
    EarlierFrames &earlier_;
    std::vector<Piece> pieces_;
    std::uint64_t bytes_ = 0;
    Way way_ = Way::kTogether;
    FramePipe *pipe_ = nullptr;
    Piece *reading_ = nullptr;    // the one that is read, or failed
    std::optional<Error> failure_;
};

}    // namespace

TableSource::TableSource(Connection &coordinator, const ExportScope &scope, const TableSourceSettings &settings,
                         ReusableFrames &reusable, EarlierFrames &earlier)
    : settings_(settings), reusable_(reusable), earlier_(earlier), cursor_(coordinator, scope) {}

bool TableSource::Refill() {
    if (!relations_.empty()) return true;
    for (Relation &relation : cursor_.Next()) relations_.push_back(std::move(relation));
    return !relations_.empty();
}

std::unique_ptr<ExportTask> TableSource::Next() {
    auto task = std::make_unique<TableTask>(settings_, earlier_);
    std::uint64_t bytes = 0;
    while (task->size() < kGroupTables && bytes <= kGroupBytes) {
        if (!large_ && !Refill()) break;
        if (!large_) {
            Relation &next = relations_.front();
            bool may_have_long_rows = next.heap && next.size.toast >= kToastOfLongRows;
            if (task->size() > 0 && (next.size.heap > kSmallTable || may_have_long_rows))
                break;    // a table of its own
            large_ = std::make_shared<TableInProgress>();
            large_->table = std::move(next.table);
            if (next.heap) large_->size = next.size;
            large_->may_have_long_rows = may_have_long_rows;
            large_->as_one = ReadAsOne(large_->size, settings_.total_bytes, settings_.readers);
            if (large_->size.all() <= kMostReadAsOne)
                large_->reusable = std::make_shared<Candidates>(reusable_.Below(RowsPath(large_->table)));
            next_chunk_ = 0;
        }
        Piece piece;
        piece.of = large_;
        const BackupTable &table = large_->table;
        piece.has_rows = table.kind == 'r' && !(settings_.in_recovery && table.persistence == 'u');
        if (relations_.front().heap)
            piece.blocks = large_->as_one ? WholeHeap(large_->size, settings_.block_size)
                                          : ChunkOf(large_->size, settings_.block_size, next_chunk_);
        piece.chunk = next_chunk_;
        piece.first = next_chunk_ == 0;
        piece.last = !piece.blocks || piece.blocks->open;
        piece.reusable =
            large_->reusable ? large_->reusable : std::make_shared<const Candidates>(reusable_.At(piece.Path()));
        bytes += piece.SourceBytes(settings_.block_size);
        next_chunk_++;
        bool alone = !piece.first || !piece.last || large_->may_have_long_rows;
        if (piece.last) {
            large_.reset();
            relations_.pop_front();
        }
        task->Add(std::move(piece));
        if (alone) break;
    }
    return task->size() > 0 ? std::move(task) : nullptr;
}

}    // namespace ark
