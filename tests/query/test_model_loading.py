"""Loading of models, with the loader of the checkpoint or into a given module."""

from pathlib import Path

import pytest
import torch

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.query.run import RecordedRun
from runfolio.query.store import open_folio


class Net(torch.nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, width)
        self.dropout = torch.nn.Dropout()


@pytest.fixture
def trained() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def save(store, trained):
    def save(loader: str | None = None, metric: float | None = 0.5) -> RecordedRun:
        with runfolio.init("net", store=store) as run:
            run.checkpoint(model=trained, step=3, metric=metric, loader=loader, meta={"classes": ["cat", "dog"]})
        return open_folio(store).run("net")

    return save


@pytest.mark.parametrize("module", [Net, lambda: Net(3), Net()], ids=["class", "function", "module"])
def test_model_is_loaded_into_a_given_module(save, trained: Net, module):
    model = save().load_model(module)

    assert torch.equal(model.layer.weight, trained.layer.weight)
    assert not model.training


def test_default_checkpoint_is_the_best_else_the_last(save):
    assert save(metric=None).checkpoint().name == "last"


def test_checkpoint_is_chosen_by_its_name(store):
    with runfolio.init("net", store=store) as run:
        for step, metric in enumerate([0.9, 0.5]):
            run.checkpoint(model=Net(), step=step, metric=metric)
    recorded = open_folio(store).run("net")

    assert [(recorded.checkpoint(name).step) for name in ("best", "last")] == [0, 1]
    with pytest.raises(NotFound, match="it has best, last"):
        recorded.checkpoint("first")


def test_module_that_does_not_fit_is_refused_with_all_keys(save):
    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(2, 1, bias=False)

    run = save()
    with pytest.raises(
        ConfigError, match=r"does not fit Other: missing: head.weight; unexpected: layer.bias, layer.weight"
    ):
        run.load_model(Other)
    with pytest.raises(
        ConfigError, match=r"does not fit Net: of a different shape: layer.weight \(.*\), layer.bias \("
    ):
        run.load_model(lambda: Net(7))


def test_class_that_needs_arguments_is_refused_with_the_remedy(save):
    class Sized(torch.nn.Module):
        def __init__(self, hidden: int) -> None:
            super().__init__()

    with pytest.raises(ConfigError, match=r"Sized needs arguments \(missing .*'hidden'\); pass a function that builds"):
        save().load_model(Sized)


def test_load_model_refuses_a_target_that_is_not_a_module(save):
    with pytest.raises(ConfigError, match=r"load_model needs a torch.nn.Module"):
        save().load_model(dict)


def test_checkpoint_without_a_loader_needs_the_class(save):
    with pytest.raises(ConfigError, match=r"pass the class: `load_model\(MyNet\)`"):
        save().load_model()


def test_run_without_checkpoints_is_reported(store, write):
    write()

    with pytest.raises(NotFound, match="it has none"):
        open_folio(store).run("net").load_model(Net)


def test_flipped_byte_is_detected_before_the_model_is_built(save):
    run = save()
    (tensors,) = (run.folder / "checkpoints").glob("*.model.safetensors")
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)

    with pytest.raises(DamagedFile, match="SHA-256"):
        run.load_model(Net)


@pytest.mark.parametrize("loader", ["nonesuch", "os.system", "../evil", "json:loads"])
def test_missing_loader_is_never_imported(save, loader: str):
    run = save(loader)

    with pytest.raises(ConfigError, match=r"no installed package provides the model loader .*; known: .*vision"):
        run.load_model()
    with pytest.raises(ConfigError, match="no installed package provides"):
        run.predict(["a.png"])


def test_an_installed_loader_builds_the_model_and_predicts(save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The loader is in another package, which declares an entry point."""
    (tmp_path / "toy_package.py").write_text(
        "import torch\n"
        "class Loaded:\n"
        "    def __init__(self, checkpoint):\n"
        "        tensors = checkpoint.tensors('model')\n"
        "        self.model = torch.nn.Linear(*tensors['layer.weight'].shape[::-1])\n"
        "        self.classes = checkpoint.meta['classes']\n"
        "    def predict(self, images):\n"
        "        return [self.classes[len(image) % 2] for image in images]\n"
    )
    about = tmp_path / "toy_package-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[runfolio.loaders]\ntoy = toy_package:Loaded\nbare = a_package_not_installed:Loaded\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = save("toy")

    model = run.load_model()
    assert isinstance(model, torch.nn.Linear)
    assert not model.training
    assert run.predict(["a", "bb"]) == ["dog", "cat"]

    (run.folder / "checkpoints" / "best.json").write_text(
        (run.folder / "checkpoints" / "best.json").read_text().replace('"toy"', '"bare"')
    )
    with pytest.raises(ConfigError, match="'bare' needs the package a_package_not_installed; install it"):
        run.load_model()
