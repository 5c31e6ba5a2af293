// Reads a logical or entities backup: its tables in path order, their definitions and rows.
#pragma once

#include <functional>

#include "logical/content_stream.h"
#include "logical/export.h"
#include "repo/tree.h"

namespace ark {

struct BackupColumn {
    std::string name;
    std::string type;         // format_type, schema-qualified where needed
    std::string base_type;    // domains resolved down to what is below them
    bool not_null = false;
    std::string generated;    // "", "s", "v"
    std::string identity;     // "", "a", "d"
    bool plain =
        true;    // its input function runs no code that a user wrote (not a domain, composite, or built of them)
};

struct BackupTable {
    std::string schema, name;
    std::uint64_t oid = 0;
    std::string owner;
    char kind = 'r';
    char persistence = 'p';
    std::vector<BackupColumn> columns;
    std::vector<std::string> copy;                                // columns in the data, in order
    std::vector<std::string> key;                                 // may be empty
    std::vector<std::string> partition_of;                        // schema, table; or empty
    std::vector<std::pair<std::string, std::string>> inherits;    // schema, table
    std::string filter;
    std::uint64_t rows = 0, bytes = 0;
    std::string rows_digest;
};

struct BackupSequence {
    std::string schema, name, owner;
    std::uint64_t oid = 0;
    std::string type = "bigint";
    std::int64_t last_value = 0;
    bool is_called = false;
    std::vector<std::string> owned_by;    // schema, table, column; or empty
};

class BackupReader {
public:
    BackupReader(std::shared_ptr<Repository> repository, std::shared_ptr<KeyRing> keys, const BackupId &id);
    ~BackupReader();

    const Manifest &manifest() const;
    FrameReader &frames();
    TreeCursor Entries();    // from the first entry

    // All tables, in path order, one at a time.
    void Tables(const std::function<void(const BackupTable &)> &visit);
    // The next table at or behind the cursor, which moves behind it; nullopt after the last one.
    static std::optional<BackupTable> NextTable(TreeCursor &cursor);
    std::optional<BackupTable> Table(std::string_view schema, std::string_view name);
    std::vector<BackupSequence> Sequences();
    // The rows of a table as COPY text, frame by frame, in order; proven before they are handed out.
    void Rows(const BackupTable &table, const std::function<void(ByteView rows)> &visit);
    // Any entry's frames, one after another (schema/toc, globals/…, large objects).
    void Content(std::string_view path, const std::function<void(ByteView)> &visit);
    // Several of them (a table's rows are at RowsPath), in far fewer requests than one by one. This reader must outlive it.
    ContentStream Contents(std::vector<std::string> paths);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}    // namespace ark
