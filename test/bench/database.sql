-- The database of the benchmarks, after `pgbench -i -s SCALE`: documents with prose, arrays and jsonb, and 200 small tables
-- with indexes and foreign keys. At scale 100: 2.1 GB with indexes, 1.5 GB as text. The same rows every time.
-- usage: psql -v scale=100 -f database.sql
SELECT set_config('bench.documents', (:scale * 4000)::text, false) \g /dev/null

CREATE TABLE words (id int PRIMARY KEY, word text);
INSERT INTO words SELECT i, substr(md5(i::text), 1, 3 + i % 8) FROM generate_series(1, 4000) AS i;

CREATE TABLE docs (
    id bigint, created timestamptz NOT NULL, author text, tags text[], body text, payload jsonb
);
DO $$
DECLARE
    w text[] := (SELECT array_agg(word ORDER BY id) FROM words);
BEGIN
    INSERT INTO docs
    SELECT g, timestamptz '2024-01-01' + g * interval '37 seconds', 'user' || g % 5000 || '@example.org',
        ARRAY[w[1 + g * 7 % 4000], w[1 + g * 13 % 4000], w[1 + g * 31 % 4000]],
        (SELECT string_agg(w[1 + ((hashint8(g * 131 + k) & 2147483647)::bigint * (hashint8(k * 17 + g) & 2147483647)::bigint
             % (1 + (hashint8(k + g * 3) & 2147483647) % 4000))::int], ' ') FROM generate_series(1, 95) AS k),
        jsonb_build_object('id', g, 'status', (ARRAY['new', 'open', 'paid', 'shipped', 'closed'])[1 + g % 5],
            'total', (g * 7919 % 1000003) / 100.0,
            'customer', jsonb_build_object('name', w[1 + g * 3 % 4000] || ' ' || w[1 + g * 5 % 4000],
                'email', 'u' || g % 90000 || '@example.org', 'vip', g % 17 = 0),
            'lines', (SELECT jsonb_agg(jsonb_build_object('sku', upper(w[1 + (g * k * 37 % 4000)::int]), 'qty', 1 + (g + k) % 9,
                'price', (g * k * 53 % 9973) / 100.0)) FROM generate_series(1, 4) AS k),
            'trace', md5(g::text))
    FROM generate_series(1, current_setting('bench.documents')::bigint) AS g;
END $$;
ALTER TABLE docs ADD PRIMARY KEY (id);
CREATE INDEX ON docs (created);
CREATE INDEX ON docs (author);

DO $$
BEGIN
    FOR i IN 1..200 LOOP
        EXECUTE format('CREATE TABLE s%s (id int PRIMARY KEY, parent int %s, name text NOT NULL, v numeric(12, 2), ts timestamptz DEFAULT now())',
            i, CASE WHEN i > 1 THEN format('REFERENCES s%s (id)', i - 1) END);
        EXECUTE format($insert$INSERT INTO s%s
            SELECT g, g, 'name ' || md5(g::text), g * 1.25, timestamptz '2024-01-01' + g * interval '1 min' FROM generate_series(1, 500) AS g$insert$, i);
        EXECUTE format('CREATE INDEX ON s%s (name)', i);
        EXECUTE format('CREATE INDEX ON s%s (parent)', i);
    END LOOP;
END $$;
VACUUM ANALYZE;
