#!/bin/bash
# Spread a month over a Slurm cluster: docs/slurm.sh 2014-03 [--data DIR] [--requests DIR] ...
# One job a request, each after those that share people with it, then one that puts the release
# together. Folders lie on a file system that all nodes see and that has locks. Prints the last job.
set -euo pipefail
release=$1
shift
order=$(jdl order "$release" "$@")
declare -A job
while IFS=: read -r id first; do
    after=
    for one in $first; do after+=:${job[$one]}; done
    job[$id]=$(sbatch --parsable --job-name="jdl-$id" --cpus-per-task=1 --output=/dev/null \
        ${after:+--dependency=afterany$after} --wrap "jdl run $id ${*@Q}")
done <<< "$order"
all=$(printf ':%s' "${job[@]}")
sbatch --parsable --job-name="jdl-$release" --dependency="afterany$all" --output=/dev/null \
    --wrap "jdl release $release ${*@Q}"
