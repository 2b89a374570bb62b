-- The built-in roles of one more organization as rows only: no capture, no checks of references one by one.
-- Every test pays for an organization or two, and most of that for what their roles grant.
CREATE SCHEMA shortcuts;
GRANT USAGE ON SCHEMA shortcuts TO itsm_app;

CREATE FUNCTION shortcuts.write_roles(roles jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET session_replication_role = replica AS $$
    INSERT INTO users_role SELECT role.* FROM jsonb_array_elements(roles) AS given, jsonb_populate_record(NULL::users_role, given) AS role;
    INSERT INTO users_grant (id, organization_id, role_id, resource, action, reach)
    SELECT gen_random_uuid(), (given ->> 'organization_id')::uuid, (given ->> 'id')::uuid, line ->> 0, line ->> 1, line ->> 2
    FROM jsonb_array_elements(roles) AS given, jsonb_array_elements(given -> 'grants') AS line;
$$;
REVOKE ALL ON FUNCTION shortcuts.write_roles FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shortcuts.write_roles TO itsm_app;
