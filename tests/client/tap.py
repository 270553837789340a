"""Test Anything Protocol for tests in Python: names as sentences, one case after the other."""

import contextlib
import sys
import time
import traceback


class Skip(Exception):
    """Raised inside a case: it cannot be tried here."""


class Tap:
    def __init__(self, subject):
        self.subject = subject
        self.run = self.bad = 0

    def line(self, good, sentence, note=""):
        self.run += 1
        self.bad += not good
        print(f"{'' if good else 'not '}ok {self.run} - {self.subject}: {sentence}{note}", flush=True)

    def ok(self, good, sentence, more=""):
        """A case that has been tried already. `more` is said when it is bad. Returns whether it is good."""
        self.line(bool(good), sentence)
        if not good and more != "":
            print("# " + str(more).replace("\n", "\n# "), flush=True)
        return bool(good)

    @contextlib.contextmanager
    def case(self, sentence):
        """One case: what is raised inside it is its failure."""
        try:
            yield
        except Skip as why:
            self.line(True, sentence, f" # SKIP {why}")
        except Exception:
            self.line(False, sentence)
            for row in traceback.format_exc().splitlines():
                print("#", row)
            sys.stdout.flush()
        else:
            self.line(True, sentence)

    def done(self):
        """Prints the plan; returns the exit status."""
        print(f"1..{self.run}", flush=True)
        return 1 if self.bad else 0


def brief(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "..."


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {brief(got)}, want {brief(want)}")


def holds(truth, what):
    if not truth:
        raise AssertionError(what)


@contextlib.contextmanager
def raises(kind, **attributes):
    """The block raises `kind` with these attributes; yields a list that gets the exception."""
    caught = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    if not caught:
        raise AssertionError(f"no {kind.__name__} was raised")
    for name, want in attributes.items():
        got = getattr(caught[0], name)
        if got != want:
            raise AssertionError(f"{name}: got {got!r}, want {want!r}; {caught[0]}")


def eventually(probe, seconds=5.0):
    """What `probe` returns once it is true."""
    end = time.monotonic() + seconds
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {got!r}")
        time.sleep(0.02)
