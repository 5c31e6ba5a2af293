# Moments as targets where the server's clock is not the store's: an idle hour, commits that were shipped without a time, a clock that was
# set back. What PostgreSQL cannot be sent to becomes a position or is refused; what it can, it reaches.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;
use Time::HiRes qw(sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/ark" or die $!;
my @where = ("--store=file://$store/ark");
PostgreSQL::Test::Utils::system_or_bail('cc', '-shared', '-fPIC', '-o', "$store/clock.so", ArkCluster::tree() . '/test/support/shifted_clock.c');
sub set_clock
{
	open my $file, '>', "$store/offset.new" or die $!;
	print $file shift;
	close $file;
	rename "$store/offset.new", "$store/offset" or die $!;
	return;
}
set_clock(0);

my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nautovacuum = off\ntrack_commit_timestamp = on\n");
{
	local $ENV{LD_PRELOAD} = "$store/clock.so";
	local $ENV{SHIFTED_CLOCK} = "$store/offset";
	$node->start;
}
my $system = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
$node->safe_psql('postgres', 'CREATE TABLE log (name text)');
is($node->engine([ 'backup', '--kind=physical', '--quiet', @where ])->{exit}, 0, 'a base backup') or die;

my @ships;
sub ship
{
	local $ENV{ARK_CONNINFO} = 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<);
	my %ship = (err => '');
	$ship{run} = IPC::Run::start([ $engine, 'wal-ship', '--quiet', @where, @_ ], '<', \'', '>', \my $out, '2>', \$ship{err});
	push @ships, \%ship;
	return \%ship;
}
sub end { my $ship = shift; $ship->{over} = 1; $ship->{run}->signal('TERM'); eval { $ship->{run}->finish }; return; }
END { my $status = $?; $_->{over} || $_->{run}->signal('KILL') for @ships; $? = $status; }

# A row with that name; returns when it was committed.
sub commit { my $name = shift; return $node->safe_psql('postgres', "INSERT INTO log VALUES ('$name'); SELECT (pg_last_committed_xact()).timestamp"); }
sub lsn { my ($high, $low) = split m{/}, shift; return hex($high) * 2**32 + hex $low; }
sub shipped
{
	my $end = lsn($node->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()'));
	for (1 .. 300)
	{
		return 1 if grep { m{/\w{16}-(\w{16})$} && hex $1 >= $end } glob "$store/ark/*/tail/*/*/*";
		sleep 0.1;
	}
	die 'nothing is shipped: ' . join "\n", map { $_->{err} } @ships;
}
sub moment { my ($of, $shift) = @_; return $node->safe_psql('postgres', "SELECT '$of'::timestamptz + '$shift'"); }
# What a restore to a moment would tell the server: "time", "lsn", or why not.
sub planned
{
	my ($target, @more) = @_;
	my $result = $node->engine([ 'restore', @where, "--cluster=primary.$system", '--dry-run', '--pgdata', "$store/never", "--target-time=$target", @more ]);
	return $result->{err} if $result->{exit} != 0;
	return $result->{out} =~ /^recovery_target_(\w+) = '.+'$/m ? $1 : $result->{out};
}
my $restored = 0;
sub names_at
{
	my $copy = ArkCluster->new('restored' . ++$restored);
	my $result = $copy->engine([ 'restore', @where, "--cluster=primary.$system", '--pgdata', $copy->data_dir, '--target-time=' . shift ]);
	is($result->{exit}, 0, 'a restore') or diag("$result->{out}\n$result->{err}");
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	my $names = $copy->safe_psql('postgres', q{SELECT string_agg(name, ' ' ORDER BY name) FROM log});
	$copy->stop;
	return $names;
}

# An idle hour by the server's clock, of which the store's knows nothing.
my $ship = ship('--interval=200ms');
my $first = commit('first');
shipped();
set_clock(3600);
my $idle = moment($first, '30 min');
my $plan = '';
for (1 .. 300) { $plan = planned($idle); last if $plan eq 'lsn'; sleep 0.1; }
is($plan, 'lsn', 'half an hour after the last commit is a position, once the hour is known');
is(names_at($idle), 'first', 'with that commit');
my $second = commit('second');
shipped();
is(planned($idle), 'time', 'with a later commit it is a time');
is(planned($second), 'lsn', 'the very moment of the last commit is a position');
is(planned($second, '--no-target-inclusive'), 'time', 'unless that commit is not wanted');
end($ship);

# Commits that came into the store without the time until when all is there: the WAL itself tells of them.
set_clock(7200);
my $unheard = commit('third');
$ship = ship('--interval=1h');
for (1 .. 20) { $node->safe_psql('postgres', q{INSERT INTO log SELECT repeat('x', 1000) FROM generate_series(1, 800); DELETE FROM log WHERE name LIKE 'xx%'}); }
my $fourth = commit('fourth');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $archived = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn() - 1)');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$archived' FROM pg_stat_archiver") or die;
is(planned(moment($unheard, '1 ms')), 'time', 'a moment between commits that no mark and no clock of the store knows');
is(planned($fourth), 'lsn', 'and of the last of them');
like(planned(moment($fourth, '1 min')), qr/no recovery window of .* contains .*The windows are:/s, 'a moment behind it is refused with the windows');
end($ship);

# The clock is set back. A moment that lies before a commit is one that PostgreSQL reaches, wherever that commit is in the WAL.
set_clock(0);
for (1 .. 3) { commit("back$_"); $node->safe_psql('postgres', 'SELECT pg_switch_wal()'); }
$archived = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn() - 1)');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$archived' FROM pg_stat_archiver") or die;
my $before = moment($second, '-1 ms');
is(planned($before), 'time', 'a moment before a commit of the time when the clock was ahead');
is(names_at($before), 'first', 'is reached, before what was committed since the clock was set back');
like(planned(moment($fourth, '1 min')), qr/contains|lies behind what the store knows/, 'one behind every commit is refused');
done_testing();
