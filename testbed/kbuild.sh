# SPDX-License-Identifier: GPL-2.0
# How a kernel of the test bed is configured and built; source after lib.sh.
# shellcheck shell=bash disable=SC2034

CONFIGS=$TOP/testbed/guest/config

MORE_FRAGMENTS=()		# onto those of the kernel

# Objects of a cold build, for the progress display only.
declare -A OBJECTS=([arm64-debug]=1020 [arm64-plain]=990 [x86-debug]=1300 [x86-plain]=1200)

# kbuild_target ARCH FLAVOUR KERNEL: sets what the other functions use
kbuild_target() {
	KERNEL=$3 FLAVOUR=$2
	NAME=$1-$2-$3
	case $3 in
	series) SRC=$TREE ;;
	stock|mutants) SRC=$TREE-$3 ;;
	*) return 1 ;;
	esac
	case $2 in debug|plain) ;; *) return 1 ;; esac
	kbuild_arch "$1" || return 1
	OUT=$SRC/O-$1-$2
	IMAGE=$BUILD/kernel/$NAME/$BOOT
	LOG=$LOGS/kernel-$NAME.log
}

# kbuild_arch ARCH: compiler and names of an architecture
kbuild_arch() {
	KARCH=$1
	case $1 in
	arm64) BOOT=arch/arm64/boot/Image MACHINE=aarch64 ;;
	x86) BOOT=arch/x86/boot/bzImage MACHINE=x86_64 ;;
	*) return 1 ;;
	esac
	CROSS=
	GCC_PACKAGE=gcc
	if [ "$(uname -m)" != $MACHINE ]; then
		CROSS=$MACHINE-linux-gnu-
		GCC_PACKAGE=gcc-${MACHINE/_/-}-linux-gnu
	fi
	CC="ccache ${CROSS}gcc"
}

# kbuild_env COMMAND...: everything that would make two builds differ is fixed
kbuild_env() {
	CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 \
	CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-3G} CCACHE_SLOPPINESS=time_macros \
	KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
	KBUILD_BUILD_USER=testbed KBUILD_BUILD_HOST=testbed "$@"
}

kmake() {
	kbuild_env make -C "$SRC" O="$OUT" ARCH="$KARCH" CROSS_COMPILE="$CROSS" \
		CC="$CC" LOCALVERSION="-$KERNEL" -j"$JOBS" "$@"
}

fragments() {
	local name
	for name in common "$KARCH" "$FLAVOUR" added; do
		printf '%s\n' "$CONFIGS/$name.config"
	done
	[ ${#MORE_FRAGMENTS[@]} = 0 ] || printf '%s\n' "${MORE_FRAGMENTS[@]}"
}

objects_done() {
	printf '%d of about %d objects' "$(grep -cE '^  (CC|AS|AR|LD) ' "$1")" \
		"${OBJECTS[$KARCH-$FLAVOUR]}"
}

# Fragments onto allnoconfig, as kbuild's own merge_config.sh puts them together.
kconfig() {
	local merged=$OUT/.config.merged list
	local log=$LOGS/kconfig-$NAME.log
	mkdir -p "$LOGS" "$OUT"
	{
		mapfile -t list < <(fragments)
		(cd "$SRC" && scripts/kconfig/merge_config.sh -m -O "$OUT" "${list[@]}") &&
			mv "$OUT/.config" "$merged" &&
			kmake KCONFIG_ALLCONFIG="$merged" allnoconfig
	} >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "kernel $NAME: configuration failed, see $log"
	}
	kconfig_check "$merged" "$OUT/.config"
}

# kconfig_check WANTED GOT: every option asked for is as it was asked for
kconfig_check() {
	local line option lost=()
	while read -r line; do
		case $line in
		CONFIG_*=*) option=${line%%=*} ;;
		"# CONFIG_"*" is not set") option=${line#\# }; option=${option%% *} ;;
		*) continue ;;
		esac
		case $line in
		*=*) grep -qxF -- "$line" "$2" && continue ;;
		*) grep -q "^$option=" "$2" || continue ;;
		esac
		if series_adds "$option" && ! option_known "$option"; then
			continue
		fi
		lost+=("wanted $line, got $(grep -w "$option" "$2" || echo nothing)")
	done <"$1"
	[ ${#lost[@]} = 0 ] ||
		die "kernel $NAME: options that Kconfig did not keep:" "${lost[@]}" \
		    "a dependency is missing in testbed/guest/config"
}

series_adds() {
	case $1 in
	*_KUNIT_TEST) ;;
	*) grep -q "^$1=" "$CONFIGS/added.config" ;;
	esac
}

option_known() {
	git -C "$SRC" grep -qw "config ${1#CONFIG_}" -- '*Kconfig*'
}
