#!/usr/bin/env bash
# One training without ranks, as a rank of one, and on 2, 4, 8 of these devices: threads of a process, and processes as a
# launcher starts them. All must end with the same weights. On GPUs a rank of one has NCCL in its recorded step too.
#   bash bench/ranks_check.sh MELGRAD CACHE DEVICES [PRECISION]     DEVICES as cuda:0,cuda:1; cpu,cpu only to try this script
set -uo pipefail
melgrad=$1 cache=$2 precision=${4:-f32} failed=0
IFS=, read -ra devices <<< "$3"
kind=${devices[0]%%:*}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

options=(--json --precision "$precision" train "$cache" --recipe dong2018-fixed --set train.batch=16 --set train.shards=8)
[ "$kind" = cpu ] && options+=(--threads 1)  # whose number the bits of a CPU depend on
# train RUN LAUNCHER... -- OPTIONS...: the digest of the weights that 20 epochs end with.
train() {
  local run=$1 launcher=()
  for word in "${@:2}"; do [ "$word" = -- ] && break; launcher+=("$word"); done
  shift $((2 + ${#launcher[@]}))
  "${launcher[@]}" "$melgrad" "${options[@]}" --set train.epochs=20 --out "$scratch/$run" "$@" 2> "$scratch/$run.log" |
    sed -n 's/.*"weights": "\([0-9a-f]*\)".*/\1/p'
}
# same NAME, and what `train` takes: whether it ends as the first did.
alone=
same() {
  local weights
  weights=$(train "${@:2}")
  printf '%-32s %s\n' "$1" "${weights:-nothing}"
  [ -n "$weights" ] && [ "$weights" = "${alone:=$weights}" ] && return
  failed=1
  tail -n 5 "$scratch/$2.log"
}
# numbered RANK SIZE: puts what torchrun would tell that process in `place`.
numbered() {
  place=(env "RANK=$1" "LOCAL_RANK=$1" "WORLD_SIZE=$2" "LOCAL_WORLD_SIZE=$2" MASTER_ADDR=127.0.0.1 MASTER_PORT=29500)
}

same "no ranks, ${devices[0]}" alone -- --device "${devices[0]}"
same "a rank of one" one -- --devices "${devices[0]}"
for ((size = 2; size <= ${#devices[@]} && size <= 8; size *= 2)); do
  list=$(IFS=,; echo "${devices[*]:0:size}")
  same "$size threads, $list" "threads-$size" -- --devices "$list"
  if [ "$kind" = cuda ]; then
    for ((rank = 1; rank < size; ++rank)); do
      numbered "$rank" "$size"
      train "follower-$size-$rank" "${place[@]}" -- --device cuda &
    done
    numbered 0 "$size"
    same "$size processes by number" "numbered-$size" "${place[@]}" -- --device cuda
    wait
  fi
  if command -v mpirun > /dev/null && [ -f "$(dirname "$melgrad")/libmelgrad_mpi.so" ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    same "$size processes by MPI" "mpi-$size" mpirun --oversubscribe --bind-to none -n "$size" -- --device "$kind"
  fi
done

# A process that is killed ends the other, by NCCL's error or after the time given.
if [ "$kind" = cuda ] && [ "${#devices[@]}" -ge 2 ]; then
  processes=()
  for rank in 0 1; do
    numbered "$rank" 2
    "${place[@]}" "$melgrad" "${options[@]}" --device cuda --set train.epochs=100000 --save-every 1 \
      --collective-timeout 10 --out "$scratch/killed" > /dev/null 2> "$scratch/killed-$rank.log" &
    processes+=($!)
  done
  for ((i = 0; i < 300; ++i)); do [ -f "$scratch/killed/checkpoint.h5" ] && break; sleep 0.1; done
  kill -KILL "${processes[1]}"
  (sleep 40; kill -KILL "${processes[0]}") 2> /dev/null &
  clock=$!
  wait "${processes[0]}"
  code=$?
  kill "$clock" 2> /dev/null
  echo "one of two was killed: the other's exit code is $code"
  tail -n 1 "$scratch/killed-0.log"
  [ "$code" = 5 ] || failed=1
fi
exit $failed
