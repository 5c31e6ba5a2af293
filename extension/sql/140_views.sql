-- What people read. A reader sees the databases it may connect to.

CREATE VIEW ark.backups AS
SELECT b.backup_id, b.kind, b.state, b.source, b.database, b.label, b.note, b.reason, b.taken_by, b.environment, b.started_at, b.finished_at, b.snapshot_time,
       b.size_bytes, b.stored_bytes, b.new_bytes, b.tables, b.rows, b.entities, b.server_version_num, b.compression, b.copied_from, b.store, b.encrypted,
       b.held AND (b.held_until IS NULL OR b.held_until > pg_catalog.clock_timestamp()) AS held, b.held_until, b.hold_reason, b.held_by,
       b.verified_at, b.verified_level, b.verified_ok, b.restorable AND lacks.wal IS NULL AS restorable, coalesce(b.why_not, lacks.wal) AS why_not,
       b.job_id, b.ended_at, b.end_reason
  FROM ark_private.backup AS b
  -- A base backup without the WAL up to its end.
  LEFT JOIN LATERAL (SELECT pg_catalog.format('WAL segment %s is missing', min(w.missing)) AS wal FROM ark_private.recovery_window AS w
                      WHERE b.kind = 'physical' AND w.backup_id = b.backup_id AND w.store = b.store HAVING pg_catalog.bool_and(NOT w.restorable)) AS lacks ON true
 WHERE ark_private.may_see(b.database)
 ORDER BY b.sequence DESC, b.backup_id DESC;

CREATE VIEW ark.backup_contents AS
SELECT c.backup_id, b.database, c.schema_name, c.table_name, c.kind, c.rows, c.bytes, c.owner, c.key, c.filter
  FROM ark_private.backup_content AS c JOIN ark_private.backup AS b USING (backup_id)
 WHERE ark_private.may_see(b.database)
 ORDER BY b.sequence DESC, c.schema_name, c.table_name;

CREATE VIEW ark.recovery_windows AS
SELECT w.backup_id, w.timeline, w.window_start, w.window_end, w.from_lsn, w.until_lsn, w.restorable, w.ended_by, w.missing, w.reason, w.store, w.encrypted, w.looked_at
  FROM ark_private.recovery_window AS w ORDER BY w.timeline DESC, w.from_lsn DESC;

CREATE VIEW ark.named_points AS
SELECT p.name, p.timeline, p.lsn, p."time", p.taken_by, p.reason, p.key, p.restorable, p.why_not, p.store, p.encrypted, p.looked_at
  FROM ark_private.named_point AS p ORDER BY p."time" DESC, p.key DESC;

CREATE VIEW ark.exports AS
SELECT e.key, e.entity, e.database, e.backup_id, e.bytes, e.rows, e.written_at, e.job_id
  FROM ark_private.export AS e WHERE ark_private.may_see(e.database) ORDER BY e.written_at DESC, e.key;

CREATE VIEW ark.job_history AS
SELECT j.job_id, j.action, j.state, j.source, j.database, j.kind, j.schedule, j.due_at, j.backup_id, j.restore_id, j.plan_id,
       coalesce(j.caller->>'actor', j.caller->>'role') AS requested_by, j.caller->>'session_user' AS session_user_name,
       j.caller->>'application_name' AS application_name, j.caller->>'client_addr' AS client_addr,
       j.queued_at, j.started_at, j.finished_at, j.finished_at - j.started_at AS duration, j.bytes_read, j.bytes_stored,
       j.message, j.detail, j.hint, j.sqlstate, j.warnings, j.arguments - 'ark' AS arguments
  FROM ark_private.job AS j
 WHERE ark_private.may_see(j.database)
 ORDER BY j.job_id DESC;

CREATE VIEW ark.progress AS
SELECT l.job_id, l.state, l.action, l.source, l.database, l.kind, l.schedule, l.caller::pg_catalog.jsonb->>'role' AS requested_by, l.backup_id, l.restore_id,
       l.queued_at, l.started_at, l.phase, l.current,
       CASE WHEN l.total_bytes > 0 THEN round(100.0 * least(l.done_bytes, l.total_bytes) / l.total_bytes, 1) END AS percent,
       l.done_bytes, l.total_bytes, l.stored_bytes, l.done_items, l.total_items,
       CASE WHEN t.seconds > 0 THEN (l.done_bytes / t.seconds)::bigint END AS bytes_per_second,
       CASE WHEN t.seconds > 0 AND l.done_bytes > 0 AND l.total_bytes > 0
            THEN pg_catalog.make_interval(secs => greatest(0, l.total_bytes - l.done_bytes) / (l.done_bytes / t.seconds)) END AS remaining,
       l.waiting_for, l.worker_pid, l.engine_pid
  FROM ark_private.live_jobs() AS l, LATERAL (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - l.started_at)::double precision AS seconds) AS t
 WHERE ark_private.may_see(l.database)
 ORDER BY l.job_id;

CREATE VIEW ark.schedules AS
SELECT s.name, s.cron, coalesce(s.timezone, nullif(pg_catalog.current_setting('ark.timezone', true), ''), 'UTC') AS timezone, s.action, s.database, s.entities,
       s.policy, s.options, s.enabled, s.created_by, s.changed_at, ark_private.next_due(s) AS next_run,
       last.job_id AS last_job_id, last.state AS last_state, last.due_at AS last_due_at, last.finished_at AS last_finished_at, last.message AS last_message
  FROM ark_private.schedule AS s
  LEFT JOIN LATERAL (SELECT * FROM ark_private.job AS j WHERE j.schedule = s.name ORDER BY j.job_id DESC LIMIT 1) AS last ON true
 WHERE ark_private.may_see(s.database)
 ORDER BY s.name;

CREATE VIEW ark.restores AS
SELECT r.restore_id, r.job_id, r.plan_id, r.state, r.backup_id, r.source, r.database, r.target_database, r.target_schema, r.entities, r.mode, r.filter,
       r.requested_by, r.reason, r.started_at, r.finished_at, r.committed, r.safety_backup_id, r.undo_of, r.undone_by, r.tables, r.message
  FROM ark_private.restore AS r
 WHERE ark_private.may_see(r.target_database)
 ORDER BY r.restore_id DESC;

CREATE VIEW ark.entities AS
SELECT e.name, e.database, e.tables, e.description, e.changed_by, e.changed_at FROM ark_private.entity AS e WHERE ark_private.may_see(e.database) ORDER BY e.name;

CREATE VIEW ark.policies AS
SELECT p.name, ark_private.describe_policy_text(p.rules::text) AS keeps, p.rules - 'name' AS rules, p.changed_by, p.changed_at FROM ark_private.policy AS p ORDER BY p.name;

CREATE VIEW ark.stores AS
SELECT s.name, s.url, s."position", s.ack, s.is_default, s.same_disk, c.checked_at, c.ok AS checks_ok,
       CASE WHEN s."position" > 1 THEN 'it gets no backups yet: this version keeps them in the first store only, and WAL in all'
            WHEN s.same_disk THEN 'a copy on the same disk is not a backup' END AS warning
  FROM ark_private.stores() AS s
  LEFT JOIN (SELECT store, max(checked_at) AS checked_at, bool_and(coalesce(ok, true)) AS ok FROM ark_private.store_check GROUP BY store) AS c ON c.store = s.name
 ORDER BY s."position";

CREATE VIEW ark.wal_archive AS
SELECT w.store, w.ack, w.mode, w.last_archived_wal, w.last_archived_at, w.archived_count, w.backlog_segments, w.backlog_bytes, w.lag, w.failing_since, w.failed_wal,
       w.last_error, w.hint, w.recoverable_from, w.recoverable_until, w.recoverable_until_lsn, w.loss_if_now, w.lag_bytes, w.shipped_until, w.shipped_at, w.gaps
  FROM ark_private.wal_archive() AS w;

CREATE VIEW ark.audit_log AS
SELECT a.id, a.at, a.operation, a.actor, a.session_user_name, a.application_name, a.client_addr, a.reason, a.job_id, a.backup_id, a.restore_id, a.arguments,
       a.outcome, a.chain, a.prev_hash, a.hash
  FROM ark_private.audit_log AS a ORDER BY a.id DESC;

CREATE VIEW ark.my_rights AS
SELECT r.role, pg_catalog.pg_has_role(r.role, 'USAGE') AS granted, r.may
  FROM (VALUES (1, 'ark_reader', 'see backups, jobs and status of databases it may connect to'),
               (2, 'ark_operator', 'take, export, hold, annotate and verify backups; schedules and entities; cancel jobs'),
               (3, 'ark_restorer', 'restore entities into databases it may connect to, and undo that'),
               (4, 'ark_approver', 'approve what another person requested'),
               (5, 'ark_admin', 'all of these; policies, expiry, deletion, keys, adopting a cluster')) AS r(rank, role, may)
 ORDER BY r.rank;

CREATE VIEW ark.status AS
WITH problem AS MATERIALIZED (
    SELECT p.severity, p.problem, p.remedy, CASE p.severity WHEN 'critical' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END AS rank, row_number() OVER () AS at
      FROM ark_private.problems() AS p),
newest AS MATERIALIZED (SELECT * FROM ark_private.newest()),
-- The cluster as a whole, from base backups and WAL.
whole AS MATERIALIZED (SELECT min(w.recoverable_from) AS since, max(w.recoverable_until) AS until, min(w.loss_if_now) AS loss, max(w.backlog_bytes) AS backlog_bytes
                         FROM ark_private.wal_archive() AS w)
SELECT coalesce((SELECT severity FROM problem WHERE rank < 3 ORDER BY rank, at LIMIT 1), 'ok') AS overall,
       EXISTS (SELECT FROM newest) OR whole.until IS NOT NULL AS restorable,
       least((SELECT min(coalesce(b.snapshot_time, b.finished_at)) FROM ark_private.backup AS b WHERE b.ended_at IS NULL AND b.restorable AND b.kind = 'logical'),
             whole.since) AS restorable_from,
       greatest((SELECT max(coalesce(snapshot_time, finished_at)) FROM newest), whole.until) AS restorable_until,
       least((SELECT max(pg_catalog.clock_timestamp() - coalesce(snapshot_time, finished_at)) FROM newest), whole.loss) AS loss_if_now,
       ark_private.restore_estimate() AS restore_estimate,
       (SELECT max(b.finished_at) FROM ark_private.backup AS b WHERE b.ended_at IS NULL) AS last_backup_at,
       (SELECT max(b.verified_at) FROM ark_private.backup AS b WHERE b.ended_at IS NULL AND b.verified_ok) AS last_verified_at,
       whole.backlog_bytes,
       NULL::interval AS disk_full_in,
       ARRAY(SELECT severity || ': ' || problem FROM problem ORDER BY rank, at) AS problems,
       coalesce((SELECT remedy FROM problem ORDER BY rank, at LIMIT 1), 'nothing') AS do_next
  FROM whole;
