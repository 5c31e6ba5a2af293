# Installing: what CREATE EXTENSION makes, what it says without its library loaded, and that it leaves nothing behind.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

# A pg_dump that holds the extension can be restored where the library is not loaded yet; only using it is an error.
my $bare = ArkCluster->make('bare', preload => 0, extension => 0);
my (undef, undef, $warned) = $bare->psql('postgres', 'CREATE EXTENSION pg_ark');
like($warned, qr/WARNING:.*shared_preload_libraries/, 'without preloading, CREATE EXTENSION warns and names the setting');
my $said = $bare->ark_fails('SELECT * FROM ark.backup_now()', qr/shared_preload_libraries/, 'and a backup is refused');
like($said, qr/HINT/, 'with a hint');
$bare->stop;

my $node = ArkCluster->make('loaded');
is($node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_ark'}), '0.1.0', 'version');
like($node->engine_ok(['--version'], 'the engine is installed beside the server'), qr/\b0\.1\.0\b/, 'of the same version');

is($node->safe_psql('postgres', q{
	SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'ark\_%'}),
	'ark_admin ark_approver ark_operator ark_reader ark_restorer', 'the five roles');

is($node->safe_psql('postgres', q{
	SELECT coalesce(string_agg(p.oid::regprocedure::text, ', '), 'none')
	FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
	WHERE n.nspname IN ('ark', 'ark_private') AND has_function_privilege('public', p.oid, 'EXECUTE')}),
	'none', 'PUBLIC may call nothing');
is($node->safe_psql('postgres', q{
	SELECT coalesce(string_agg(c.oid::regclass::text, ', '), 'none')
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE n.nspname IN ('ark', 'ark_private') AND c.relkind IN ('r', 'v', 'p') AND has_table_privilege('public', c.oid, 'SELECT')}),
	'none', 'PUBLIC may read nothing');
is($node->safe_psql('postgres', q{
	SELECT coalesce(string_agg(c.oid::regclass::text, ', '), 'none')
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE n.nspname = 'ark' AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL}),
	'none', 'every table and view has a comment');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pg_settings WHERE name LIKE 'ark.%' AND (short_desc IS NULL OR category IS NULL)}),
	'0', 'every setting has a description');

$node->ark_ok('DROP EXTENSION pg_ark', 'it goes');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_proc WHERE probin LIKE '%pg_ark%'}), '0', 'and leaves no function');
$node->ark_ok('CREATE EXTENSION pg_ark', 'and comes back');

# A fault of the configuration never stops the server.
$node->append_conf('postgresql.conf', q{ark.store = 'ftp://nowhere'});
$node->restart;
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server starts with a store URL that means nothing');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'and without the library, while the extension is still there');
$node->stop;

done_testing();
