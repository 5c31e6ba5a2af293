-- Entities and policies: decisions with a name.

CREATE FUNCTION ark_private.entity_tables(tables jsonb, filter text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    name text;
    parts text[];
    out jsonb := '[]';
BEGIN
    FOR name IN SELECT btrim(m[1]) FROM regexp_matches(CASE jsonb_typeof(tables) WHEN 'array' THEN ark_private.comma_list(tables) ELSE tables #>> '{}' END,
                                                       '((?:"[^"]*"|[^,"])+)', 'g') AS m LOOP
        IF name = '' THEN
            CONTINUE;
        END IF;
        parts := parse_ident(name);
        IF array_length(parts, 1) > 2 THEN
            RAISE EXCEPTION 'a table is named as table or schema.table, not "%"', name USING ERRCODE = '42602';
        END IF;
        out := out || jsonb_build_array(ark_private.given(jsonb_build_object('schema', CASE WHEN array_length(parts, 1) = 2 THEN parts[1] END,
                                                                            'table', parts[array_length(parts, 1)], 'filter', filter)));
    END LOOP;
    IF out = '[]' THEN
        RAISE EXCEPTION 'an entity needs at least one table' USING ERRCODE = '22023';
    END IF;
    RETURN out;
END
$$;

CREATE FUNCTION ark_private.comma_list(list jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.string_agg(item, ',') FROM pg_catalog.jsonb_array_elements_text(list) AS item $$;

CREATE FUNCTION ark_private.set_entity(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    entity_name text := args->>'name';
BEGIN
    IF coalesce(entity_name, '') = '' OR entity_name ~ '[,"]' OR length(entity_name) > 60 THEN
        RAISE EXCEPTION 'an entity needs a name without commas and quotes, of at most 60 characters' USING ERRCODE = '22023';
    ELSIF args->>'filter' IS NOT NULL AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = caller->>'role') THEN
        RAISE EXCEPTION 'only a superuser may give an entity a filter'
            USING ERRCODE = '42501', DETAIL = 'The filter is evaluated by the backup, with its rights.';
    ELSIF args->>'database' IS NOT NULL THEN
        PERFORM ark_private.check_database(args->>'database', caller);
    END IF;
    INSERT INTO ark_private.entity (name, database, tables, description, changed_by)
    VALUES (entity_name, args->>'database', ark_private.entity_tables(args->'tables', args->>'filter'), args->>'description', ark_private.actor(caller))
    ON CONFLICT (name) DO UPDATE SET database = EXCLUDED.database, tables = EXCLUDED.tables, description = EXCLUDED.description,
        changed_by = EXCLUDED.changed_by, changed_at = EXCLUDED.changed_at;
    PERFORM ark_private.audit('set_entity', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('set_entity', format('entity "%s" is set', entity_name), args->>'database');
END
$$;

CREATE FUNCTION ark_private.drop_entity(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ark_private.entity WHERE name = args->>'name';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no entity "%"', args->>'name' USING ERRCODE = '42704',
            HINT = coalesce((SELECT 'Entities: ' || string_agg(name, ', ' ORDER BY name) || '.' FROM ark_private.entity), 'None is set; every table is an entity by its own name.');
    END IF;
    PERFORM ark_private.audit('drop_entity', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('drop_entity', format('entity "%s" is gone; backups of it stay', args->>'name'));
END
$$;

CREATE FUNCTION ark_private.set_policy(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    policy_name text := args->>'name';
    within interval := (args->>'keep_within')::interval;
    recovery interval := (args->>'pitr_window')::interval;
    rules jsonb;
BEGIN
    IF coalesce(policy_name, '') = '' OR length(policy_name) > 60 THEN
        RAISE EXCEPTION 'a policy needs a name of at most 60 characters' USING ERRCODE = '22023';
    ELSIF recovery <= interval '0' THEN
        RAISE EXCEPTION 'pitr_window must be longer than nothing' USING ERRCODE = '22023';
    ELSIF within <= interval '0' THEN
        RAISE EXCEPTION 'keep_within must be longer than nothing' USING ERRCODE = '22023';
    END IF;
    rules := ark_private.given(args - '{name,pitr_window,keep_within}'::text[]) || jsonb_build_object('name', policy_name)
             || CASE WHEN within IS NULL THEN '{}' ELSE jsonb_build_object('keep_within', extract(epoch FROM within)::bigint || ' s') END
             || CASE WHEN recovery IS NULL THEN '{}' ELSE jsonb_build_object('pitr_window', extract(epoch FROM recovery)::bigint || ' s') END;
    IF rules - 'name' = '{}' THEN
        RAISE EXCEPTION 'policy "%" keeps nothing in particular', policy_name USING ERRCODE = '22023', HINT = 'Give at least one rule, for example keep_last => 7.';
    END IF;
    PERFORM ark_private.describe_policy_text(rules::text);
    INSERT INTO ark_private.policy (name, rules, changed_by) VALUES (policy_name, rules, ark_private.actor(caller))
    ON CONFLICT (name) DO UPDATE SET rules = EXCLUDED.rules, changed_by = EXCLUDED.changed_by, changed_at = EXCLUDED.changed_at;
    PERFORM ark_private.audit('set_policy', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('set_policy', format('policy "%s": %s', policy_name, ark_private.describe_policy_text(rules::text)));
END
$$;

CREATE FUNCTION ark_private.drop_policy(args jsonb, caller jsonb) RETURNS SETOF ark.job_result
LANGUAGE plpgsql AS $$
DECLARE
    used text := (SELECT string_agg(name, ', ') FROM ark_private.schedule WHERE policy = args->>'name');
BEGIN
    IF used IS NOT NULL THEN
        RAISE EXCEPTION 'policy "%" is used by schedule %', args->>'name', used USING ERRCODE = '2BP01', HINT = 'Change or drop the schedule first.';
    END IF;
    DELETE FROM ark_private.policy WHERE name = args->>'name';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no policy "%"', args->>'name' USING ERRCODE = '42704',
            HINT = coalesce((SELECT 'Policies: ' || string_agg(name, ', ' ORDER BY name) || '.' FROM ark_private.policy), 'None is set, so everything is kept.');
    END IF;
    PERFORM ark_private.audit('drop_policy', caller, 'done', NULL, args);
    RETURN NEXT ark_private.decided('drop_policy', format('policy "%s" is gone', args->>'name'));
END
$$;

-- The rules of the named policy, or of the only one; null: none is set.
CREATE FUNCTION ark_private.policy_rules(policy_name text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names text[] := ARRAY(SELECT name FROM ark_private.policy ORDER BY name);
BEGIN
    IF policy_name IS NULL AND cardinality(names) > 1 THEN
        RAISE EXCEPTION 'which policy? there are several' USING ERRCODE = '22023', HINT = format('Policies: %s.', array_to_string(names, ', '));
    ELSIF policy_name IS NOT NULL AND policy_name <> ALL (names) THEN
        RAISE EXCEPTION 'there is no policy "%"', policy_name USING ERRCODE = '42704',
            HINT = CASE WHEN names = '{}' THEN 'Make one with ark.set_policy().' ELSE format('Policies: %s.', array_to_string(names, ', ')) END;
    END IF;
    RETURN (SELECT rules FROM ark_private.policy WHERE name = coalesce(policy_name, names[1]));
END
$$;

CREATE FUNCTION ark_private.expire_now(args jsonb, caller jsonb) RETURNS ark_private.job_request
LANGUAGE plpgsql AS $$
DECLARE
    dry_run boolean := coalesce((args->>'dry_run')::boolean, false);
BEGIN
    PERFORM ark_private.refuse_on_copy();
    RETURN ark_private.request('expire', 'expire', NULL, NULL, CASE WHEN dry_run THEN '' ELSE 'expire' END, dry_run, caller,
               ark_private.given(jsonb_build_object('policy', ark_private.policy_rules(args->>'policy'), 'dry_run', dry_run,
                                                    'sweep', coalesce((args->>'sweep')::boolean, true), 'grace', args->>'grace',
                                                    'by', ark_private.actor(caller))),
               (args->>'wait')::boolean);
END
$$;

-- What a policy would do with what the catalog knows.
CREATE FUNCTION ark_private.preview(policy_name text) RETURNS TABLE (backup_id text, keep boolean, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT v->>'backup_id', (v->>'keep')::boolean, v->>'reason'
      FROM jsonb_array_elements(ark_private.apply_policy_text(
               coalesce(ark_private.policy_rules(policy_name), '{"name": "none"}')::text,
               coalesce((SELECT jsonb_agg(jsonb_build_object('backup_id', b.backup_id, 'sequence', b.sequence, 'kind', b.kind, 'source', b.source, 'database', b.database,
                                'finished_at', ark_private.utc(b.finished_at), 'stored_at', ark_private.utc(b.stored_at), 'held', b.held, 'held_until', ark_private.utc(b.held_until),
                                'verified', coalesce(b.verified_ok, false), 'damaged', b.verified_ok IS FALSE
                                    OR b.kind = 'physical' AND coalesce((SELECT bool_and(NOT w.restorable) FROM ark_private.recovery_window AS w
                                                                          WHERE w.backup_id = b.backup_id AND w.store = b.store), false)))
                           FROM ark_private.backup AS b WHERE b.ended_at IS NULL)::text, '[]'),
               ark_private.utc(clock_timestamp()), coalesce(nullif(current_setting('ark.timezone', true), ''), 'UTC'))::jsonb) AS v
$$;
