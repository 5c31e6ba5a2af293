# What happens around base backups: two clusters in one store, a program that is replaced, many relations, configuration that lies elsewhere,
# a key that is the wrong one, a disk that fills up. Whatever fails says what and why, and leaves what was there as it was.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Copy;
use Test::More;

my $installed = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
my $bin = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/ark" or die $!;
sub write_file { my ($name, $mode, $text) = @_; open my $file, '>', $name or die "$name: $!"; print $file $text; close $file; chmod $mode, $name; return; }
write_file("$store/$_", 0600, unpack('H*', join '', map { chr int rand 256 } 1 .. 32) . "\n") for qw(key wrong);
my @where = ("--store=file://$store/ark", "--encryption-key=file:$store/key");
# As a package manager does it: the new file takes the old one's name.
sub put_program { copy($installed, "$bin/new") or die $!; chmod 0755, "$bin/new"; rename "$bin/new", "$bin/pg_ark" or die $!; return; }
put_program();

sub start
{
	my ($name, $extra) = @_;
	my $node = ArkCluster->new($name);
	$node->init(extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "wal_level = replica\narchive_mode = on\narchive_command = 'test ! -e $bin/closed && $bin/pg_ark wal-push --quiet @where %p'\nautovacuum = off\nfsync = off\n$extra");
	$node->start;
	$node->{system} = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
	return $node;
}
sub path_of { my $node = shift; return $node->name . '.' . $node->{system}; }
sub ark { my ($node, $verb, @arguments) = @_; return $node->engine([ $verb, '--quiet', @where, @arguments ]); }
sub backup { my ($node, $name, @arguments) = @_; my $taken = ark($node, 'backup', '--kind=physical', @arguments); is($taken->{exit}, 0, $name) or diag("$taken->{out}\n$taken->{err}"); return $taken; }
sub objects { my $path = shift; return join "\n", sort split /\n/, `cd $store/ark/$path && find . -type f`; }
my $restored = 0;
# Restores, starts (unless `started` is 0) and returns the node and what the engine said.
sub restore
{
	my ($node, $name, $arguments, %options) = @_;
	my $copy = ArkCluster->new('copy' . ++$restored);
	my $said = $copy->engine([ 'restore', '--quiet', @where, '--cluster=' . path_of($node), '--pgdata', $copy->data_dir, @$arguments ]);
	is($said->{exit}, 0, $name) or diag("$said->{out}\n$said->{err}");
	$options{before}->($copy) if $options{before};
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return ($copy, $said);
}
sub archived
{
	my $node = shift;
	$node->safe_psql('postgres', q{SELECT pg_create_restore_point('something to write')});
	my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die 'not archived';
	return;
}

# Two clusters in one store, each in its path. The first has a synchronous standby, for which its own sessions do not wait.
my ($node, $other) = (start('primary', "synchronous_standby_names = 's1'\nsynchronous_commit = local\n"), start('other', ''));
for my $one ($node, $other)
{
	$one->safe_psql('postgres', 'CREATE TABLE mine AS SELECT ' . ($one == $node ? 1 : 2) . ' AS id');
	is(ark($one, 'init')->{exit}, 0, $one->name . ' makes its path');
	backup($one, 'and takes a base backup', '--label=' . $one->name);
	archived($one);
}
for my $one ($node, $other)
{
	my $listed = $one->engine([ 'list', @where, '--kind=physical', '--json' ]);
	is(join(' ', $listed->{out} =~ /"label": "([^"]*)"/g), $one->name, $one->name . ' sees its own alone');
	my ($copy, $said) = restore($one, 'and comes back', []);
	is($copy->safe_psql('postgres', 'SELECT id FROM mine'), $one == $node ? 1 : 2, 'with its own rows');
	is($said->{err} =~ /^warning: synchronous_standby_names was 's1': .* ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf\(\)$/m, $one == $node, 'it is told for whom its commits do not wait any more');
	is($copy->safe_psql('postgres', 'SHOW synchronous_standby_names'), '', 'for nobody') or die 'the next statement would wait for ever';
	$copy->safe_psql('postgres', 'SET synchronous_commit = on; CREATE TABLE committed ()');
	$copy->stop;
}
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = ''});
$node->reload;

# The second is pointed at the path of the first.
my $before = objects(path_of($node));
my $wrong = ark($other, 'backup', '--kind=physical', '--cluster=' . path_of($node));
is($wrong->{exit}, 7, 'a base backup into the path of another cluster is refused') or diag($wrong->{err});
like($wrong->{err}, qr/belongs to another|is not the cluster/, 'and says why: ' . (split /\n/, $wrong->{err})[0]);
$other->safe_psql('postgres', q{ALTER SYSTEM SET archive_command = '} . "$bin/pg_ark wal-push --quiet @where --cluster=" . path_of($node) . q{ %p'});
$other->reload;
my $failed = $other->safe_psql('postgres', 'SELECT failed_count FROM pg_stat_archiver');
$other->safe_psql('postgres', 'INSERT INTO mine VALUES (3)');
my $segment = $other->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
$other->poll_query_until('postgres', "SELECT failed_count > $failed FROM pg_stat_archiver") or die;
like(PostgreSQL::Test::Utils::slurp_file($other->logfile), qr/pg_ark: error: .*(another|not the cluster)/, 'its WAL is refused too');
ok(-e $other->data_dir . "/pg_wal/archive_status/$segment.ready", 'and it keeps it');
is(objects(path_of($node)), $before, 'in the path of the first nothing came and nothing went');
$other->safe_psql('postgres', 'ALTER SYSTEM RESET archive_command');
$other->reload;
archived($other);
my ($copy) = restore($other, 'set right again, nothing is lost', []);
is($copy->safe_psql('postgres', 'SELECT sum(id) FROM mine'), 5, 'with what waited');
$copy->stop;

# A copy of the cluster, which has its identifier, takes no backup for it.
($copy) = restore($node, 'a copy', []);
$copy->safe_psql('postgres', q{ALTER SYSTEM SET archive_mode = on});
$copy->restart;
$before = objects(path_of($node));
$wrong = ark($copy, 'backup', '--kind=physical');
is($wrong->{exit}, 7, 'a copy of the cluster takes no base backup into its path');
like($wrong->{err}, qr/this server may not write to .*lease take/s, 'and says what to do');
is(objects(path_of($node)), $before, 'nothing came of it');
$copy->stop;

# Many relations, in a backup in whose middle the program is replaced.
$node->safe_psql('postgres', q{
	CREATE PROCEDURE make(first int, last int) LANGUAGE plpgsql AS $$
	BEGIN FOR i IN first..last LOOP
		EXECUTE format('CREATE TABLE many_%s (id int)', i);
		IF i % 20 = 0 THEN EXECUTE format('INSERT INTO many_%s VALUES (%s)', i, i); COMMIT; END IF;
	END LOOP; END $$});
$node->safe_psql('postgres', 'CALL make(1, 10000)');
my @by_hand = ('--quiet', @where, '--conninfo', 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<));
write_file("$bin/closed", 0600, '');    # it cannot end without its WAL
my $running = IPC::Run::start([ "$bin/pg_ark", 'backup', '--kind=physical', '--label=many', @by_hand ], '<', \undef, '>', \my $printed, '2>', \my $told);
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_ark base backup')}) or die;
put_program();
unlink "$bin/closed" or die $!;
$running->finish;
is($running->full_result(0) . $told, '0', 'a backup whose program is replaced goes on to its end, and archiving with the new one') or diag($told);
archived($node);
write_file("$bin/key", 0755, "#!/bin/sh\ncp $bin/pg_ark $bin/new.\$\$ && mv $bin/new.\$\$ $bin/pg_ark\ncat $store/key\n");    # just when it reads its key
$copy = ArkCluster->new('replaced');
IPC::Run::run([ "$bin/pg_ark", 'restore', '--quiet', "--store=file://$store/ark", "--encryption-key=command:$bin/key", '--cluster=' . path_of($node), '--pgdata', $copy->data_dir ], '<', \undef, '>', \$printed, '2>', \$told);
is("$?$told", '0', 'a restore whose program is replaced') or diag($told);
like(PostgreSQL::Test::Utils::slurp_file($copy->data_dir . '/postgresql.auto.conf'), qr{^restore_command = '$bin/pg_ark wal-fetch }m, 'names the one that is there now');
$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
$copy->start;
$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
my $content = q{
	CREATE FUNCTION content() RETURNS TABLE (relations bigint, total numeric) LANGUAGE plpgsql AS $$
	DECLARE r text; n numeric; BEGIN relations := 0; total := 0;
	FOR r IN SELECT relname FROM pg_class WHERE relname ~ '^many_\d+$' LOOP
		EXECUTE format('SELECT coalesce(sum(id), 0) FROM %I', r) INTO n; relations := relations + 1; total := total + n; END LOOP; RETURN NEXT; END $$;
	SELECT relations, total FROM content()};
is($copy->safe_psql('postgres', $content), '10000|' . 20 * 500 * 501 / 2, 'and brings ten thousand relations');
$copy->stop;

# A tablespace that is newer than the backup: on this machine its replay would take the original's place.
mkdir "$store/newer" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE newer LOCATION '$store/newer'");
my $dry = $node->engine([ 'restore', @where, '--cluster=' . path_of($node), '--pgdata', "$store/nothing", '--dry-run' ]);
like($dry->{err}, qr/^warning: tablespace \d+ was made in "\Q$store\E\/newer" after this backup/m, 'a tablespace that is newer than the backup is warned of');
$node->safe_psql('postgres', 'DROP TABLESPACE newer');
$dry = $node->engine([ 'restore', @where, '--cluster=' . path_of($node), '--pgdata', "$store/nothing", '--dry-run' ]);
is("$dry->{exit}$dry->{err}", '0', 'and one that is not there, is not');

# Configuration that lies elsewhere, as Debian has it.
my ($conf, $apart) = ($node->data_dir . '/postgresql.conf', "$store/postgresql.conf");
rename $conf, $apart or die $!;
backup($node, 'a cluster whose configuration lies elsewhere', '--label=apart');
copy($apart, $conf) or die $!;
my ($from_apart, $said) = restore($node, 'comes back', ['--restore-point=apart'], before => sub { copy($apart, shift->data_dir . '/postgresql.conf') or die $! });
like($said->{err}, qr/^warning: the cluster kept its configuration outside of its data directory.*postgresql\.conf, pg_hba\.conf/m, 'and is told to need one');
is($from_apart->safe_psql('postgres', 'SELECT id FROM mine'), 1, 'with which it starts');
$from_apart->stop;

# A wrong key, and none.
my $nothing = "$store/nothing";
for my $key ([ "--encryption-key=file:$store/wrong" ], [])
{
	my $refused = $node->engine([ 'restore', "--store=file://$store/ark", @$key, '--cluster=' . path_of($node), '--pgdata', $nothing ]);
	is($refused->{exit}, @$key ? 4 : 2, @$key ? 'a restore with a wrong key' : 'a restore without a key') or diag("$refused->{out}$refused->{err}");
	like($refused->{err}, qr/key.*hint: /s, 'says so: ' . (split /\n/, $refused->{err})[0]);
	ok(!-e $nothing, 'and left nothing');
}

# A backup whose program is killed is gone on from: what it had stored is not stored again.
my $large = $other->data_dir . '/large.bin';
PostgreSQL::Test::Utils::system_or_bail('dd', 'if=/dev/urandom', "of=$large", 'bs=1M', 'count=200', 'status=none');
write_file("$bin/closed", 0600, '');    # it cannot end without its WAL
$running = IPC::Run::start([ "$bin/pg_ark", 'backup', '--kind=physical', '--jobs=1', '--quiet', @where, '--conninfo', 'host=' . $other->host . ' port=' . $other->port . ' user=' . getpwuid($<) ], '<', \undef, '>', \$printed, '2>', \$told);
my $tries = 0;
until ((() = glob("$store/ark/" . path_of($other) . '/backups/*/checkpoint.*')) >= 3) { $tries++ < 1800 or die "no checkpoints: $told"; select undef, undef, undef, 0.1; }
$running->signal('KILL');
$running->finish;
unlink "$bin/closed" or die $!;
archived($other);
my $resumed = ark($other, 'backup', '--kind=physical', '--jobs=1', '--json', '--label=resumed');
is($resumed->{exit}, 0, 'the backup after one that was killed') or diag($resumed->{err});
my %told = $resumed->{out} =~ /"(bytes_\w+)": (\d+)/g;
cmp_ok($told{bytes_resumed}, '>', 80 << 20, 'reuses what that one stored');
cmp_ok($told{bytes_stored}, '<', 120 << 20, 'and stores the rest alone');
is(ark($other, 'expire', '--grace=1ms')->{exit}, 0, 'a sweep follows');
is(scalar(() = glob("$store/ark/" . path_of($other) . '/backups/*/checkpoint.*')), 0, 'and takes what the killed one left');
($copy) = restore($other, 'what it reused comes back', ['--restore-point=resumed']);
is(system('cmp', '-s', $large, $copy->data_dir . '/large.bin'), 0, 'as it was');
$copy->stop;
unlink $large or die $!;

# A disk that is too small is known before anything is written. One that fills up all the same, because small files take more room than they
# have bytes, ends the restore.
mkdir $other->data_dir . '/tiny' or die $!;
write_file($other->data_dir . "/tiny/$_", 0600, 'x') for 1 .. 1000;    # 4 MB in all
backup($other, 'a cluster with many tiny files', '--label=tiny');
my ($small, $turn) = ArkCluster::small_disk();
my $target = "$small/cluster";
sub into_small { return $other->engine([ 'restore', @where, '--cluster=' . path_of($other), '--pgdata', $target, @_ ]); }
my ($bytes) = into_small('--dry-run', '--json')->{out} =~ /"bytes": (\d+)/ or die 'the plan tells no size';
# Leaves so much room beyond the cluster's bytes.
sub leave
{
	unlink "$small/ballast";
	my ($room) = map { 1024 * $_ } `df -k --output=avail "$small"` =~ /(\d+)/;
	write_file("$small/ballast", 0600, 'x' x ($room - $bytes - $_[0]));
	return;
}
leave(-(1 << 20));
my $full = into_small();
is($full->{exit}, 5, 'a disk that is too small');
like($full->{err}, qr/there is too little space for the cluster.*\Q$target\E.*\ndetail: .* are free/, 'is told with both sizes') or diag($full->{err});
ok(!-e $target, 'before anything is written');
leave(2 << 20);
$full = into_small();
is($full->{exit}, 5, 'a disk that fills up in the middle') or diag($full->{err});
like($full->{err}, qr/could not (write|make) file "\Q$target\E\/.*disk full/, 'is told with the file: ' . (split /\n/, $full->{err})[0]);
like($full->{err}, qr/hint: .*\Q$target\E/s, 'and what is left') or diag($full->{err});
ok(-d $target && !-e "$target/global/pg_control", 'on which no server starts');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $target, "$small/ballast");
close $turn;
archived($other);
($copy) = restore($other, 'where there is room it comes back', [ '--restore-point=tiny' ]);
is($copy->safe_psql('postgres', 'SELECT sum(id) FROM mine'), 5, 'with its rows');
is(scalar(() = glob $copy->data_dir . '/tiny/*'), 1000, 'and every tiny file');
$copy->stop;
$_->stop for $node, $other;
done_testing();
