# A connection pooler between engine and server lends the session that settings, locks and snapshot belong to: it is refused,
# and leaves nothing behind in the connections that others get.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = ArkCluster->make('primary');
ask($node, 'CREATE TABLE t AS SELECT generate_series(1, 100) AS i');
my $backup = ask($node, 'SELECT backup_id FROM ark.backup_now()');

my $home = $node->basedir . '/pooler';
mkdir $home or die;
my $user = getpwuid($<);
PostgreSQL::Test::Utils::append_to_file("$home/users", qq{"$user" ""\n});
my $socket = PostgreSQL::Test::Utils::tempdir_short();
for my $mode ('session', 'transaction')
{
	open my $conf, '>', "$home/pgbouncer.ini" or die;
	print $conf "[databases]\n* = host=" . $node->host . ' port=' . $node->port . "\n[pgbouncer]\nlisten_port = 6543\n"
	  . "unix_socket_dir = $socket\nauth_type = trust\nauth_file = $home/users\npool_mode = $mode\ndefault_pool_size = 1\nlogfile = $home/log\n";
	close $conf;
	my $pooler = IPC::Run::start([ '/usr/sbin/pgbouncer', '-q', "$home/pgbouncer.ini" ], '<', \'', '>&', "$home/out");
	my $through = "host=$socket port=6543 user=$user";
	my $ready = 0;
	for (1 .. 100)
	{
		($ready) = IPC::Run::run([ 'psql', '-XAtc', 'SELECT 1', "$through dbname=postgres" ], '<', \'', '>&', \my $said);
		last if $ready;
		select undef, undef, undef, 0.1;
	}
	ok($ready, "pgbouncer lends connections a $mode long");
	my %at = (env => { ARK_CONNINFO => $through });
	for my $verb ([ 'backup', '--database=postgres' ], [ 'restore-entities', 't', '--restore-point', $backup, '--database=postgres', '--dry-run' ])
	{
		my $result = $node->engine($verb, %at);
		isnt($result->{exit}, 0, "pg_ark $verb->[0] is refused");
		like($result->{err}, qr/database "postgres" is reached through a connection pooler/, 'with the reason');
		like($result->{err}, qr/Connect to the server itself/, 'and what to do');
	}
	my ($settings) = run_command([ 'psql', '-XAtc', q{SELECT current_setting('search_path')}, "$through dbname=postgres" ]);
	like($settings, qr/public/, 'nothing was set in the connection that was lent');
	$pooler->kill_kill;
}
is(ask($node, 'SELECT count(*) FROM ark.backups'), 1, 'no backup was made');
$node->stop;
done_testing();
