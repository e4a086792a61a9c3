# SPDX-License-Identifier: GPL-2.0
# Common ground of the test bed's bash scripts: source it, do not run it.
#
#	. "$(dirname "$0")/lib.sh"
#
# Exit statuses of everything here:
#	0 passed	1 a test failed		2 cannot run
#	3 the guest panicked	4 the guest hung

# shellcheck shell=bash disable=SC2034
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${SVA_BUILD:-$TOP/build}
CACHE=${SVA_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/linux-sva}
LOGS=$BUILD/log
BASE=${BASE:-linux-6.1}
TREE=$BUILD/$BASE			# git: branch series, tag base
PATCHES=$TOP/patches/$BASE
JOBS=${JOBS:-$(nproc)}

E_FAILED=1 E_CANNOT=2 E_PANIC=3 E_HUNG=4

# Nobody's git settings may change what the scripts do or write.
git_env() { GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null "$@"; }

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }

# die [-STATUS] TEXT...: why it stopped and what to do, one argument a line
die() {
	local status=$E_CANNOT line
	case ${1:-} in -[0-9]) status=${1#-}; shift ;; esac
	printf '%s: %s\n' "${0##*/}" "${1:-}" >&2
	shift || true
	for line; do printf '    %s\n' "$line" >&2; done
	exit "$status"
}

# need COMMAND[:PACKAGE]...: one message for everything that is missing
need() {
	local item packages=
	for item; do
		command -v "${item%%:*}" >/dev/null || packages+=" ${item##*:}"
	done
	[ -z "$packages" ] ||
		die "cannot run, these packages are missing:$packages" \
		    "to get them: make setup"
}

# free_mb PATH: megabytes free where PATH is or will be
free_mb() {
	local dir=$1
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	df -Pm "$dir" | awk 'NR == 2 { print $4 }'
}

# need_space PATH MB WHAT
need_space() {
	local free
	free=$(free_mb "$1")
	[ "$free" -ge "$2" ] ||
		die "no room for $3: ${free} MB free at $1, about $2 MB needed" \
		    "make room there, or set SVA_CACHE (downloads, ccache) or SVA_BUILD (trees, builds)" \
		    "to a directory with more; what is already there is kept and picked up"
}

duration() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# Kill the step in progress as a whole when the script is stopped.
STEP_PID=
step_stop() {
	[ -z "$STEP_PID" ] || kill -TERM -- "-$STEP_PID" 2>/dev/null || true
	note "stopped; the next run picks up here"
	exit 130
}
trap step_stop INT TERM

# own_variables: declarations of all but bash's own
own_variables() {
	local name
	for name in $(compgen -v); do
		case $name in
		BASH*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|HISTCMD|LINENO|PIPESTATUS|PPID) ;;
		RANDOM|SECONDS|SHELLOPTS|SRANDOM|UID|_) ;;
		*) declare -p "$name" 2>/dev/null || : ;;
		esac
	done
}

# alone COMMAND...: run it, mostly a function, in a shell of its own that knows
# what this one knows. In `step ... || die` bash would ignore set -e all the way
# down, and a function would go on after a command of it has failed.
alone() {
	local script
	script=$(
		printf 'BASH_ARGV0=%q\n' "$0"
		own_variables
		declare -f
		echo 'set -euo pipefail'
		printf '%q ' "$@"
	)
	exec bash /dev/fd/3 3<<<"$script"
}

# step TITLE LOG PROGRESS COMMAND...: run COMMAND with its output in LOG, show
# the time and what the command PROGRESS prints (":" for nothing), and on
# failure the last lines of LOG. Returns COMMAND's status.
step() {
	local title=$1 log=$2 progress=$3 start=$SECONDS next=15 status=0 text
	shift 3
	mkdir -p "$(dirname "$log")"
	set -m
	(alone "$@") </dev/null >"$log" 2>&1 &
	STEP_PID=$!
	set +m
	[ -t 1 ] || say "$title (log: ${log#"$TOP"/})"
	while kill -0 "$STEP_PID" 2>/dev/null; do
		if [ -t 1 ]; then
			printf '\r%s  %s %s\033[K' "$title" \
				"$(duration $((SECONDS - start)))" "$($progress "$log")"
		elif [ $((SECONDS - start)) -ge $next ]; then
			say "  $(duration $((SECONDS - start))) $($progress "$log")"
			next=$((next + 15))
		fi
		sleep 0.5
	done
	wait "$STEP_PID" || status=$?
	STEP_PID=
	text="$title: $(duration $((SECONDS - start)))"
	[ -t 1 ] && printf '\r\033[K'
	if [ $status = 0 ]; then
		say "$text"
		return 0
	fi
	note "$text FAILED (status $status), the last lines of its log:"
	tail -n 20 "$log" | sed 's/^/    | /' >&2
	note "    whole log: $log"
	# The log itself may not have found room for the message
	if grep -q 'No space left on device' "$log" || [ "$(free_mb "$(dirname "$log")")" -lt 20 ]; then
		note "    the disk is full: $(free_mb "$BUILD") MB free at $BUILD," \
		     "$(free_mb "$CACHE") MB at $CACHE"
		note "    make room and run the same command again: it picks up"
	fi
	return $status
}

# base_field NAME: a value of this base from bases.json, dots for depth
base_field() {
	python3 - "$TOP/bases.json" "$BASE" "$1" <<-'EOF'
	import json, sys
	path, base, name = sys.argv[1:]
	try:
	    value = json.load(open(path))["bases"][base]
	    for key in name.split("."):
	        value = value[key]
	except KeyError:
	    sys.exit(f"no {name} for {base} in bases.json")
	print(value)
	EOF
}
