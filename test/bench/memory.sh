# The engine's peak of resident memory, which may not grow with the database. pg_dump, which it runs for the definitions, holds
# the whole catalog in memory whoever runs it: the maximum over both, which getrusage gives, stands beside.
# shellcheck shell=bash disable=SC2154
tables=${ARK_BENCH_TABLES:-100000}
as_postgres createdb many
for ((i = 0; i < tables; i += 2000)); do
    ask many "DO \$\$ BEGIN FOR i IN $i..$((i + 1999)) LOOP EXECUTE format('CREATE TABLE t%s AS SELECT %s AS id, ''row'' AS name', i, i); END LOOP; END \$\$"
done
ask many 'VACUUM ANALYZE' > /dev/null
as_postgres createdb wide
ask wide "CREATE TABLE wide (a text, b text, c bytea); ALTER TABLE wide ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER c SET STORAGE EXTERNAL;
    INSERT INTO wide SELECT repeat(md5(random()::text), 3276800), repeat(md5(random()::text), 3276800), decode(repeat(md5(random()::text), 3276800), 'hex') || decode(repeat(md5('x'), 3276800), 'hex')"
printf '\nPeak memory of the engine\n'
as_postgres mkdir "$cluster_home/stores/memory" "$cluster_home/stores/again"
store=file://$cluster_home/stores/memory
peak "backup of $tables tables" backup --quiet --database=many --store="$store"
peak "backup of $tables tables, nothing changed" backup --quiet --database=many --store="$store"
peak "export of $tables tables" export --quiet --restore-point=latest --database=many --format=directory --output="$cluster_home/out/many" --store="$store"
peak 'backup of a row of three 100 MB columns' backup --quiet --database=wide --store="$store"
peak 'export of it' export --quiet --restore-point=latest --database=wide --format=directory --output="$cluster_home/out/wide" --store="$store"
measure 'pg_dump -Fd of the same tables' "pg_dump -Fd -j2 -f $cluster_home/out/manydump many"
measure 'pg_ark backup of the same tables' "pg_ark backup --quiet --database=many --store=file://$cluster_home/stores/again"
ratio 'pg_ark backup of the same tables' 'pg_dump -Fd of the same tables' '2 later'
as_postgres createdb back
as_postgres pg_restore -d back "$cluster_home/out/wide"
[ "$(digest_of back)" = "$(digest_of wide)" ] || { echo 'the wide row came back otherwise'; exit 1; }
