#include "logical/globals_task.h"

#include <fmt/format.h>

#include <array>

#include "logical/content_framer.h"

namespace ark {
namespace {

struct Global {
    const char *path;
    const char *sql;    // one JSON document a row; {} is where a role's password stands
};

// In the order of their paths.
constexpr std::array<Global, 4> kGlobals{{
    {"globals/extensions",
     "SELECT pg_catalog.json_build_object('name', e.extname, 'version', e.extversion, 'schema', n.nspname, 'owner', "
     "pg_catalog.pg_get_userbyid(e.extowner))"
     " FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname "
     "COLLATE \"C\""},
    {"globals/roles",
     "SELECT pg_catalog.json_build_object('name', r.rolname, 'superuser', r.rolsuper, 'inherit', r.rolinherit, "
     "'createrole', r.rolcreaterole,"
     " 'createdb', r.rolcreatedb, 'login', r.rolcanlogin, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls,"
     " 'connection_limit', r.rolconnlimit, 'valid_until', r.rolvaliduntil, 'password', r.rolpassword,"
     " 'member_of', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.to_jsonb(m) - 'oid' - 'member' - 'roleid' - "
     "'grantor' ||"
     "   pg_catalog.jsonb_build_object('role', g.rolname, 'grantor', pg_catalog.pg_get_userbyid(m.grantor)) ORDER BY "
     "g.rolname COLLATE \"C\"), '[]')"
     "  FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid),"
     " 'settings', (SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase "
     "= 0),"
     " 'comment', pg_catalog.shobj_description(r.oid, 'pg_authid'))"
     " FROM {} r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname COLLATE \"C\""},
    {"globals/settings",
     "SELECT pg_catalog.json_build_object('database', d.datname, 'owner', pg_catalog.pg_get_userbyid(d.datdba), 'acl', "
     "d.datacl,"
     " 'connection_limit', d.datconnlimit, 'tablespace', t.spcname, 'comment', pg_catalog.shobj_description(d.oid, "
     "'pg_database'),"
     " 'settings', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('role', "
     "pg_catalog.pg_get_userbyid(s.setrole), 'settings', s.setconfig)"
     "  ORDER BY s.setrole), '[]') FROM pg_catalog.pg_db_role_setting s WHERE s.setdatabase = d.oid))"
     " FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = "
     "current_database()"},
    {"globals/tablespaces",
     "SELECT pg_catalog.json_build_object('name', t.spcname, 'owner', pg_catalog.pg_get_userbyid(t.spcowner), "
     "'location', pg_catalog.pg_tablespace_location(t.oid),"
     " 'acl', t.spcacl, 'options', t.spcoptions, 'comment', pg_catalog.shobj_description(t.oid, 'pg_tablespace'))"
     " FROM pg_catalog.pg_tablespace t WHERE t.spcname !~ '^pg_' ORDER BY t.spcname COLLATE \"C\""},
}};

class GlobalsTask : public ExportTask {
public:
    explicit GlobalsTask(ReusableFrames &reusable) {
        for (std::size_t i = 0; i < kGlobals.size(); i++) reusable_[i] = reusable.At(kGlobals[i].path);
    }

    void Run(Connection &connection, const std::string &before, FrameStore &store) override {
        if (!before.empty()) connection.Execute(before);
        bool passwords =
            connection.Query("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')").Bool(0, 0);
        for (std::size_t i = 0; i < kGlobals.size(); i++) {
            std::string sql = kGlobals[i].sql;
            if (std::size_t at = sql.find("{}"); at != std::string::npos)
                sql.replace(at, 2,
                            passwords
                                ? "pg_catalog.pg_authid"
                                : "(SELECT p.*, NULL AS rolpassword FROM (SELECT oid, rolname, rolsuper, rolinherit,"
                                  " rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,"
                                  " rolconnlimit, rolvaliduntil FROM pg_catalog.pg_roles) p)");
            Result result = connection.Query(sql);
            ContentFramer framer(store, reusable_[i]);
            for (int row = 0; row < result.rows(); row++) framer.Add(AsBytes(result.String(row, 0) + "\n"));
            frames_[i] = framer.Finish();
        }
    }

    void Emit(EntryWriter &writer) override {
        for (std::size_t i = 0; i < kGlobals.size(); i++) writer.Add(ContentEntry(kGlobals[i].path, frames_[i]));
    }
    std::string What() const override { return "roles, tablespaces and settings"; }
    std::size_t MemoryCost() const override { return 4000; }

private:
    std::array<Candidates, kGlobals.size()> reusable_;
    std::array<std::vector<FrameRef>, kGlobals.size()> frames_;
};

}    // namespace

std::unique_ptr<ExportTask> GlobalsSource::Next() {
    if (std::exchange(done_, true)) return nullptr;
    return std::make_unique<GlobalsTask>(reusable_);
}

}    // namespace ark
