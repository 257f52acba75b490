#!/bin/bash
# Spread a month over a Slurm cluster: docs/slurm.sh 2014-03 [--data DIR] [--requests DIR] ...
# One job a request, each after those that share people with it, then one that puts the release
# together. Folders lie on a file system that all nodes see and that has locks. Prints the last job.
# What each job said is in the restricted logs of the outputs. SBATCH_MEM_PER_NODE names the memory
# to ask for where 4 GB will not do.
set -euo pipefail
umask 077
release=$1
shift
order=$(jdl order "$release" "$@")
outputs=outputs before=
for one; do
    case $one in --o*=*) outputs=${one#*=} ;; esac
    case $before in --o*=*) ;; --o*) outputs=$one ;; esac
    before=$one
done
logs=$outputs/.restricted/logs/$release
mkdir -p "$logs"

submit() { # the name of a job, the jobs before it, and its command for a plain sh
    local name=$1 after=$2 command=jdl quote="'\\''" one
    shift 2
    for one; do command+=" '${one//\'/$quote}'"; done
    sbatch --parsable --job-name="jdl-$name" --cpus-per-task=1 \
        --mem="${SBATCH_MEM_PER_NODE:-4G}" --output="${logs//%/%%}/%x.log" \
        ${after:+--dependency="afterany$after"} --wrap "$command"
}

declare -A job
all=
while IFS=: read -r id first; do
    [ -n "$id" ] || continue
    after=
    for one in $first; do after+=:${job[$one]}; done
    job[$id]=$(submit "$id" "$after" run "$id" "$@")
    all+=:${job[$id]}
done <<< "$order"
submit "$release" "$all" release "$release" "$@"
