# What install.go does on the other side. POSIX sh and POSIX utilities only
# (dash, busybox); see there for how it gets here.
#
#   find NAME SHA256 TOKEN [AFTER]    where the program is or can be put
#   put DIR NAME SHA256 PACKED TOKEN <program    put it there
#
# An answer is a line "@ WORD DETAIL"; whatever else a login prints is not.

umask 077
mode=$1
shift

answer() { printf '@ %s\n' "$*"; }

# owned FILE MODE: is FILE itself (no symbolic link) of this mode, and ours?
# A mark behind ls's mode is harmless unless it is "+", further access rules.
owned() {
	required=$2
	set -f
	# shellcheck disable=SC2046 # the words are wanted
	set -- $(LC_ALL=C ls -ldn "$1" 2>/dev/null)
	set +f
	case ${1-} in
	"$required" | "$required"[.@]) [ "$3" = "$(id -u)" ] ;;
	*) return 1 ;;
	esac
}

# has PROGRAM: does it exist?
has() { command -v "$1" >/dev/null 2>&1; }

# sum_of FILE: its SHA-256. Where the system cannot tell, the file is what we
# want to have there, and knows its own.
sum_of() {
	if has sha256sum; then
		sum=$(sha256sum <"$1")
	elif has shasum; then
		sum=$(shasum -a 256 <"$1")
	elif has openssl; then
		sum=$(openssl dgst -sha256 <"$1")
		sum=${sum##* }
	else
		chmod 700 "$1" && sum=$("$1" agent sum </dev/null)
	fi
	printf '%s' "${sum%% *}"
}

# runs DIR: may a program in DIR be executed? Mount options tell only part.
runs() {
	probe=$1/.ctys-probe-$token
	printf '#!/bin/sh\nexit 0\n' >"$probe" && chmod 700 "$probe" && "$probe"
	result=$?
	rm -f "$probe"
	return $result
}

# suits DIR: is it ours alone and may it execute? The reason is in $why.
suits() {
	mkdir -p "${1%/*}" 2>/dev/null
	mkdir -m 700 "$1" 2>/dev/null
	if [ ! -d "$1" ]; then
		why="it cannot be created"
	elif ! owned "$1" drwx------; then
		why="it is not a folder of this user with mode 0700"
	elif ! runs "$1" 2>/dev/null; then
		why="nothing can be written or executed in it"
	else
		# What a broken upload left behind.
		find "$1" -type f -name '.ctys-up-*' -mtime +1 -exec rm -f {} + 2>/dev/null
		return 0
	fi
	return 1
}

# holds FILE SHA256: is it there, ours, and what it should be?
holds() { owned "$1" -rwx------ && [ "$(sum_of "$1")" = "$2" ]; }

candidates() {
	case ${XDG_CACHE_HOME-} in
	/*) printf '%s\n' "$XDG_CACHE_HOME/ctys" ;;
	*) case ${HOME-} in /*) printf '%s\n' "$HOME/.cache/ctys" ;; esac ;;
	esac
	printf '%s\n' "/run/user/$(id -u)/ctys" "/var/tmp/ctys-$(id -u)"
}

# find_place NAME SHA256 TOKEN [AFTER]: the first folder that suits (below AFTER,
# where that one is full), or the one further down that has it already. Only
# the folder that is to be used is made.
find_place() {
	token=$3
	skip=${4-}
	place=
	candidates | while IFS= read -r dir; do
		# A folder in a folder that is missing is not ours to make.
		case $dir in /run/user/*) [ -d "${dir%/*}" ] || continue ;; esac
		if [ -n "$skip" ]; then
			[ "$dir" = "$skip" ] && skip=
		elif [ -n "$place" ] && ! owned "$dir" drwx------; then
			:
		elif ! suits "$dir"; then
			answer refused "$dir: $why"
		elif holds "$dir/$1" "$2"; then
			answer have "$dir/$1"
			break
		elif [ -z "$place" ]; then
			place=$dir
			answer usable "$dir"
		fi
	done
	has gzip && answer gzip
	answer end
}

put() {
	dir=$1 name=$2 want=$3 packed=$4 token=$5
	temporary=$dir/.ctys-up-$token
	trap 'rm -f "$temporary"' EXIT
	trap 'exit 1' HUP INT TERM PIPE
	owned "$dir" drwx------ || { answer failed "$dir has changed"; exit 1; }
	set -C
	case $packed in
	gzip) gzip -dc >"$temporary" ;;
	*) cat >"$temporary" ;;
	esac || { answer failed "writing $temporary"; exit 1; }
	got=$(sum_of "$temporary")
	[ "$got" = "$want" ] || { answer differs "$got"; exit 1; }
	chmod 700 "$temporary" && mv -f "$temporary" "$dir/$name" || { answer failed "renaming to $dir/$name"; exit 1; }
	answer have "$dir/$name"
}

case $mode in
find) find_place "$@" ;;
put) put "$@" ;;
esac
