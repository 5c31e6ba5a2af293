-- Base backups that nobody asked for: one after a promotion, and one after WAL was lost, each once. The launcher asks at every turn. What
-- a job is for stands in its arguments, under ark.cause; its reason says it to people.

CREATE FUNCTION ark_private.launcher_caller() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object('role', session_user::text, 'session_user', session_user::text, 'application_name', 'pg_ark launcher', 'client_addr', NULL,
                                         'has_written', false, 'in_block', false)
$$;

-- Which timeline this server writes.
CREATE FUNCTION ark_private.current_timeline() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint $$;

-- What the stores said last of this server's right to write, if that was on the timeline that it writes now: owner, promoted, refused; null: nothing.
CREATE FUNCTION ark_private.ownership() RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT o.says->>'state' FROM (SELECT ark_private.server_state()->'ownership' AS says) AS o WHERE (o.says->>'timeline')::bigint = ark_private.current_timeline()
$$;

-- The tables of a promoted standby are those of its primary, made for another directory. Where the stores have let it take over that cluster's
-- path by itself (core/wal/succession), it is that cluster now. One that was recovered from an archive never is.
CREATE FUNCTION ark_private.follow_promotion() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    problem text := ark_private.identity_problem();
    fingerprint jsonb := ark_private.server_state()->'fingerprint';
    reason text := format('promotion to timeline %s', ark_private.current_timeline());
BEGIN
    IF problem IS NULL OR ark_private.ownership() IS DISTINCT FROM 'promoted' OR fingerprint->>'restored' <> ''
       OR EXISTS (SELECT FROM ark_private.cluster_identity AS i WHERE i.system_identifier <> fingerprint->>'system_identifier') THEN
        RETURN;
    END IF;
    PERFORM ark_private.record_identity('pg_ark: ' || reason);
    PERFORM ark_private.audit('adopt_cluster', ark_private.launcher_caller(), 'done', format('%s (before: %s)', reason, problem));
    RAISE LOG 'pg_ark goes on as the cluster that this server was a standby of: %', reason;
END
$$;

-- The last WAL file that the stores have, as far as this server knows; one that was given up is not among them.
CREATE FUNCTION ark_private.last_stored_wal() RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce((SELECT a.last_segment FROM ark_private.archive_state() AS a), (SELECT s.last_archived_wal FROM pg_catalog.pg_stat_archiver AS s))
$$;

-- What a base backup is needed for, if one is: `cause` names the event, `why` tells it. With `look` it has to be looked into the store first.
CREATE FUNCTION ark_private.owed_backup(OUT cause text, OUT why text, OUT look boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    first_store text := (SELECT s.name FROM ark_private.stores() AS s WHERE s."position" = 1);
    timeline_now bigint := ark_private.current_timeline();
    stored text := ark_private.last_stored_wal();
    hole ark_private.recovery_window;
    gap record;
BEGIN
    look := false;
    -- Who never took one wants none.
    IF NOT EXISTS (SELECT FROM ark_private.backup AS b WHERE b.kind = 'physical') AND NOT EXISTS (SELECT FROM ark_private.recovery_window) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM ark_private.backup AS b WHERE b.kind = 'physical' AND b.timeline < timeline_now)
       AND NOT EXISTS (SELECT FROM ark_private.backup AS b WHERE b.kind = 'physical' AND b.ended_at IS NULL AND b.timeline >= timeline_now)
       AND ark_private.may_be_queued('timeline ' || timeline_now) THEN
        cause := 'timeline ' || timeline_now;
        why := format('promotion to timeline %s', timeline_now);
        RETURN;
    END IF;
    SELECT w.* INTO hole FROM ark_private.recovery_window AS w
     WHERE w.store = first_store AND w.ended_by = 'hole' AND stored COLLATE "C" > w.missing
       AND NOT EXISTS (SELECT FROM ark_private.recovery_window AS n
                        WHERE n.store = w.store AND n.from_lsn > w.from_lsn AND n.timeline >= w.timeline AND n.restorable AND n.ended_by <> 'hole')
     ORDER BY w.timeline DESC, w.from_lsn DESC LIMIT 1;
    IF hole.missing IS NOT NULL AND ark_private.may_be_queued('missing ' || hole.missing) THEN
        cause := 'missing ' || hole.missing;
        why := format('WAL segment %s is missing in the store%s', hole.missing, ' (' || hole.reason || ')');
        RETURN;
    END IF;
    -- Given up, which the windows do not say yet. Perhaps another store than the first lacks it.
    FOR gap IN SELECT g.* FROM ark_private.wal_gaps() AS g WHERE stored COLLATE "C" > g.last ORDER BY g.first LOOP
        IF NOT EXISTS (SELECT FROM ark_private.recovery_window AS w
                        WHERE w.store = first_store AND (w.missing BETWEEN gap.first AND gap.last OR (w.restorable AND w.until_lsn >= ark_private.segment_end(gap.last))))
           AND ark_private.may_be_queued('given up ' || gap.first || ' ' || gap.last) THEN
            cause := 'given up ' || gap.first || ' ' || gap.last;
            why := format('WAL from %s to %s was given up', gap.first, gap.last);
            look := true;
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- Once for a cause. What the server's end interrupted is begun anew; what failed is tried again an hour later; what was done, or cancelled by
-- somebody, is not.
CREATE FUNCTION ark_private.may_be_queued(of_cause text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE j.state WHEN 'interrupted' THEN true WHEN 'failed' THEN j.finished_at < pg_catalog.clock_timestamp() - interval '1 hour' ELSE false END
                       FROM ark_private.job AS j WHERE j.arguments->'ark'->>'cause' = of_cause ORDER BY j.job_id DESC LIMIT 1), true)
$$;

-- A queued job, where one is due. None on a copy, while the scheduler is off or paused, beside another base backup, and while this server does
-- not know that it owns the path in the stores.
CREATE FUNCTION ark_private.owed_backup_turn()
RETURNS TABLE (job_id bigint, action text, verb text, source text, database text, kind text, exclusive text, schedule text, light boolean, caller text, arguments text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    owed record;
    request ark_private.job_request;
    asks jsonb := ark_private.launcher_caller();
BEGIN
    PERFORM ark_private.follow_promotion();
    IF ark_private.scheduler_is_quiet() OR EXISTS (SELECT FROM ark_private.pause AS p WHERE p.until IS NULL OR p.until > clock_timestamp())
       OR ark_private.archive_mode() NOT IN ('module', 'command') OR ark_private.ownership() IS NULL OR ark_private.ownership() = 'refused'
       OR EXISTS (SELECT FROM ark_private.job AS j WHERE j.state IN ('queued', 'running') AND (j.kind = 'physical' OR j.arguments->'ark' ? 'cause')) THEN
        RETURN;
    END IF;
    SELECT * INTO owed FROM ark_private.owed_backup();
    IF owed.cause IS NULL THEN
        RETURN;
    ELSIF owed.look THEN
        request := ark_private.request('look', 'list', NULL, NULL, 'rebuild', true, asks, jsonb_build_object('windows', true), false);
    ELSE
        request := ark_private.backup_now(jsonb_build_object('kind', 'physical', 'source', 'local', 'reason', owed.why), asks);
    END IF;
    request.arguments := request.arguments || jsonb_build_object('ark', jsonb_build_object('cause', owed.cause));
    job_id := nextval('ark_private.job_id_seq');
    INSERT INTO ark_private.job (job_id, action, verb, state, source, database, kind, caller, arguments)
    VALUES (owed_backup_turn.job_id, request.action, request.verb, 'queued', request.source, request.database, request.kind, request.caller, request.arguments);
    RAISE LOG 'pg_ark queues % (job %): %', CASE WHEN owed.look THEN 'a look into the store' ELSE 'a base backup' END, job_id, owed.why;
    RETURN QUERY SELECT owed_backup_turn.job_id, request.action, request.verb, request.source, request.database, request.kind, request.exclusive, NULL::text, request.light,
                        request.caller::text, request.arguments::text;
END
$$;
