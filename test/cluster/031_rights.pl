# Who may take a backup: with too few rights there is an error that names what is missing, and never a backup with fewer rows.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('app');
ask($node, q{
	CREATE ROLE reader LOGIN IN ROLE pg_read_all_data;
	CREATE ROLE backup LOGIN BYPASSRLS IN ROLE pg_read_all_data, pg_read_all_settings;
	CREATE ROLE nobody LOGIN;
	CREATE ROLE owner LOGIN IN ROLE pg_read_all_settings;
	CREATE TABLE secret (tenant text, what text);
	INSERT INTO secret VALUES ('reader', 'his'), ('owner', 'hers'), ('else', 'theirs');
	ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON secret USING (tenant = current_user);
	CREATE SCHEMA theirs AUTHORIZATION owner;
	GRANT CREATE ON DATABASE app TO owner}, 'app');
ask($node, 'CREATE DATABASE forced OWNER owner');
ask($node, q{
	SET ROLE owner;
	CREATE TABLE forced (tenant text);
	INSERT INTO forced VALUES ('owner'), ('else');
	ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON forced USING (tenant = current_user)}, 'forced');
my $rows = $node->digests('app');
my $base = 'host=' . $node->host . ' port=' . $node->port;

# A backup by each role; `expected` is what its error says.
sub refused
{
	my ($role, $database, $expected, $name) = @_;
	set_option($node, 'ark.conninfo', "$base user=$role");
	my $before = ask($node, 'SELECT count(*) FROM ark.backups');
	my $said = $node->ark_fails("SELECT * FROM ark.backup_now(database => '$database')", $expected, $name);
	is(ask($node, 'SELECT count(*) FROM ark.backups'), $before, 'and there is no backup');
	return $said;
}
set_option($node, 'ark.conninfo', "$base user=" . ask($node, 'SELECT current_user'));
ask($node, q{SELECT * FROM ark.backup_now(database => 'app', label => 'superuser')});    # the path in the store is made

my $said = refused('reader', 'app', qr/row|pg_read_all_settings|BYPASSRLS/i, 'a role that row security applies to cannot back up');
diag($said =~ s/\n/ | /gr);
$said = refused('nobody', 'app', qr/permission denied|may not|cannot/, 'a role without rights cannot');
diag($said =~ s/\n/ | /gr);
ask($node, 'GRANT pg_read_all_settings TO reader, nobody');
$said = refused('reader', 'app', qr/row.?security|row-level security|BYPASSRLS/i, 'nor one that may see everything but rows of other tenants');
like($said, qr/BYPASSRLS/, 'and it says which right is missing') or diag($said);
$said = refused('nobody', 'app', qr/permission denied|may not/, 'a role without rights cannot read the tables');
like($said, qr/pg_read_all_data/, 'and it says which right is missing') or diag($said);

# The owner is above her own policies, until the table forces them on her.
set_option($node, 'ark.conninfo', "$base user=owner");
my $backup = $node->ark_ok(q{SELECT backup_id FROM ark.backup_now(database => 'forced')}, 'an owner of everything backs up her database');
is(restored_beside($node, $backup, 'forced_copy'), '', 'it comes back');
is(ask($node, 'SELECT count(*) FROM forced', 'forced_copy'), '2', 'with every row');
ask($node, 'ALTER TABLE forced FORCE ROW LEVEL SECURITY', 'forced');
$said = refused('owner', 'forced', qr/row.?security|row-level security|BYPASSRLS/i, 'a table that forces row security on its owner cannot be backed up by her');

# What suffices.
set_option($node, 'ark.conninfo', "$base user=backup");
$backup = $node->ark_ok(q{SELECT backup_id FROM ark.backup_now(database => 'app')}, 'pg_read_all_data, pg_read_all_settings and BYPASSRLS suffice');
is(restored_beside($node, $backup, 'app_copy'), '', 'it comes back');
$node->same_rows('app_copy', $rows, 'with every row');
is(ask($node, 'SELECT relrowsecurity FROM pg_class WHERE relname = \'secret\'', 'app_copy'), 't', 'and its policies');
$node->stop;
done_testing();
