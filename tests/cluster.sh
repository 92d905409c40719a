#!/usr/bin/env bash
# The files of apps/cluster without a cluster: arrays by a loop over what Slurm and Kubernetes set, srun by mpirun, a job
# that is stopped by USR1 and queued again; each must end with what one process ends with.
#   bash tests/cluster.sh     MELGRAD is the program, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages python3-yaml
melgrad=$(realpath "${MELGRAD:-build/cpu/bin/melgrad}")
files=$PWD/apps/cluster
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin
ln -s "$melgrad" bin/melgrad
export PATH=$work/bin:$PATH
quietly() { "$@" > log 2>&1 || { cat log >&2; echo "cluster.sh: failed: $*" >&2; exit 1; }; }
same() { cmp "$1" "$2" && echo "$3: the bytes of one process"; }

quietly melgrad synth --out music --classes 3 --tracks-per-class 8 --seconds 4
quietly melgrad extract music --recipe dong2018-fixed --out one.h5

# SCRIPT: once for each task of its array, or of the first that many.
as_array() {
  local last=${2:-$(sed -n 's/^#SBATCH --array=0-//p' "$files/$1")} task
  for task in $(seq 0 "$last"); do
    quietly env SLURM_ARRAY_TASK_ID="$task" SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX="$last" \
      SLURM_ARRAY_TASK_COUNT=$((last + 1)) SLURM_CPUS_PER_TASK=1 bash "$files/$1"
  done
}

export DATA=music OUT=array.h5
as_array extract.sbatch
quietly melgrad merge array.h5
same array.h5 one.h5 extract.sbatch

# FILE CONTAINER: its command, a line each, with /data here.
command_of() {
  python3 - "$files/$1" "$2" << 'END'
import sys, yaml
def containers(node):
    if isinstance(node, dict):
        yield from node.get("containers", [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node: yield from containers(each)
job = yaml.safe_load(open(sys.argv[1]))
found = [c for c in containers(job) if c["name"] == sys.argv[2]]
assert len(found) == 1, found
env = {e["name"]: e["value"] for e in found[0].get("env", [])}
assert "MELGRAD_PARTS" not in env or int(env["MELGRAD_PARTS"]) == job["spec"]["completions"], env
print("env", *[f"{k}={v}" for k, v in env.items()], *[w.replace("/data/", "") for w in found[0]["command"]], sep="\n")
END
}
mapfile -t command < <(command_of indexed-job.yaml melgrad)
for index in $(seq 0 15); do JOB_COMPLETION_INDEX=$index quietly "${command[@]}"; done
quietly melgrad merge features.h5 --out indexed.h5
same indexed.h5 one.h5 indexed-job.yaml

export DATA=one.h5 OUT=runs RECIPE=short.toml SPLITS=3
melgrad recipe dong2018-fixed | sed 's/^epochs = .*/epochs = 2/; s/^batch = .*/batch = 8/; s/^filters = .*/filters = 4/' > short.toml
as_array runs.sbatch 1
quietly melgrad reproduce dong2018 --collect runs
quietly melgrad reproduce dong2018 --gtzan one.h5 --recipe short.toml --splits 3 --out alone
same runs/result.json alone/result.json runs.sbatch

if ! command -v mpirun > /dev/null; then echo "skipped: no mpirun, so neither train.sbatch nor mpi-job.yaml"; exit 0; fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
weights() { sed -n 's/.*weights \([0-9a-f]\{16\}\)$/\1/p' "$1"; }
short=(--set train.epochs=40 --set model.filters=8)
quietly melgrad --threads 1 train one.h5 --recipe dong2018-fixed "${short[@]}" --set train.batch=8 \
  --set train.shards=4 --out direct
weights log > expected

# Slurm's two commands: srun is mpirun, told to stop after three checkpoints the first time; scontrol says it was asked.
cat > bin/srun << 'END'
#!/usr/bin/env bash
[ "$1" = --mpi=pmix ] && shift
mpirun --oversubscribe --bind-to none -n 2 "$@" --save-every 0 > told 2>&1 &
job=$!
if [ ! -e stopped-once ]; then
  until [ -e "$RUN/checkpoint.h5" ]; do sleep 0.05; done
  touch stopped-once
  kill -USR1 $job
fi
wait $job
code=$?
cat told
exit $code
END
printf '#!/bin/sh\necho "$*" >> queued\n' > bin/scontrol
chmod +x bin/srun bin/scontrol
export SLURM_JOB_ID=7 SLURM_JOB_NAME=melgrad-train RUN=run SHARDS=4 BATCH=8
melgrad recipe dong2018-fixed | sed 's/^epochs = .*/epochs = 40/; s/^filters = .*/filters = 8/' > long.toml
code=0
RECIPE=long.toml bash "$files/train.sbatch" > log 2>&1 || code=$?
[ $code = 130 ] || { cat log >&2; echo "cluster.sh: train.sbatch ended with $code, not 130" >&2; exit 1; }
[ "$(cat queued)" = "requeue 7" ]
quietly bash "$files/train.sbatch"
[ -s expected ] && weights log | cmp - expected && echo "train.sbatch, stopped and queued again: the weights of one process"

# As many ranks as the job has, on fewer cores; the trained run is the launcher's, whose command begins with env mpirun.
rm -r run
short=(--set train.epochs=2 --set model.filters=4 --set train.batch=8)
melgrad extract music --recipe dong2018-fixed --out features.h5 > log 2>&1
mapfile -t command < <(command_of mpi-job.yaml launcher)
quietly "${command[@]:0:2}" --oversubscribe "${command[@]:2}" "${short[@]}"
weights log > on-ranks
mapfile -t command < <(printf '%s\n' "${command[@]}" | sed '1,/^melgrad$/d')
mv run ranks
quietly melgrad --threads 1 "${command[@]}" "${short[@]}"
[ -s on-ranks ] && weights log | cmp - on-ranks && echo "mpi-job.yaml: the weights of one process"
