-- How archiving of WAL goes. The archiver cannot write tables: what it says comes from shared memory and from pg_stat_archiver; what
-- waits is what lies in archive_status. The view ark.wal_archive shows it.

-- What archives, by the server's settings: module (pg_ark), command, other (another library) or off.
CREATE FUNCTION ark_private.archive_mode() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN current_setting('archive_mode') = 'off' THEN 'off'
                WHEN current_setting('archive_library') ~ '(^|/)pg_ark(\.so)?$' THEN 'module'
                WHEN current_setting('archive_library') <> '' THEN 'other'
                WHEN current_setting('archive_command') NOT IN ('', '(disabled)') THEN 'command'
                ELSE 'off' END
$$;

-- Files that wait to be archived. A segment that is being written is not among them.
CREATE FUNCTION ark_private.archive_backlog(OUT segments bigint, OUT bytes bigint, OUT oldest timestamptz) RETURNS record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE f.name ~ '^[0-9A-F]{24}\.'),
           count(*) FILTER (WHERE f.name ~ '^[0-9A-F]{24}\.ready$') * pg_size_bytes(current_setting('wal_segment_size')),
           min(f.modification)
      FROM pg_ls_archive_statusdir() AS f WHERE f.name LIKE '%.ready'
$$;

CREATE FUNCTION ark_private.wal_archive()
RETURNS TABLE (store text, mode text, last_archived_wal text, last_archived_at timestamptz, archived_count bigint, backlog_segments bigint, backlog_bytes bigint,
               lag interval, failing_since timestamptz, failed_wal text, last_error text, hint text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    how text := ark_private.archive_mode();
    ours record;
    server record;
    backlog record;
BEGIN
    IF how = 'off' THEN
        RETURN QUERY SELECT s.name, how, NULL::text, NULL::timestamptz, NULL::bigint, NULL::bigint, NULL::bigint, NULL::interval, NULL::timestamptz, NULL::text, NULL::text,
            'WAL is not archived: set archive_mode = on and archive_library = ''pg_ark'', and restart the server' FROM ark_private.stores() AS s ORDER BY s."position";
        RETURN;
    END IF;
    SELECT * INTO server FROM pg_stat_archiver;
    SELECT * INTO backlog FROM ark_private.archive_backlog();
    IF how = 'module' THEN
        SELECT * INTO ours FROM ark_private.archive_state();
        RETURN QUERY SELECT s.name, CASE WHEN s."position" = 1 THEN how ELSE 'off' END, a.last_wal, a.last_at, a.archived, a.segments, a.bytes, a.lag, a.failing_since,
                            a.failed_wal, a.error, CASE WHEN s."position" = 1 THEN a.hint ELSE 'it is not written yet: this version archives to the first store only' END
          FROM ark_private.stores() AS s
          LEFT JOIN (SELECT coalesce(ours.last_archived_wal, server.last_archived_wal) AS last_wal, coalesce(ours.last_archived_at, server.last_archived_time) AS last_at,
                            server.archived_count AS archived, backlog.segments, backlog.bytes, CASE WHEN backlog.oldest IS NOT NULL THEN greatest(clock_timestamp() - backlog.oldest, interval '0') END AS lag,
                            CASE WHEN ours.why_not IS NULL THEN ours.failing_since ELSE backlog.oldest END AS failing_since,
                            CASE WHEN ours.failing_since IS NOT NULL THEN ours.failed_wal END AS failed_wal,
                            coalesce('archiving is not configured: ' || ours.why_not, nullif(concat_ws('; ', ours.message, ours.detail), '')) AS error,
                            ours.hint) AS a ON s."position" = 1
         ORDER BY s."position";
        RETURN;
    END IF;
    -- The server tells the last failure only, and not its reason.
    SELECT server.last_failed_time IS NOT NULL AND (server.last_archived_time IS NULL OR server.last_failed_time > server.last_archived_time)
           AND backlog.oldest IS NOT NULL AS is_true INTO ours;
    RETURN QUERY SELECT NULL::text, how, server.last_archived_wal, server.last_archived_time, server.archived_count, backlog.segments, backlog.bytes,
        CASE WHEN backlog.oldest IS NOT NULL THEN greatest(clock_timestamp() - backlog.oldest, interval '0') END, CASE WHEN ours.is_true THEN backlog.oldest END, CASE WHEN ours.is_true THEN server.last_failed_wal END,
        CASE WHEN ours.is_true THEN format('%s failed at %s', CASE how WHEN 'command' THEN 'archive_command' ELSE 'archive_library' END, server.last_failed_time) END,
        CASE WHEN ours.is_true THEN 'the server log says why' END;
END
$$;
