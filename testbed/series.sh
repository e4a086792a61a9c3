# SPDX-License-Identifier: GPL-2.0
# The patch series as commits; source after lib.sh. State kept in $TREE's git:
#	refs/testbed/exported	the branch as it was last imported or exported
#	testbed.patches		fingerprint of the patch files at that time
# shellcheck shell=bash

SERIES=$PATCHES/series

in_tree() { git_env git -C "$TREE" "$@"; }

# series_patches: the series' files, in order
series_patches() { [ ! -f "$SERIES" ] || sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$SERIES"; }

# stock_patches: those that stock gets too
stock_patches() { python3 "$TOP/testbed/status.py" stock "$PATCHES"; }

fingerprint() {
	local name
	for name in $(series_patches); do
		echo "$name"
		cat "$PATCHES/$name"
	done | sha256sum | cut -d' ' -f1
}

remember() {
	in_tree update-ref refs/testbed/exported "$1"
	in_tree config testbed.patches "$2"
}

# unexported: what would be lost if branch series were made anew; empty = nothing
unexported() {
	local dir
	dir=$(in_tree rev-parse --absolute-git-dir)
	[ ! -d "$dir/rebase-apply" ] && [ ! -d "$dir/rebase-merge" ] ||
		echo "a git am or git rebase in progress"
	[ "$(in_tree rev-parse series)" = "$(in_tree rev-parse refs/testbed/exported)" ] ||
		echo "branch series has moved since the last import or export"
	[ -z "$(in_tree status --porcelain --untracked-files=no)" ] ||
		echo "uncommitted changes"
}

# apply_patches START LABEL FILE...: commit each patch onto START in an index of
# its own (no work tree is touched, so no file gets a new date for nothing).
# Sets APPLIED to the last commit; on a conflict also FAILED, ERRORS.
apply_patches() {
	local dir patch
	APPLIED=$(in_tree rev-parse "$1") FAILED=
	shift
	dir=$(mktemp -d "$BUILD/.apply.XXXXXX")
	GIT_INDEX_FILE=$dir/index in_tree read-tree "$APPLIED"
	for patch; do
		if ! apply_one "$dir" "$patch"; then
			FAILED=$patch
			ERRORS=$(cat "$dir/errors")
			break
		fi
	done
	rm -rf "$dir"
}

apply_one() {
	local dir=$1 patch=$2 tree
	in_tree mailinfo "$dir/message" "$dir/diff" <"$patch" >"$dir/info" || return
	GIT_INDEX_FILE=$dir/index in_tree apply --cached --whitespace=nowarn "$dir/diff" \
		2>"$dir/errors" || return
	tree=$(GIT_INDEX_FILE=$dir/index in_tree write-tree)
	APPLIED=$(commit_as_mailed "$dir" "$tree")
}

field() { sed -n "s/^$2: //p" "$1/info"; }

# The committer is the author, so the same patches always make the same commits.
commit_as_mailed() {
	local dir=$1 tree=$2 name email date
	name=$(field "$dir" Author) email=$(field "$dir" Email) date=$(field "$dir" Date)
	{
		field "$dir" Subject
		[ ! -s "$dir/message" ] || { echo; cat "$dir/message"; }
	} | GIT_AUTHOR_NAME=${name:-testbed} GIT_AUTHOR_EMAIL=${email:-testbed@localhost} \
	    GIT_AUTHOR_DATE=${date:-@0 +0000} \
	    GIT_COMMITTER_NAME=${name:-testbed} GIT_COMMITTER_EMAIL=${email:-testbed@localhost} \
	    GIT_COMMITTER_DATE=${date:-@0 +0000} \
		in_tree commit-tree "$tree" -p "$APPLIED"
}

# say_conflict: which patch, file and hunk did not apply
say_conflict() {
	local place file line
	note "$BASE: ${FAILED##*/} does not apply"
	sed -n 's/^error: patch failed: //p' <<<"$ERRORS" | while read -r place; do
		file=${place%:*} line=${place##*:}
		note "  file $file, hunk at line $line:"
		show_hunk "$FAILED" "$file" "$line" >&2
	done
	grep -v '^error: patch failed: ' <<<"$ERRORS" | sed 's/^/  /' >&2
}

# show_hunk PATCH FILE LINE: the first lines of one hunk
show_hunk() {
	awk -v file="+++ b/$2" -v start="-$3" '
		$0 == file { here = 1; next }
		/^diff --git / { here = 0 }
		here && /^@@ / { split($2, old, ","); shown = old[1] == start ? 12 : 0 }
		here && shown > 0 { print "    | " $0; shown-- }
	' "$1"
}

# switch_to DIR COMMIT GIT-CHECKOUT-ARGUMENT...: only files that differ are
# written. An interrupted switch is redone: the tree was clean before it.
switch_to() {
	local dir=$1 commit=$2 mark
	shift 2
	mark=$(git -C "$dir" rev-parse --absolute-git-dir)/testbed-switching
	if [ -e "$mark" ]; then
		rm -f "${mark%/*}/index.lock"
		set -- --force "$@"
	fi
	touch "$mark"
	git_env git -C "$dir" checkout -q "$@" "$commit"
	rm "$mark"
}
