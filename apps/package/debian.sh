# Sourced by scripts: Debian's archive beside what this machine's apt is set up for. Works in $debian_work.

# The address that this machine's own packages come from.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $(debian_release)" | sort -u | head -n 1
}
debian_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# apt_with "deb-src SUITE main" ARGUMENTS...: apt-get with this one source and a list of packages of its own.
apt_with() {
  local kind suite parts lists
  read -r kind suite parts <<< "$1"
  lists=$debian_work/lists/$kind-$suite
  mkdir -p "$lists/partial"
  echo "$kind $(debian_mirror) $suite $parts" > "$lists.list"
  local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$lists.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$lists"
    -o APT::Sandbox::User=root)
  "${apt[@]}" update
  "${apt[@]}" "${@:2}"
}
