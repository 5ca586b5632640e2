"""The first signal is kept for later, the second is obeyed at once, and outside the block all is as it was."""

import signal
import threading

import pytest

from finesight.backend.interrupt import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_waits_second_does_not(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.signal == 0
        signal.raise_signal(number)
        assert stop.signal == number
        assert "interrupt again to stop at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(number) is before


def test_nothing_happens_without_a_signal() -> None:
    with StopRequest() as stop:
        pass
    assert stop.signal == 0


def test_another_thread_leaves_signals_alone() -> None:
    """Python gives signals to the main thread only; training in another, as a notebook does, must still start."""
    before, found = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with StopRequest() as stop:
            found.append((stop.signal, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(0, before)]
