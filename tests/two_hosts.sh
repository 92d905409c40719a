#!/usr/bin/env bash
# One training on two hosts of two ranks each, which are network namespaces of this machine, joined by MPI over TCP: it
# ends with the weights of one process. Needs to be root and to be allowed namespaces; else says so and passes.
#   bash tests/two_hosts.sh     MELGRAD is the program, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
melgrad=$(realpath "${MELGRAD:-build/cpu/bin/melgrad}")
work=$(mktemp -d)
net=10.77.$(($$ % 250)) bridge=mg$$
host() { echo "melgrad-$$-$1"; }
clean() {
  ip netns del "$(host 1)" 2>/dev/null || true
  ip netns del "$(host 2)" 2>/dev/null || true
  ip link del "$bridge" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
command -v mpirun >/dev/null || { echo "skipped: no mpirun"; exit 0; }
if ! command -v ip >/dev/null || ! ip netns add "$(host 1)" 2>"$work/why"; then
  echo "skipped: no network namespaces here: $(cat "$work/why" 2>/dev/null)"
  exit 0
fi
ip netns add "$(host 2)"
ip link add "$bridge" type bridge
ip addr add "$net.254/24" dev "$bridge"
ip link set "$bridge" up
for k in 1 2; do
  ip link add "$bridge-$k" type veth peer name eth0 netns "$(host $k)"
  ip link set "$bridge-$k" master "$bridge" up
  ip -n "$(host $k)" addr add "$net.$k/24" dev eth0
  ip -n "$(host $k)" link set eth0 up
  ip -n "$(host $k)" link set lo up
  echo "$net.$k slots=2"
done > "$work/hosts"
# What a remote shell does, into a namespace: HOST COMMAND...
cat > "$work/rsh" << END
#!/usr/bin/env bash
host=melgrad-$$-\${1##*.}; shift
exec ip netns exec "\$host" unshare --uts bash -c "hostname \$host; \$*"
END
chmod +x "$work/rsh"

"$melgrad" synth --out "$work/music" --classes 3 --tracks-per-class 8 --seconds 4 > "$work/log"
"$melgrad" extract "$work/music" --out "$work/c.h5" > "$work/log" 2>&1
train() {  # RUN
  echo --json --threads 1 train "$work/c.h5" --recipe dong2018-fixed --set train.epochs=3 --set train.batch=8 \
    --set train.shards=4 --set model.filters=8 --out "$work/$1"
}
weights() { sed -n 's/.*"weights": "\(.*\)".*/\1/p' "$1"; }
# shellcheck disable=SC2046 -- options
"$melgrad" $(train alone) > "$work/alone.json" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
over=(--hostfile "$work/hosts" --bind-to none --mca plm_rsh_agent "$work/rsh" --mca btl "tcp,self" --mca pml ob1
  --mca btl_tcp_if_include "$net.0/24" --mca oob_tcp_if_include "$net.0/24")
timeout 60 mpirun -n 4 "${over[@]}" hostname | sort | uniq -c | tee "$work/names"
[ "$(awk '$1 == 2' "$work/names" | wc -l)" = 2 ]  # two ranks on each of two
# shellcheck disable=SC2046 -- options
timeout 120 mpirun -n 4 "${over[@]}" "$melgrad" $(train two) > "$work/two.json" 2> "$work/log" ||
  { cat "$work/log" >&2; exit 1; }
echo "one process $(weights "$work/alone.json"), two hosts $(weights "$work/two.json")"
[ -n "$(weights "$work/two.json")" ] && [ "$(weights "$work/alone.json")" = "$(weights "$work/two.json")" ]
