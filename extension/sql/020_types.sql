-- What every action returns.
CREATE TYPE ark.job_result AS (
    job_id bigint,
    state text,
    action text,
    backup_id text,
    restore_id bigint,
    source text,
    database text,
    started_at timestamptz,
    finished_at timestamptz,
    bytes_read bigint,
    bytes_stored bigint,
    message text
);

-- What a restore of entities and its dry run return: a row for each table, and a last one that says what happened.
CREATE TYPE ark.restore_result AS (
    restore_id bigint,
    plan_id bigint,
    table_name text,
    to_insert bigint,
    to_update bigint,
    to_delete bigint,
    unchanged bigint,
    conflicts bigint,
    sample_keys text[],
    triggers text[],
    cascades text[],
    locks text,
    estimated interval,
    notes text
);

-- Something that can be restored.
CREATE TYPE ark.restore_point AS (
    restore_point text,
    kind text,
    backup_kind text,
    source text,
    database text,
    entity text,
    "time" timestamptz,
    window_start timestamptz,
    window_end timestamptz,
    age interval,
    size_bytes bigint,
    stored_bytes bigint,
    key text,
    label text,
    reason text,
    taken_by text,
    verified_at timestamptz,
    verified_level text,
    held_until timestamptz,
    stores text[],
    encrypted boolean,
    restorable boolean,
    why_not text
);

-- What the function of an action makes of its arguments. `arguments` are those of the engine's verb; a member "ark" among
-- them is for the tables here and does not reach the engine.
CREATE TYPE ark_private.job_request AS (
    action text,
    verb text,
    source text,
    database text,
    kind text,
    exclusive text,
    light boolean,
    caller jsonb,
    arguments jsonb,
    wait boolean
);
