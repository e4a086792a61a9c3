# SPDX-License-Identifier: GPL-2.0
# The QEMU source tree: base, what this project adds, how it is kept; source it
# instead of lib.sh.
#
#	testbed/qemu/version	the verified version and its checksum
#	testbed/qemu/src/	new files at their QEMU paths
#	testbed/qemu/patches/	changes to existing files, series
#
# build/qemu-src is a git repository: tag base, branch series = base + one commit
# with the new files + the patches.
# shellcheck shell=bash disable=SC2034
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

HERE=$TOP/testbed/qemu
BASE=qemu
TREE=$BUILD/qemu-src
PATCHES=$HERE/patches
OVERLAY=$HERE/src
DOWNLOADS=$CACHE/qemu
TOOLS=$BUILD/qemu-tools			# unpacked packages of Debian 13
. "$TOP/testbed/series.sh"

qemu_field() { sed -n "s/^$1=//p" "$HERE/version"; }

# inputs_of OVERLAY PATCHES: fingerprint of what is put on top of the base
inputs_of() {
	(cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
	(cd "$2" && cat series && sed -e 's/#.*//' -e '/^[[:space:]]*$/d' series |
		xargs -r sha256sum)
}

inputs() { inputs_of "$OVERLAY" "$PATCHES" | sha256sum | cut -d' ' -f1; }

# overlay_commit OVERLAY: print a commit of base + the new files. No work tree is
# touched; same files, same commit.
overlay_commit() {
	local index tree
	index=$(mktemp -u "$BUILD/.index.XXXXXX")
	GIT_INDEX_FILE=$index in_tree read-tree base
	GIT_INDEX_FILE=$index in_tree --work-tree="$1" \
		add --force --ignore-removal .
	tree=$(GIT_INDEX_FILE=$index in_tree write-tree)
	rm -f "$index"
	git_env env GIT_AUTHOR_NAME=testbed GIT_AUTHOR_EMAIL=testbed@localhost \
		GIT_COMMITTER_NAME=testbed GIT_COMMITTER_EMAIL=testbed@localhost \
		GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000' \
		git -C "$TREE" commit-tree "$tree" -p "$(in_tree rev-parse base^0)" \
		-m "New files of the test bed"
}

# apply_all OVERLAY PATCHES: sets APPLIED, on a conflict FAILED and ERRORS
apply_all() {
	local name files=()
	for name in $(sed -e 's/#.*//' "$2/series"); do
		[ -f "$2/$name" ] || die "$2/series names $name, which is not there"
		files+=("$2/$name")
	done
	apply_patches "$(overlay_commit "$1")" "${files[@]}"
}
