
=head1 ArkCluster

A PostgreSQL cluster with pg_ark loaded, a store of its own beside the data directory, and the questions that cluster
tests ask: does it hold the same rows, what did the engine say. Everything lives in the test's temporary directory.

	my $node = ArkCluster->make('primary');
	$node->load_sample('clynr');
	my $before = $node->digests('clynr');
	$node->ark_ok(q{SELECT * FROM ark.backup_now(database => 'clynr')}, 'backup');
	...
	$node->same_rows('clynr', $before, 'every row is back');

=cut

package ArkCluster;

use strict;
use warnings FATAL => 'all';

use parent 'PostgreSQL::Test::Cluster';

use Carp;
use Exporter 'import';
use Fcntl ':flock';
use IPC::Run;
use PostgreSQL::Test::Utils ();    # its functions must not become methods of ours
use Test::More;
use Time::HiRes ();

our @EXPORT_OK = qw(tree);

# The sources: where scripts/test copied them, or where the test is run from.
sub tree { return $ENV{ARK_TEST_TREE} // '.' }

# A started cluster in which CREATE EXTENSION has been run. Options: conf (lines of postgresql.conf), database (that of
# the extension, default postgres), preload => 0, extension => 0, allows_streaming (passed on to init), start => 0.
sub make
{
	my ($class, $name, %options) = @_;
	my $self = $class->new($name);
	my $database = $options{database} // 'postgres';
	$self->init(
		allows_streaming => $options{allows_streaming} // 0,
		extra => [ '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
	mkdir $self->store or croak "could not make " . $self->store . ": $!";
	$self->append_conf('postgresql.conf',
		"shared_preload_libraries = 'pg_ark'\nark.store = 'file://" . $self->store . "'\nark.database = '$database'\n")
	  unless defined $options{preload} && !$options{preload};
	$self->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	return $self if defined $options{start} && !$options{start};
	$self->start;
	$self->safe_psql('postgres', qq{CREATE DATABASE "$database"}) if $database ne 'postgres';
	$self->safe_psql($database, 'CREATE EXTENSION pg_ark')
	  unless defined $options{extension} && !$options{extension};
	$self->{ark_database} = $database;
	return $self;
}

# A small file system of its own, made by scripts/test (only root can make one), and a lock on it: tests that fill it take turns.
# It is another's as soon as the second value is closed.
sub small_disk
{
	my $disk = $ENV{ARK_TEST_SMALL_DISK} // croak 'ARK_TEST_SMALL_DISK must name a file system of 64 MB that this user can write';
	open my $turn, '>', "$disk/turn" or croak "$disk/turn: $!";
	flock $turn, LOCK_EX or croak "flock: $!";
	return ($disk, $turn);
}

sub store { my $self = shift; return $self->basedir . '/store' }

# The database with the extension.
sub ark_database { my $self = shift; return $self->{ark_database} // 'postgres' }

# Makes `database` and fills it with the sample application; scale 0.01 is 200 clients and takes a second.
sub load_sample
{
	my ($self, $database, $scale) = @_;
	$self->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	$self->command_ok(
		[ 'psql', '-XAtq', '-v', 'scale=' . ($scale // 0.01), '-d', $self->connstr($database), '-f', tree() . '/test/data/sample_app.sql' ],
		"load the sample application into $database");
	return;
}

# One line a table: name, rows, digest of the rows in any order. Large objects and sequences too.
sub digests
{
	my ($self, $database, %options) = @_;
	my ($out, $err) = PostgreSQL::Test::Utils::run_command(
		[ 'psql', '-XAtq', '-F', ' ', '-d', $self->connstr($database), '-f', tree() . '/test/support/table_digests.sql' ]);
	croak "could not digest $database: $err" if $err;
	return _chosen($out, %options);
}

sub _chosen
{
	my ($digests, %options) = @_;
	my @lines = split /\n/, $digests;
	@lines = grep { $_ !~ $options{without} } @lines if $options{without};
	@lines = grep { $_ =~ $options{only} } @lines if $options{only};
	return join "\n", @lines;
}

# Passes if the tables of `database` hold what they held when `digests` was taken; options choose lines of both.
sub same_rows
{
	my ($self, $database, $digests, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %expected = map { $_ => 1 } split /\n/, _chosen($digests, %options);
	my @now = split /\n/, $self->digests($database, %options);
	my @other = grep { !delete $expected{$_} } @now;
	return ok(!@other && !%expected, $name)
	  || diag(join "\n", (map { "was $_" } sort keys %expected), (map { "now $_" } @other));
}

# As the parent's, which hands psql the statement through a pipe: where the server is just starting again, psql is gone before it reads
# it, and the broken pipe ends the test. What takes long is looked at less often: each look is a psql and a backend.
sub poll_query_until
{
	my ($self, $database, $query, $expected) = @_;
	$expected //= 't';
	my ($out, $err) = ('', '');
	my $began = Time::HiRes::time();
	while (Time::HiRes::time() < $began + 300)
	{
		($out, $err) = ('', '');
		IPC::Run::run([ 'psql', '-XAt', '-d', $self->connstr($database), '-c', $query ], '<', '/dev/null', '>', \$out, '2>', \$err);
		chomp $out;
		return 1 if $out eq $expected && $err eq '';
		my $pause = 0.03 + (Time::HiRes::time() - $began) / 15;
		Time::HiRes::sleep($pause < 0.5 ? $pause : 0.5);
	}
	diag("never '$expected': $query\nit was: $out\n$err");
	return 0;
}

# Runs a statement in the extension's database; passes if it succeeds, and returns what it printed (columns by |).
sub ark_ok
{
	my ($self, $sql, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) =
	  $self->psql($options{database} // $self->ark_database, $sql, on_error_stop => 1, timeout => $options{timeout} // 120);
	ok($code == 0, $name // $sql) or diag("$sql\nexit $code\n$out\n$err");
	return $out;
}

# Passes if the statement fails with a message that matches; returns the whole message.
sub ark_fails
{
	my ($self, $sql, $expected, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) =
	  $self->psql($options{database} // $self->ark_database, $sql, on_error_stop => 1, timeout => $options{timeout} // 120);
	ok($code != 0 && $err =~ $expected, $name // $sql) or diag("$sql\nexit $code\n$out\n$err\nexpected $expected");
	return $err;
}

# Of the process that ended last ($?), as a shell has it: 128 and the signal's number where a signal ended it, so that no such end is taken
# for success.
sub exit_status { my $signal = $? & 127; return $signal ? 128 + $signal : $? >> 8; }

# Runs the engine against this cluster and its store: { exit, signal, out, err }. Environment: $options{env}.
sub engine
{
	my ($self, $arguments, %options) = @_;
	local %ENV = %ENV;
	$ENV{ARK_STORE} = 'file://' . $self->store;
	$ENV{ARK_CONNINFO} = 'host=' . $self->host . ' port=' . $self->port . ' user=' . getpwuid($<);
	$ENV{$_} = $options{env}{$_} for keys %{ $options{env} // {} };
	my ($out, $err) = ('', '');
	my $timeout = IPC::Run::timeout($options{timeout} // 180);
	IPC::Run::run([ $self->config_data('--bindir') . '/pg_ark', @$arguments ], '<', \'', '>', \$out, '2>', \$err, $timeout);
	return { exit => exit_status(), signal => $? & 127, out => $out, err => $err };
}

# Passes if the engine succeeds; returns its standard output.
sub engine_ok
{
	my ($self, $arguments, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $self->engine($arguments, %options);
	ok($result->{exit} == 0, $name // "pg_ark @$arguments")
	  or diag("exit $result->{exit}\n$result->{out}\n$result->{err}");
	return $result->{out};
}

1;
