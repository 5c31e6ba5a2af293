#include "server/connection.h"

namespace ark {

// Block and segment size are pg_control's; the timeline is that of the WAL being written, because pg_control names the one
// of the last checkpoint, which lags after a promotion.
ServerIdentity IdentifyServer(Connection &connection) {
    Result result = connection.Query(
        "SELECT s.system_identifier, s.catalog_version_no, i.database_block_size, i.bytes_per_wal_segment,"
        " i.data_page_checksum_version <> 0, pg_catalog.pg_is_in_recovery(),"
        " CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id::bigint"
        " ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), "
        "8))::bit(32)::bigint END,"
        " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE "
        "pg_catalog.pg_current_wal_lsn() END,"
        " pg_catalog.current_setting('cluster_name', true),"
        " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory')"
        " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_init() i, pg_catalog.pg_control_checkpoint() c");
    ServerIdentity server;
    server.system_identifier = result.String(0, 0);
    server.catalog_version = static_cast<std::uint32_t>(result.Unsigned(0, 1));
    server.block_size = static_cast<std::uint32_t>(result.Unsigned(0, 2));
    server.segment_size = result.Unsigned(0, 3);
    server.data_checksums = result.Bool(0, 4);
    server.in_recovery = result.Bool(0, 5);
    server.timeline = static_cast<std::uint32_t>(result.Unsigned(0, 6));
    server.lsn = result.String(0, 7);
    server.cluster_name = result.String(0, 8);
    server.data_directory = result.String(0, 9);
    server.version_num = connection.server_version_num();
    return server;
}

}    // namespace ark
