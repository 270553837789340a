"""A program on a terminal of its own, and a person who answers it."""

import os
import pty
import select
import time


def typed(command, answers, environment=None, seconds=60):
    """Each prompt gets the next answer. Returns status and all that the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, os.environ if environment is None else environment)
    shown, answers, stop = b"", list(answers), time.time() + seconds
    while time.time() < stop:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if shown.endswith(b": ") and answers:
            time.sleep(0.05)
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()
