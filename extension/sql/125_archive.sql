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

-- Where a segment ends; null of another file's name. By a match and not behind a condition, which a planner that knows the name (18 does) may
-- evaluate too late.
CREATE FUNCTION ark_private.segment_end(name text) RETURNS pg_lsn
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '0/0'::pg_lsn + (('x' || p[1])::bit(32)::bigint * 4294967296
                            + (('x' || p[2])::bit(32)::bigint + 1) * pg_size_bytes(current_setting('wal_segment_size')))::numeric
      FROM regexp_match(name, '^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$') AS p
$$;

-- WAL that ark.archive_backlog_limit has let go unarchived, as the archiver wrote it down beside the WAL (core/pgdata/wal_gaps).
CREATE FUNCTION ark_private.wal_gaps() RETURNS TABLE (first text, last text, since timestamptz, until timestamptz, reason text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p[1], p[2], p[3]::timestamptz, p[4]::timestamptz, p[5]
      FROM regexp_split_to_table(pg_read_file('pg_wal/ark_gaps', 0, 1048576, true), '\n') AS line,
           regexp_match(line, '^([0-9A-F]{24}) ([0-9A-F]{24}) (\S+) (\S+) (.*)$') AS p
     WHERE p IS NOT NULL ORDER BY 1
$$;

-- The timeline that this server writes on, and where that one left each of those before it. No row while it is in recovery.
CREATE FUNCTION ark_private.own_timelines() RETURNS TABLE (timeline bigint, left_at pg_lsn)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH own AS MATERIALIZED (SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) END AS name)
    SELECT ('x' || name)::bit(32)::bigint, NULL::pg_lsn FROM own WHERE name IS NOT NULL
    UNION ALL
    SELECT p[1]::bigint, p[2]::pg_lsn
      FROM own, regexp_split_to_table(pg_read_file('pg_wal/' || name || '.history', 0, 1048576, true), '\n') AS line, regexp_match(line, '^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)') AS p
     WHERE p IS NOT NULL
$$;

-- Up to where a store can recover the cluster: its newest unbroken window as the catalog has it, and what came since, which the archiver, the
-- shipper or the copy tells (`archived`, `shipped`: up to a segment or position, with all that was committed until a moment).
CREATE FUNCTION ark_private.recoverable(store_name text, archived text, archived_at timestamptz, shipped pg_lsn, shipped_at timestamptz,
                                        OUT since timestamptz, OUT until timestamptz, OUT until_lsn pg_lsn, OUT gaps text[]) RETURNS record
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest ark_private.recovery_window;
    archived_lsn pg_lsn := ark_private.segment_end(archived);
    gap_lsn pg_lsn;
    own_timeline bigint;
    left_lsn pg_lsn;    -- where this server left the timeline of that window
BEGIN
    gaps := ARRAY(SELECT DISTINCT concat_ws(': ', w.missing || ' is missing', w.reason) FROM ark_private.recovery_window AS w WHERE w.store = store_name AND w.ended_by = 'hole' ORDER BY 1)
            || ARRAY(SELECT format('%s to %s: %s, %s', g.first, g.last, g.reason, g.since) FROM ark_private.wal_gaps() AS g
                      WHERE NOT EXISTS (SELECT FROM ark_private.recovery_window AS w WHERE w.store = store_name AND w.missing BETWEEN g.first AND g.last));
    SELECT t.timeline INTO own_timeline FROM ark_private.own_timelines() AS t WHERE t.left_at IS NULL;
    -- Of a branch that this server does not come from nothing counts.
    SELECT w.* INTO newest FROM ark_private.recovery_window AS w LEFT JOIN ark_private.own_timelines() AS t USING (timeline)
     WHERE w.store = store_name AND w.restorable AND (own_timeline IS NULL OR t.timeline IS NOT NULL AND (t.left_at IS NULL OR w.from_lsn <= t.left_at))
     ORDER BY w.timeline DESC, w.until_lsn DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT t.left_at INTO left_lsn FROM ark_private.own_timelines() AS t WHERE t.timeline = newest.timeline;
    since := (SELECT min(w.window_start) FROM ark_private.recovery_window AS w
               WHERE w.store = store_name AND w.restorable AND w.timeline = newest.timeline AND w.until_lsn = newest.until_lsn);
    until := newest.window_end;
    until_lsn := newest.until_lsn;
    IF until_lsn > left_lsn THEN
        until_lsn := left_lsn;
        until := newest.window_start;    -- it was later, and nobody has said when
    ELSIF newest.ended_by <> 'archive' THEN
        RETURN;
    END IF;
    -- What was let go since ends it; the archiver asks for one segment after the other, so nothing else is missing between.
    SELECT min(ark_private.segment_end(g.first) - pg_size_bytes(current_setting('wal_segment_size'))::numeric) INTO gap_lsn FROM ark_private.wal_gaps() AS g
     WHERE left(g.first, 8) IN (upper(lpad(to_hex(newest.timeline), 8, '0')), upper(lpad(to_hex(own_timeline), 8, '0'))) AND ark_private.segment_end(g.last) > newest.until_lsn;
    IF gap_lsn < greatest(archived_lsn, shipped) THEN
        until_lsn := greatest(gap_lsn, until_lsn);
        RETURN;
    END IF;
    IF left(archived, 8) = upper(lpad(to_hex(coalesce(own_timeline, newest.timeline)), 8, '0')) AND archived_lsn >= until_lsn THEN
        until_lsn := archived_lsn;
        until := coalesce(archived_at, until);
    END IF;
    IF shipped >= until_lsn THEN
        until := coalesce(shipped_at, until);
        until_lsn := shipped;
    ELSIF shipped IS NOT NULL THEN
        until := greatest(until, shipped_at);
    END IF;
    until := greatest(until, newest.window_start);    -- a backup's end is its own
END
$$;

CREATE FUNCTION ark_private.wal_archive()
RETURNS TABLE (store text, ack text, mode text, last_archived_wal text, last_archived_at timestamptz, archived_count bigint, backlog_segments bigint, backlog_bytes bigint,
               lag interval, failing_since timestamptz, failed_wal text, last_error text, hint text, recoverable_from timestamptz, recoverable_until timestamptz,
               recoverable_until_lsn pg_lsn, loss_if_now interval, lag_bytes bigint, shipped_until pg_lsn, shipped_at timestamptz, gaps text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    how text := ark_private.archive_mode();
    segment_size bigint := pg_size_bytes(current_setting('wal_segment_size'));
    written pg_lsn := CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn()) ELSE pg_current_wal_flush_lsn() END;
    ours record;
    server record;
    backlog record;
    one record;
    error text;
    waiting interval;
    is_failing boolean;
    reach record;
BEGIN
    SELECT * INTO server FROM pg_stat_archiver;
    SELECT * INTO backlog FROM ark_private.archive_backlog();
    SELECT * INTO ours FROM ark_private.archive_state();
    -- Since 16 the archiver ends with an error before it comes to us; 15 lets the library win.
    IF how = 'module' AND current_setting('server_version_num')::integer >= 160000 AND current_setting('archive_command') <> '' THEN
        ours.why_not := 'archive_command is set beside archive_library, which the server refuses: ALTER SYSTEM RESET archive_command; SELECT pg_reload_conf();';
    END IF;
    error := coalesce('archiving is not configured: ' || ours.why_not, nullif(concat_ws('; ', ours.message, ours.detail), ''));
    waiting := CASE WHEN backlog.oldest IS NOT NULL THEN greatest(clock_timestamp() - backlog.oldest, interval '0') END;
    FOR one IN
        SELECT s.name, s."position", s.ack, q.store IS NOT NULL AS is_told, q.last_copied, q.copied_until_at, q.waiting_files, q.waiting_bytes, q.waiting_since, q.looked_at, q.failing_since,
               q.error, q.hint
          FROM ark_private.stores() AS s LEFT JOIN ark_private.queue_state() AS q ON q.store = s.name
         WHERE how IN ('off', 'module') OR s."position" = 1 OR s.ack = 'async'
         ORDER BY s."position"
    LOOP
        store := one.name;
        ack := one.ack;
        last_archived_wal := NULL;
        last_archived_at := NULL;
        archived_count := NULL;
        backlog_segments := NULL;
        backlog_bytes := NULL;
        lag := NULL;
        failing_since := NULL;
        failed_wal := NULL;
        last_error := NULL;
        hint := NULL;
        shipped_until := NULL;
        shipped_at := NULL;
        IF one."position" = 1 THEN
            shipped_until := ours.shipped_until::pg_lsn;
            shipped_at := ours.shipped_at;
        END IF;
        IF one.ack = 'async' AND one."position" > 1 THEN
            mode := 'copy';
            last_archived_wal := one.last_copied;
            last_archived_at := one.copied_until_at;
            backlog_segments := one.waiting_files;
            backlog_bytes := one.waiting_bytes;
            lag := CASE WHEN one.waiting_since IS NOT NULL THEN greatest(clock_timestamp() - one.waiting_since, interval '0') END;
            failing_since := coalesce(one.failing_since, CASE WHEN one.looked_at < clock_timestamp() - interval '5 minutes' THEN one.looked_at END);
            last_error := coalesce(one.error, CASE WHEN pg_is_in_recovery() THEN NULL WHEN NOT one.is_told THEN 'nothing was copied there since the server started'
                                                   WHEN failing_since IS NOT NULL THEN 'nothing was heard of it since then' END);
            hint := coalesce(one.hint, CASE WHEN last_error IS NOT NULL AND one.error IS NULL THEN 'the server starts pg_ark wal-copy by itself where ark.enabled is on and a worker is free (max_worker_processes); its log says what is wrong' END);
            SELECT * INTO reach FROM ark_private.recoverable(one.name, one.last_copied, one.copied_until_at, NULL, NULL);
        ELSIF how = 'off' THEN
            mode := how;
            hint := 'WAL is not archived: set archive_mode = on and archive_library = ''pg_ark'', and restart the server';
            SELECT * INTO reach FROM ark_private.recoverable(one.name, NULL, NULL, NULL, NULL);
        ELSIF how = 'module' THEN
            mode := how;
            last_archived_wal := coalesce(ours.last_archived_wal, server.last_archived_wal);
            last_archived_at := coalesce(ours.last_archived_at, server.last_archived_time);
            archived_count := server.archived_count;
            backlog_segments := backlog.segments;
            backlog_bytes := backlog.bytes;
            lag := waiting;
            -- An error names the stores that it is about, where there are several.
            is_failing := error IS NOT NULL AND (error !~ 'store "[^"]*": ' OR strpos(error, format('store "%s": ', one.name)) > 0);
            IF is_failing THEN
                failing_since := CASE WHEN ours.why_not IS NULL THEN ours.failing_since ELSE backlog.oldest END;
                failed_wal := CASE WHEN ours.failing_since IS NOT NULL THEN ours.failed_wal END;
                last_error := error;
                hint := ours.hint;
            ELSIF error IS NOT NULL THEN
                hint := 'WAL waits for another store';
            END IF;
            SELECT * INTO reach FROM ark_private.recoverable(one.name, ours.last_segment, ours.last_segment_at, shipped_until, shipped_at);
        ELSE
            -- The server tells the last failure only, and not its reason.
            mode := how;
            store := NULL;
            ack := NULL;
            last_archived_wal := server.last_archived_wal;
            last_archived_at := server.last_archived_time;
            archived_count := server.archived_count;
            backlog_segments := backlog.segments;
            backlog_bytes := backlog.bytes;
            lag := waiting;
            IF server.last_failed_time IS NOT NULL AND (server.last_archived_time IS NULL OR server.last_failed_time > server.last_archived_time) AND backlog.oldest IS NOT NULL THEN
                failing_since := backlog.oldest;
                failed_wal := server.last_failed_wal;
                last_error := format('%s failed at %s', CASE how WHEN 'command' THEN 'archive_command' ELSE 'archive_library' END, server.last_failed_time);
                hint := 'the server log says why';
            END IF;
            SELECT r.* INTO reach
              FROM (SELECT CASE WHEN how = 'command' AND current_setting('archive_command') ~ 'wal-push' THEN server.last_archived_wal END AS wal) AS own
              LEFT JOIN LATERAL pg_stat_file('pg_wal/' || own.wal, true) AS f ON true,
                   LATERAL ark_private.recoverable(one.name, own.wal, f.modification, shipped_until, shipped_at) AS r;
        END IF;
        recoverable_from := reach.since;
        recoverable_until := reach.until;
        recoverable_until_lsn := reach.until_lsn;
        gaps := reach.gaps;
        lag_bytes := CASE WHEN reach.until_lsn IS NOT NULL THEN greatest(pg_wal_lsn_diff(written, reach.until_lsn), 0)::bigint END;    -- without a window nothing is recoverable
        loss_if_now := CASE WHEN lag_bytes = 0 THEN interval '0' WHEN reach.until IS NOT NULL THEN greatest(clock_timestamp() - reach.until, interval '0') END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The WAL's part of ark.status.
CREATE FUNCTION ark_private.archive_problems() RETURNS TABLE (severity text, problem text, remedy text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    async_limit interval := current_setting('ark.async_limit');
    row_found record;
BEGIN
    FOR row_found IN SELECT DISTINCT w.failing_since, w.backlog_segments, w.last_error, w.hint FROM ark_private.wal_archive() AS w
                      WHERE w.failing_since IS NOT NULL AND w.mode <> 'copy' LOOP
        RETURN QUERY SELECT 'critical', format('WAL is not archived since %s, and %s segments wait in pg_wal: %s', ark_private.age_text(row_found.failing_since),
            row_found.backlog_segments, row_found.last_error), coalesce(row_found.hint, 'SELECT * FROM ark.wal_archive;');
    END LOOP;
    IF (SELECT a.dropping_since IS NOT NULL FROM ark_private.archive_state() AS a) THEN
        RETURN QUERY SELECT 'critical', format('WAL is given up unarchived since %s: more than ark.archive_backlog_limit (%s) waits, and it cannot be archived',
            ark_private.age_text((SELECT a.dropping_since FROM ark_private.archive_state() AS a)), current_setting('ark.archive_backlog_limit')),
            'SELECT * FROM ark.wal_archive; says why. When it is cured: SELECT * FROM ark.backup_now(kind => ''physical'');';
    END IF;
    FOR row_found IN
        SELECT DISTINCT ON (j.arguments->'ark'->>'cause') j.job_id, j.state, j.arguments->>'reason' AS reason, j.message FROM ark_private.job AS j
         WHERE j.arguments->'ark'->>'cause' IS NOT NULL AND j.kind = 'physical' ORDER BY j.arguments->'ark'->>'cause', j.job_id DESC
    LOOP
        IF row_found.state = 'failed' AND NOT EXISTS (SELECT FROM ark_private.job AS d WHERE d.kind = 'physical' AND d.state = 'done' AND d.job_id > row_found.job_id) THEN
            RETURN QUERY SELECT 'critical', format('the base backup that is needed (%s) failed: %s', row_found.reason, row_found.message),
                format('SELECT * FROM ark.job_history WHERE job_id = %s; it is tried again after an hour, or at once: SELECT * FROM ark.backup_now(kind => ''physical'');', row_found.job_id);
        END IF;
    END LOOP;
    -- A younger base backup opens a window behind a gap.
    FOR row_found IN
        SELECT DISTINCT w.store, w.missing, w.reason FROM ark_private.recovery_window AS w
         WHERE w.ended_by = 'hole' AND NOT EXISTS (SELECT FROM ark_private.recovery_window AS n
                                                    WHERE n.store = w.store AND n.from_lsn > w.from_lsn AND n.timeline >= w.timeline AND n.restorable AND n.ended_by <> 'hole')
         ORDER BY w.store, w.missing
    LOOP
        RETURN QUERY SELECT 'critical', format('WAL segment %s is missing in the store%s: nothing behind it can be recovered to%s', row_found.missing,
            CASE WHEN (SELECT count(*) FROM ark_private.stores()) > 1 THEN ' "' || row_found.store || '"' ELSE '' END, ' (' || row_found.reason || ')'),
            'SELECT * FROM ark.backup_now(kind => ''physical''); opens a new recovery window';
    END LOOP;
    FOR row_found IN
        SELECT g.* FROM ark_private.wal_gaps() AS g
         WHERE NOT EXISTS (SELECT FROM ark_private.recovery_window AS w WHERE w.missing BETWEEN g.first AND g.last)
           AND NOT EXISTS (SELECT FROM ark_private.recovery_window AS n JOIN ark_private.stores() AS s ON s.name = n.store AND s."position" = 1
                            WHERE n.restorable AND n.from_lsn >= ark_private.segment_end(g.last))
    LOOP
        RETURN QUERY SELECT 'critical', format('WAL from %s to %s was given up unarchived (%s): nothing behind it can be recovered to', row_found.first, row_found.last, row_found.reason),
            'SELECT * FROM ark.backup_now(kind => ''physical''); opens a new recovery window';
    END LOOP;
    FOR row_found IN
        SELECT w.*, least(clock_timestamp() - w.lag, w.failing_since) AS behind_since FROM ark_private.wal_archive() AS w WHERE w.mode = 'copy' AND (w.lag IS NOT NULL OR w.last_error IS NOT NULL)
    LOOP
        IF row_found.behind_since < clock_timestamp() - async_limit THEN
            RETURN QUERY SELECT 'critical', format('store "%s" (ack=async) is behind since %s: WAL that the other stores expire is lost to it%s', row_found.store,
                ark_private.age_text(row_found.behind_since), ': ' || row_found.last_error), coalesce(row_found.hint, 'SELECT * FROM ark.wal_archive;');
        ELSIF row_found.last_error IS NOT NULL THEN
            RETURN QUERY SELECT 'warning', format('WAL is not copied to store "%s": %s', row_found.store, row_found.last_error), coalesce(row_found.hint, 'SELECT * FROM ark.wal_archive;');
        END IF;
    END LOOP;
END
$$;
