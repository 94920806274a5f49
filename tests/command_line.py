"""The command line tools, as a user runs them, in processes that are forked: these have everything imported already."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """For a command that is started anew."""
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(paths))


@dataclass
class Done:
    """As `subprocess.CompletedProcess`; of several processes the greatest code, and the output of all."""

    returncode: int
    stdout: str
    stderr: str


class Forked:
    """`act` in a process of its own, as the main program of which it ends as `act` does, with its output in files."""

    def __init__(self, act: Callable[[], None], env: dict[str, str] | None = None) -> None:
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
    port = str(20000 + os.getpid() % 20000)
    return [
        dict(RANK=str(i), LOCAL_RANK=str(i), WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
        for i in range(processes)
    ]


def started(name: str, *arguments: object, options=(), env: dict[str, str] | None = None) -> Forked:
    """A tool that runs."""
    given = [name, *map(str, arguments), *(['--cfg-options', *options] if options else [])]

    def act() -> None:
        sys.argv = given
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')

    return Forked(act, env)


def tool(name: str, *arguments: object, options=(), check: bool = True, env=None, processes: int = 1) -> Done:
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


def script(name: str, *arguments: object, options=()) -> None:
    """Run a shell script of tools/, with its own interpreters."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', f'tools/{name}', *map(str, arguments), '--cfg-options', *options],
        env=environment() | dict(PORT=str(20000 + os.getpid() % 20000), PATH=path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
