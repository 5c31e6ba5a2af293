-- Five roles for the whole cluster. Roles that exist and have members are not taken over: whoever made them could have
-- given them to anybody.
DO $roles$
DECLARE
    role_name text;
    existing pg_catalog.pg_roles;
    members text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['ark_reader', 'ark_operator', 'ark_restorer', 'ark_approver', 'ark_admin'] LOOP
        SELECT * INTO existing FROM pg_catalog.pg_roles WHERE rolname = role_name;
        IF NOT FOUND THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
            CONTINUE;
        END IF;
        SELECT pg_catalog.string_agg(m.rolname, ', ' ORDER BY m.rolname) INTO members
          FROM pg_catalog.pg_auth_members AS g JOIN pg_catalog.pg_roles AS m ON m.oid = g.member
         WHERE g.roleid = existing.oid
           AND m.rolname NOT IN ('ark_reader', 'ark_operator', 'ark_restorer', 'ark_approver', 'ark_admin');
        IF (members IS NOT NULL OR existing.rolcanlogin OR existing.rolsuper) AND pg_catalog.current_setting('ark.adopt_roles', true) IS DISTINCT FROM 'on' THEN
            RAISE EXCEPTION 'role "%" exists already and %', role_name,
                CASE WHEN members IS NULL THEN 'can log in' ELSE 'has members: ' || members END
                USING ERRCODE = '42710', DETAIL = 'pg_ark would give its rights to whoever was put there before.',
                      HINT = 'Revoke the memberships, or, if they are meant, SET ark.adopt_roles = on and create the extension in the same session.';
        END IF;
    END LOOP;
END
$roles$;

GRANT ark_reader TO ark_operator, ark_restorer, ark_approver;
GRANT ark_operator, ark_restorer, ark_approver TO ark_admin;

CREATE SCHEMA ark;
CREATE SCHEMA ark_private;
