#!/usr/bin/env python3
"""Run jobs on a Slurm cluster as one array job, each with its own log, and wait for them.

slurm.py [options] [JOB=1:8] log/x.JOB.log command ... JOB ...

JOB is replaced by 1 to 8 in the log's name and in the command; any name will do. The command is
run as it stands, without a shell (use bash -c '...' for a pipe), in the current directory, which
the machines must share.

options (the same for run.py, slurm.py and queue.py):
  --max-jobs-run N    jobs at a time (default: as many as Slurm will run)
  --num-threads N     processors of each job (default 1), exported as OMP_NUM_THREADS and the like
  --mem 2G            memory of each job (default: the partition's)
  --stop-at-failure   end the other jobs when one fails (default: run them all)
  --option "..."      options for sbatch, such as --option "--partition=short --time=2:00:00"

in   the command
out  log/x.JOB.log   its command and start, what it wrote to stdout and stderr, its status and time
     log/q/          the script and Slurm's own messages, kept where a job failed
exit status          0, or 1 if any job failed; failed jobs are named, with the tails of their logs

When slurm.py is interrupted or terminated, or whoever started it is gone, its jobs are cancelled.

e.g. utils/parallel/slurm.py --mem 1G JOB=1:2 exp/log/hello.JOB.log echo "this is job JOB"
"""

from utils.parallel.cluster import ask, run_on, submitted


class Slurm:
    task_variable = "SLURM_ARRAY_TASK_ID"

    def submit(self, script, name, request, work):
        array = f"{request.jobs[0]}-{request.jobs[-1]}"
        if request.max_jobs_run:
            array += f"%{request.max_jobs_run}"
        command = ["sbatch", "--parsable", "--no-requeue", f"--job-name={name}",
                   f"--array={array}", f"--cpus-per-task={request.num_threads}",
                   "--output=" + str(work).replace("%", "%%") + "/output.%a"]
        if request.mem:
            command.append(f"--mem={max(1, request.mem >> 20)}M")
        return submitted([*command, *request.options, str(script)]).split(";")[0]

    def tasks(self, job_id):
        status, output, errors = ask(["squeue", "-h", "-r", "-o", "%K", "-j", job_id])
        if "Invalid job id" in errors:
            return set()
        return None if status else {int(task) for task in output.split() if task.isdecimal()}

    def cancel(self, job_id):
        ask(["scancel", "--quiet", job_id])


def main(argv=None):
    return run_on(Slurm(), __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
