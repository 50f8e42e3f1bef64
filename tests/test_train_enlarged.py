"""A network that sees its picture enlarged: its grids, and how a narrower one of that kind takes over from another."""
import os
import sys

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
torch.set_num_threads(1)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "train"))
import losses  # noqa: E402
import narrow  # noqa: E402
import network  # noqa: E402


def settled(variant):
    """A network of random weights whose batch norms are not as they begin."""
    torch.manual_seed(5)
    made = network.build(variant)
    for name, value in made.state_dict().items():
        if ".conv." not in name and value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5)
    return made.eval()


@pytest.fixture
def small(monkeypatch):
    """Variants of ``tiny`` that are quickly computed: enlarged, and enlarged with narrower layers."""
    tiny = network.VARIANTS["tiny"]
    monkeypatch.setitem(network.VARIANTS, "tiny-enlarged", dict(tiny, inner=network.INNER))
    monkeypatch.setitem(network.VARIANTS, "tiny-narrow", dict(tiny, stem=(16, 16, 24), refine=4, wide=(16, 40)))


def noise(count):
    """Pictures with coarse noise."""
    torch.manual_seed(6)
    return torch.nn.functional.interpolate(torch.rand(count, 3, 34, 60) * 255, (540, 960), mode="bilinear")


def test_the_grids_of_an_enlarged_picture_are_those_of_the_picture(small):
    pictures = noise(1)
    with torch.no_grad():
        plain, enlarged = (network.build(v).eval()(pictures) for v in ("tiny", "tiny-enlarged"))
    assert [o.shape for o in enlarged] == [o.shape for o in plain]


@pytest.mark.parametrize("stride, shape, wanted", [(4, (172, 300), (136, 240)), (8, (86, 150), (68, 120))])
def test_features_come_back_as_bilinear_ones(stride, shape, wanted):
    features = torch.randn((2, 3) + shape)
    found = network.brought_back(features, 1.25, stride)
    assert found.shape[2:] == wanted
    bilinear = torch.nn.functional.interpolate(features[:, :, :wanted[0] * 5 // 4], size=wanted, mode="bilinear")
    assert torch.allclose(found, bilinear, atol=1e-5)
    assert network.brought_back(features, 1, stride) is features


def test_what_is_not_narrower_stays_as_it_was(capsys):
    old, pictures = settled("tiny"), noise(2)
    new = narrow.narrowed(network.build("tiny"), old, pictures)
    with torch.no_grad():
        found, wanted = new(pictures), old(pictures)
    for a, b in zip(found, wanted):
        assert (a - b).square().mean() < 1e-3 * b.var()
    assert capsys.readouterr().out.count("0.000 of the variance left") > 40


def test_narrower_layers_make_about_the_same_of_a_picture(small):
    old, pictures = settled("tiny"), noise(3)
    new = narrow.narrowed(network.build("tiny-narrow"), old, pictures[:2])
    assert network.count(new)[1] < 0.9 * network.count(old)[1]
    with torch.no_grad():
        fresh, found, wanted = (n(pictures[2:])[3] for n in (network.build("tiny-narrow").eval(), new, old))
    centred = wanted - wanted.mean((0, 2, 3), keepdim=True)
    assert (found - wanted).square().mean() < 0.3 * centred.square().mean() < (fresh - wanted).square().mean()


def test_an_enlarged_network_answers_in_the_pictures_own_pixels(small):
    old, pictures = settled("tiny"), noise(2)
    new = narrow.narrowed(network.build("tiny-enlarged"), old, pictures)
    with torch.no_grad():
        found = new(pictures)[4]
        seen = network.brought_back(old(network.scaled(pictures, network.INNER))[4], network.INNER, 8)
    assert (found.exp() * 8).mean() == pytest.approx(float((seen.exp() * 8 / network.INNER).mean()), rel=0.05)


def test_kept_channels_tell_what_the_others_do():
    torch.manual_seed(7)
    rows = torch.randn(500, 6)
    rows[:, 3], rows[:, 4] = rows[:, 0] * 2, rows[:, 1] * 0.01
    assert {k % 3 if k in (3, 4) else k for k in narrow.chosen(rows, torch.ones(6), 4)} == {0, 1, 2, 5}
    assert narrow.chosen(rows, torch.tensor([3.0, 0, 1, 0, 900, 1]), 2) == [0, 4]


def test_features_are_measured_against_how_they_vary():
    wanted, sure = torch.randn(2, 5, 4, 4), torch.zeros(2, 4, 4)
    assert losses.feature_loss([wanted], [(wanted, sure)]) == 0
    mean = wanted.mean((0, 2, 3), keepdim=True).expand_as(wanted)
    assert float(losses.feature_loss([mean], [(wanted, sure)])) == pytest.approx(1, rel=0.05)
    sure[0, 0, 0], there, elsewhere = 1.0, wanted.clone(), wanted.clone()
    there[0, :, 0, 0] += 1
    elsewhere[1, :, 2, 2] += 1
    assert losses.feature_loss([there], [(wanted, sure)]) > 5 * losses.feature_loss([elsewhere], [(wanted, sure)])
