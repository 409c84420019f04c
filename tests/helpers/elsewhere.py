"""A program that runs netspec as if on Windows: without the names that only POSIX has, and with its rules for files.

Each line of stdin is the words of a command, in JSON; a line of stdout is its exit code. `!` as the first word sends
SIGINT in the middle of the training.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

LIBRARIES = (
    "filelock numba numpy platformdirs psutil pydantic rich.live safetensors.numpy socket threadpoolctl typer yaml"
)
MODULES = "crypt fcntl grp posix pty pwd resource syslog termios tty"
KEPT = {"SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV", "SIG_DFL", "SIG_IGN"}
OF_SIGNAL = "alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait"
OF_OS = """O_DIRECTORY chown chroot ctermid fchdir fchown fdatasync fork forkpty getegid
geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresuid getsid getuid killpg lchown lockf memfd_create
mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn pread preadv pwrite pwritev readv
register_at_fork sched_getaffinity sched_setaffinity sched_yield setgid setpgid setpriority setsid setuid statvfs sync
sysconf ttyname uname wait3 wait4 writev"""
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def take_away() -> None:
    """Take away what Windows does not have, after the libraries are loaded that use it here."""
    for name in LIBRARIES.split():
        import_module(name)
    for name in MODULES.split():
        sys.modules[name] = None  # type: ignore[assignment]
    for name in [name for name in dir(signal) if re.fullmatch("SIG[A-Z_0-9]+", name) and name not in KEPT]:
        delattr(signal, name)
    for module, names in ((signal, OF_SIGNAL), (os, OF_OS)):
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile
    open_ = os.open

    def opened(path: Any, *args: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
        return open_(path, *args, **options)

    os.open = opened


def obey(event: str, args: tuple[Any, ...]) -> None:
    """Refuse names that Windows refuses, and to replace or delete a file that is open."""
    made = {"open": args[:1], "os.rename": args[1:2], "os.mkdir": args[:1]}.get(event, ())
    if event == "open" and not (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        made = ()
    for path in made:
        for part in Path(os.fsdecode(path)).parts[1:] if not isinstance(path, int) else ():
            if FORBIDDEN.search(part):
                raise OSError(22, "Invalid argument", path)
    gone = {"os.rename": args[:2], "os.remove": args[:1]}.get(event, ())
    for path in gone:
        if "lock" in Path(path).name:  # filelock has other ways on Windows
            continue
        if os.path.realpath(path) in {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}:
            raise PermissionError(13, "The process cannot access the file because it is being used", path)


def main() -> None:
    """Run the commands."""
    take_away()
    from netspec.cli import app
    from netspec.training.session import Session

    step = Session.step

    def stepped(self: Session) -> float:
        if sys.argv[0] == "!" and self.iteration == 7:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    Session.step = stepped  # type: ignore[method-assign]
    sys.addaudithook(obey)
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        words = json.loads(line)
        sys.argv = words if words[0] == "!" else ["netspec", *words]
        try:
            app.main()
        except SystemExit as ended:
            out.write(f"{ended.code}\n")


if __name__ == "__main__":
    main()
