-- Records what PostgreSQL prints for awkward values: psql -X -f record.sql, in this folder, on an empty UTF8 database.
\set ON_ERROR_STOP on
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET extra_float_digits = 1;
BEGIN;
CREATE TYPE feeling AS ENUM ('sad', 'so "so"');
CREATE DOMAIN whole AS integer;
CREATE TABLE awkward (
    id integer, truth boolean, small smallint, large bigint, "real" real, "double ""p" double precision,
    exact numeric, words text, padded character(3), doc json, docb jsonb, bytes bytea, day date, at timestamptz,
    numbers integer[], texts text[], grid integer[], exacts numeric[], truths boolean[], docs jsonb[],
    floats double precision[], blobs bytea[], mood feeling, moods feeling[], n whole, money money, mac macaddr,
    address inet, span interval, range int4range, bits bit varying, name uuid, "naïve,column" text
);
INSERT INTO awkward VALUES
(1, true, -32768, 9223372036854775807, 1.5, 1e-7, 12345678901234567890.123456789, 'plain', 'ab',
 '{"a": [1, "x\ty"], "b": null}', '{"z": 1.10, "a": "ü€"}', '\x00ff5c0a', '2024-02-29', '2024-02-29 12:00:00.5+02',
 '{1,NULL,-3}', '{a,"b c",NULL,"NULL",""}', '{{1,2},{3,4}}', '{1.50,NaN}', '{t,f,NULL}', '{"{\"a\": 1}","\"x,y\"","null"}',
 '{1e300,-Infinity,0.1}', '{"\\x00ff","\\x"}', 'so "so"', '{sad,"so \"so\""}', 7, '-1234.5', '08:00:2b:01:02:03',
 '10.0.0.0/8', '1 year -2 days 03:04:05.6', '[1,5)', B'101', '00000000-0000-4000-8000-0000000000ab', 'x'),
(2, false, 0, -1, 'NaN', '-Infinity', 'NaN', E'tab\there, line\nfeed, return\r, back\\slash, "quote", \b\f\x0b\x01\x7f', '',
 'null', 'false', '', 'infinity', '-infinity', '{}', E'{"back\\\\slash","qu\\"ote","com,ma","br{ac}e","new\nline"," "}',
 '[0:1][5:5]={{1},{2}}', '{}', '{}', '{}', '{}', '{}', 'sad', '{}', -2147483648, '0', NULL, '::1', '-00:00:01', 'empty', '',
 NULL, ''),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, true, 1, 0, 3.4028235e38, 5e-324, -0.000, '\.', 'ü', '"\u0000 and \ud83d\ude00"', '"\\"', '\x5c4e', '0001-01-01 BC', NULL,
 '{{{1}},{{2}}}', '{{a,b},{"{}",NULL}}', '{}', '{1e10}', '{{t},{f}}', NULL, '{NaN}', NULL, NULL, NULL, 0, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, '\N'),
(5, true, 1, 0, 1e20, 1e15, 0, '', '   ', '[]', '{}', '\x27', NULL, NULL, NULL, '{null,nULL,"null"}', NULL, NULL, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ' ,;''"\'),
(6, true, 1, 0, 100000, 1e14, 1e-20, '😀 漢字 ' || U&'\2028' || 'é', 'é', '{"é":"\\u00e9 \" \\ \/"}', '[{"a":[]}]', 'text', NULL, NULL,
 NULL, '{é,"a😀"}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 repeat('long ', 40));
CREATE TABLE lone (value text);
INSERT INTO lone VALUES (''), (NULL), ('\.'), ('\N'), (' '), ('"'), ('a,b'), (E'\n'), ('x');
\pset tuples_only on
\pset format unaligned
\o rows.copy
COPY awkward TO STDOUT;
\o rows.csv
COPY awkward TO STDOUT (FORMAT csv, HEADER);
\o lone.copy
COPY lone TO STDOUT;
\o lone.csv
COPY lone TO STDOUT (FORMAT csv, HEADER);
-- Timestamps as COPY prints them, not with row_to_json's T.
ALTER TABLE awkward ALTER at TYPE text USING at::text;
\o rows.jsonl
SELECT row_to_json(awkward) FROM awkward;
\o
ROLLBACK;
