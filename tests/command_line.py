"""The command line tools as a user runs them, without importing everything anew, which would take most of the time.

`tool` forks a process that has everything imported already; `in_process` runs a tool in that of the tests; `anew` and
`script` go the whole way, with interpreters of their own.
"""

import functools
import gc
import importlib.util
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.launch import run_tool
from sacl_mm.registry import DATASETS, HOOKS, METRICS, MODELS, RUNNERS

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """For a command that is started anew."""
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(paths))


@functools.cache
def import_all() -> None:
    """What a training imports on its way, so that forked processes need not; the libraries do so when they first need it."""
    import matplotlib.backends.backend_agg  # noqa: F401

    for registry in (DATASETS, HOOKS, METRICS, MODELS, RUNNERS):
        registry.get('sacl_mm.none')
    load_mmpretrain()
    gc.collect()
    gc.freeze()


@dataclass
class Done:
    """As `subprocess.CompletedProcess`; of several processes the greatest code, and the output of all."""

    returncode: int
    stdout: str
    stderr: str


class Forked:
    """`act` in a process of its own, as the main program of which it ends as `act` does, with its output in files."""

    def __init__(self, act: Callable[[], None], env: dict[str, str] | None = None) -> None:
        import_all()
        self._folder = tempfile.TemporaryDirectory()
        self.files = [Path(self._folder.name, name) for name in ('stdout', 'stderr')]
        for file in self.files:
            file.touch()
        self.process = multiprocessing.get_context('fork').Process(target=self._run, args=(act, env or {}))
        self.process.start()

    def _run(self, act: Callable[[], None], env: dict[str, str]) -> None:
        os.environ.update(env)
        os.chdir(ROOT)
        sys.stdout, sys.stderr = (file.open('w', buffering=1) for file in self.files)
        for number, stream in enumerate((sys.stdout, sys.stderr), start=1):
            os.dup2(stream.fileno(), number)
        act()

    def wait_for(self, words: str, seconds: float = 120) -> None:
        """Until they are printed."""
        end = time.monotonic() + seconds
        while words not in self.output():
            assert time.monotonic() < end, self.output()
            assert self.process.is_alive(), self.output()
            time.sleep(0.01)

    def output(self) -> str:
        return ''.join(file.read_text() for file in self.files)

    def end(self, seconds: float = 300) -> Done:
        """Waits for it."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError(f'not ended after {seconds} s: {self.output()[-3000:]}')
        stdout, stderr = (file.read_text() for file in self.files)
        return Done(self.process.exitcode, stdout, stderr)


def ranks(processes: int) -> list[dict[str, str]]:
    """The environment that torchrun gives to each of some processes."""
    return [
        dict(RANK=str(i), LOCAL_RANK=str(i), WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=_port())
        for i in range(processes)
    ]


def _port() -> str:
    return str(20000 + os.getpid() % 20000)


def _words(arguments: Iterable[object], options: Sequence[str]) -> list[str]:
    return [*map(str, arguments), *(['--cfg-options', *options] if options else [])]


def started(name: str | Path, *arguments: object, options=(), env: dict[str, str] | None = None) -> Forked:
    """A tool that runs: a file below tools/, or one of another place."""
    given = [str(name), *_words(arguments, options)]

    def act() -> None:
        sys.argv = given
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    return Forked(act, env)


def tool(name: str | Path, *arguments: object, options=(), check: bool = True, env=None, processes: int = 1) -> Done:
    """Run a tool to its end, on several gloo processes if so wanted."""
    launcher = ['--launcher', 'pytorch'] if processes > 1 else []
    places = ranks(processes) if processes > 1 else [{}]
    running = [started(name, *arguments, *launcher, options=options, env={**(env or {}), **place}) for place in places]
    ended = [process.end() for process in running]
    done = Done(
        max(abs(one.returncode) for one in ended),
        *(''.join(x) for x in zip(*((one.stdout, one.stderr) for one in ended), strict=True)),
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def anew(*command: object, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run a command, with interpreters of its own."""
    done = subprocess.run(
        [*map(str, command)], env=environment() | (env or {}), cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def script(name: str, *arguments: object, options=(), check: bool = True) -> subprocess.CompletedProcess:
    """Run a shell script of tools/."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    environment = dict(PORT=_port(), PATH=path)
    return anew('bash', f'tools/{name}', *_words(arguments, options), check=check, env=environment)


def load_tool(name: str) -> ModuleType:
    """`tools/NAME.py` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    return module


def in_process(monkeypatch, name: str, *arguments: object, options=()) -> None:
    """Run `tools/NAME.py` in this process, where what a tool does not catch is another exception than SystemExit."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('sys.argv', [f'{name}.py', *_words(arguments, options)])
    run_tool(load_tool(name).main)
