#include "logical/sequence_task.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr int kBatch = 100;

class SequenceTask : public ExportTask {
public:
    explicit SequenceTask(std::vector<BackupSequence> sequences) : sequences_(std::move(sequences)) {}

    void Run(Connection &connection, const std::string &before, FrameStore &) override {
        if (!before.empty()) connection.Execute(before);
        std::string sql;
        for (std::size_t i = 0; i < sequences_.size(); i++)
            sql += fmt::format("{}SELECT {}, last_value, is_called FROM {}", i > 0 ? " UNION ALL " : "", i,
                               QualifiedName(sequences_[i].schema, sequences_[i].name));
        Result result = connection.Query(sql);
        for (int row = 0; row < result.rows(); row++) {
            BackupSequence &sequence = sequences_.at(result.Unsigned(row, 0));
            sequence.last_value = result.Int(row, 1);
            sequence.is_called = result.Bool(row, 2);
        }
    }

    void Emit(EntryWriter &writer) override {
        for (const BackupSequence &sequence : sequences_) writer.Add(SequenceEntry(sequence));
    }
    std::string What() const override { return "sequences"; }
    std::size_t MemoryCost() const override { return sequences_.size() * 300; }

private:
    std::vector<BackupSequence> sequences_;
};

}    // namespace

SequenceSource::SequenceSource(Connection &coordinator, const ExportScope &scope) : coordinator_(coordinator) {
    std::string of_tables;
    if (!scope.whole_database)
        of_tables = fmt::format(" AND d.refobjid = ANY ('{}'::oid[])", ArrayParameter(scope.tables));
    std::string from = FromRelations(ExportScope{}, "'S'");
    coordinator_.Execute(fmt::format(
        "DECLARE ark_sequences NO SCROLL CURSOR FOR"
        " SELECT s.oid, s.nspname, s.relname, s.owner, pg_catalog.format_type(q.seqtypid, NULL), tn.nspname, "
        "t.relname, a.attname"
        " FROM (SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) AS owner {}) s"
        " JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid"
        " LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.oid AND "
        "d.objsubid = 0"
        "  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')"
        " LEFT JOIN pg_catalog.pg_class t ON t.oid = d.refobjid LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = "
        "t.relnamespace"
        " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE true{} ORDER BY (({}) || '/' || ({})) COLLATE \"C\"",
        from, of_tables, PercentEncodedSql("s.nspname"), PercentEncodedSql("s.relname")));
}

std::unique_ptr<ExportTask> SequenceSource::Next() {
    Result result = coordinator_.Query(fmt::format("FETCH {} FROM ark_sequences", kBatch));
    if (result.rows() == 0) return nullptr;
    std::vector<BackupSequence> sequences(static_cast<std::size_t>(result.rows()));
    for (int row = 0; row < result.rows(); row++) {
        BackupSequence &sequence = sequences[static_cast<std::size_t>(row)];
        sequence.oid = result.Unsigned(row, 0);
        sequence.schema = result.String(row, 1);
        sequence.name = result.String(row, 2);
        sequence.owner = result.String(row, 3);
        sequence.type = result.String(row, 4);
        if (!result.IsNull(row, 7))
            sequence.owned_by = {result.String(row, 5), result.String(row, 6), result.String(row, 7)};
    }
    return std::make_unique<SequenceTask>(std::move(sequences));
}

}    // namespace ark
