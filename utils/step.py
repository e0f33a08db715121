"""What every step shares: options, conf files, .done, whole-or-nothing outputs, messages.

A step's main() reads like this:

    def main(argv=None):
        step = Step(__file__, __doc__, jobs=4)
        step.add("--num-ceps", type=int, default=13, help="cepstra kept, with the 0th")
        step.add("data", help="data directory")
        args = step.parse(argv)
        inputs = [f"{args.data}/wav.scp"]
        if step.up_to_date(args.data, inputs):
            return 0
        ...validate...
        with step.output(args.data) as out:       # a hidden directory beside the results
            ...write into out...
        return step.finish("1203 utterances, 1.4 hours")
"""

import argparse
import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from utils.command_line import Parser

ROOT = Path(__file__).resolve().parent.parent
RUN = shlex.quote(str(ROOT / "utils/parallel/run.py"))        # where jobs run unless --cmd says
VERSION = "0.1.0"
WHOLE_HASH_BYTES = 64 << 20   # files up to this size are hashed whole, larger ones by size and time
# What fills a directory of its own, and the steps that make it: it is theirs that ran last.
KINDS = {
    "a lang directory": ("prepare_lang",),
    "a GMM system": ("train_mono", "train_deltas", "train_lda_mllt", "train_sat", "adapt_map",
                     "make_mono_tree"),
    "alignments": ("align",),
    "a network": ("train", "train_mmi", "transfer", "apply_adapter", "mix", "prune", "factor",
                  "distill", "quantize", "quantize_aware", "check_adaptable"),
    "networks of several languages": ("train_multi",),
    "posteriors": ("compute_posteriors",),
    "pdfs by sound": ("map_phones",),
    "a graph": ("make_graph",),
    "lattices": ("decode", "decode_fmllr", "rescore"),
    "scores of several": ("combine",),
    "a package": ("package",),
}
NOT_FINGERPRINTED = {"force", "cmd", "nj", "config", "job", "work", "num_workers"}

_name = "graft"


class UserError(SystemExit):
    """A user's mistake: one line on stderr and exit status 1.

    UserError("data/x/text:3", "utterance u7 has no words", "add them or run fix_data_dir.py")
    prints  step: data/x/text:3: utterance u7 has no words (add them or run fix_data_dir.py)
    """

    def __init__(self, where, what, do=None):
        self.line = f"{where}: {what}" + (f" ({do})" if do else "")
        super().__init__(f"{_name}: {self.line}")
        self.what, self.do = what, do


def _told(kind, error, trace):
    """One line in place of a traceback where a user or a full disk stopped the step."""
    if issubclass(kind, KeyboardInterrupt):
        log("interrupted, and nothing is half done (run it again)")
    elif issubclass(kind, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        where = f"{error.filename}: " if error.filename else ""
        log(f"{where}cannot be written, {os.strerror(error.errno).lower()} (make room and run it "
            "again)")
    else:
        sys.__excepthook__(kind, error, trace)


def log(message):
    """One line on stderr, with the step's name before it."""
    print(f"{_name}: {message}", file=sys.stderr, flush=True)


class Step:
    """One run of one step: its options, whether it need run at all, and its outputs.

    file, doc  the step's __file__ and __doc__; the docstring is the --help text
    jobs       the default of --nj; None for a step that is not split into jobs
    .family    names of the steps that make what it makes, see KINDS
    """

    def __init__(self, file, doc, jobs=None):
        global _name
        self.file = Path(file).resolve()
        self.name = _name = self.file.stem
        self.started = time.time()
        sys.excepthook = _told
        self.parser = Parser(
            prog=self.file.name, description=doc, add_help=True, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add("--config", metavar="FILE", action="append", default=[],
                 help="options from a file, one --name=value a line; the command line wins")
        self.add("--force", action="store_true", help="run even if nothing has changed")
        if jobs:
            self.add("--nj", type=positive, default=jobs, help=f"jobs (default {jobs})")
            self.add("--cmd", default=RUN,
                     help="how jobs are run: utils/parallel/run.py, slurm.py or queue.py, "
                          "with options")
            self.add("--job", type=int, default=0, help=argparse.SUPPRESS)
            self.add("--work", default="", help=argparse.SUPPRESS)

    @property
    def family(self):
        return next((names for names in KINDS.values() if self.name in names), (self.name,))

    def add(self, *args, **kwargs):
        return self.parser.add_argument(*args, **kwargs)

    def parse(self, argv=None):
        """The options: those of --config files first, then the command line's."""
        argv = list(sys.argv[1:] if argv is None else map(str, argv))
        self.argv = argv
        self.args = self.parser.parse_args(self._config_options(argv) + argv)
        self.is_job = bool(getattr(self.args, "job", 0))
        log(shlex.join([_short(self.file), *argv]))
        return self.args

    def _config_options(self, argv):
        if "-h" in argv or "--help" in argv:
            return []
        from utils.data.tables import read_lines  # which imports this file
        known = Parser(prog=self.file.name, add_help=False, allow_abbrev=False)
        known.add_argument("--config", action="append", default=[])
        options = []
        for path in known.parse_known_args(argv)[0].config:
            if not Path(path).is_file():
                raise UserError(path, "no such conf file")
            for number, line in enumerate(read_lines(path), 1):
                option = line.split("#", 1)[0].strip()
                if not option:
                    continue
                name = option.partition("=")[0]
                if name in ("--config", "--help"):
                    raise UserError(f"{path}:{number}", f"{name} is for the command line alone",
                                    "take it out")
                if not option.startswith("--") or name not in self.parser._option_string_actions:
                    raise UserError(f"{path}:{number}", f"{name} is no option of {self.file.name}",
                                    "one --name=value a line; see --help")
                options.append(option)
        return options

    # up to date?

    def options(self):
        """The options that change the result, as they go into .done: what JSON makes of them."""
        options = {k: v for k, v in sorted(vars(self.args).items()) if k not in NOT_FINGERPRINTED}
        return json.loads(json.dumps(options, default=str))

    def key(self):
        """A hash of what the result is made from, once up_to_date() has looked at it."""
        return key_of(self.options(), self.inputs)

    def up_to_date(self, directory, inputs):
        """True, and says so, if <directory>/.done tells of this step with these options and inputs,
        and of no other of its family.

        inputs: files, of which those that do not exist are left out of the fingerprint
        raises UserError where something of another kind is in the directory
        """
        check_no_file(directory)
        self.check_kind(directory)
        self.inputs = fingerprint(inputs)
        records = read_done(directory)
        done = records.get(self.name)
        alone = not any(name in records for name in self.family if name != self.name)
        if done and alone and not self.args.force and self._same_options(done["options"]) \
                and done["inputs"] == self.inputs \
                and all((Path(directory) / f).exists() for f in done["outputs"]):
            log(f"{directory}: up to date (--force runs it again)")
            return True
        return False

    def _same_options(self, recorded):
        """Whether a run had these options. One that came to the step later, at its default, does
        what was done before it came.
        """
        options = self.options()
        return options == recorded | {
            name: json.loads(json.dumps(self.parser.get_default(name), default=str))
            for name in options.keys() - recorded.keys()}

    def check_kind(self, directory):
        """UserError if a step that fills a directory is given one of data, or of another kind."""
        if self.family not in KINDS.values():
            return
        found = read_done(directory).keys()
        if found & set(self.family):
            return
        held = [kind for kind, names in KINDS.items() if found & set(names)]
        if (Path(directory) / "utt2spk").exists():
            held.append("data")
        if held:
            raise UserError(directory, f"holds {held[0]}, which {self.name}.py does not make",
                            "name another directory")

    @contextmanager
    def output(self, directory):
        """A hidden directory to write into; on leaving it without an error, its files move to
        <directory>, what only an earlier run of its family wrote there goes, and .done is written
        last. On an error nothing of <directory> has changed.
        """
        directory = Path(directory)
        self.directory = directory
        check_no_file(directory)
        work = directory / f".{self.name}.{os.getpid()}.tmp"
        with writing_to(directory):
            directory.mkdir(parents=True, exist_ok=True)
            remove_stale(directory, self.name)
            work.mkdir()
        try:
            yield work
            outputs = sorted(str(p.relative_to(work)) for p in work.rglob("*") if not p.is_dir())
            _check_room(directory / name for name in outputs)
            stale = _outputs(directory, self.family) - set(outputs)
            _write_done(directory, self.family, None)
            for entry in sorted(work.iterdir()):
                _move(entry, directory / entry.name)
            for name in stale:
                (directory / name).unlink(missing_ok=True)
            self.outputs = outputs
            _write_done(directory, [self.name], {
                "options": self.options(), "inputs": self.inputs, "outputs": outputs,
                "command": shlex.join([_short(self.file), *self.argv]), "version": VERSION,
                "date": time.strftime("%Y-%m-%d %H:%M:%S"),
                "seconds": round(time.time() - self.started, 2)})
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def finish(self, summary):
        """The last line of the log: counts with units, and the time it took. Returns 0."""
        log(f"{summary} ({time.time() - self.started:.1f} s)")
        return 0

    # jobs

    def num_jobs(self, count, what="utterances"):
        """--nj, capped at count with a note."""
        if self.args.nj > count:
            log(f"{count} {what}, so {count} jobs and not {self.args.nj}")
        return max(1, min(self.args.nj, count))

    def run_jobs(self, num_jobs, log_dir, work, arguments=None):
        """Run this script again as jobs 1..num_jobs through --cmd, with --job JOB --work <work>.

        Each job sees this run's own command line; log files are <log_dir>/<step>.JOB.log.
        arguments: a command line to use in place of this run's own
        """
        run_command([*split_command(self.args.cmd),
                     *numbered(num_jobs, f"{log_dir}/{self.name}.JOB.log",
                               self.job_command(num_jobs, work, arguments))])

    def job_command(self, num_jobs, work, arguments=None):
        """This script's command line as one job of many, with a literal JOB for its number."""
        return [sys.executable, str(self.file),
                *(self.argv if arguments is None else map(str, arguments)),
                "--nj", str(num_jobs), "--job", "JOB", "--work", str(work)]


def run_command(command):
    """Run one of utils/parallel; its failure, already explained on stderr, ends this step."""
    environment = dict(os.environ, PYTHONSAFEPATH="1")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT)] + [p for p in [os.environ.get("PYTHONPATH")] if p])
    try:
        process = subprocess.Popen([str(c) for c in command], env=environment)
    except OSError as error:
        raise UserError("--cmd", f"{command[0]} cannot be run, {error.strerror.lower()}",
                        "such as utils/parallel/run.py") from None
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()     # it ends its jobs, which may take some seconds
        process.wait()
        raise
    if status:
        raise SystemExit(f"{_name}: jobs failed, see the log files named above")


def split_command(cmd):
    """The words of a --cmd."""
    try:
        return shlex.split(cmd)
    except ValueError as error:
        raise UserError("--cmd", f"{cmd} cannot be split into words, {error}") from None


def numbered(num_jobs, log_pattern, command):
    """[JOB=1:num_jobs, log, *command] for utils/parallel, JOB being a name that is in no word.

    log_pattern  <dir>/<name>.JOB.log
    command      words, of which those that are JOB become the job's number
    """
    folder, name = os.path.split(str(log_pattern))
    words, job = [str(word) for word in command], "JOB"
    while any(job in word for word in [folder, *(word for word in words if word != "JOB")]):
        job += "X"
    log_file = os.path.join(folder, name.replace(".JOB.", f".{job}."))  # noqa: PTH118 (as it is)
    return [f"{job}=1:{num_jobs}", log_file, *(job if word == "JOB" else word for word in words)]


def share(items, job, num_jobs):
    """Job's part (1-based) of a sequence, cut into num_jobs runs of nearly equal length."""
    count = len(items)
    return items[count * (job - 1) // num_jobs: count * job // num_jobs]


def fingerprint(paths):
    """{path: hash} of the files that exist; large files by size and modification time."""
    result = {}
    for path in map(Path, paths):
        if not path.is_file():
            continue
        if path.stat().st_size <= WHOLE_HASH_BYTES:
            result[str(path)] = hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest()
        else:
            result[str(path)] = _size_and_time(path)
        if path.name == "feats.scp" and not path.with_name("feats.json").exists():
            result.update(_archives(path))
    return result


def _size_and_time(path):
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _archives(feats_scp):
    """{archive: size and modification time} of features that no feats.json tells of, Kaldi's."""
    return {path: _size_and_time(Path(path)) for path in sorted(archives_of(feats_scp))
            if Path(path).is_file()}


def archives_of(scp):
    """Paths of the archives that an scp names, without pipes."""
    lines = Path(scp).read_text("utf-8", "replace").splitlines()
    return {archive_of(line.partition(" ")[2])[0] for line in lines} - {None, ""}


def archive_of(value):
    """(path, offset) of an scp's `path:offset`, with or without a range in brackets at its end.

    path is None for a pipe; offset is 0 where the file is the matrix
    """
    value = re.sub(r"\[[^\]]*\]$", "", value.strip())
    if value.endswith("|"):
        return None, 0
    path, _, offset = value.rpartition(":")
    if path and offset.isascii() and offset.isdigit():
        return path, int(offset)
    return value, 0


def key_of(options, inputs):
    """A hash of options and of a fingerprint() of inputs; the same where the result would be."""
    text = json.dumps([options, inputs], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def check_no_file(directory):
    """UserError if a file stands where a directory is to be, or to be made."""
    for path in [Path(directory), *Path(directory).parents]:
        if path.exists():
            if not path.is_dir():
                raise UserError(path, "is a file, and a directory is to be there",
                                "move it, or name another directory")
            return


@contextmanager
def writing_to(directory):
    """UserError where what is done inside fails as a directory cannot be made or written to."""
    try:
        yield
    except OSError as error:
        raise UserError(directory, f"cannot be written to, {error.strerror.lower()}") from None


def _check_room(paths):
    """UserError if where a file is to be is a directory, or where its directory is, a file."""
    folders = set()
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            raise UserError(path, "is a directory, and a file is to be there",
                            "move it, or name another file")
        folders.add(path.parent)
    for folder in folders:
        check_no_file(folder)


def check_apart(target, *sources):
    """UserError if the file or directory to be written is one of those that are read."""
    if any(Path(source).resolve() == Path(target).resolve() for source in sources):
        raise UserError(target, "is both source and destination", "name another for what is made")


def read_done(directory):
    """{step name: what it recorded} of <directory>/.done, {} if there is none that can be read."""
    try:
        found = json.loads((Path(directory) / ".done").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def made_of_another(directory, path):
    """Whether .done tells that a directory was made of files called as this one, but not of it."""
    told = {value for done in read_done(directory).values()
            for other, value in done.get("inputs", {}).items()
            if Path(other).name == Path(path).name}
    return bool(told) and told.isdisjoint(fingerprint([path]).values())


def write_atomic(path, data):
    """Write text (UTF-8) or bytes so that the file is there whole or not at all.

    raises UserError where it cannot be written: a full disk, a directory that is read only
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(path, f"cannot be written, {error.strerror.lower()}") from None


def _outputs(directory, names):
    """Files that steps of these names have left in a directory and no other step has."""
    done = read_done(directory)
    own = [done.pop(name, {}).get("outputs", []) for name in names]
    return set().union(*own).difference(*(entry["outputs"] for entry in done.values()))


def _write_done(directory, names, entry):
    """Put an entry, of one name, into .done, or take those of all names out of it."""
    done = read_done(directory)
    if not done.keys() & set(names) and entry is None:
        return
    for name in names:
        done.pop(name, None)
    if entry:
        done[names[0]] = entry
    write_atomic(Path(directory) / ".done", json.dumps(done, indent=1, ensure_ascii=False) + "\n")


def _move(source, target):
    if source.is_dir() and not source.is_symlink():
        target.mkdir(exist_ok=True)
        for entry in sorted(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        source.replace(target)


def remove_stale(directory, name):
    """Remove the work directories .<name>.<pid>.tmp of processes that are no more."""
    for stale in Path(directory).glob(f".{name}.*.tmp"):
        pid = stale.name.split(".")[-2]
        if not (pid.isdigit() and is_alive(int(pid))):
            shutil.rmtree(stale, ignore_errors=True)


def is_alive(pid):
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:      # another user's
        pass
    return True


def _short(path):
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def numbers(option, text, example):
    """The floats of an option's text, with commas between; UserError if they are none."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(option, f"{text} are no numbers", f"such as {example}") from None


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value
