# Where jobs run; sourced by run.sh. The recipe stays as it is, whichever is chosen here.
# Options after the name go to all jobs: --mem 4G, --num-threads 2, --max-jobs-run 20.

# This machine, as many jobs at a time as it has cores:
train_cmd="utils/parallel/run.py"
decode_cmd="utils/parallel/run.py"

# Slurm; what it needs besides goes into --option:
# train_cmd="utils/parallel/slurm.py --mem 4G --option --partition=standard"
# decode_cmd="utils/parallel/slurm.py --mem 4G --max-jobs-run 20"

# Grid Engine; --num-threads 2 asks for two slots of a parallel environment named smp:
# train_cmd="utils/parallel/queue.py --mem 4G --option '-q all.q'"
# decode_cmd="utils/parallel/queue.py --mem 4G"
