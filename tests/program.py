"""The whole program in a process of its own, as a user starts it."""
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def edgecam(*words, **kwargs):
    """Run the program in a process of its own; return (exit code, stdout, stderr)."""
    environment = dict(os.environ, PYTHONPATH=ROOT, **kwargs.pop("env", {}))
    done = subprocess.run([sys.executable, "-m", "edgecam"] + [str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, timeout=120, **kwargs)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def start(*words):
    """Start the program, with no signal ignored: `nohup` or a shell's background may have started the tests."""
    return subprocess.Popen([sys.executable, "-m", "edgecam"] + [str(word) for word in words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT), preexec_fn=heed_signals)


def heed_signals():
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def wait_for_size(path, size, process, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.path.exists(str(path)) and os.path.getsize(str(path)) >= size:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("{} did not grow to {} bytes".format(path, size))
