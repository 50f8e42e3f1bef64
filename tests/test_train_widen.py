"""Weights that move to a network of other widths: the same function where nothing is lost, close to it where the pool moves."""
import copy
import os
import sys

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("cv2")
pytest.importorskip("onnx")
torch.set_num_threads(1)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "train"))
import network  # noqa: E402
import widen  # noqa: E402

SMALL = {"stem": (8, 8, 16), "neck": (32, 16, 16), "depth": (1, 1), "refine": 8}


def small(rows):
    return network.DetectNet(rows=rows, **SMALL).eval()


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    return seasoned(network.Rows(0.25))


def seasoned(rows):
    """A network whose batch norms have seen something, as a trained one's have."""
    old = small(rows)
    with torch.no_grad():
        old.train()
        for _ in range(30):
            old(pictures())
    return old.eval()


def pictures(count=4):
    coarse = torch.rand(count, 3, 5, 7) * 255
    return torch.nn.functional.interpolate(coarse, (64, 96), mode="bicubic").clamp(0, 255)


def test_wider_branches_change_nothing(trained):
    """New filters are read with zeros, so the outputs are those of before."""
    torch.manual_seed(2)
    old, new, shown = copy.deepcopy(trained).double(), small(network.Rows(0.5, 32)).double(), pictures().double()
    with torch.no_grad():
        widen.widen(new, old, shown, 0)
        for found, wanted in zip(new(shown), old(shown)):
            assert torch.allclose(found, wanted, atol=1e-9) and wanted.std() > 1e-3
    assert sum(m.conv.out_channels for m in new.modules() if isinstance(m, network.ConvBN)) > 1.2 * sum(
        m.conv.out_channels for m in trained.modules() if isinstance(m, network.ConvBN))


def test_a_pool_that_moves_is_fitted(trained, capsys):
    torch.manual_seed(3)
    shown, errors = pictures(8), []
    for steps in (1, 150):
        new = small(network.Rows(0.25, 8, pool_last=True))
        with torch.no_grad():
            widen.widen(new, trained, shown, steps)
        lines = capsys.readouterr().out.split("\n")[:-1]
        errors.append([float(line.split()[2]) for line in lines])
    assert len(errors[0]) == 9 and max(errors[1]) < 0.7
    assert all(fitted < begun for begun, fitted in zip(*errors))


def test_readers_do_without_what_is_gone(monkeypatch):
    """Fitted to the channels that are left they are closer to before than with the rest alone."""
    torch.manual_seed(4)
    shown, errors = pictures(8), []
    old = seasoned(network.Rows(0.5, 32, pool_last=True))
    with torch.no_grad():
        for mend in (widen.Carried.mend, lambda *arguments: None):
            monkeypatch.setattr(widen.Carried, "mend", mend)
            new = small(network.Rows(0.5, 32, pool_last=True, most=96))
            widen.widen(new, old, shown, 0)
            errors.append(sum(float((a - b).square().mean()) for a, b in zip(new(shown), old(shown))))
    assert errors[0] < 0.7 * errors[1]


def test_a_narrower_branch_keeps_what_is_read_most():
    assert widen.kept(4, 2, torch.tensor([0.1, 3.0, 0.2, 2.0])) == [1, 3]
    assert widen.kept(2, 4, None) == [0, 1, widen.NEW, widen.NEW]
